// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront
import DNSWire

extension ConfigurationReader {
    mutating func readZones(_ value: Value) {
        guard let zones = value.mapping() else { return }
        var lines: [DomainName: Int] = [:]
        for entry in zones.entries {
            guard let apex = self.domainName(entry, called: "a zone's name") else { continue }
            if let first = lines.updateValue(entry.position.line, forKey: apex) {
                self.document.complain(
                    at: entry.position, "zone '\(entry.key)' stands twice: first on line \(first)")
            }
            let complaints = self.document.complaints.count
            guard let zone = self.readZone(entry, apex: apex) else { continue }
            self.result.zones.append(zone)
            // What the front would refuse, unless that has been said better.
            guard self.document.complaints.count == complaints else { continue }
            do throws(ZoneError) {
                try zone.zone { _ in 0 }.check()
            } catch {
                self.document.complain(at: entry.position, "zone '\(entry.key)': \(error)")
            }
        }
    }

    private func readZone(
        _ entry: Mapping.Entry, apex: DomainName
    ) -> Configuration.ZoneEntry? {
        let name = "zone '\(entry.key)'"
        guard
            let mapping = Mapping(
                entry, named: name, allowed: ["soa", "ns", "ttl", "records", "file"])
        else { return nil }
        if let file = mapping["file"] {
            file.complain("zone files are not supported by this version: use records")
        }
        // A zone file would name them.
        let nameServers = mapping["file"] == nil ? mapping.require("ns") : mapping["ns"]
        let servers =
            nameServers?.elements("each of ns").compactMap { $0.domainName() } ?? []
        let timeToLive = mapping["ttl"]?.timeToLive() ?? 300
        guard let soa = self.readStartOfAuthority(mapping, apex: apex, first: servers.first)
        else { return nil }
        var zone = Configuration.ZoneEntry(
            apex: apex, startOfAuthority: soa, nameServers: servers, timeToLive: timeToLive)
        if let records = mapping["records"]?.mapping() {
            var lines: [DomainName: Int] = [:]
            for record in records.entries {
                guard let owner = self.owner(record, apex: apex, of: entry.key) else { continue }
                if let first = lines.updateValue(record.position.line, forKey: owner) {
                    self.document.complain(
                        at: record.position,
                        "'\(record.key)' is the same name as the one on line \(first)")
                }
                self.readRecord(record, owner: owner, into: &zone)
            }
        }
        return zone
    }

    private func readStartOfAuthority(
        _ zone: Mapping, apex: DomainName, first: DomainName?
    ) -> StartOfAuthority? {
        let keys = ["host", "email", "serial", "refresh", "retry", "expire", "minimum"]
        let soa = zone["soa"]?.mapping(allowed: keys)
        guard zone["soa"] == nil || soa != nil else { return nil }
        let host = soa?["host"].map { $0.domainName() } ?? first
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

    /// A record's name: relative to the zone, `@` for the zone itself, absolute with a last dot.
    private func owner(
        _ record: Mapping.Entry, apex: DomainName, of zone: String
    ) -> DomainName? {
        guard
            let owner = self.domainName(record, called: "a record's name", relativeTo: apex)
        else { return nil }
        guard owner.isInside(apex) else {
            self.document.complain(
                at: record.position, "'\(record.key)' is outside the zone '\(zone)'")
            return nil
        }
        if let absolute = try? DomainName(parsing: record.key), absolute.isInside(apex),
            !record.key.hasSuffix("."), !apex.isRoot
        {
            self.document.complain(
                at: record.position,
                "'\(record.key)' would be '\(owner)': names are relative to the zone, or end "
                    + "with a dot")
            return nil
        }
        return owner
    }

    private func readRecord(
        _ entry: Mapping.Entry, owner: DomainName, into zone: inout Configuration.ZoneEntry
    ) {
        let name = "record '\(entry.key)'"
        let fixed = ["a", "aaaa", "cname", "txt", "ns", "ttl"]
        let nearest = ["nearest", "answers", "client-subnet"] + Self.choiceKeys
        guard let record = Mapping(entry, named: name, allowed: fixed + nearest) else { return }
        if record.entries.allSatisfy({ $0.key == "ttl" }) {
            record.complain("\(name) has nothing in it")
        }
        let timeToLive = record["ttl"]?.timeToLive() ?? zone.timeToLive
        func add(_ key: String, _ read: (Value) -> RecordData?) {
            for element in record[key]?.elements(key) ?? [] {
                guard let data = read(element) else { continue }
                zone.records.append(
                    Configuration.RecordEntry(
                        owner: owner, timeToLive: timeToLive, data: data))
            }
        }
        add("a") { $0.address(.ipv4).map { .address($0) } }
        add("aaaa") { $0.address(.ipv6).map { .address($0) } }
        add("cname") { $0.domainName().map { .alias($0) } }
        add("ns") { $0.domainName().map { .nameServer($0) } }
        add("txt") { $0.text().map { .text($0) } }
        if let alias = record["cname"] {
            if alias.isList { alias.mustBe("one name") }
            let others = record.entries.first { !["cname", "ttl"].contains($0.key) }
            if let others {
                self.document.complain(
                    at: others.position, "\(name) has a cname, and so nothing else but a ttl")
            } else if owner == zone.apex {
                alias.complain("the zone's own name can't be an alias")
            }
        }
        guard let sites = record["nearest"] else {
            for entry in record.entries where nearest.contains(entry.key) {
                self.document.complain(
                    at: entry.position, "\(entry.key) belongs to a nearest name: \(name) is none")
            }
            return
        }
        for key in ["a", "aaaa"] where record[key] != nil {
            self.document.complain(
                at: record.position(of: key),
                "\(name) is a nearest name: its addresses are those of the sites")
        }
        let names = self.siteNames(sites)
        self.checkAddresses(of: names, sites)
        zone.nearest.append(
            Configuration.NearestEntry(
                owner: owner, timeToLive: timeToLive,
                answers: record["answers"]?.integer(1...64) ?? 1, sites: names,
                usesClientSubnet: record["client-subnet"]?.isOn() ?? true,
                choice: self.choice(record, default: self.result.choice)))
    }

    /// A name's sites must have an address between them.
    private func checkAddresses(of names: [String], _ value: Value) {
        let sites = self.result.sites.filter { names.contains($0.name) }
        if !sites.isEmpty, sites.count == names.count, sites.allSatisfy({ $0.addresses.isEmpty }) {
            value.complain("none of these sites has an address to answer with")
        }
    }

    /// The name that a key gives.
    private func domainName(
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
