// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// A feed's rules and options.
public struct RuleSet: Hashable, Sendable {
    /// The first that holds decides; where none does, the route is accepted.
    public var rules: [Rule]
    public var options: FeedOptions

    public init(rules: [Rule] = [], options: FeedOptions = FeedOptions()) {
        self.rules = rules
        self.options = options
    }

    /// What a rule reads of the wire that a table need not hold.
    public var readsCommunities: Bool { self.rules.contains(where: \.readsCommunities) }

    /// Whether it needs the AS path, the next hop, MED or LOCAL_PREF.
    public var readsOtherAttributes: Bool {
        self.rules.contains(where: \.readsOtherAttributes) || self.options.countsPrependsOnce
            || !self.options.preferenceLevels.isEmpty
    }

    public var readsValidation: Bool { self.rules.contains(where: \.readsValidation) }
}

/// How a feed's routes are counted, and which are not wanted whatever their attributes.
public struct FeedOptions: Hashable, Sendable {
    /// An AS that stands several times in a row is one hop.
    public var countsPrependsOnce = false
    /// LOCAL_PREF before path length: levels, the best first. Routes of at least the first level
    /// are nearest, then those of the second, and so on; last those below all levels.
    /// ``distance(length:localPreference:)`` says how. Empty: LOCAL_PREF is ignored.
    public var preferenceLevels: [UInt32] = []
    /// Lengths that a prefix may have; others are ignored. A default route has an option of its own.
    public var lengthsIPv4 = 0...32
    public var lengthsIPv6 = 0...128
    /// Prefixes that are ignored.
    public var bogons: PrefixList?
    /// A default route counts as any other.
    public var acceptsDefaultRoute = true

    public init() {}

    /// Levels that there can be: each has at least fifteen hops of the 254.
    public static let maximumLevels = 15
    /// What `local-preference: first` means: above 100, 100 itself, and below.
    public static let usualLevels: [UInt32] = [101, 100]

    /// Whether the distance is another than the path's length as it stands.
    public var changesDistance: Bool {
        self.countsPrependsOnce || !self.preferenceLevels.isEmpty
    }

    /// The path's length as this feed counts it.
    public func length(of path: ASPath) -> Int {
        self.countsPrependsOnce ? path.lengthWithoutPrepends : path.length
    }

    /// The distance before penalties: each level of LOCAL_PREF takes an equal share of the 254
    /// hops that can be told apart, and a path as long as that share or longer counts as its last.
    public func distance(length: Int, localPreference: UInt32?) -> Int {
        guard !self.preferenceLevels.isEmpty else { return min(length, Rule.maximumHops) }
        let share = self.share
        let preference = localPreference ?? Conditions.usualLocalPreference
        let level =
            self.preferenceLevels.firstIndex { preference >= $0 } ?? self.preferenceLevels.count
        return level * share + min(length, share - 1)
    }

    /// Hops that each level of LOCAL_PREF has.
    private var share: Int { (Rule.maximumHops + 1) / (self.preferenceLevels.count + 1) }

    /// What ``distance(length:localPreference:)`` has put together, taken apart: the hops at a
    /// level, and that level of ``preferenceLevels``, nil for what is below all of them. Nil where
    /// there are no levels.
    func parts(of distance: Int) -> (hops: Int, level: UInt32?)? {
        guard !self.preferenceLevels.isEmpty else { return nil }
        let index = min(distance / self.share, self.preferenceLevels.count)
        let level = index < self.preferenceLevels.count ? self.preferenceLevels[index] : nil
        return (distance - index * self.share, level)
    }

    /// Those that aren't usual, as in the configuration.
    public var words: [String] {
        let usual = FeedOptions()
        var words: [String] = []
        if self.countsPrependsOnce { words.append("prepends once") }
        if !self.preferenceLevels.isEmpty {
            words.append(
                "local-preference "
                    + self.preferenceLevels.map { "\($0)" }.joined(separator: " "))
        }
        for (name, lengths, all) in [
            ("ipv4", self.lengthsIPv4, usual.lengthsIPv4),
            ("ipv6", self.lengthsIPv6, usual.lengthsIPv6),
        ] where lengths != all {
            words.append("\(name) prefixes of \(lengths.lowerBound) to \(lengths.upperBound)")
        }
        if let bogons = self.bogons { words.append("bogons by \(bogons.words)") }
        if !self.acceptsDefaultRoute { words.append("default route ignored") }
        return words
    }
}
