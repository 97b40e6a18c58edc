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

    public init(
        site: SiteID, feed: FeedID, prefix: IPPrefix, attributes: RouteAttributes, distance: Int,
        since: Int64, isStale: Bool
    ) {
        self.site = site
        self.feed = feed
        self.prefix = prefix
        self.attributes = attributes
        self.distance = distance
        self.since = since
        self.isStale = isStale
    }
}

/// Where a listing goes on. It stays good whatever changes between two slices.
public struct RouteCursor: Hashable, Sendable {
    let prefix: IPPrefix
    let feed: FeedID?
}
