// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// What can be asked of the table's owner. Commands of one feed are carried out in the order they
/// came, and so are those about no feed; sites come and go between all else.
public enum TableCommand: Sendable {
    case defineSite(SiteID, name: String)
    /// Takes the site's column away, and its feeds with it.
    case removeSite(SiteID)
    /// A known id is redefined without the loss of its routes.
    case addFeed(FeedDefinition)
    case removeFeed(FeedID)
    case routes(RouteBatch)
    /// A session (or another pass over a file) begins: routes held from before are stale until
    /// they are announced again.
    case feedUp(FeedID)
    /// End-of-RIB of all families: a feed in its first transfer comes in whole; what is still
    /// stale leaves.
    case feedComplete(FeedID)
    /// The session is lost: all its routes are stale from now.
    case feedDown(FeedID)
    /// All its routes leave.
    case feedFlush(FeedID)
    /// End-of-RIB of one family: if it was in its first transfer it comes in whole; what is
    /// still stale of it leaves. When all have come, ``feedComplete(_:)`` follows.
    case familyComplete(FeedID, AddressFamily)
    /// The feed sends all that it has of a family again (BoRR, RFC 7313 §4): that is confirmed.
    /// Everything counts meanwhile as it did.
    case refreshBegan(FeedID, AddressFamily)
    /// It has (EoRR): what was not confirmed leaves. Nothing happens where no refresh began, or
    /// the session was lost since.
    case refreshEnded(FeedID, AddressFamily)
    /// What is stale of a family is from now on long-lived stale (RFC 9494 §4.3): any other route
    /// is better, and routes that came with NO_LLGR leave.
    case longLivedStale(FeedID, AddressFamily)
    /// What is stale of a family leaves: its time is over, or the peer has not kept it. If the
    /// session is lost, that is all, and the family's next transfer is held back.
    case staleExpired(FeedID, AddressFamily)
    /// All paths with these ids leave, of both families (a monitored peer is gone), by one walk over
    /// the feed's routes. The ids may be announced again at once. That is one step of the writer:
    /// more than ``mostPathIDs`` are for several commands.
    case withdrawPaths(FeedID, pathIDs: [UInt32])
    /// The feed was asked to send all that it has again: what was refused of it so far is on its
    /// way.
    case routesRequested(FeedID)
    /// An operator believes a feed whose losses its guard holds: what it withdrew leaves.
    case releaseGuard(FeedID)
    /// Routes that are held are looked at again.
    case revise(TableRevision)
    /// All pins at once, in place of those before; the last of equal prefixes wins.
    case setPins([(IPPrefix, [SiteID])])
    /// All locations at once, in place of those before.
    case setLocations(LocationSet)
    /// Round trips that were just measured, each an observation of its own. Beyond
    /// ``TableLimits/roundTripPrefixes`` or ``TableLimits/classes`` they are refused and counted.
    case observe([RoundTrip])
    /// All round trips that files know, in place of those before. They hold where no observation
    /// is remembered.
    case setRoundTrips([RoundTrip])
    /// Averages that were remembered elsewhere, for where nothing has been observed yet.
    case restoreRoundTrips([RoundTripReport])
    case setRoundTripRules(RoundTripRules)
    /// When prefixes that flip keep what is shown of them; nil: never, as at the start.
    case setFlipHold(FlipHoldRules?)
    /// Forgets what has not been observed for the rules' time.
    case expireRoundTrips
}

extension TableCommand {
    /// Ids that one ``withdrawPaths(_:pathIDs:)`` takes in a millisecond or so.
    public static let mostPathIDs = 4_096
}

/// Why a definition can't be carried out.
public enum TableDefinitionError: Error, Hashable, Sendable {
    case siteOutOfRange(SiteID, limit: Int)
    case feedOutOfRange(FeedID, limit: Int)
    /// A range that ends before it begins, or in the other address family.
    case badRange(index: Int)
    /// More ranges or pins than the lookup's reserved space can hold.
    case tooManyRanges(count: Int, limit: Int)
}

extension TableDefinitionError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .siteOutOfRange(let site, let limit):
            "site number \(site.rawValue) is out of range: a table holds \(limit) sites"
        case .feedOutOfRange(let feed, let limit):
            "feed number \(feed.rawValue) is out of range: a table holds \(limit) feeds"
        case .badRange(let index):
            "location range \(index + 1) ends before it begins or changes its address family"
        case .tooManyRanges(let count, let limit):
            "\(count) ranges are more than the \(limit) that fit"
        }
    }
}

extension TableCommand {
    /// Checks ids and ranges. The owner refuses (and counts) what this refuses.
    public func validate() throws(TableDefinitionError) {
        func check(_ site: SiteID) throws(TableDefinitionError) {
            guard site.rawValue < SiteID.limit else {
                throw .siteOutOfRange(site, limit: SiteID.limit)
            }
        }
        switch self {
        case .defineSite(let site, name: _), .removeSite(let site): try check(site)
        case .addFeed(let feed):
            guard feed.id.rawValue < FeedID.limit else {
                throw .feedOutOfRange(feed.id, limit: FeedID.limit)
            }
            try check(feed.site)
            for site in feed.throughSites.keys { try check(site) }
        case .setPins(let pins):
            for (_, sites) in pins { for site in sites { try check(site) } }
        case .setLocations(let set):
            if let index = set.firstBad { throw .badRange(index: index) }
        case .observe(let trips), .setRoundTrips(let trips):
            for trip in trips { try check(trip.site) }
        case .restoreRoundTrips(let reports): for report in reports { try check(report.site) }
        case .setRoundTripRules, .expireRoundTrips, .removeFeed, .routes, .feedUp, .feedComplete,
            .feedDown, .feedFlush, .routesRequested, .releaseGuard, .familyComplete,
            .refreshBegan, .refreshEnded,
            .longLivedStale, .staleExpired, .withdrawPaths, .revise,
            .setFlipHold:
            break
        }
    }
}
