// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import FeedRules
import RouteTable

/// Gathers one feed's routes into batches, and hands them to the table.
struct LoadingFeed {
    /// Changes in a batch.
    private static let batchSize = 2048

    let id: FeedID
    /// Routes announced.
    private(set) var announced = 0
    private(set) var withdrawn = 0
    /// Routes, or UPDATEs, whose attributes RFC 7606 doesn't let pass, and routes to multicast
    /// prefixes.
    private(set) var malformed = 0
    /// Announcements in such UPDATEs.
    private(set) var treatedAsWithdrawn = 0

    private let owner: TableOwner
    private var batch: RouteBatch
    private var batchNumber: Int32 = 0
    let kept: KeptAttributes
    /// Nil where all routes count as they are, but perhaps for default routes.
    private let judge: RouteJudge?
    private let ignoresDefaultRoute: Bool
    private let tally: RuleTally?
    private let cache: LoadingCache

    init(id: FeedID, owner: TableOwner, keeping kept: KeptAttributes, judge: RouteJudge? = nil) {
        self.id = id
        self.owner = owner
        self.kept = kept
        self.judge = judge?.isPlain == false ? judge : nil
        self.ignoresDefaultRoute = judge?.ignoresDefaultRoute ?? false
        self.tally = judge?.tally
        self.cache = LoadingCache(keeping: kept, judge: self.judge)
        self.batch = RouteBatch(feed: id)
        self.batch.reserveCapacity(Self.batchSize)
    }

    /// A route from a table dump; `pathID` is its path identifier, where the dump has such
    /// (RFC 8050 §4).
    mutating func announce(
        _ prefix: IPPrefix, pathID: UInt32 = 0, attributes: RawSpan, context: DecodeContext
    ) {
        if self.ignores(prefix) { return }
        let outcome = self.cache.outcome(
            of: prefix, attributes, context: context, in: &self.batch, number: self.batchNumber)
        switch outcome {
        case .index(let index): self.announce(prefix, pathID, index)
        case .malformed: self.malformed += 1
        case .rejected: break
        }
    }

    /// A route decoded whole, and not judged yet.
    mutating func announce(judging attributes: RouteAttributes, _ prefix: IPPrefix) {
        if self.ignores(prefix) { return }
        var judged: RouteAttributes? = attributes
        if let judge = self.judge {
            judged = judge.revised(attributes, prefix, counts: &self.cache.counts)
        }
        guard let judged else { return }
        self.announce(prefix, 0, self.batch.intern(judged.keeping(self.kept)))
    }

    /// A route whose attributes have this index in the batch.
    private mutating func announce(_ prefix: IPPrefix, _ pathID: UInt32, _ attributes: Int) {
        self.batch.announce(prefix, pathID: pathID, attributes: attributes)
        self.announced += 1
        self.flushIfFull()
    }

    /// Whether it is a multicast prefix (RFC 4271 §6.3), or a default route that the feed has no use
    /// for.
    private mutating func ignores(_ prefix: IPPrefix) -> Bool {
        if prefix.isMulticast {
            self.malformed += 1
            return true
        }
        guard prefix.length == 0, self.ignoresDefaultRoute else { return false }
        self.cache.counts.defaultRoutes += 1
        return true
    }

    /// All that an UPDATE says.
    mutating func apply(_ update: UpdateDecoding, in body: RawSpan, context: DecodeContext) {
        // Withdrawn first: a prefix that is in both is announced (RFC 4271 §4.3).
        try? update.forEachWithdrawn(in: body, context: context) { pathID, prefix in
            self.withdraw(prefix, pathID)
        }
        guard update.disposition < .treatAsWithdraw else {
            self.malformed += 1
            try? update.forEachAnnounced(in: body, context: context) { pathID, prefix in
                self.treatedAsWithdrawn += 1
                self.leave(prefix, pathID)
            }
            return
        }
        guard update.announcesPrefixes else { return }
        self.malformed += update.ignoredPrefixes
        if let judge = self.judge {
            self.announce(update, in: body, context: context, by: judge)
            return
        }
        let decoded = update.attributes.attributes
        let ownNextHop = decoded.nextHop
        var attributes = RouteAttributes(decoded, nextHop: ownNextHop, keeping: self.kept)
        var indices: [IPAddress?: Int] = [:]
        try? update.forEachAnnounced(in: body, context: context) { pathID, prefix in
            // Another batch has other attributes.
            if self.batch.isEmpty { indices.removeAll() }
            if self.ignores(prefix) {
                self.leave(prefix, pathID)
                return
            }
            // Prefixes of MP_REACH_NLRI have a next hop of their own.
            attributes.nextHop =
                prefix.family == update.attributes.mpReach?.family
                ? update.attributes.mpReach?.nextHop : ownNextHop
            let index = indices[attributes.nextHop] ?? self.batch.intern(attributes)
            indices[attributes.nextHop] = index
            self.announce(prefix, pathID, index)
        }
    }

    /// All that an UPDATE announces, as the feed's judge sees it.
    private mutating func announce(
        _ update: UpdateDecoding, in body: RawSpan, context: DecodeContext, by judge: RouteJudge
    ) {
        let decoded = update.attributes.attributes
        let bytes = body.extracting(update.attributeBytes)
        func judged(_ nextHop: IPAddress?, _ family: AddressFamily) -> JudgedAttributes {
            JudgedAttributes(
                judge, RouteAttributes(decoded, nextHop: nextHop, keeping: self.kept), decoded,
                nextHop: nextHop, family: family, bytes: bytes)
        }
        func add(_ prefix: IPPrefix, _ pathID: UInt32, _ attributes: inout JudgedAttributes) {
            let index = attributes.index(
                of: prefix, in: &self.batch, counts: &self.cache.counts)
            if let index {
                self.announce(prefix, pathID, index)
            } else {
                self.leave(prefix, pathID)
            }
            if self.batch.isEmpty { attributes.forgetIndices(counts: &self.cache.counts) }
        }
        if let field = update.attributes.mpReach, let family = field.family {
            var attributes = judged(field.nextHop, family)
            try? update.forEachReachable(in: body, context: context) { add($1, $0, &attributes) }
            attributes.finish(&self.cache.counts)
        }
        if !update.announced.isEmpty {
            var attributes = judged(decoded.nextHop, .ipv4)
            try? update.forEachClassic(in: body, context: context) { add($1, $0, &attributes) }
            attributes.finish(&self.cache.counts)
        }
    }

    private mutating func withdraw(_ prefix: IPPrefix, _ pathID: UInt32) {
        self.withdrawn += 1
        self.leave(prefix, pathID)
    }

    /// A route isn't there any more.
    private mutating func leave(_ prefix: IPPrefix, _ pathID: UInt32) {
        self.batch.withdraw(prefix, pathID: pathID)
        self.flushIfFull()
    }

    /// The end: what has been decided is counted.
    mutating func finish() {
        self.flush()
        self.cache.finish()
        self.tally?.take(&self.cache.counts)
    }

    /// The session ended: its routes are gone.
    mutating func reset() {
        self.flush()
        self.owner.submitAndWait(.feedFlush(self.id))
    }

    private mutating func flushIfFull() {
        if self.batch.count >= Self.batchSize { self.flush() }
    }

    mutating func flush() {
        self.batchNumber = (self.batchNumber + 1) & .max
        guard !self.batch.isEmpty else {
            self.batch = RouteBatch(feed: self.id)
            return
        }
        self.owner.submitAndWait(.routes(self.batch))
        self.batch = RouteBatch(feed: self.id)
        self.batch.reserveCapacity(Self.batchSize)
    }
}
