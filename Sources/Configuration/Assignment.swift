// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Choice
public import RouteTable

/// The numbers that names have in a running process.
///
/// A name keeps its number for as long as it is configured, over any number of reloads: the table's
/// columns, its feeds and the policies that zones point to stay what they are. A number that has
/// become free is given to another only at the next reload, unless there is no other left.
public struct Assignment: Hashable, Sendable {
    public private(set) var sites: [String: SiteID] = [:]
    public private(set) var feeds: [String: FeedID] = [:]
    /// The numbers kept for feeds that come and go under a configured one, such as the neighbours
    /// of a range, by its name.
    public private(set) var slots: [String: [FeedID]] = [:]
    /// Number 0 is for questions without a name: all sites, as configured; names don't share it.
    /// Policies that no name uses any more stay for one reload, as zones may still point to them.
    public private(set) var policies: [Policy] = []
    private var unusedPolicies: Set<Int> = []

    public init() {}

    /// The numbers for a configuration that comes after the one these are for.
    public func next(for configuration: Configuration) -> Assignment {
        var next = Assignment()
        next.sites = Self.assign(
            configuration.sites.map(\.name), after: self.sites.mapValues { Int($0.rawValue) },
            limit: SiteID.limit
        ).mapValues { SiteID(rawValue: UInt8($0)) }
        next.assignFeeds(configuration, after: self)

        let all = configuration.choice.policy(
            configuration.sites.compactMap { next.sites[$0.name] })
        let named = configuration.zones.flatMap(\.nearest).map { $0.policy(next.sites) }
        next.policies = self.policies.isEmpty ? [all] : self.policies
        next.policies[0] = all
        // Names share policies, but not number 0: that changes with the sites, at a moment when
        // zones may still point to it.
        let numbers = next.policyNumbers
        let used = named.compactMap { numbers[$0] }
        var free = self.unusedPolicies.subtracting(used).sorted()[...]
        next.unusedPolicies = Set(next.policies.indices.dropFirst()).subtracting(used)
        var seen = Set(numbers.keys)
        for policy in named where seen.insert(policy).inserted {
            if let index = free.popFirst() {
                next.policies[index] = policy
                next.unusedPolicies.remove(index)
            } else {
                next.policies.append(policy)
            }
        }
        return next
    }

    /// Numbers for the feeds, and for those that come and go.
    private mutating func assignFeeds(
        _ configuration: Configuration, after previous: Assignment
    ) {
        // No name has a NUL in it: a slot is never taken for a feed.
        func slot(_ feed: String, _ index: Int) -> String { "\(feed)\0\(index)" }
        var before = previous.feeds.mapValues { Int($0.rawValue) }
        for (name, slots) in previous.slots {
            for (index, feed) in slots.enumerated() {
                before[slot(name, index)] = Int(feed.rawValue)
            }
        }
        let names = configuration.feeds.map(\.name)
        let slots = configuration.feeds.flatMap { feed in
            (0..<feed.slotCount).map { slot(feed.name, $0) }
        }
        let numbers = Self.assign(names + slots, after: before, limit: FeedID.limit)
        func number(_ name: String) -> FeedID? {
            numbers[name].map { FeedID(rawValue: UInt16($0)) }
        }
        for name in names { self.feeds[name] = number(name) }
        for feed in configuration.feeds where feed.slotCount > 0 {
            self.slots[feed.name] = (0..<feed.slotCount).compactMap { number(slot(feed.name, $0)) }
        }
    }

    /// The numbers of the policies that names may have.
    var policyNumbers: [Policy: Int] {
        Dictionary(
            self.policies.enumerated().dropFirst().map { ($1, $0) },
            uniquingKeysWith: { first, _ in first })
    }

    private static func assign(
        _ names: [String], after previous: [String: Int], limit: Int
    ) -> [String: Int] {
        var numbers = previous.filter { names.contains($0.key) }
        var taken = Set(previous.values)
        for name in names where numbers[name] == nil {
            let kept = Set(numbers.values)
            guard
                let number = (0..<limit).first(where: { !taken.contains($0) })
                    ?? (0..<limit).first(where: { !kept.contains($0) })
            else { break }
            numbers[name] = number
            taken.insert(number)
        }
        return numbers
    }
}

extension Configuration.ChoiceOptions {
    func policy(_ sites: [SiteID]) -> Policy {
        Policy(
            sites: sites, measure: self.measure, slack: self.slack, hopCost: self.hopCost,
            tieBreaks: self.ties, allDown: self.allDown, weightLengthIPv4: self.weightLengthIPv4,
            weightLengthIPv6: self.weightLengthIPv6)
    }
}
