// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire

/// The records of zones.
extension ConfigurationReader {
    /// Keys of types whose values aren't written as in a master file.
    private static let plainKeys = ["a", "aaaa", "cname", "txt", "ns"]
    private static let nearestKeys =
        ["nearest", "answers", "service", "alias", "rotate", "hints", "client-subnet"]
        + Self.choiceKeys
    /// All types that have a form in text, by key.
    private static let types: [String: RecordType] = Dictionary(
        RecordType.withText.filter { $0 != .soa }
            .map { ($0.description.lowercased(), $0) }, uniquingKeysWith: { first, _ in first })

    func readRecords(_ zone: Mapping, of key: String, into assembly: inout ZoneAssembly) {
        guard let records = zone["records"]?.mapping() else { return }
        let apex = assembly.entry.apex
        var lines: [DomainName: Int] = [:]
        for record in records.entries {
            guard let owner = self.owner(record, apex: apex, of: key) else { continue }
            if let first = lines.updateValue(record.position.line, forKey: owner) {
                self.document.complain(
                    at: record.position,
                    "'\(record.key)' is the same name as the one on line \(first)")
                continue
            }
            self.readRecord(record, owner: owner, into: &assembly)
        }
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
        _ entry: Mapping.Entry, owner: DomainName, into assembly: inout ZoneAssembly
    ) {
        let name = "record '\(entry.key)'"
        let numbered = (entry.value.node.pairs ?? []).compactMap(\.key.text).filter {
            $0.hasPrefix("type") && RecordType(parsing: $0) != nil
        }
        let others = Self.types.keys.filter { !Self.plainKeys.contains($0) }.sorted()
        guard
            let record = Mapping(
                entry, named: name,
                allowed: Self.plainKeys + ["ttl"] + Self.nearestKeys + others + numbered)
        else { return }
        if record.entries.allSatisfy({ $0.key == "ttl" }) {
            record.complain("\(name) has nothing in it")
        }
        let isNearest = record["nearest"] != nil
        let timeToLive = self.timeToLive(
            record["ttl"], isNearest: isNearest, default: assembly.entry.timeToLive)
        for entry in record.entries {
            guard let read = self.reader(of: entry.key) else { continue }
            for element in entry.value.elements(entry.key) {
                guard let data = read(element) else { continue }
                assembly.add(
                    Configuration.RecordEntry(
                        owner: owner, timeToLive: timeToLive.upperBound, data: data),
                    at: self.place(element.position), isFromMasterFile: false)
            }
        }
        if let alias = record["cname"] {
            if alias.isList { alias.mustBe("one name") }
            let others = record.entries.first { !["cname", "ttl"].contains($0.key) }
            if let others {
                self.document.complain(
                    at: others.position, "\(name) has a cname, and so nothing else but a ttl")
            } else if owner == assembly.entry.apex {
                alias.complain("the zone's own name can't be an alias")
            }
        }
        guard isNearest else {
            for entry in record.entries where Self.nearestKeys.contains(entry.key) {
                self.document.complain(
                    at: entry.position, "\(entry.key) belongs to a nearest name: \(name) is none")
            }
            return
        }
        if let nearest = self.readNearest(record, owner: owner, timeToLive, name) {
            assembly.add(nearest, at: self.place(entry.position))
        }
    }

    /// How a value of a key becomes a record's data; nil for keys that are no types.
    private func reader(of key: String) -> ((Value) -> RecordData?)? {
        switch key {
        case "a": return { $0.address(.ipv4).map { .address($0) } }
        case "aaaa": return { $0.address(.ipv6).map { .address($0) } }
        case "cname": return { $0.hostName().map { .alias($0) } }
        case "ns": return { $0.hostName().map { .nameServer($0) } }
        case "txt": return { $0.text().map { .text($0) } }
        default:
            guard let type = Self.types[key] ?? Self.numberedType(key) else { return nil }
            return { $0.recordData(type) }
        }
    }

    private static func numberedType(_ key: String) -> RecordType? {
        key.hasPrefix("type") ? RecordType(parsing: key) : nil
    }

    /// One length of time, or for a nearest name a least and a greatest.
    private func timeToLive(
        _ value: Value?, isNearest: Bool, default usual: UInt32
    ) -> ClosedRange<UInt32> {
        guard let value else { return usual...usual }
        guard isNearest, value.isMapping else {
            let seconds = value.timeToLive() ?? usual
            return seconds...seconds
        }
        guard let range = value.mapping(allowed: ["minimum", "maximum"]),
            let least = range.require("minimum")?.timeToLive(),
            let most = range.require("maximum")?.timeToLive()
        else { return usual...usual }
        guard least <= most else {
            value.complain("ttl has a minimum of \(least) and a maximum of \(most)")
            return usual...usual
        }
        return least...most
    }

