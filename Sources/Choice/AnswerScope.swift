// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing

/// For whom a DNS answer holds, and what sets that bound: it may be wider than for the whole
/// ranking, of which an answer uses the first places only, and narrower.
package struct AnswerScope: Hashable, Sendable {
    package enum Reason: String, Hashable, Sendable, CaseIterable {
        /// What is known of clients ends there.
        case table
        /// The table knows different things of clients within, and all get the same answer.
        case sameAnswer = "same-answer"
        /// The weighted hash sees as much of a client.
        case weight
        /// Each such block gets a site's addresses in an order of its own.
        case rotation
        /// The resolver's address decides, whatever its subnet.
        case resolver
        /// There are no such records, for nobody.
        case noData = "nodata"
    }

    /// `A`, `AAAA`, or `CNAME` for what every type gets.
    package var type: String
    /// Bits of the client's address.
    package var length: Int
    package var reason: Reason

    /// As the debugging name and JSON have it.
    package var line: String {
        "answer=\(self.type) scope=\(self.length) reason=\(self.reason.rawValue)"
    }
}

/// What a `nearest` name makes of the sites' order.
package struct AnswerForm: Hashable, Sendable {
    /// How many sites an answer names.
    package var places: Int
    /// Whether it is an alias by site, rather than addresses.
    package var isAlias: Bool
    /// Whether a site's several addresses are rotated by client.
    package var rotates: Bool
    /// Else the resolver's address decides.
    package var usesClientSubnet: Bool

    package init(places: Int, isAlias: Bool, rotates: Bool, usesClientSubnet: Bool) {
        self.places = places
        self.isAlias = isAlias
        self.rotates = rotates
        self.usesClientSubnet = usesClientSubnet
    }
}

extension OracleBatch {
    /// The scopes that answers to a client have: one for an alias, else one for each family.
    package mutating func answerScopes(
        policy: Int, client: IPAddress, form: AnswerForm
    ) -> [AnswerScope] {
        form.isAlias
            ? [self.answerScope("CNAME", policy, nil, client, form)]
            : [
                self.answerScope("A", policy, .ipv4, client, form),
                self.answerScope("AAAA", policy, .ipv6, client, form),
            ]
    }

    private mutating func answerScope(
        _ type: String, _ policy: Int, _ family: AddressFamily?, _ client: IPAddress,
        _ form: AnswerForm
    ) -> AnswerScope {
        let places = form.isAlias ? 1 : form.places
        let match = self.match(of: client)
        var order = SiteOrder()
        let found = self.answerOrder(
            policy: policy, family: family, client: client, places: places, into: &order)
        let world = self.world
        guard !order.isEmpty, world.policies.indices.contains(policy) else {
            return AnswerScope(type: type, length: 0, reason: .noData)
        }
        guard form.usesClientSubnet else {
            return AnswerScope(type: type, length: 0, reason: .resolver)
        }
        let rules = world.policies[policy]
        let hashed = rules.weightLength(for: client.family)
        let length = Int(found.scope)
        let isRotated =
            form.rotates && !form.isAlias
            && order.sites.prefix(places).contains { site in
                let addresses = world.site(site)?.addresses(of: rules.service) ?? []
                return addresses.count { $0.family == family } > 1
            }
        if isRotated, hashed > length {
            return AnswerScope(type: type, length: hashed, reason: .rotation)
        }
        if length == hashed,
            self.isHashed(match, policy: policy, family: family, places: places)
        {
            return AnswerScope(type: type, length: length, reason: .weight)
        }
        return AnswerScope(
            type: type, length: length, reason: found.scope < match.scope ? .sameAnswer : .table)
    }
}
