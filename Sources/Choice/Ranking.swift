// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import RouteTable

/// Why a site has its place in a ranking, as the fronts print it.
///
/// A place is decided against its neighbour: the first of those that are compared with each other
/// shows what put it before the second, every other what put it behind the one before it.
public enum Reason: String, Hashable, Sendable, CaseIterable {
    /// A route map or an operator says so.
    case pinned
    /// The measured round trip.
    case rtt
    case cost
    case hops
    /// Kilometres.
    case location
    /// The weighted hash of the client's prefix.
    case weight
    /// The order in which the sites are listed.
    case order
    /// Others have a route to the client and this site has none.
    case noRoute = "no-route"
    case down
    case drained
    case full
}

/// A site's state in a word.
public enum DisplayState: String, Hashable, Sendable, CaseIterable {
    case up, slow, stale, draining, full, down, forced
}

/// One site's place.
public struct RankedSite: Hashable, Sendable {
    public var site: SiteID
    /// AS hops; nil without a route.
    public var distance: Int?
    /// Milliseconds; nil where the site was not ranked by it.
    public var cost: Double?
    /// Between the client's place and the site's; nil where one is unknown.
    public var kilometres: Double?
    public var roundTrip: Duration?
    public var state: DisplayState
    public var reason: Reason

    public init(
        site: SiteID, distance: Int?, cost: Double?, kilometres: Double?, roundTrip: Duration?,
        state: DisplayState, reason: Reason
    ) {
        self.site = site
        self.distance = distance
        self.cost = cost
        self.kilometres = kilometres
        self.roundTrip = roundTrip
        self.state = state
        self.reason = reason
    }
}

/// The sites in order of preference for one client, with the reason for each place.
public struct Ranking: Hashable, Sendable {
    /// All sites of the policy that have an address of the family, those that may be answered
    /// first.
    public var entries: [RankedSite]
    /// How many of the entries may be answered.
    public var usableCount: Int
    /// How much of the client's address a hash has seen; nil where none decided. An answer's
    /// scope is at least as long.
    public var hashedLength: Int?
    /// The first place that a hash decided, counted from 0.
    public var firstHashedPlace: Int?
    /// None of the sites is usable, and `all-down` decided.
    public var allDown: Bool

    public init(
        entries: [RankedSite], usableCount: Int, hashedLength: Int? = nil,
        firstHashedPlace: Int? = nil, allDown: Bool = false
    ) {
        self.entries = entries
        self.usableCount = usableCount
        self.hashedLength = hashedLength
        self.firstHashedPlace = firstHashedPlace
        self.allDown = allDown
    }

    /// The entries that may be answered.
    public var usable: ArraySlice<RankedSite> { self.entries.prefix(self.usableCount) }
}
