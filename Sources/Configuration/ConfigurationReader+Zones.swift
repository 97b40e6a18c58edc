// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront
import DNSWire

extension ConfigurationReader {
    /// A zone whose master file is still to be read.
    struct PendingZone {
        /// Its index among the zones.
        var index: Int
        var assembly: ZoneAssembly
        var file: Value
        /// What holds for records before the first `$TTL`.
        var timeToLive: UInt32?
    }

    mutating func readZones(_ value: Value) {
        guard let zones = value.mapping() else { return }
        var lines: [DomainName: Int] = [:]
        for entry in zones.entries {
            guard let apex = self.domainName(entry, called: "a zone's name") else { continue }
            if let first = lines.updateValue(entry.position.line, forKey: apex) {
                self.document.complain(
                    at: entry.position, "zone '\(entry.key)' stands twice: first on line \(first)")
                continue
            }
            self.readZone(entry, apex: apex)
        }
    }

    /// A place in the configuration.
    func place(_ position: Position) -> ZoneAssembly.Place {
        ZoneAssembly.Place(
            file: self.document.file, line: position.line, column: position.column)
    }

    private mutating func readZone(_ entry: Mapping.Entry, apex: DomainName) {
        let name = "zone '\(entry.key)'"
        let complaints = self.document.complaints.count
        guard
            let mapping = Mapping(
                entry, named: name, allowed: ["soa", "ns", "ttl", "records", "file"])
        else { return }
        let file = mapping["file"]
        if file != nil {
            for key in ["soa", "ns"] {
                mapping[key]?.complain(
                    "\(name) has its \(key) in its file: it can't stand here too")
            }
        }
        let nameServers = file == nil ? mapping.require("ns") : nil
        let servers = nameServers?.elements("each of ns").compactMap { $0.hostName() } ?? []
        let timeToLive = mapping["ttl"]?.timeToLive()
        guard let soa = self.readStartOfAuthority(mapping, apex: apex, first: servers.first)
        else { return }
        var assembly = ZoneAssembly(
            Configuration.ZoneEntry(
                apex: apex, file: file?.plainText.map(self.document.resolve),
                startOfAuthority: soa, nameServers: servers, timeToLive: timeToLive ?? 300,
                startOfAuthorityTimeToLive: timeToLive ?? 300, state: .missing),
            at: self.place(entry.position))
        self.readRecords(mapping, of: entry.key, into: &assembly)
        self.result.zones.append(assembly.entry)
        if let file, file.text("a file's path") != nil {
            self.pendingZones.append(
                PendingZone(
                    index: self.result.zones.count - 1, assembly: assembly, file: file,
                    timeToLive: timeToLive))
        } else if file == nil {
            assembly.check()
            self.finish(
                assembly, index: self.result.zones.count - 1,
                hasSerial: mapping["soa"]?.mapping()?["serial"] != nil,
                // What the front would refuse, unless that has been said better.
                complains: self.document.complaints.count == complaints, name: name)
        }
    }

    /// What stands in the configuration alone is good, or the configuration isn't.
    private mutating func finish(
        _ assembly: ZoneAssembly, index: Int, hasSerial: Bool, complains: Bool, name: String
    ) {
        if complains {
            for problem in assembly.problems {
                self.document.complain(
                    at: Position(line: problem.line, column: problem.column),
                    "\(name): \(problem.text)")
            }
        }
        var entry = assembly.entry
        entry.notes = assembly.notes
        if !hasSerial { entry.startOfAuthority.serial = entry.contentSerial }
        self.result.zones[index] = entry
    }

    /// Reads the master files. A bad one keeps its zone from being read, and nothing else.
    mutating func readZoneFiles() {
        for pending in self.pendingZones {
            var assembly = pending.assembly
            guard let path = assembly.entry.file else { continue }
            do throws(MasterFileError) {
                assembly.add(
                    try MasterFile(
                        reading: path, origin: assembly.entry.apex,
                        timeToLive: pending.timeToLive
                    ) { path in
                        try TextFile.read(path, maximum: MasterFile.Limits().bytes).get()
                    })
                assembly.check()
                self.result.zones[pending.index] = assembly.entry
                self.result.zones[pending.index].problems = assembly.problems
                self.result.zones[pending.index].notes = assembly.notes
            } catch {
                self.result.zones[pending.index].problems = self.complaints(error, about: pending)
            }
        }
    }

    private func complaints(_ error: MasterFileError, about zone: PendingZone) -> [Complaint] {
        var complaints = error.problems.map { problem in
            // A file that can't be read is the configuration's mistake.
            problem.line == 0
                ? self.place(zone.file.position).complaint("\(problem)")
                : Complaint(
                    file: problem.file, line: problem.line, column: problem.column,
                    text: "\(problem.reason)")
        }
        if error.count > complaints.count {
            complaints.append(
                self.place(zone.file.position).complaint(
                    "\(zone.assembly.entry.file ?? ""): and "
                        + "\(error.count - complaints.count) more"))
        }
        return complaints
    }

    private func readStartOfAuthority(
        _ zone: Mapping, apex: DomainName, first: DomainName?
    ) -> StartOfAuthority? {
        guard zone["file"] == nil else { return StartOfAuthority(host: apex, mailbox: apex) }
        let keys = ["host", "email", "serial", "refresh", "retry", "expire", "minimum"]
        let soa = zone["soa"]?.mapping(allowed: keys)
        guard zone["soa"] == nil || soa != nil else { return nil }
        let host = soa?["host"].map { $0.hostName() } ?? first
        var mailbox = try? DomainName(parsing: "hostmaster", relativeTo: apex)
        if let email = soa?["email"] {
            // With an at sign, or as a zone file has it: a bare word would be a top-level domain.
            mailbox = email.plainText.flatMap { text in
                text.contains("@") || text.contains(".")
                    ? try? DomainName(mailbox: text) : nil
            }
            if mailbox == nil { email.mustBe("an address, as hostmaster@example.com") }
        }
        guard let host, let mailbox else { return nil }
        var result = StartOfAuthority(host: host, mailbox: mailbox)
        result.serial =
            soa?["serial"]?.integer(0...0xffff_ffff).map { UInt32(clamping: $0) }
            ?? result.serial
        result.refresh = soa?["refresh"]?.timeToLive() ?? result.refresh
        result.retry = soa?["retry"]?.timeToLive() ?? result.retry
        result.expire = soa?["expire"]?.timeToLive() ?? result.expire
        result.minimum = soa?["minimum"]?.timeToLive() ?? result.minimum
        return result
    }

    /// The name that a key gives.
    func domainName(
        _ entry: Mapping.Entry, called what: String, relativeTo origin: DomainName? = nil
    ) -> DomainName? {
        do throws(NameError) {
            return try DomainName(parsing: entry.key, relativeTo: origin)
        } catch {
            self.document.complain(
                at: entry.position, "\(what) must be a domain name, not '\(entry.key)': \(error)")
            return nil
        }
    }
}
