// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// When a prefix flips too often, and when it has calmed.
public struct FlipHoldRules: Hashable, Sendable {
    /// Flips of a prefix's nearest sites, by distance, that are shown within the time.
    public var flips: Int
    /// Seconds within which there may be no more.
    public var within: Int
    /// Seconds without a flip after which what is true is shown again.
    public var calm: Int

    public static let flipCounts: ClosedRange<Int> = 1...16
    public static let windows: ClosedRange<Int> = 1...3600
    public static let calmTimes: ClosedRange<Int> = 1...86_400

    public init(flips: Int = 5, within: Int = 60, calm: Int = 300) {
        self.flips = min(max(flips, Self.flipCounts.lowerBound), Self.flipCounts.upperBound)
        self.within = min(max(within, Self.windows.lowerBound), Self.windows.upperBound)
        self.calm = min(max(calm, Self.calmTimes.lowerBound), Self.calmTimes.upperBound)
    }
}

/// A prefix whose distances are shown as they were, since it flips too often.
public struct FlipHold: Hashable, Sendable {
    public var prefix: IPPrefix
    /// In Unix seconds.
    public var since: Int64
    /// Flips since then that were not shown.
    public var flips: Int

    public init(prefix: IPPrefix, since: Int64, flips: Int) {
        self.prefix = prefix
        self.since = since
        self.flips = flips
    }
}
