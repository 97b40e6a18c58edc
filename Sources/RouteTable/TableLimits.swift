// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What a table may hold. Beyond it announcements are refused and counted; what is held stays
/// right.
public struct TableLimits: Hashable, Sendable {
    /// Prefixes in all, both families: more than one feed's routes, so that a feed which sends
    /// ever new prefixes leaves room for those of others.
    public var prefixes: Int
    /// Routes of one feed; several paths of a prefix are as many.
    public var routesPerFeed: Int
    /// Paths of one feed for one prefix (RFC 7911); ``FeedDefinition/pathsPerPrefix`` may allow a
    /// feed more. At the limit a shorter path takes the place of the longest.
    public var pathsPerPrefix: Int
    /// Distinct tuples over all layers. At the limit, announcements that change a distance are
    /// refused; of what comes in whole, such as a feed's first transfer, the routes that make the
    /// last of them in address order. Pins and locations pass it where they alone make more.
    public var classes: Int
    /// Bytes of memory; nil where only the system sets a bound. At the limit, announcements of
    /// further routes are refused; what is built beside the table to take its place counts too.
    /// What came free of prefixes and routes stays with the table to be used again, and does not
    /// count.
    public var memory: Int?
    /// Ranges of pins and of locations, each.
    public var ranges: Int
    /// Prefixes with measured round trips, both families.
    public var roundTripPrefixes: Int
    /// Changes that wait for the writer before ``TableOwner/submit(_:)`` answers false to those of
    /// whom more than a few wait; to whom a quarter of them is of, it does so in any case.
    public var queuedChanges: Int
    /// Threads that read at the same time.
    public var readers: Int

    /// No feed has more paths for a prefix: they stand in a list, which each change walks.
    public static let mostPathsPerPrefix = 1024

    public init(
        prefixes: Int = 16_777_216, routesPerFeed: Int = 4_194_304, classes: Int = 2_097_152,
        memory: Int? = nil, ranges: Int = 4_194_304, roundTripPrefixes: Int = 1_048_576,
        queuedChanges: Int = 262_144, readers: Int = 256, pathsPerPrefix: Int = 64
    ) {
        self.prefixes = max(1, min(prefixes, 16_777_216))
        self.routesPerFeed = max(1, routesPerFeed)
        self.pathsPerPrefix = max(1, min(pathsPerPrefix, Self.mostPathsPerPrefix))
        self.classes = max(2, min(classes, 16_777_216))
        self.memory = memory.map { max(1, $0) }
        self.ranges = max(1, min(ranges, 8_388_608))
        self.roundTripPrefixes = max(1, min(roundTripPrefixes, 8_388_608))
        self.queuedChanges = max(1, queuedChanges)
        self.readers = max(1, min(readers, 4_096))
    }
}
