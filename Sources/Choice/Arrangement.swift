// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import RouteTable

/// A ranking but for what the client's own address decides: all clients of a class share it.
struct Arrangement {
    /// All candidates, those that may be answered first. Within a hashed range the sites stand as
    /// listed; the reasons belong to the places, not to the sites.
    private(set) var entries: [RankedSite] = []
    private(set) var usableCount = 0
    /// Places whose sites the client's hash puts in order.
    private(set) var hashedRanges: [Range<Int>] = []
    private(set) var allDown = false

    init(
        policy: Policy, sites: [Site], statuses: [SiteID: SiteStatus], values: ClassValues,
        roundTrips: [SiteID: Duration] = [:], family: AddressFamily?
    ) {
        let listed = Self.listed(policy, among: sites)
        let countsKilometres =
            values.place != nil && listed.allSatisfy { $0.place != nil }
            && listed.count == Set(policy.sites).count
        let candidates = listed.filter { $0.serves(family, service: policy.service) }.map {
            Candidate(
                site: $0, status: statuses[$0.id] ?? SiteStatus(), values: values,
                roundTrip: roundTrips[$0.id] ?? values.roundTrip(of: $0.id), policy: policy,
                countsKilometres: countsKilometres)
        }
        let usable = self.usable(of: candidates, allDown: policy.allDown)
        let someHaveRoutes = usable.contains { candidates[$0].distance != nil }
        func append(_ index: Int, _ reason: Reason) {
            self.entries.append(
                candidates[index].ranked(reason: reason, showsCost: !someHaveRoutes))
        }

        let pinned = Self.pinned(values.pins, among: usable, of: candidates)
        for index in pinned { append(index, .pinned) }
        let rest = usable.filter { !pinned.contains($0) }

        func hasRoute(_ index: Int) -> Bool { candidates[index].distance != nil }
        func ordered(_ run: [Int]) -> [TieGroups.Item] {
            TieGroups(run, of: candidates, policy: policy, countsKilometres: countsKilometres)
                .items
        }
        var routeless: [Int] = []
        var compared: [TieGroups.Item]
        if someHaveRoutes {
            compared = ordered(rest.filter(hasRoute))
            routeless = rest.filter { !hasRoute($0) }
            if countsKilometres {
                let located = routeless.filter { candidates[$0].ranksByLocation }
                routeless.removeAll { candidates[$0].ranksByLocation }
                Self.insert(located, into: &compared, of: candidates)
            }
        } else {
            // Nobody has a route: what else is known decides.
            compared = ordered(rest)
        }
        for item in compared {
            self.noteHash(item.hashedGroup, at: self.entries.count, in: compared)
            append(item.candidate, item.reason)
        }
        let routelessItems = ordered(routeless)
        for item in routelessItems {
            self.noteHash(item.hashedGroup, at: self.entries.count, in: routelessItems)
            append(item.candidate, .noRoute)
        }
        self.usableCount = self.entries.count

        for index in candidates.indices where !usable.contains(index) {
            append(index, candidates[index].exclusion ?? .down)
        }
    }

    /// The sites that the policy lists, in that order, each once.
    private static func listed(_ policy: Policy, among sites: [Site]) -> [Site] {
        var seen: Set<SiteID> = []
        return policy.sites.compactMap { id in
            guard seen.insert(id).inserted else { return nil }
            return sites.first { $0.id == id }
        }
    }

    /// Indices of the candidates that may be answered.
    private mutating func usable(of candidates: [Candidate], allDown: AllDown) -> [Int] {
        let usable = candidates.indices.filter { candidates[$0].exclusion == nil }
        guard usable.isEmpty, !candidates.isEmpty else { return usable }
        self.allDown = true
        switch allDown {
        case .none: return []
        case .all: return Array(candidates.indices)
        case .last:
            // None of them has ever been up: nothing tells them apart.
            guard let last = candidates.compactMap(\.status.lastUp).max() else {
                return Array(candidates.indices)
            }
            return candidates.indices.filter { candidates[$0].status.lastUp == last }
        }
    }

