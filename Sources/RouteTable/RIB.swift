// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// The routes, as ``TableOwner/query(_:)`` sees them on the writer's thread.
///
/// Feeds in their first transfer decide nothing, but their routes are listed.
public struct RIB: ~Copyable {
    let engine: TableEngine

    init(engine: TableEngine) { self.engine = engine }

    /// For each site with a route to the address, the one that decides its distance.
    public func routes(covering address: IPAddress) -> [SiteRoute] {
        self.engine.routes(covering: address)
    }

    /// The longest prefix that any site has for the address, and for each site with a route the
    /// one that decides, which may be of a shorter prefix. Nil where no site has one.
    public func paths(
        covering address: IPAddress
    ) -> (prefix: IPPrefix, paths: [SiteRoute])? {
        let paths = self.engine.routes(covering: address)
        return paths.map(\.prefix).max { $0.length < $1.length }.map { ($0, paths) }
    }

    /// Routes whose prefixes hold the address and that are ignored
    /// (``RouteAttributes/isIgnored``): the longest prefix first, then by the feeds' order.
    public func ignoredRoutes(covering address: IPAddress, limit: Int = 16) -> [SiteRoute] {
        self.engine.ignoredRoutes(covering: address, limit: limit)
    }

    /// Prefixes that hold the address and whose distances are shown as they were, the shortest
    /// first.
    public func flipHolds(covering address: IPAddress) -> [FlipHold] {
        self.engine.flipHolds(covering: address)
    }

    /// Every feed's routes at exactly this prefix, by the feeds' order in the configuration, and
    /// of a feed by their paths' ids.
    public func routes(at prefix: IPPrefix) -> [SiteRoute] { self.engine.routes(at: prefix) }

    /// A slice of the routes in tree order: a block before what it holds, then by address; the
    /// routes of one prefix by feed number and path id.
    ///
    /// - Parameters:
    ///   - cursor: What the slice before gave; nil to begin.
    ///   - feed: Only this feed's.
    ///   - block: Only prefixes within this one, itself included.
    ///   - limit: Routes at most. With `feed` there may be fewer although more follow.
    /// - Returns: The routes, and where to go on; nil at the end.
    public func routes(
        after cursor: RouteCursor?, feed: FeedID? = nil, within block: IPPrefix? = nil,
        limit: Int
    ) -> (routes: [SiteRoute], next: RouteCursor?) {
        self.engine.routes(after: cursor, feed: feed, within: block, limit: limit)
    }

    /// A slice of the measured round trips in tree order, those of one prefix by site.
    ///
    /// - Parameters:
    ///   - cursor: What the slice before gave; nil to begin.
    ///   - block: Only prefixes within this one, itself included.
    ///   - limit: Round trips at most.
    /// - Returns: The round trips, and where to go on; nil at the end.
    public func roundTrips(
        after cursor: RoundTripCursor?, within block: IPPrefix? = nil, limit: Int
    ) -> (roundTrips: [RoundTripReport], next: RoundTripCursor?) {
        let slice = self.engine.roundTrips(after: cursor, within: block, limit: limit)
        return (slice.reports, slice.next)
    }

    /// Whether a round trip of any site is known at exactly this prefix.
    public func hasRoundTrip(at prefix: IPPrefix) -> Bool {
        self.engine.roundTrips.tree(prefix.family)
            .find(key: prefix.address.leftAligned, length: prefix.length) != 0
    }

    /// Feeds whose first transfer is over, and of whose refused announcements some would be taken
    /// now: room has come for all of them, or for a sixteenth of what the limit allows that was in
    /// the way. Not those for which address space alone is missing. By their order in the
    /// configuration.
    public func feedsToAsk() -> [FeedToAsk] { self.engine.feedsToAsk() }

    /// All feeds, by their order in the configuration.
    public func feedSummaries() -> [FeedSummary] { self.engine.feedSummaries() }

    /// Bytes by part: the table's own, which ``TableLimits/memory`` bounds, the commands that wait
    /// for the writer, and the routes of each feed.
    public func memory() -> [MemoryPart] { self.engine.memory() }

    public func counts() -> TableCounts { self.engine.counts() }
}
