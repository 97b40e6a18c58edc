// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What the table knows of a feed.
public struct FeedSummary: Hashable, Sendable {
    public var id: FeedID
    public var name: String
    public var site: SiteID
    public var ipv4Prefixes: Int
    public var ipv6Prefixes: Int
    /// Paths beyond the first of their prefixes (RFC 7911).
    public var furtherPaths: Int
    /// Routes announced in this session; several paths of a prefix are as many.
    public var freshIPv4: Int
    public var freshIPv6: Int
    /// Routes that are stale, those that are so for long included.
    public var stalePrefixes: Int
    /// Routes that are stale for long (RFC 9494).
    public var longLivedStale: Int
    /// Announcements refused by ``TableLimits``, in all.
    public var refused: Int
    /// Those since all of it was last asked for, or began to come: of them no more is known than
    /// their number.
    public var missing: Int
    /// Its session is up, or its file was read.
    public var isUp: Bool
    /// End-of-RIB came in this session.
    public var isComplete: Bool
    /// Its routes are held back until they have all come, of both families.
    public var isFirstTransfer: Bool
    /// Routes that are held back by family, until all of it has come: they count for nothing.
    public var heldBackIPv4: Int
    public var heldBackIPv6: Int
    /// What its guard makes of it.
    public var guardState: FeedGuardState
}

/// Memory of one part of the table.
public struct MemoryPart: Hashable, Sendable {
    public var name: String
    public var bytes: Int

    public init(name: String, bytes: Int) {
        self.name = name
        self.bytes = bytes
    }
}

public struct TableCounts: Hashable, Sendable {
    public var ipv4Prefixes = 0
    public var ipv6Prefixes = 0
    public var routes = 0
    /// Those of them that are not the first of their feed for their prefix (RFC 7911).
    public var furtherPaths = 0
    public var classes = 0
    public var attributeSets = 0
    /// Announcements and withdrawals carried out.
    public var updates: UInt64 = 0
    /// Announcements refused by ``TableLimits``.
    public var refused: UInt64 = 0
    /// Those by what they were refused for.
    public var refusals: [RefusalReason: UInt64] = [:]
    /// Commands refused by ``TableCommand/validate()``, or for a feed that isn't there.
    public var refusedCommands: UInt64 = 0
    /// Feeds whose losses a guard holds now.
    public var heldFeeds = 0
    /// Times that a guard began to hold.
    public var guardTrips: UInt64 = 0
    /// Changes of prefixes' nearest sites, counted while ``FlipHoldRules`` are set.
    public var flips: UInt64 = 0
    /// Times that a prefix was held for flipping too often.
    public var flipHolds: UInt64 = 0
    /// Prefixes that are held for it now.
    public var heldPrefixes = 0
    /// Prefixes with a measured round trip.
    public var roundTripPrefixes = 0
    /// Observations, and lines of files, refused by ``TableLimits/roundTripPrefixes`` or
    /// ``TableLimits/classes``.
    public var refusedObservations: UInt64 = 0
    /// Times that the lookup was built anew and swapped.
    public var rebuilds: UInt64 = 0
    /// Times that the system refused the memory for that; the lookup stays what it was until
    /// another attempt succeeds.
    public var refusedRebuilds: UInt64 = 0
    /// The longest rebuild from its beginning to the swap, in microseconds: other work went on
    /// between its slices.
    public var longestRebuildMicroseconds: UInt64 = 0
    /// The longest that other work was held up.
    public var longestSteps = StepTimes()
}