    /// Indices of the pinned sites among the usable ones, in the pin's order.
    private static func pinned(
        _ pins: [SiteID], among usable: [Int], of candidates: [Candidate]
    ) -> [Int] {
        var pinned: [Int] = []
        for pin in pins {
            guard let index = usable.first(where: { candidates[$0].site.id == pin }),
                !pinned.contains(index)
            else { continue }
            pinned.append(index)
        }
        return pinned
    }

    /// Puts each site before the first group of tied ones all of whose sites are farther away.
    ///
    /// The reasons of the others stay: they hold among themselves.
    private static func insert(
        _ located: [Int], into items: inout [TieGroups.Item], of candidates: [Candidate]
    ) {
        func metres(_ index: Int) -> Int { candidates[index].metres ?? .max }
        var result: [TieGroups.Item] = []
        var waiting = located.sorted { (metres($0), $0) < (metres($1), $1) }[...]
        var start = 0
        while start < items.count {
            var end = start + 1
            if let group = items[start].hashedGroup {
                while end < items.count, items[end].hashedGroup == group { end += 1 }
            }
            let nearest = items[start..<end].map { metres($0.candidate) }.min() ?? .max
            while let next = waiting.first, metres(next) < nearest {
                result.append(TieGroups.Item(candidate: next, reason: .location))
                waiting.removeFirst()
            }
            result += items[start..<end]
            start = end
        }
        result += waiting.map { TieGroups.Item(candidate: $0, reason: .location) }
        items = result
    }

    /// Opens or extends the hashed range that ends at a place.
    private mutating func noteHash(_ group: Int?, at place: Int, in run: [TieGroups.Item]) {
        guard let group else { return }
        let count = run.count { $0.hashedGroup == group }
        if let last = self.hashedRanges.last, last.contains(place) { return }
        self.hashedRanges.append(place..<(place + count))
    }
}

extension Ranking {
    /// Ranks a policy's sites for a client: DESIGN's "How a site is chosen", without a clock,
    /// input or output.
    ///
    /// - Parameters:
    ///   - policy: Which sites, and by what.
    ///   - sites: All sites; those that the policy doesn't list are not looked at.
    ///   - statuses: What is known of the sites' state. A site that is missing here is up.
    ///   - values: What the table knows of the client's class.
    ///   - family: The family that an answer must have; nil for any.
    ///   - client: The address asked about.
    public init(
        policy: Policy, sites: [Site], statuses: [SiteID: SiteStatus], values: ClassValues,
        family: AddressFamily?, client: IPAddress
    ) {
        self.init(
            policy: policy, sites: sites, statuses: statuses, values: values, roundTrips: [:],
            family: family, client: client)
    }

    /// The same, with measured round trips beside those that the table knows.
    package init(
        policy: Policy, sites: [Site], statuses: [SiteID: SiteStatus], values: ClassValues,
        roundTrips: [SiteID: Duration], family: AddressFamily?, client: IPAddress
    ) {
        let arrangement = Arrangement(
            policy: policy, sites: sites, statuses: statuses, values: values,
            roundTrips: roundTrips, family: family)
        self.init(arrangement, policy: policy, sites: sites, client: client)
    }

    init(_ arrangement: Arrangement, policy: Policy, sites: [Site], client: IPAddress) {
        self.init(
            entries: arrangement.entries, usableCount: arrangement.usableCount,
            allDown: arrangement.allDown)
        guard let first = arrangement.hashedRanges.first else { return }
        let length = policy.weightLength(for: client.family)
        self.hashedLength = length
        self.firstHashedPlace = first.lowerBound
        let key = Rendezvous.key(client, length: length)
        for range in arrangement.hashedRanges {
            let drawn = range.map { place in
                let id = self.entries[place].site
                let site = sites.first { $0.id == id }
                return (
                    lot: Rendezvous.lot(
                        key: key, seed: Rendezvous.seed(name: site?.name ?? ""),
                        weight: Double(site?.weight ?? 1)),
                    place: place
                )
            }.sorted { ($0.lot, $0.place) < ($1.lot, $1.place) }
            let sorted = zip(range, drawn).map { place, lot in
                var entry = arrangement.entries[lot.place]
                entry.reason = arrangement.entries[place].reason
                return entry
            }
            self.entries.replaceSubrange(range, with: sorted)
        }
    }
}
