// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import FeedRules
public import OriginValidation
public import RouteTable
import Synchronization

/// By what routes are judged at a moment.
public struct OriginSnapshot: Sendable {
    /// Nil where no validation is configured, or no cache has told anything yet: routes are not
    /// checked then.
    public var table: VRPTable?
    /// Invalid routes are held, but give no distance.
    public var ignoresInvalid: Bool

    public init(table: VRPTable? = nil, ignoresInvalid: Bool = true) {
        self.table = table
        self.ignoresInvalid = ignoresInvalid
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

/// The validated payloads that routes are judged by, for all that bring routes and for the table's
/// writer, who judges held ones again.
public final class OriginValidator: Sendable {
    private struct State {
        var snapshot = OriginSnapshot()
        var localNumbers: [FeedID: ASNumber] = [:]
        var judges: [FeedID: (judge: RouteJudge, kept: KeptAttributes)] = [:]
    }

    private let state = Mutex(State())

    public init() {}

    /// Small, and shares the payloads' storage.
    public var snapshot: OriginSnapshot {
        get { self.state.withLock { $0.snapshot } }
        set { self.state.withLock { $0.snapshot = newValue } }
    }

    /// The AS of the speaker that has a feed's routes: routes with an empty path are from there
    /// (RFC 6811 §2). 0, which no payload matches, where it isn't known.
    public func localAS(of feed: FeedID) -> ASNumber {
        self.state.withLock { $0.localNumbers[feed] } ?? 0
    }

    /// Has held routes judged by the payloads and the rules there are when it is their turn.
    ///
    /// - Parameters:
    ///   - feeds: Only routes of these; nil: of all. Readers see their change at once.
    ///   - prefixes: Only routes under these; nil: all.
    /// - Returns: What the table is to do.
    public func revision(
        of feeds: Set<FeedID>? = nil, within prefixes: [IPPrefix]? = nil
    ) -> TableRevision {
        TableRevision(feeds: feeds, within: prefixes, showsAtOnce: feeds != nil) {
            feed, prefix, held in self.revised(held, prefix: prefix, of: feed)
        }
    }

    private func revised(
        _ held: RouteAttributes, prefix: IPPrefix, of feed: FeedID
    ) -> RouteAttributes? {
        let (snapshot, local, judged) = self.state.withLock {
            ($0.snapshot, $0.localNumbers[feed] ?? 0, $0.judges[feed])
        }
        // A path that isn't kept doesn't say where the route is from.
        let validation =
            held.keptLength != nil
            ? held.validation
            : snapshot.state(of: prefix, origin: held.asPath.originAS(local: local))
        if let judged, judged.judge.canRevise(judged.kept) {
            return judged.judge.revised(
                held, prefix, validation: validation, ignoresInvalid: snapshot.ignoresInvalid)
        }
        var revised = held
        revised.validation = validation
        revised.isIgnored =
            held.isLeaked || validation == .invalid && snapshot.ignoresInvalid
        return revised
    }

    /// Who judges a feed's routes, and what is kept of them.
    public func setJudge(_ judge: RouteJudge?, keeping kept: KeptAttributes, of feed: FeedID) {
        self.state.withLock { $0.judges[feed] = judge.map { ($0, kept) } }
    }

    public func setLocalAS(_ number: ASNumber, of feed: FeedID) {
        self.state.withLock { $0.localNumbers[feed] = number }
    }
}
