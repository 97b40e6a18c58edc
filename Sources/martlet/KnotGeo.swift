// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What a file of Knot's geoip module says, in its subnet mode.
struct KnotGeo: ExportFile {
    private var text = "# martlet export knot\n"
    private var count = 0
    private var hints: [String] = []

    var bytes: [UInt8] { Array(self.text.utf8) }
    var summary: String {
        (["\(self.count) subnets"] + self.hints).joined(separator: "; ")
    }

    private mutating func begin(_ name: ExportName) {
        // The module has one TTL for all that it answers.
        if let time = name.timeToLive { self.text += "# \(name.name): ttl \(time)\n" }
        if !name.usesClientSubnet {
            let words = "\(name.name) goes by the resolver's address: client-subnet off"
            self.text += "# \(words)\n"
            self.hints.append(words)
        }
        self.text += "\(name.name).:\n"
    }

    private mutating func add(_ prefix: IPPrefix, _ records: [(type: String, data: String)]) {
        // A subnet without records Knot passes over.
        guard !records.isEmpty else { return }
        self.count += 1
        self.text += "  - net: \(prefix)\n"
        for record in records { self.text += "    \(record.type): \(record.data)\n" }
    }

    /// Adds a name with its answers of type A and of type AAAA.
    mutating func add(_ name: ExportName, ipv4: ExportAnswers, ipv6: ExportAnswers) {
        self.begin(name)
        for family in AddressFamily.allCases {
            for line in ipv4.disjoint(with: ipv6, family) {
                var records: [(String, String)] = []
                if let a = Self.list(line.first, .ipv4, name) { records.append(("A", a)) }
                if let aaaa = Self.list(line.second, .ipv6, name) {
                    records.append(("AAAA", aaaa))
                }
                self.add(line.prefix, records)
            }
        }
    }

    /// Adds a name that is an alias, with its answers.
    mutating func add(alias name: ExportName, _ answers: ExportAnswers) {
        self.begin(name)
        for family in AddressFamily.allCases {
            for line in answers.disjoint(with: answers, family) {
                let target = line.first.first.flatMap { name.aliases[$0] }
                self.add(line.prefix, target.map { [("CNAME", $0)] } ?? [])
            }
        }
    }

    private static func list(
        _ sites: [String], _ family: AddressFamily, _ name: ExportName
    ) -> String? {
        var found: [IPAddress] = []
        for address in sites.flatMap({ name.addresses[$0] ?? [] })
        where address.family == family && !found.contains(address) {
            found.append(address)
        }
        guard !found.isEmpty else { return nil }
        return "[" + found.map(\.description).joined(separator: ", ") + "]"
    }
}
