// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import FeedRules
public import OriginValidation
public import RouteTable
import Synchronization

/// By what routes are judged at a moment.
public struct OriginSnapshot: Equatable, Sendable {
    /// Nil where no validation is configured, or no cache has told anything yet: routes are not
    /// checked then.
    public var table: VRPTable?
    /// Invalid routes are held, but give no distance.
    public var ignoresInvalid: Bool
    /// A cache is configured, and none has told anything yet: what is known of a route from before
    /// the start stands until then.
    public var isAwaited: Bool

    public init(table: VRPTable? = nil, ignoresInvalid: Bool = true, isAwaited: Bool = false) {
        self.table = table
        self.ignoresInvalid = ignoresInvalid
        self.isAwaited = isAwaited
    }

    public var isOn: Bool { self.table != nil }

    /// The state of a route.
    ///
    /// - Parameters:
    ///   - prefix: The route's.
    ///   - origin: The AS it is from, as origin validation counts it; nil where there is none.
    /// - Returns: `notChecked` where validation is off.
    public func state(of prefix: IPPrefix, origin: ASNumber?) -> OriginValidationState {
        guard let table = self.table else { return .notChecked }
        return switch table.state(of: prefix, origin: origin) {
        case .notFound: .notFound
        case .valid: .valid
        case .invalid: .invalid
        }
    }
}

extension OriginSnapshot {
    /// The state of a route that is held; `local` is the AS of the speaker that has it.
    fileprivate func state(
        of held: RouteAttributes, _ prefix: IPPrefix, local: ASNumber
    ) -> OriginValidationState {
        guard self.isOn else { return self.isAwaited ? held.validation : .notChecked }
        // It came when no more was kept than its length.
        guard held.keptLength == nil else { return .notChecked }
        return self.state(of: prefix, origin: held.asPath.originAS(local: local))
    }
}

/// The validated payloads that routes are judged by, for all that bring routes and for the table's
/// writer, who judges held ones again.
public final class OriginValidator: Sendable {
    /// What judging a feed's held routes takes.
    public struct Feed: Sendable {
        /// The AS of the speaker that has the feed's routes: those with an empty path are from
        /// there (RFC 6811 §2). 0, which no payload matches, where it isn't known.
        public var localAS: ASNumber
        /// The feed's rules, where one of them asks for the validation.
        fileprivate var judge: RouteJudge?

        public init(localAS: ASNumber = 0, judge: RouteJudge? = nil, kept: KeptAttributes) {
            self.localAS = localAS
            let asks = judge?.rules.readsValidation ?? false
            // Without all that the rules ask for, what they said when the route came stands.
            self.judge = asks && judge?.canRevise(kept) == true ? judge : nil
        }
    }

    private struct State {
        var snapshot = OriginSnapshot()
        var feeds: [FeedID: Feed] = [:]
    }

    private let state = Mutex(State())

    public init() {}

    /// A reference to the payloads, and a flag.
    public var snapshot: OriginSnapshot {
        get { self.state.withLock { $0.snapshot } }
        set { self.state.withLock { $0.snapshot = newValue } }
    }

    /// The feeds there are, in place of those before.
    public func define(_ feeds: [FeedID: Feed]) {
        self.state.withLock { state in
            for (id, feed) in feeds where feed.localAS == 0 {
                // What a router has said of itself stands.
                state.feeds[id] =
                    state.feeds[id].map {
                        var known = feed
                        known.localAS = $0.localAS
                        return known
                    } ?? feed
            }
            for (id, feed) in feeds where feed.localAS != 0 { state.feeds[id] = feed }
            state.feeds = state.feeds.filter { feeds[$0.key] != nil }
        }
    }

    func localAS(of feed: FeedID) -> ASNumber {
        self.state.withLock { $0.feeds[feed]?.localAS } ?? 0
    }

    /// A router has said which AS it is of.
    func setLocalAS(_ number: ASNumber, of feed: FeedID) {
        self.state.withLock { $0.feeds[feed]?.localAS = number }
    }

    /// Has held routes judged by the payloads there are when it is their turn.
    ///
    /// - Parameters:
    ///   - feeds: Whose routes; nil: of all feeds.
    ///   - prefixes: Only routes under these; nil: all.
    /// - Returns: What the table is to do.
    public func revision(
        of feeds: Set<FeedID>? = nil, within prefixes: [IPPrefix]? = nil
    ) -> TableRevision {
        TableRevision(feeds: feeds, within: prefixes) { feed, prefix, held in
            self.revised(held, prefix: prefix, of: feed)
        }
    }

    /// Where more prefixes have changed, all routes are judged again: one walk costs less. To find a
    /// prefix costs about as much as to judge a route, and each prefix has a route of every feed.
    private static let revisedPrefixes = 262_144

    /// Puts other payloads, or what follows from them, in force: for routes that come from now on.
    ///
    /// - Returns: What the table is to do with the routes that it holds, those under prefixes that
    ///   may be judged otherwise; nil where nothing is. What was judged by the payloads of before
    ///   is to be in the table first.
    public func replaceSnapshot(by new: OriginSnapshot) -> TableRevision? {
        let old = self.snapshot
        guard new != old else { return nil }
        self.snapshot = new
        guard let before = old.table, let after = new.table,
            new.ignoresInvalid == old.ignoresInvalid
        else { return self.revision() }
        return self.revision(
            within: before.changedPrefixes(to: after, limit: Self.revisedPrefixes))
    }

    /// Has a feed's held routes judged by other rules, and by the payloads there are when it is
    /// their turn. Readers see all of it at once, or with `showsAtOnce` false as it comes about.
    ///
    /// - Returns: Nil where too little is `kept` of a route to be judged by these rules.
    func revision(
        of feed: FeedID, by judge: RouteJudge?, keeping kept: KeptAttributes, showsAtOnce: Bool
    ) -> TableRevision? {
        let judge = judge ?? RouteJudge(RuleSet())
        guard judge.canRevise(kept) else { return nil }
        return TableRevision(feeds: [feed], showsAtOnce: showsAtOnce) { feed, prefix, held in
            // It came when less of a route was kept than the rules ask for.
            if held.keptLength != nil, judge.rules.readsOtherAttributes { return held }
            let snapshot = self.snapshot
            let validation = snapshot.state(of: held, prefix, local: self.localAS(of: feed))
            return judge.revised(
                held, prefix, validation: validation, ignoresInvalid: snapshot.ignoresInvalid)
        }
    }

    private func revised(
        _ held: RouteAttributes, prefix: IPPrefix, of feed: FeedID
    ) -> RouteAttributes? {
        let (snapshot, feed) = self.state.withLock { ($0.snapshot, $0.feeds[feed]) }
        let validation = snapshot.state(of: held, prefix, local: feed?.localAS ?? 0)
        if let judge = feed?.judge {
            return judge.revised(
                held, prefix, validation: validation, ignoresInvalid: snapshot.ignoresInvalid)
        }
        var revised = held
        revised.validation = validation
        revised.isIgnored = held.isLeaked || validation == .invalid && snapshot.ignoresInvalid
        return revised
    }
}
