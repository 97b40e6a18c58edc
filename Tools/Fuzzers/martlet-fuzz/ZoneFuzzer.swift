// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import RouteTable

/// Master files, which may include themselves and another. What is read prints, reads again and is
/// the same on the wire; a zone of it can be judged, and served if it is good: then names in it and
/// around them are asked for.
func fuzzZones(_ bytes: UnsafeRawBufferPointer) {
    guard let origin = try? DomainName(parsing: "example.com") else { return }
    let whole = [UInt8](bytes)
    do throws(MasterFileError) {
        let limits = MasterFile.Limits(bytes: 1 << 20, files: 20, depth: 5)
        let file = try MasterFile(reading: "zone", origin: origin, limits: limits) { path in
            switch path {
            case "zone": return whole
            case "half": return Array(whole.prefix(whole.count / 2))
            default: throw NoSuchFile()
            }
        }
        var zone = Zone(
            apex: origin, startOfAuthority: StartOfAuthority(host: origin, mailbox: origin),
            nameServers: [])
        for entry in file.entries {
            require(entry.place.line > 0 && entry.place.column > 0, "\(entry) has a place")
            checkRoundTrip(entry.record)
            // A zone has one, at its apex.
            if entry.record.owner == origin, let soa = entry.record.data.startOfAuthority {
                zone.startOfAuthority = soa
                zone.timeToLive = entry.record.timeToLive
                continue
            }
            zone.add(entry.record.owner, timeToLive: entry.record.timeToLive, entry.record.data)
        }
        _ = zone.notes()
        // Half of them with names that are steered.
        if whole.count & 1 == 1 {
            for text in ["www.example.com", "*.w.example.com"] {
                guard let name = try? DomainName(parsing: text) else { continue }
                zone.nearest[name] = NearestRecord(policy: 0, timeToLive: 60)
            }
        }
        guard let bench = ZoneBench.shared else {
            require(false, "the bench stands")
            return
        }
        do throws(ZoneError) {
            try bench.serve(zone)
            require(zone.problems().isEmpty, "what is served has no problem")
            bench.ask(zone, file.entries.map(\.record))
            bench.forget()
        } catch {
            require(zone.problems().first == error, "the first problem is said")
            _ = error.description
        }
    } catch {
        require(error.count > 0, "a refusal says why")
        require(error.problems.count <= MasterFileError.maximum, "it is bounded")
        _ = error.description
    }
}

private struct NoSuchFile: Error {}

private func checkRoundTrip(_ record: ResourceRecord) {
    let data = record.data
    require(data.wire.count == data.byteCount, "\(data) has its bytes")
    require(RecordData(type: data.type, wire: data.wire) == data, "\(data) is the same on the wire")
    do {
        let again = try RecordData(parsing: data.description, type: data.type)
        require(again.wire == data.wire, "\(data.type) \(data) reads again")
    } catch {
        require(false, "\(data.type) \(data) reads: \(error)")
    }
    let owner = try? DomainName(parsing: record.owner.description)
    require(owner?.wire == record.owner.wire, "\(record.owner) reads again")
}

/// Asks a zone's names, and those around them. libFuzzer runs one thread.
private final class ZoneBench: @unchecked Sendable {
    // Sendable: libFuzzer calls from one thread only.
    static let shared = try? ZoneBench()

