// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import FoundationEssentials

/// What a daemon says of a name that is answered with the nearest site.
struct ExportName {
    var name: String
    /// By site, those that it answers with.
    var addresses: [String: [IPAddress]] = [:]
    /// By site, what it is an alias for; none where it has addresses.
    var aliases: [String: String] = [:]
    /// Sites in an answer.
    var answers = 1
    /// Seconds.
    var timeToLive: Int?
    /// Else the resolver's address decides.
    var usesClientSubnet = true

    var isAlias: Bool { !self.aliases.isEmpty }

    /// Reads the reply to `show sites for NAME --json`; nil for what is none.
    init?(_ name: String, reading text: String) {
        struct Sites: Decodable {
            struct Site: Decodable {
                var site: String
                var addresses: [String]
                var alias: String?
            }
            var sites: [Site]
            var answers: Int?
            var ttl: Int?
            var clientSubnet: Bool?

            enum CodingKeys: String, CodingKey {
                case sites, answers, ttl
                case clientSubnet = "client_subnet"
            }
        }
        guard let found = try? JSONDecoder().decode(Sites.self, from: Data(text.utf8)) else {
            return nil
        }
        self.name = name.hasSuffix(".") ? String(name.dropLast()) : name
        for site in found.sites {
            self.addresses[site.site] = site.addresses.compactMap { try? IPAddress(parsing: $0) }
            if let alias = site.alias { self.aliases[site.site] = alias }
        }
        self.answers = found.answers ?? self.answers
        self.timeToLive = found.ttl
        self.usesClientSubnet = found.clientSubnet ?? self.usesClientSubnet
    }
}