    // MARK: Nearest names

    private func readNearest(
        _ record: Mapping, owner: DomainName, _ timeToLive: ClosedRange<UInt32>, _ name: String
    ) -> Configuration.NearestEntry? {
        guard let sites = record["nearest"] else { return nil }
        for key in ["a", "aaaa"] where record[key] != nil {
            self.document.complain(
                at: record.position(of: key),
                "\(name) is a nearest name: its addresses are those of the sites")
        }
        var nearest = Configuration.NearestEntry(
            owner: owner, timeToLive: timeToLive.upperBound,
            minimumTimeToLive: timeToLive.lowerBound, answers: 1, sites: self.siteNames(sites),
            choice: self.choice(record, default: self.result.choice))
        nearest.service = record["service"]?.text("a service's name")
        nearest.usesClientSubnet = record["client-subnet"]?.isOn() ?? true
        if record["alias"]?.boolean() == true {
            for key in ["answers", "rotate", "hints"] {
                record[key]?.complain("\(name) is an alias: \(key) is of use for addresses")
            }
            nearest.aliases = self.aliases(of: nearest, sites)
            guard !nearest.aliases.isEmpty else { return nil }
        } else {
            nearest.answers = record["answers"]?.integer(1...64) ?? 1
            nearest.rotates = record["rotate"]?.boolean() ?? true
            nearest.hints = record["hints"]?.boolean() ?? true
            self.checkAddresses(of: nearest, sites)
        }
        return nearest
    }

    private func sites(of nearest: Configuration.NearestEntry) -> [Configuration.SiteEntry] {
        nearest.sites.compactMap { name in self.result.sites.first { $0.name == name } }
    }

    /// Each site has the service, and one of them has an address.
    private func checkAddresses(of nearest: Configuration.NearestEntry, _ value: Value) {
        let sites = self.sites(of: nearest)
        guard !sites.isEmpty, sites.count == nearest.sites.count else { return }
        if let service = nearest.service,
            let site = sites.first(where: { $0.services[service] == nil })
        {
            value.complain(
                "site '\(site.name)' has no service '\(service)'"
                    + Spelling.hint(service, among: site.services.keys.sorted()))
        } else if sites.allSatisfy({ $0.addresses(of: nearest.service).isEmpty }) {
            value.complain("none of these sites has an address to answer with")
        }
    }

    /// Each site has a name that the alias can lead to.
    private func aliases(
        of nearest: Configuration.NearestEntry, _ value: Value
    ) -> [String: DomainName] {
        var aliases: [String: DomainName] = [:]
        for site in self.sites(of: nearest) {
            let alias =
                nearest.service.map { site.services[$0]?.alias } ?? site.alias
            guard let alias else {
                value.complain(
                    "site '\(site.name)' has no alias"
                        + (nearest.service.map { " for the service '\($0)'" } ?? ""))
                continue
            }
            aliases[site.name] = alias
        }
        return aliases
    }
}

extension Value {
    /// A name that is told whole. A single word would be a top-level domain, which nobody means
    /// who doesn't end it with a dot.
    func hostName() -> DomainName? {
        guard let name = self.domainName() else { return nil }
        guard name.labelCount != 1 || self.plainText?.hasSuffix(".") == true else {
            self.complain(
                "\(self.name) would be the top-level domain '\(name)': names are told whole here, "
                    + "as www.example.com, or end with a dot")
            return nil
        }
        return name
    }

    /// A type's data as a master file has them, but for names: these are told whole.
    func recordData(_ type: RecordType) -> RecordData? {
        guard let text = self.text("data of \(type)") else { return nil }
        do throws(RecordTextError) {
            let data = try RecordData(parsing: text, type: type)
            // Names without a last dot are those that an origin would change.
            let marked = try? RecordData(parsing: text, type: type, relativeTo: Self.mark)
            for (name, other) in zip(data.names, marked?.names ?? [])
            where name.labelCount == 1 && other != name {
                self.complain(
                    "\(self.name) has '\(name)', a top-level domain: names are told whole here, as "
                        + "mail.example.com, or end with a dot")
                return nil
            }
            return data
        } catch {
            self.complain("\(self.name): \(error), at its byte \(error.offset + 1)")
            return nil
        }
    }

    /// Short, so that no name becomes too long by it.
    private static let mark = (try? DomainName(parsing: "x")) ?? .root
}
