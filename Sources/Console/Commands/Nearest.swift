// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
package import Choice
import RouteTable

/// The answer to `nearest`.
package struct Nearest: Sendable {
    package var entry: RankedSite
    package var site: Site
    /// Whose addresses of the site are told; nil for its own.
    package var service: String?
    package var scope: Int
    package var client: IPAddress

    /// The site's address in the client's family where it has one, else its first.
    package var address: IPAddress? {
        let addresses = self.site.addresses(of: self.service)
        return addresses.first { $0.family == self.client.family } ?? addresses.first
    }

    /// What stands before the scope, for programs.
    var head: String {
        let address = self.address.map(\.description) ?? "-"
        let distance = Value.integer(self.entry.distance).forPrograms
        let cost = Value.real(self.entry.cost).forPrograms
        return "\(Value.word(self.site.name)) \(address) distance=\(distance) cost=\(cost) scope="
    }

    /// What stands after it.
    var tail: String { " reason=\(self.entry.reason.rawValue)" }

    package var forPrograms: String { "\(self.head)\(self.scope)\(self.tail)" }

    package var forPeople: String {
        var words = self.site.name
        if let address = self.address { words += " \(address)" }
        var parts: [String] = []
        if let distance = self.entry.distance {
            parts.append(Value.count(distance, "hop"))
        }
        if let cost = self.entry.cost { parts.append("cost \(Value.rounded(cost))") }
        parts.append("by \(self.entry.reason.rawValue)")
        parts.append("for \(IPPrefix(masking: self.client, length: self.scope))")
        return words + " (" + parts.joined(separator: ", ") + ")"
    }

    package static let nobody = CommandFailure(.notReady, "no site may be answered")
}

extension OracleBatch {
    /// The first site for a client; nil where none may be answered.
    package mutating func nearest(policy: Int, client: IPAddress) -> Nearest? {
        var order = SiteOrder()
        let match = self.match(of: client)
        let found = self.order(
            policy: policy, family: nil, client: client, match: match, places: 1, into: &order)
        guard let first = order.first else { return nil }
        return self.nearest(first, policy: policy, client: client, match: found)
    }

    /// What is said of a client's first site, which was found in this batch.
    mutating func nearest(
        _ first: SiteID, policy: Int, client: IPAddress, match: ClientMatch
    ) -> Nearest? {
        guard let site = self.world.site(first) else { return nil }
        let (ranking, _) = self.ranking(
            policy: policy, family: nil, client: client, match: match)
        guard let entry = ranking.entries.first(where: { $0.site == first }) else { return nil }
        let policies = self.world.policies
        return Nearest(
            entry: entry, site: site,
            service: policies.indices.contains(policy) ? policies[policy].service : nil,
            scope: Int(match.scope), client: client)
    }
}
