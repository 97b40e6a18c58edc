// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable

extension ConfigurationReader {
    mutating func readSites(_ value: Value) {
        guard let sites = value.mapping() else { return }
        if value.isVacant { value.complain("sites has nothing in it") }
        var numberLines: [ASNumber: (name: String, line: Int)] = [:]
        for entry in sites.entries {
            self.checkName(entry, "site")
            self.siteLines[entry.key] = entry.position.line
            guard self.siteLines.count <= SiteID.limit else {
                self.document.complain(
                    at: entry.position,
                    "site '\(entry.key)' is one too many: there can be \(SiteID.limit) sites")
                break
            }
            guard let site = self.readSite(entry) else { continue }
            if let first = numberLines[site.asNumber] {
                self.document.complain(
                    at: entry.position,
                    "site '\(site.name)' has the AS number \(site.asNumber) of site "
                        + "'\(first.name)' on line \(first.line)")
            } else {
                numberLines[site.asNumber] = (site.name, entry.position.line)
            }
            self.result.sites.append(site)
        }
    }

    private func readSite(_ entry: Mapping.Entry) -> Configuration.SiteEntry? {
        let name = "site '\(entry.key)'"
        let keys = [
            "as", "addresses", "location", "weight", "without-routes", "alias", "services",
        ]
        guard let mapping = Mapping(entry, named: name, allowed: keys) else { return nil }
        let number = mapping.require("as")?.asNumber()
        var site = Configuration.SiteEntry(
            name: entry.key, asNumber: number ?? ASNumber(0))
        site.addresses = mapping["addresses"].map { self.readAddresses($0, of: name) } ?? []
        site.alias = mapping["alias"]?.hostName()
        for entry in mapping["services"]?.mapping()?.entries ?? [] {
            self.checkName(entry, "service")
            site.services[entry.key] = self.readService(entry, of: name)
        }
        site.weight = mapping["weight"]?.integer(0...1_000_000) ?? site.weight
        site.location = mapping["location"].flatMap(self.readPlace)
        site.withoutRoutes =
            mapping["without-routes"]?.choice(of: WithoutRoutes.self) ?? site.withoutRoutes
        if site.withoutRoutes == .location, mapping["location"] == nil {
            mapping["without-routes"]?.complain(
                "\(name) can't rank by location: it has no location")
        }
        return number == nil ? nil : site
    }

    private func readAddresses(_ value: Value, of name: String) -> [IPAddress] {
        var addresses: [IPAddress] = []
        for element in value.elements("each of addresses") {
            guard let address = element.address() else { continue }
            guard addresses.count < Self.mostAddresses else {
                element.complain("\(name) has more than \(Self.mostAddresses) addresses")
                break
            }
            if addresses.contains(address) {
                element.complain("\(name) has the address \(address) twice")
            }
            addresses.append(address)
        }
        return addresses
    }

    /// Addresses alone, or a mapping of them and an alias.
    private func readService(
        _ entry: Mapping.Entry, of site: String
    ) -> Configuration.ServiceEntry {
        let name = "service '\(entry.key)' of \(site)"
        var service = Configuration.ServiceEntry()
        guard entry.value.isMapping else {
            service.addresses = self.readAddresses(entry.value.named(name), of: name)
            return service
        }
        guard let mapping = Mapping(entry, named: name, allowed: ["addresses", "alias"]) else {
            return service
        }
        service.addresses = mapping["addresses"].map { self.readAddresses($0, of: name) } ?? []
        service.alias = mapping["alias"]?.hostName()
        return service
    }

    /// As many as any answer has room for.
    private static let mostAddresses = 64

    /// A country's code, or a latitude and a longitude.
    private func readPlace(_ value: Value) -> Configuration.Location? {
        guard !value.isMapping else {
            guard let place = value.mapping(allowed: ["latitude", "longitude"]),
                let latitude = place.require("latitude")?.number(-90...90),
                let longitude = place.require("longitude")?.number(-180...180)
            else { return nil }
            return .coordinates(latitude: latitude, longitude: longitude)
        }
        guard let code = value.plainText, Countries.contains(code) else {
            value.mustBe(
                "a country's two letters, or { latitude: …, longitude: … }",
                hint: value.plainText.map { Countries.hint($0) } ?? "")
            return nil
        }
        return .country(code)
    }

    /// Names go into lines of `key=value`: no blanks, nothing that begins with a dash.
    func checkName(_ entry: Mapping.Entry, _ kind: String) {
        let allowed = entry.key.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5a).contains($0)
                || (0x61...0x7a).contains($0) || [0x2d, 0x2e, 0x5f].contains($0)
        }
        let first = entry.key.utf8.first.map { $0 != 0x2d && $0 != 0x2e } ?? false
        guard !allowed || !first || entry.key.utf8.count > 63 else { return }
        self.document.complain(
            at: entry.position,
            "a \(kind)'s name has letters, digits, '-', '_' and '.', at most 63, and begins with "
                + "a letter, a digit or '_', not '\(entry.key)'")
    }

    /// The sites that a list names, each once.
    func siteNames(_ value: Value) -> [String] {
        var names: [String] = []
        for element in value.elements("each of \(value.name)") {
            guard let name = self.siteName(element) else { continue }
            if names.contains(name) {
                element.complain("site '\(name)' stands twice in \(value.name)")
            } else {
                names.append(name)
            }
        }
        return names
    }

    func siteName(_ value: Value) -> String? {
        guard let name = value.text("a site's name") else { return nil }
        guard self.siteLines[name] != nil else {
            let hint = Spelling.hint(name, among: self.siteLines.keys.sorted())
            let sites = self.siteLines.keys.sorted().joined(separator: ", ")
            value.complain(
                "there is no site '\(name)'" + (hint.isEmpty ? " (sites: \(sites))" : hint))
            return nil
        }
        return name
    }
}

extension Mapping {
    /// The mapping that stands at a key, under another name in complaints.
    init?(_ entry: Entry, named name: String, allowed: [String]) {
        let value = entry.value
        let document = value.document
        guard value.isMapping || value.isEmpty else {
            value.named(name).mustBe("a mapping (key: value)")
            return nil
        }
        guard var mapping = value.named(name).mapping(allowed: allowed) else { return nil }
        // What is missing in it is said where its key stands.
        mapping = Mapping(
            document: document, name: name, position: entry.position, entries: mapping.entries)
        self = mapping
    }
}
