// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSFront
import DNSWire

/// Puts a zone together from the configuration and from a master file, and remembers where
/// everything stands.
struct ZoneAssembly {
    /// A place in one of the files.
    struct Place {
        var file: String
        var line: Int
        var column: Int

        func complaint(_ text: String) -> Complaint {
            Complaint(file: self.file, line: self.line, column: self.column, text: text)
        }

        var words: String { "\(self.file):\(self.line):\(self.column)" }
    }

    private struct Key: Hashable {
        var owner: DomainName
        /// Nil for the first of the owner's records, whatever it is.
        var type: RecordType?
    }

    private struct Origin {
        var place: Place
        var timeToLive: UInt32
        var isFromMasterFile: Bool
    }

    private(set) var entry: Configuration.ZoneEntry
    private let place: Place
    private var origins: [Key: Origin] = [:]
    /// Record sets as they are so far, to find out what stands twice.
    private var records: Zone
    private(set) var problems: [Complaint] = []
    private(set) var notes: [Complaint] = []
    /// More are counted only.
    private static let most = 20
    private var count = (problems: 0, notes: 0)

    /// Begins with a zone's head.
    init(_ entry: Configuration.ZoneEntry, at place: Place) {
        self.entry = entry
        self.place = place
        self.records = Zone(
            apex: entry.apex, startOfAuthority: entry.startOfAuthority, nameServers: [])
    }

    mutating func complain(_ place: Place, _ text: String) {
        self.count.problems += 1
        if self.count.problems <= Self.most { self.problems.append(place.complaint(text)) }
    }

    private mutating func note(_ place: Place, _ text: String) {
        self.count.notes += 1
        if self.count.notes <= Self.most { self.notes.append(place.complaint(text)) }
    }

    /// Adds a record.
    mutating func add(_ record: Configuration.RecordEntry, at place: Place, isFromMasterFile: Bool)
    {
        let key = Key(owner: record.owner, type: record.data.type)
        let origin = Origin(
            place: place, timeToLive: record.timeToLive, isFromMasterFile: isFromMasterFile)
        if let first = self.origins[key] {
            guard first.isFromMasterFile == isFromMasterFile else {
                // Who reads one of the files would not know of the other's records.
                self.complain(
                    place,
                    "\(record.owner) has \(record.data.type) here and at \(first.place.words): "
                        + "all records of a name and a type stand in one file")
                return
            }
            let before = self.records.records(of: record.owner, record.data.type)?.data.count
            self.records.add(record.owner, timeToLive: record.timeToLive, record.data)
            if before == self.records.records(of: record.owner, record.data.type)?.data.count {
                self.note(place, "this record of \(record.owner) stands twice")
            } else if first.timeToLive != record.timeToLive {
                self.note(
                    place,
                    "\(record.owner) has \(record.data.type) with a TTL of \(record.timeToLive), "
                        + "and of \(first.timeToLive) at \(first.place.words): the least counts")
            }
        } else {
            self.origins[key] = origin
            self.records.add(record.owner, timeToLive: record.timeToLive, record.data)
        }
        let owner = Key(owner: record.owner, type: nil)
        if self.origins[owner] == nil { self.origins[owner] = origin }
        var record = record
        record.isFromMasterFile = isFromMasterFile
        self.entry.records.append(record)
    }

    /// Adds a `nearest` name.
    mutating func add(_ nearest: Configuration.NearestEntry, at place: Place) {
        let key = Key(owner: nearest.owner, type: nil)
        if self.origins[key] == nil {
            self.origins[key] = Origin(
                place: place, timeToLive: nearest.timeToLive, isFromMasterFile: false)
        }
        self.entry.nearest.append(nearest)
    }

    /// Adds what a master file holds.
    mutating func add(_ file: MasterFile) {
        var soa: Place?
        for item in file.entries {
            let place = Place(
                file: file.files[item.place.file], line: item.place.line,
                column: item.place.column)
            let record = item.record
            guard let found = record.data.startOfAuthority else {
                self.add(
                    Configuration.RecordEntry(
                        owner: record.owner, timeToLive: record.timeToLive, data: record.data),
                    at: place, isFromMasterFile: true)
                continue
            }
            if record.owner != self.entry.apex {
                self.complain(
                    place, "\(record.owner) has an SOA; this is the zone \(self.entry.apex)")
            } else if let soa {
                self.complain(place, "a zone has one SOA; the first is at \(soa.words)")
            } else {
                soa = place
                self.entry.startOfAuthority = found
                self.entry.startOfAuthorityTimeToLive = record.timeToLive
            }
        }
        if soa == nil {
            let file = Place(file: file.files.first ?? self.place.file, line: 0, column: 0)
            self.complain(file, "there is no SOA record of \(self.entry.apex)")
        }
    }

    /// Looks the whole over. Call it once, when all has been added.
    mutating func check() {
        self.entry.state = .read
        guard self.count.problems == 0 else { return self.finish() }
        let zone = self.entry.trialZone
        let problems = zone.problems()
        for problem in problems {
            self.complain(self.place(of: problem.owner, problem.type), "\(problem)")
        }
        for note in problems.isEmpty ? zone.notes() : [] {
            self.note(self.place(of: note.owner, note.type), "\(note)")
        }
        self.finish()
    }

    private mutating func finish() {
        if self.count.problems > 0 { self.entry.state = .missing }
        func more(_ count: Int) -> Complaint {
            self.place.complaint("zone '\(self.entry.apex)': and \(count - Self.most) more")
        }
        if self.count.problems > Self.most { self.problems.append(more(self.count.problems)) }
        if self.count.notes > Self.most { self.notes.append(more(self.count.notes)) }
    }

    private func place(of owner: DomainName, _ type: RecordType?) -> Place {
        let origin =
            self.origins[Key(owner: owner, type: type)]
            ?? self.origins[Key(owner: owner, type: nil)]
        return origin?.place ?? self.place
    }
}
