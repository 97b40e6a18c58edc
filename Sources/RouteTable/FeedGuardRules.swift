// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// When a feed that loses much at once, without losing its session, is not believed.
public struct FeedGuardRules: Hashable, Sendable {
    /// The share of its prefixes that a feed may lose within the window; above 0, up to 1.
    public var share: Double
    /// Seconds within which it may not lose more.
    public var window: Int
    /// Seconds without such a loss after which what the feed says is believed again.
    public var settle: Int

    /// A feed that had fewer prefixes within the window is not guarded: half of little is little.
    public static let smallestFeed = 100

    public static let shares: ClosedRange<Double> = 0.01...1
    public static let windows: ClosedRange<Int> = 1...3600
    public static let settleTimes: ClosedRange<Int> = 1...604_800

    public init(share: Double = 0.5, window: Int = 60, settle: Int = 600) {
        self.share = share
        self.window = window
        self.settle = settle
    }

    /// How many prefixes may go of so many.
    func allowedLoss(of count: Int) -> Int { Int(Double(count) * self.share) }
}

/// What the guard makes of a feed.
public enum FeedGuardState: Hashable, Sendable {
    /// It has no guard, or has not been whole in this session.
    case off
    case watching
    /// It lost more than it may: what it withdrew is kept, stale. `since` in Unix seconds.
    case holding(since: Int64)
}

/// News of a feed's guard.
public struct FeedAlarm: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// Routes that were withdrawn are kept as stale from now on.
        case raised
        /// No such loss for the rules' time: the feed is believed.
        case settled
        /// All that was withdrawn has been announced again.
        case recovered
        /// An operator believes the feed.
        case released
        /// The session ended, or the feed left: stale routes go as those of any lost session.
        case ended
    }
    public var feed: FeedID
    public var name: String
    public var kind: Kind
    /// The most prefixes that the feed had within the window, when the alarm was raised.
    public var before: Int
    /// The prefixes that it announces now.
    public var live: Int
    public var rules: FeedGuardRules
}
