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
    /// Readers see nothing of what changes until all has been looked at, and then everything at
    /// once. For changes of most routes of a feed; meanwhile they don't see what else the feed's
    /// sites learn, nor other pins and locations.
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

/// A revision, and how far it is. What a guard may bring back of what was withdrawn comes last:
/// a route that is withdrawn before it was looked at is looked at there.
struct RevisionJob: Sendable {
    enum Place {
        /// A prefix's routes of a feed.
        case routes(feed: Int, at: FeedJob.Place)
        /// The next prefix in a block.
        case prefix(block: Int, key: UInt128, length: Int)
        /// What was withdrawn, from the entry with this number on.
        case withdrawals(feed: Int, number: Int)
        case end
    }

    let revision: TableRevision
    /// What is to be looked at, in order, none in another; nil: all.
    let blocks: [IPPrefix]?
    var place: Place
    var isBegun = false

    init(_ revision: TableRevision) {
        self.revision = revision
        self.blocks = revision.within.map { within in
            within.sorted().reduce(into: []) { blocks, prefix in
                if !(blocks.last?.contains(prefix) ?? false) { blocks.append(prefix) }
            }
        }
        self.place = .end
        self.startAgain()
    }

    mutating func enter(block index: Int) {
        guard let blocks = self.blocks, index < blocks.count else {
            self.place = .withdrawals(feed: 0, number: 0)
            return
        }
        self.place = .prefix(
            block: index, key: blocks[index].address.leftAligned, length: blocks[index].length)
    }

    mutating func startAgain() {
        self.isBegun = false
        self.place = .routes(feed: 0, at: FeedJob.Place())
        if self.blocks != nil { self.enter(block: 0) }
    }

    /// Whether a prefix is among what is to be looked at.
    func holds(_ prefix: IPPrefix) -> Bool {
        guard let blocks = self.blocks else { return true }
        var low = 0
        var high = blocks.count
        while low < high {
            let middle = (low + high) / 2
            if blocks[middle] <= prefix { low = middle + 1 } else { high = middle }
        }
        return low > 0 && blocks[low - 1].contains(prefix)
    }
}
