// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// A route as one site sees it.
public struct SiteRoute: Hashable, Sendable {
    public var site: SiteID
    public var feed: FeedID
    public var prefix: IPPrefix
    public var attributes: RouteAttributes
    /// Hops from ``site``; with `throughSites` it may be less than the path's length.
    public var distance: Int
    /// When these attributes came, in Unix seconds.
    public var since: Int64
    public var isStale: Bool
    /// It lost its session long ago, or somebody before us has (RFC 9494): any other is better.
    public var isLongLivedStale: Bool
    /// Tells the feed's paths to one prefix apart (RFC 7911); 0 where it sends one.
    public var pathID: UInt32
    /// Its feed's first transfer of the family is not over: it counts for nothing yet.
    public var isHeldBack: Bool

    public init(
        site: SiteID, feed: FeedID, prefix: IPPrefix, attributes: RouteAttributes, distance: Int,
        since: Int64, isStale: Bool, isLongLivedStale: Bool = false, pathID: UInt32 = 0,
        isHeldBack: Bool = false
    ) {
        self.isHeldBack = isHeldBack
        self.site = site
        self.feed = feed
        self.prefix = prefix
        self.attributes = attributes
        self.distance = distance
        self.since = since
        self.isStale = isStale
        self.isLongLivedStale = isLongLivedStale
        self.pathID = pathID
    }
}

/// Where a listing goes on. It stays good whatever changes between two slices.
public struct RouteCursor: Hashable, Sendable {
    let prefix: IPPrefix
    /// The last feed that was listed, and its path; nil: the prefix is done.
    let feed: FeedID?
    let pathID: UInt32
}
