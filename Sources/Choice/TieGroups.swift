// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import RouteTable

/// A run of candidates that are compared with each other, being put in order.
///
/// Each criterion splits a group of tied candidates into smaller ones, best first, until each
/// stands alone; a criterion that isn't known for all of a group is passed over for that group.
struct TieGroups {
    enum Criterion: Hashable {
        case cost, hops, roundTrip, location, weight, order

        var reason: Reason {
            switch self {
            case .cost: .cost
            case .hops: .hops
            case .roundTrip: .rtt
            case .location: .location
            case .weight: .weight
            case .order: .order
            }
        }
    }

    /// A candidate in its place.
    struct Item {
        var candidate: Int
        var reason: Reason
        /// Items of one number stand together, and the client's hash decides among them.
        var hashedGroup: Int?
    }

    let candidates: [Candidate]
    let policy: Policy
    let countsKilometres: Bool
    private(set) var items: [Item] = []
    private var hashedGroups = 0
    /// What put the next item behind the one before it.
    private var separator: Criterion?

    /// Orders a run: indices of `candidates`, in the order in which the sites are listed.
    init(_ run: [Int], of candidates: [Candidate], policy: Policy, countsKilometres: Bool) {
        self.candidates = candidates
        self.policy = policy
        self.countsKilometres = countsKilometres
        var criteria: [Criterion] = [policy.measure == .cost ? .cost : .hops]
        for tieBreak in policy.tieBreaks {
            switch tieBreak {
            case .rtt: criteria.append(.roundTrip)
            case .location: criteria.append(.location)
            case .weight: criteria.append(.weight)
            case .order: criteria.append(.order)
            }
        }
        criteria.append(.order)
        self.split(run, by: criteria[...])
        // The first has nobody before it: it shows what put the second behind it. Alone, it
        // shows what it would have been measured by.
        guard let first = self.items.first else { return }
        if self.items.count > 1 {
            self.items[0].reason = self.items[1].reason
        } else {
            let candidate = candidates[first.candidate]
            let isMeasured =
                policy.measure == .cost ? candidate.cost != nil : candidate.distance != nil
            self.items[0].reason = isMeasured ? criteria[0].reason : .order
        }
    }

    private mutating func append(_ candidate: Int, hashedGroup: Int? = nil) {
        self.items.append(
            Item(
                candidate: candidate, reason: self.separator?.reason ?? .order,
                hashedGroup: hashedGroup))
    }

    /// Appends a group of tied candidates, split by the criteria.
    private mutating func split(_ tied: [Int], by criteria: ArraySlice<Criterion>) {
        guard tied.count > 1, let criterion = criteria.first else {
            for candidate in tied { self.append(candidate) }
            return
        }
        let rest = criteria.dropFirst()
        switch criterion {
        case .weight:
            self.splitByWeight(tied, then: rest)
        case .order:
            for candidate in tied {
                self.append(candidate)
                self.separator = .order
            }
        case .cost, .hops, .roundTrip, .location:
            guard let groups = self.groups(of: tied, by: criterion) else {
                self.split(tied, by: rest)
                return
            }
            for group in groups {
                self.split(group, by: rest)
                self.separator = criterion
            }
        }
    }

    /// Those with a weight are left to the client's hash, those without come after them.
    private mutating func splitByWeight(_ tied: [Int], then rest: ArraySlice<Criterion>) {
        let weighted = tied.filter { self.candidates[$0].site.weight > 0 }
        let others = tied.filter { self.candidates[$0].site.weight <= 0 }
        guard !weighted.isEmpty else { return self.split(tied, by: rest) }
        let group = weighted.count > 1 ? self.hashedGroups : nil
        if group != nil { self.hashedGroups += 1 }
        for candidate in weighted {
            self.append(candidate, hashedGroup: group)
            self.separator = .weight
        }
        self.split(others, by: rest)
    }

    /// The candidates grouped by equal values, the least first; nil where a value is unknown.
    private func groups(of tied: [Int], by criterion: Criterion) -> [[Int]]? {
        var slack = criterion == .hops ? self.policy.slack : 0
        var valued: [(value: Int, candidate: Int)] = []
        // Without kilometres or a round trip, cost orders as hops do, even where a hop costs 0.
        let costIsHops =
            criterion == .cost && !self.countsKilometres
            && tied.allSatisfy { self.candidates[$0].roundTrip == nil }
        if costIsHops { slack = self.policy.slack }
        for index in tied {
            let candidate = self.candidates[index]
            let value =
                switch criterion {
                case .cost: costIsHops ? candidate.distance : candidate.cost
                case .hops: candidate.distance
                case .roundTrip: candidate.roundTrip
                case .location: self.countsKilometres ? candidate.metres : nil
                case .weight, .order: Int?.none
                }
            guard let value else { return nil }
            valued.append((value, index))
        }
        var groups: [[Int]] = []
        var best = 0
        for (value, index) in valued.sorted(by: {
            ($0.value, $0.candidate) < ($1.value, $1.candidate)
        }) {
            if groups.isEmpty || value - best > slack {
                groups.append([])
                best = value
            }
            groups[groups.count - 1].append(index)
        }
        // Within a group: as listed.
        return groups.map { $0.sorted() }
    }
}
