// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import FeedRules
import OriginValidation
import RouteTable

/// Turns UPDATEs into batches for the table.
struct UpdateSink {
    /// Changes that a batch holds before it is handed on: enough to share the cost, few enough
    /// to keep the writer's steps short.
    static let batchSize = 2048

    let feed: FeedID
    /// Of UPDATEs that are added from now on.
    var kept: KeptAttributes
    /// Of those too.
    var judge: RouteJudge? {
        willSet { self.count() }
        didSet { self.counts = RuleCounts(rules: self.judge?.rules.rules.count ?? 0) }
    }
    private var counts: RuleCounts
    /// Judges the routes' origins.
    private let validator: OriginValidator?
    private(set) var batch: RouteBatch
    private(set) var announcedByFamily = (ipv4: 0, ipv6: 0)
    private(set) var withdrawn = 0
    /// Announcements that a route reflector had passed on (RFC 4456).
    var reflected = 0

    var announced: Int { self.announcedByFamily.ipv4 + self.announcedByFamily.ipv6 }

    init(
        feed: FeedID, keeping kept: KeptAttributes, judge: RouteJudge? = nil,
        validator: OriginValidator? = nil
    ) {
        self.feed = feed
        self.kept = kept
        self.validator = validator
        self.judge = judge
        self.counts = RuleCounts(rules: judge?.rules.rules.count ?? 0)
        self.batch = RouteBatch(feed: feed)
    }

    var isFull: Bool { self.batch.count >= Self.batchSize }
    var isEmpty: Bool { self.batch.isEmpty }

    /// What was gathered, and an empty batch in its place.
    mutating func take() -> RouteBatch {
        let full = self.batch
        self.batch = RouteBatch(feed: self.feed)
        self.count()
        return full
    }

    /// Adds what has been decided to the judge's counts.
    private mutating func count() { self.judge?.tally.take(&self.counts) }

    /// Adds what an UPDATE says, which has been decoded and judged: all withdrawn prefixes, and
    /// then the announced ones, or those too as withdrawn.
    ///
    /// A session that is to be reset adds nothing.
    ///
    /// - Parameters:
    ///   - update: The UPDATE, decoded.
    ///   - body: Its bytes.
    ///   - context: How it was decoded.
    ///   - identify: Gives the table's identifier of a path by the sender's, which is 0 where it
    ///     sends none, and by whether the path is announced; nil: the path is passed by. Without it
    ///     the sender's own is the table's.
    mutating func add(
        _ update: UpdateDecoding, body: RawSpan, context: DecodeContext,
        identify: PathIdentifier? = nil
    ) {
        if case .resetSession = update.disposition { return }
        var withdrawn = 0
        var reachable = 0
        var classic = 0
        // The prefixes have been checked: what could throw here has been thrown there.
        try? update.forEachWithdrawn(in: body, context: context) { path, prefix in
            self.withdraw(prefix, path, identify)
            withdrawn += 1
        }
        if update.disposition >= .treatAsWithdraw {
            try? update.forEachAnnounced(in: body, context: context) { path, prefix in
                self.withdraw(prefix, path, identify)
                withdrawn += 1
            }
        } else if update.announcesPrefixes {
            let origins = self.validator?.snapshot ?? OriginSnapshot()
            (reachable, classic) =
                !origins.isOn && self.judge.map { $0.isPlain } ?? true
                ? self.announce(update, body: body, context: context, identify)
                : self.announceJudged(update, body: body, context: context, origins, identify)
        }
        self.withdrawn += withdrawn
        if update.attributes.mpReach?.family == .ipv6 {
            self.announcedByFamily.ipv6 += reachable
        } else {
            self.announcedByFamily.ipv4 += reachable
        }
        self.announcedByFamily.ipv4 += classic
        if update.attributes.attributes.originatorID != nil {
            self.reflected += reachable + classic
        }
    }

    /// By family, the sender's identifier, and whether it is announced.
    typealias PathIdentifier = (AddressFamily, UInt32, Bool) -> UInt32?

    @inline(__always)
    private mutating func withdraw(_ prefix: IPPrefix, _ path: UInt32, _ identify: PathIdentifier?)
    {
        guard let identify else {
            self.batch.withdraw(prefix, pathID: path)
            return
        }
        if let path = identify(prefix.family, path, false) {
            self.batch.withdraw(prefix, pathID: path)
        }
    }

