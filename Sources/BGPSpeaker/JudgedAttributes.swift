// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import FeedRules
import RouteTable

/// Attributes that came once for any number of prefixes, before their feed's judge.
///
/// They are judged once, and stand once in a batch for each way in which routes with them are
/// decided; mostly that is one.
struct JudgedAttributes {
    private let judge: RouteJudge
    private let facts: RouteFacts
    private let judgement: RouteJudge.Judgement
    private let attributes: RouteAttributes
    /// The ways that have been decided, the last first, and the attributes' index in the batch;
    /// nil: rejected.
    private var known: (way: Way, index: Int?)?
    /// Prefixes decided in the last way and not counted yet.
    private var uncounted = 0
    private var others: [(way: Way, index: Int?)] = []

    /// What makes one route's attributes differ from another's.
    private struct Way: Hashable {
        var decision: RouteJudge.Decision
        var validation: OriginValidationState
        var isIgnored: Bool
    }

    /// Judges decoded attributes: what is kept of them, all of them, and the bytes that they came
    /// as; their prefixes' next hop, also where it isn't kept, and family.
    init(
        _ judge: RouteJudge, _ attributes: RouteAttributes, _ decoded: PathAttributes,
        nextHop: IPAddress?, family: AddressFamily, bytes: RawSpan
    ) {
        self.judge = judge
        self.attributes = attributes
        let facts = RouteFacts(
            path: decoded.asPath ?? .empty, family: family, nextHop: nextHop,
            multiExitDiscriminator: decoded.multiExitDiscriminator,
            localPreference: decoded.localPreference)
        self.facts = facts
        let places =
            judge.rules.readsCommunities ? CommunityPlaces(in: bytes) : CommunityPlaces()
        self.judgement = judge.judge(
            facts, standard: bytes.extracting(places.standard),
            extended: bytes.extracting(places.extended), large: bytes.extracting(places.large))
    }

    /// The batch is another from now on.
    mutating func forgetIndices(counts: inout RuleCounts) {
        self.finish(&counts)
        self.known = nil
        self.others.removeAll()
    }

    /// Counts what has been decided: after the last prefix.
    mutating func finish(_ counts: inout RuleCounts) {
        if let known = self.known { counts.count(known.way.decision, times: self.uncounted) }
        self.uncounted = 0
    }

    /// The index in a batch of a prefix's attributes; nil where the route is as if it had not come.
    ///
    /// Where routes of invalid origin are ignored, they are held without a distance, unless the
    /// rule that decided about them asked for that.
    @inline(__always)
    mutating func index(
        of prefix: IPPrefix, validation: OriginValidationState = .notChecked,
        ignoresInvalid: Bool = false, in batch: inout RouteBatch, counts: inout RuleCounts
    ) -> Int? {
        if self.judge.looksAtPrefixes, let reason = self.judge.ignores(prefix) {
            counts.count(reason)
            return nil
        }
        let way = self.way(of: prefix, validation, ignoresInvalid)
        if let known = self.known, known.way == way {
            self.uncounted &+= 1
            return known.index
        }
        return self.find(way, in: &batch, counts: &counts)
    }

    @inline(__always)
    private func way(
        of prefix: IPPrefix, _ validation: OriginValidationState, _ ignoresInvalid: Bool
    ) -> Way {
        let decision =
            self.judgement.isDecided
            ? self.judgement.otherwise
            : self.judge.decide(self.judgement, prefix) { validation.state }
        return Way(
            decision: decision, validation: validation,
            isIgnored: validation == .invalid && ignoresInvalid && !self.judge.minds(decision))
    }

    private func attributes(_ way: Way) -> RouteAttributes? {
        let isRejected = self.judge.rejects(way.decision)
        // What is rejected for its origin is held: it may be valid before it comes again.
        guard !isRejected || self.judge.minds(way.decision) else { return nil }
        var attributes = self.attributes
        self.judge.apply(way.decision, self.facts, to: &attributes)
        attributes.validation = way.validation
        if way.isIgnored || isRejected { attributes.isIgnored = true }
        return attributes
    }

    @inline(never)
    private mutating func find(
        _ way: Way, in batch: inout RouteBatch, counts: inout RuleCounts
    ) -> Int? {
        self.finish(&counts)
        self.uncounted = 1
        if let known = self.known { self.others.append(known) }
        if let place = self.others.firstIndex(where: { $0.way == way }) {
            let found = self.others.remove(at: place)
            self.known = found
            return found.index
        }
        let index = self.attributes(way).map { batch.intern($0) }
        self.known = (way, index)
        return index
    }
}
