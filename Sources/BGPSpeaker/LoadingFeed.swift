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
    /// Routes whose attributes RFC 7606 doesn't let pass.
    private(set) var malformed = 0

    private let owner: TableOwner
    private var batch: RouteBatch
    private var batchNumber: Int32 = 0
    let kept: KeptAttributes
    /// Nil where all routes count as they are, but perhaps for default routes.
    private let judge: RouteJudge?
    private let ignoresDefaultRoute: Bool
    private let tally: RuleTally?
    private let cache: LoadingCache
    private var paths = LoadingPaths()

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

    /// A route from a table dump.
    mutating func announce(_ prefix: IPPrefix, attributes: RawSpan, context: DecodeContext) {
        if self.ignores(prefix) { return }
        let outcome = self.cache.outcome(
            of: prefix, attributes, context: context, in: &self.batch, number: self.batchNumber)
        switch outcome {
        case .index(let index):
            self.batch.announce(prefix, attributes: index)
            self.announced += 1
            self.flushIfFull()
        case .malformed: self.malformed += 1
        case .rejected: break
        }
    }

    /// A route decoded whole, and not judged yet.
    mutating func announce(judging attributes: RouteAttributes, _ prefix: IPPrefix) {
        if self.ignores(prefix) { return }
        guard let judge = self.judge else {
            self.announce(prefix, attributes.keeping(self.kept))
            return
        }
        let revised = judge.revised(attributes, prefix, counts: &self.cache.counts)
        if let revised { self.announce(prefix, revised.keeping(self.kept)) }
    }

    /// What the feed makes of one of several paths to a prefix; nil where it isn't used.
    func judged(_ decoded: PathAttributes, _ prefix: IPPrefix, bytes: RawSpan) -> RouteAttributes? {
        if self.ignores(prefix) { return nil }
        let nextHop = decoded.nextHop
        let attributes = RouteAttributes(decoded, nextHop: nextHop, keeping: self.kept)
        guard let judge = self.judge else { return attributes }
        return JudgedAttributes(
            judge, attributes, decoded, nextHop: nextHop, family: prefix.family, bytes: bytes
        ).attributes(of: prefix, counts: &self.cache.counts)
    }

    /// A route decoded and judged already.
    mutating func announce(_ prefix: IPPrefix, _ attributes: RouteAttributes) {
        self.batch.announce(prefix, attributes: self.batch.intern(attributes))
        self.announced += 1
        self.flushIfFull()
    }

    /// A route that can't be used.
    mutating func leaveOut() { self.malformed += 1 }

    /// Whether it is a default route, and the feed has no use for it.
    private func ignores(_ prefix: IPPrefix) -> Bool {
        guard prefix.length == 0, self.ignoresDefaultRoute else { return false }
        self.cache.counts.defaultRoutes += 1
        return true
    }

    /// All that an UPDATE says.
    mutating func apply(_ update: UpdateDecoding, in body: RawSpan, context: DecodeContext) {
        // Withdrawn first: a prefix that is in both is announced (RFC 4271 §4.3).
        try? update.forEachWithdrawn(in: body, context: context) { pathID, prefix in
            self.withdraw(prefix, pathID, isAmongPaths: context.addPath.contains(prefix.family))
        }
        guard update.disposition < .treatAsWithdraw else {
            self.malformed += 1
            try? update.forEachAnnounced(in: body, context: context) { pathID, prefix in
                self.withdraw(
                    prefix, pathID, isAmongPaths: context.addPath.contains(prefix.family))
            }
            return
        }
        guard update.announcesPrefixes else { return }
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
                self.leave(
                    prefix, pathID, isAmongPaths: context.addPath.contains(prefix.family))
                return
            }
            // Prefixes of MP_REACH_NLRI have a next hop of their own.
            attributes.nextHop =
                prefix.family == update.attributes.mpReach?.family
                ? update.attributes.mpReach?.nextHop : ownNextHop
            if context.addPath.contains(prefix.family) {
                self.announce(prefix, self.paths.add(prefix, pathID, attributes))
                indices.removeAll()
                return
            }
            let index = indices[attributes.nextHop] ?? self.batch.intern(attributes)
            indices[attributes.nextHop] = index
            self.batch.announce(prefix, attributes: index)
            self.announced += 1
            self.flushIfFull()
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
            let isAmongPaths = context.addPath.contains(prefix.family)
            if isAmongPaths {
                if let one = attributes.attributes(of: prefix, counts: &self.cache.counts) {
                    self.announce(prefix, self.paths.add(prefix, pathID, one))
                } else {
                    self.leave(prefix, pathID, isAmongPaths: true)
                }
                return
            }
            let index = attributes.index(
                of: prefix, in: &self.batch, counts: &self.cache.counts)
            guard let index else {
                self.leave(prefix, pathID, isAmongPaths: false)
                if self.batch.isEmpty { attributes.forgetIndices(counts: &self.cache.counts) }
                return
            }
            self.batch.announce(prefix, attributes: index)
            self.announced += 1
            self.flushIfFull()
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

    private mutating func withdraw(_ prefix: IPPrefix, _ pathID: UInt32, isAmongPaths: Bool) {
        self.withdrawn += 1
        self.leave(prefix, pathID, isAmongPaths: isAmongPaths)
    }

    /// A route isn't there any more.
    private mutating func leave(_ prefix: IPPrefix, _ pathID: UInt32, isAmongPaths: Bool) {
        if isAmongPaths, let next = self.paths.remove(prefix, pathID) {
            self.batch.announce(prefix, attributes: self.batch.intern(next))
        } else {
            self.batch.withdraw(prefix)
        }
        self.flushIfFull()
    }

    /// The session ended: another one's path identifiers mean something else.
    mutating func forgetPaths() { self.paths = LoadingPaths() }

    /// The end: what has been decided is counted.
    mutating func finish() {
        self.flush()
        self.cache.finish()
        self.tally?.take(&self.cache.counts)
    }

    /// The session ended: its routes are gone.
    mutating func reset() {
        self.flush()
        self.paths = LoadingPaths()
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

/// The paths of sessions with ADD-PATH (RFC 7911): several for a prefix, of which the table gets
/// the shortest; of equal ones the one that came first.
struct LoadingPaths {
    private var paths: [IPPrefix: [(id: UInt32, attributes: RouteAttributes)]] = [:]

    /// - Returns: The attributes that count now.
    mutating func add(
        _ prefix: IPPrefix, _ id: UInt32, _ attributes: RouteAttributes
    ) -> RouteAttributes {
        var paths = self.paths[prefix] ?? []
        if let known = paths.firstIndex(where: { $0.id == id }) {
            paths[known].attributes = attributes
        } else {
            paths.append((id, attributes))
        }
        self.paths[prefix] = paths
        return Self.best(paths) ?? attributes
    }

    /// - Returns: The attributes that count now; nil where no path is left.
    mutating func remove(_ prefix: IPPrefix, _ id: UInt32) -> RouteAttributes? {
        guard var paths = self.paths[prefix] else { return nil }
        paths.removeAll { $0.id == id }
        self.paths[prefix] = paths.isEmpty ? nil : paths
        return Self.best(paths)
    }

    private static func best(
        _ paths: [(id: UInt32, attributes: RouteAttributes)]
    ) -> RouteAttributes? {
        paths.min { $0.attributes.distance < $1.attributes.distance }?.attributes
    }
}