    private let owner: TableOwner
    private let zones = ZoneStore()
    private var reader: OracleReader
    private var responder: Responder
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_535, alignment: 16)

    /// How many records' names are asked, from the first and from the last.
    private static let depth = 6
    private static let moment = DNSMoment(unixTime: 1_800_000_000, milliseconds: 0)

    init() throws {
        self.owner = try TableOwner()
        let sites = [
            Site(
                id: SiteID(rawValue: 0), name: "near", asNumber: 64600,
                addresses: [
                    try IPAddress(parsing: "192.0.2.10"), try IPAddress(parsing: "2001:db8::1"),
                ])
        ]
        self.reader = try Oracle(lookup: self.owner.lookup, world: World(sites: sites)).makeReader()
        self.responder = Responder(
            zones: self.zones, readiness: DNSReadiness(isReady: true), rules: AnswerRulesBox())
    }

    func serve(_ zone: Zone) throws(ZoneError) { try self.zones.replace([zone]) }

    /// Serves nothing: what is kept from one input to the next would look like a leak.
    func forget() {
        _ = try? self.zones.replace([])
        self.reader.withBatch { self.responder.begin(&$0, now: Self.moment) }
    }

    func ask(_ zone: Zone, _ records: [ResourceRecord]) {
        let asked = records.prefix(Self.depth) + records.dropFirst(Self.depth).suffix(Self.depth)
        for record in asked {
            for type in [record.data.type, .a, .any] { self.ask(record.owner, type, of: zone) }
            for name in [
                try? record.owner.child("x".utf8), try? record.owner.child("*".utf8),
                try? record.owner.parent?.child("zz".utf8), record.owner.parent,
                record.data.target,
            ] {
                guard let name else { continue }
                self.ask(name, .aaaa, of: zone)
                self.ask(name, record.data.type, of: zone)
            }
        }
    }

    private func ask(_ name: DomainName, _ type: RecordType, of zone: Zone) {
        let whole = self.answer(name, type, over: .tcp)
        let cut = self.answer(name, type, over: .udp)
        require(cut.code == whole.code, "\(name) \(type) has one code by UDP and TCP")
        require(whole.code != .serverFailure, "\(name) \(type) can be answered")
        // ANY, transfers and the like.
        guard !type.isForMessagesOnly else { return }
        guard name.isInside(zone.apex) else {
            require(whole.code == .refused, "\(name) is in no zone: \(whole.code)")
            return
        }
        require(
            [.noError, .nameError, .nameExists].contains(whole.code),
            "\(name) \(type) in the zone: \(whole.code)")
        let isThere = zone.records[name] != nil || zone.nearest[name] != nil
        require(
            whole.code != .nameError || !whole.answers.isEmpty || !isThere, "\(name) is there")
        // A steered name's records go with its TTL and its sites.
        guard let set = zone.records(of: name, type), zone.nearest[name] == nil,
            whole.flags.contains(MessageHeader.Flags.authoritative),
            !whole.flags.contains(MessageHeader.Flags.truncated)
        else { return }
        let found = whole.answers.filter { $0.owner == name && $0.data.type == type }
        require(
            found.count == set.data.count,
            "\(name) \(type): \(found.count) of \(set.data.count) records")
        require(
            found.allSatisfy { $0.timeToLive == set.timeToLive }, "\(name) \(type) has its TTL")
    }

    /// What is answered, which reads and keeps its bound.
    private func answer(
        _ name: DomainName, _ type: RecordType, over transport: DNSTransport
    ) -> Message {
        let number: UInt16 = 4711
        let query = MessageWriter.encode(
            Message(identifier: number, questions: [Message.Question(name, type)]))
        let bytes = self.reader.withBatch { batch in
            self.responder.begin(&batch, now: Self.moment)
            var response = self.buffer.mutableBytes
            let count = query.withUnsafeBytes { whole in
                self.responder.respond(
                    to: whole.bytes, from: IPAddress(ipv4: 0xc633_6407), over: transport,
                    using: &batch, into: &response)
            }
            return Array(self.buffer.prefix(count))
        }
        require(
            bytes.count <= (transport == .udp ? 512 : 65_535),
            "\(name) \(type): an answer keeps its bound")
        do {
            let message = try bytes.withUnsafeBytes { try Message(reading: $0.bytes) }
            require(message.identifier == number, "an answer is to the question")
            require(message.questions.first?.name == name, "an answer repeats the question")
            return message
        } catch {
            require(false, "\(name) \(type): an answer reads: \(error)")
            return Message(identifier: number)
        }
    }
}
