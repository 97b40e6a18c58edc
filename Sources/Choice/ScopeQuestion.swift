// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable

/// All that an answer depends on beside the client: equal questions share an index of scopes,
/// whatever names ask them, and keep it while the world around them changes.
struct ScopeQuestion: Hashable {
    private let policy: Policy
    /// Those that the policy lists.
    private let sites: [Site]
    private let statuses: [SiteStatus?]
    private let family: AddressFamily?
    let places: Int

    init(_ policy: Policy, world: World, family: AddressFamily?, places: Int) {
        let listed = Set(policy.sites)
        let sites = world.sites.filter { listed.contains($0.id) }
        let serving = sites.filter { $0.serves(family, service: policy.service) }
        var statuses = sites.map { world.status[$0.id] }
        let someMayBeAnswered = serving.contains { site in
            (world.status[site.id] ?? SiteStatus()).exclusion(withoutRoutes: site.withoutRoutes)
                == nil
        }
        if someMayBeAnswered {
            // Who was up last matters only when none is.
            for index in statuses.indices { statuses[index]?.lastUp = nil }
        }
        self.policy = policy
        self.sites = sites
        self.statuses = statuses
        self.family = serving.count == sites.count ? nil : family
        self.places = max(1, min(places, serving.count))
    }

    /// The answer to clients of a class, as bytes that differ where answers do: the sites as far
    /// as they are used, then the places among which a hash decides.
    func answer(for values: ClassValues) -> [UInt8] {
        let arrangement = Arrangement(
            policy: self.policy, sites: self.sites,
            statuses: Dictionary(
                zip(self.sites, self.statuses).compactMap { site, status in
                    status.map { (site.id, $0) }
                }, uniquingKeysWith: { first, _ in first }),
            values: values, family: self.family)
        return arrangement.answer(places: self.places)
    }
}

extension Arrangement {
    /// See ``ScopeQuestion/answer(for:)``.
    func answer(places: Int) -> [UInt8] {
        let usable = min(self.usableCount, SiteOrder.capacity)
        let ranges = self.hashedRanges.filter {
            $0.lowerBound < places && $0.upperBound <= usable
        }
        // All sites of a range that begins within the places have a chance to be answered.
        let used = max(min(places, usable), ranges.last?.upperBound ?? 0)
        var bytes = [UInt8(used)]
        bytes += self.entries.prefix(used).map(\.site.rawValue)
        for range in ranges {
            bytes.append(UInt8(range.lowerBound))
            bytes.append(UInt8(range.upperBound))
        }
        return bytes
    }
}
