// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import RouteTable

/// Turns UPDATEs into batches for the table.
struct UpdateSink {
    /// Changes that a batch holds before it is handed on: enough to share the cost, few enough
    /// to keep the writer's steps short.
    static let batchSize = 2048

    let feed: FeedID
    /// Of UPDATEs that are added from now on.
    var kept: KeptAttributes
    private(set) var batch: RouteBatch
    private(set) var announcedByFamily = (ipv4: 0, ipv6: 0)
    private(set) var withdrawn = 0
    /// Announcements that a route reflector had passed on (RFC 4456).
    var reflected = 0

    var announced: Int { self.announcedByFamily.ipv4 + self.announcedByFamily.ipv6 }

    init(feed: FeedID, keeping kept: KeptAttributes) {
        self.feed = feed
        self.kept = kept
        self.batch = RouteBatch(feed: feed)
    }

    var isFull: Bool { self.batch.count >= Self.batchSize }
    var isEmpty: Bool { self.batch.isEmpty }

    /// What was gathered, and an empty batch in its place.
    mutating func take() -> RouteBatch {
        let full = self.batch
        self.batch = RouteBatch(feed: self.feed)
        return full
    }

    /// Adds what an UPDATE says, which has been decoded and judged: all withdrawn prefixes, and
    /// then the announced ones, or those too as withdrawn.
    ///
    /// A session that is to be reset adds nothing.
    mutating func add(_ update: UpdateDecoding, body: RawSpan, context: DecodeContext) {
        if case .resetSession = update.disposition { return }
        var withdrawn = 0
        var reachable = 0
        var classic = 0
        // The prefixes have been checked: what could throw here has been thrown there.
        try? update.forEachWithdrawn(in: body, context: context) { _, prefix in
            self.batch.withdraw(prefix)
            withdrawn += 1
        }
        if update.disposition >= .ineligible {
            try? update.forEachAnnounced(in: body, context: context) { _, prefix in
                self.batch.withdraw(prefix)
                withdrawn += 1
            }
        } else if update.announcesPrefixes {
            var index: (ipv4: Int, mp: Int) = (-1, -1)
            let attributes = update.attributes.attributes
            if !update.announced.isEmpty {
                index.ipv4 = self.batch.intern(
                    RouteAttributes(
                        attributes, nextHop: attributes.nextHop, keeping: self.kept))
            }
            if let field = update.attributes.mpReach, field.family != nil {
                index.mp = self.batch.intern(
                    RouteAttributes(attributes, nextHop: field.nextHop, keeping: self.kept))
            }
            try? update.forEachReachable(in: body, context: context) { _, prefix in
                self.batch.announce(prefix, attributes: index.mp)
                reachable += 1
            }
            try? update.forEachClassic(in: body, context: context) { _, prefix in
                self.batch.announce(prefix, attributes: index.ipv4)
                classic += 1
            }
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
}

extension RouteAttributes {
    /// What the table keeps of a route's attributes.
    init(_ attributes: PathAttributes, nextHop: IPAddress?, keeping kept: KeptAttributes) {
        var communities = RouteCommunities()
        if kept == .communities {
            communities.standard = attributes.communities.flatMap(\.bigEndianBytes)
            communities.extended = attributes.extendedCommunities.flatMap(\.bigEndianBytes)
            communities.large = attributes.largeCommunities.flatMap {
                $0.global.bigEndianBytes + $0.local1.bigEndianBytes + $0.local2.bigEndianBytes
            }
        }
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