    /// Announces all prefixes but default routes where the feed has no use for them.
    ///
    /// - Returns: How many of MP_REACH_NLRI, and how many of the message's own.
    private mutating func announce(
        _ update: UpdateDecoding, body: RawSpan, context: DecodeContext,
        _ identify: PathIdentifier?
    ) -> (reachable: Int, classic: Int) {
        var announced = (reachable: 0, classic: 0)
        var defaultRoutes = 0
        let ignoresDefaultRoute = self.judge?.ignoresDefaultRoute ?? false
        var index: (ipv4: Int, mp: Int) = (-1, -1)
        let attributes = update.attributes.attributes
        if !update.announced.isEmpty {
            index.ipv4 = self.batch.intern(self.attributes(update, attributes.nextHop))
        }
        if let field = update.attributes.mpReach, field.family != nil {
            index.mp = self.batch.intern(self.attributes(update, field.nextHop))
        }
        func add(_ path: UInt32, _ prefix: IPPrefix, _ index: Int) -> Int {
            guard prefix.length > 0 || !ignoresDefaultRoute else {
                self.withdraw(prefix, path, identify)
                defaultRoutes += 1
                return 0
            }
            guard let path = identify == nil ? path : identify?(prefix.family, path, true) else {
                return 0
            }
            self.batch.announce(prefix, pathID: path, attributes: index)
            return 1
        }
        try? update.forEachReachable(in: body, context: context) {
            announced.reachable += add($0, $1, index.mp)
        }
        try? update.forEachClassic(in: body, context: context) {
            announced.classic += add($0, $1, index.ipv4)
        }
        if defaultRoutes > 0 { self.counts.defaultRoutes += defaultRoutes }
        return announced
    }

    /// Lets all routes pass, for feeds without rules.
    private static let indifferent: RouteJudge = {
        var options = FeedOptions()
        options.acceptsDefaultRoute = true
        return RouteJudge(RuleSet(options: options))
    }()

    /// What is kept of an UPDATE's attributes, before rules.
    private func attributes(_ update: UpdateDecoding, _ nextHop: IPAddress?) -> RouteAttributes {
        var attributes = RouteAttributes(
            update.attributes.attributes, nextHop: nextHop, keeping: self.kept)
        if update.disposition == .ineligible { attributes.markAsLeaked() }
        return attributes
    }

    /// Announces the prefixes that the feed's judge lets pass, and withdraws the others: they may
    /// have passed before.
    ///
    /// - Returns: How many have passed, as ``announce(_:body:context:)`` says it.
    private mutating func announceJudged(
        _ update: UpdateDecoding, body: RawSpan, context: DecodeContext,
        _ origins: OriginSnapshot, _ identify: PathIdentifier?
    ) -> (reachable: Int, classic: Int) {
        var announced = (reachable: 0, classic: 0)
        let judge = self.judge ?? Self.indifferent
        let decoded = update.attributes.attributes
        let bytes = body.extracting(update.attributeBytes)
        var origin: ASNumber?
        if origins.isOn, let validator = self.validator {
            origin = decoded.asPath?.originAS(local: validator.localAS(of: self.feed))
        }
        func add(
            _ path: UInt32, _ prefix: IPPrefix, _ attributes: inout JudgedAttributes
        ) -> Int {
            let index = attributes.index(
                of: prefix, validation: origins.state(of: prefix, origin: origin),
                ignoresInvalid: origins.ignoresInvalid, in: &self.batch, counts: &self.counts)
            guard let index else {
                self.withdraw(prefix, path, identify)
                return 0
            }
            guard let path = identify == nil ? path : identify?(prefix.family, path, true) else {
                return 0
            }
            self.batch.announce(prefix, pathID: path, attributes: index)
            return 1
        }
        if let field = update.attributes.mpReach, let family = field.family {
            var attributes = JudgedAttributes(
                judge, self.attributes(update, field.nextHop), decoded, nextHop: field.nextHop,
                family: family, bytes: bytes)
            try? update.forEachReachable(in: body, context: context) {
                announced.reachable += add($0, $1, &attributes)
            }
            attributes.finish(&self.counts)
        }
        if !update.announced.isEmpty {
            var attributes = JudgedAttributes(
                judge, self.attributes(update, decoded.nextHop), decoded, nextHop: decoded.nextHop,
                family: .ipv4, bytes: bytes)
            try? update.forEachClassic(in: body, context: context) {
                announced.classic += add($0, $1, &attributes)
            }
            attributes.finish(&self.counts)
        }
        return announced
    }
}

extension RouteAttributes {
    /// What the table keeps of a route's attributes.
    init(_ attributes: PathAttributes, nextHop: IPAddress?, keeping kept: KeptAttributes) {
        let communities =
            kept == .communities ? RouteCommunities(attributes) : RouteCommunities()
        self.init(
            origin: attributes.origin.flatMap(Origin.init(rawValue:)) ?? .incomplete,
            asPath: attributes.asPath ?? .empty, nextHop: nextHop,
            multiExitDiscriminator: attributes.multiExitDiscriminator,
            localPreference: attributes.localPreference, communities: communities)
        self.hasLongLivedStale = attributes.staleMarks.contains(.longLivedStale)
        self.refusesLongLivedStale = attributes.staleMarks.contains(.notLongLived)
        if kept == .length { self = self.keeping(.length) }
    }
}

extension RouteCommunities {
    /// Those that were decoded.
    init(_ attributes: PathAttributes) {
        self.init(
            standard: attributes.communities.flatMap(\.bigEndianBytes),
            extended: attributes.extendedCommunities.flatMap(\.bigEndianBytes),
            large: attributes.largeCommunities.flatMap {
                $0.global.bigEndianBytes + $0.local1.bigEndianBytes + $0.local2.bigEndianBytes
            })
    }
}
