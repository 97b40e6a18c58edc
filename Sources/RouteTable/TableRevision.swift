// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Another look at routes that are held, by what is known now: rules that have changed, or payloads
/// of origin validation.
///
/// The writer does it in slices, between what else comes. Routes that come after it was submitted
/// may be looked at too; where several revisions wait, each is done after those before it. So the
/// body says outright what a route's attributes are to be: it may see what it, or another
/// revision, said already. A route that it takes out is there until it is looked at: a feed whose
/// session begins meanwhile has routes, and is not held back until it is complete.
public struct TableRevision: Sendable {
    /// What the attributes of a route are to be; nil: the route leaves. Called on the writer's
    /// thread: it is to be quick, and not to wait.
    public typealias Body = @Sendable (FeedID, IPPrefix, RouteAttributes) -> RouteAttributes?

    /// Whose routes; nil: of all feeds.
    public var feeds: Set<FeedID>?
    /// Only routes of these prefixes and of what they hold; nil: of all.
    public var within: [IPPrefix]?
    /// Readers see nothing of what changes until all has been looked at. For changes of most
    /// routes of a feed; meanwhile they don't see what else the feed's sites learn.
    public var showsAtOnce: Bool
    public var body: Body

    public init(
        feeds: Set<FeedID>? = nil, within: [IPPrefix]? = nil, showsAtOnce: Bool = false,
        _ body: @escaping Body
    ) {
        self.feeds = feeds
        self.within = within
        self.showsAtOnce = showsAtOnce
        self.body = body
    }

    func concerns(_ feed: FeedID) -> Bool { self.feeds?.contains(feed) ?? true }
}

/// A revision, and how far it is.
struct RevisionJob {
    enum Place {
        /// A page of a feed's routes.
        case page(feed: Int, isInIPv6: Bool, page: Int)
        /// The next prefix in a block.
        case prefix(block: Int, key: UInt128, length: Int)
    }

    let revision: TableRevision
    var place: Place
    var isBegun = false

    init(_ revision: TableRevision) {
        self.revision = revision
        self.place = .page(feed: 0, isInIPv6: false, page: 0)
        if revision.within != nil { self.enter(block: 0) }
    }

    mutating func enter(block index: Int) {
        let blocks = self.revision.within ?? []
        guard index < blocks.count else {
            self.place = .prefix(block: index, key: 0, length: 0)
            return
        }
        self.place = .prefix(
            block: index, key: blocks[index].address.leftAligned, length: blocks[index].length)
    }
}
