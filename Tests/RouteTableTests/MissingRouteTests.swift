// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc
import RouteTable
import Testing

@Suite("What was refused and might come now")
struct MissingRouteTests {
    static let limits: [TableLimits] = [
        TableLimits(prefixes: 32), TableLimits(routesPerFeed: 32), TableLimits(classes: 33),
    ]

    private static func path(_ hops: Int) -> RouteAttributes {
        RouteAttributes(asPath: ASPath([ASNumber](repeating: 64_500, count: hops)))
    }

    private static func prefix(_ number: Int) -> IPPrefix {
        IPPrefix(masking: IPAddress(ipv4: UInt32(number) << 8), length: 24)
    }

    private static func owner(_ limits: TableLimits, feeds: Int = 1) throws -> TableOwner {
        let owner = try TableOwner(limits: limits)
        owner.submit(.defineSite(SiteID(0), name: "a"))
        for feed in 0..<feeds {
            let id = FeedID(UInt16(feed))
            owner.submit(
                .addFeed(FeedDefinition(id: id, name: "\(feed)", site: SiteID(0), order: feed)))
            owner.submit(.feedUp(id))
            owner.submit(.feedComplete(id))
        }
        return owner
    }

    /// Each prefix has a distance of its own, and so makes a class.
    private static func announce(_ owner: TableOwner, _ numbers: some Sequence<Int>, on feed: Int) {
        var batch = RouteBatch(feed: FeedID(UInt16(feed)))
        for number in numbers {
            batch.announce(
                self.prefix(number), attributes: batch.intern(self.path(1 + number % 200)))
        }
        owner.submit(.routes(batch))
    }

    private static func withdraw(_ owner: TableOwner, _ numbers: some Sequence<Int>, on feed: Int) {
        var batch = RouteBatch(feed: FeedID(UInt16(feed)))
        for number in numbers { batch.withdraw(self.prefix(number)) }
        owner.submit(.routes(batch))
    }

    /// Feeds and how many of their announcements are missing, once all is visible.
    private static func toAsk(_ owner: TableOwner) throws -> [[Int]] {
        owner.flushAndWait()
        return try owner.querySync { rib in
            rib.feedsToAsk().map { [Int($0.feed.rawValue), $0.missing] }
        }
    }

    /// The same once there is such a feed: what has died of classes and memory shows when the writer
    /// has had the time to look.
    private static func eventuallyToAsk(_ owner: TableOwner) throws -> [[Int]] {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(30)
        while clock.now < end {
            let found = try self.toAsk(owner)
            if !found.isEmpty { return found }
            usleep(1000)
        }
        return []
    }

    @Test(
        "is asked for once a sixteenth of the limit has come free, and counted anew then",
        arguments: limits)
    func room(limits: TableLimits) throws {
        let owner = try Self.owner(limits)
        Self.announce(owner, 1...42, on: 0)
        #expect(try Self.toAsk(owner) == [], "it is full")
        let refused = try owner.querySync { $0.feedSummaries()[0].missing }
        #expect(refused == 10)
        Self.withdraw(owner, 1...1, on: 0)
        #expect(try Self.toAsk(owner) == [], "one route is no reason for a whole table")
        Self.withdraw(owner, 2...4, on: 0)
        #expect(try Self.eventuallyToAsk(owner) == [[0, 10]])
        owner.submit(.routesRequested(FeedID(0)))
        #expect(try Self.toAsk(owner) == [])
        Self.announce(owner, 5...42, on: 0)
        owner.flushAndWait()
        let summary = try owner.querySync { $0.feedSummaries()[0] }
        // While dead classes are counted, more may come in than there will be room for.
        if limits.classes != 33 { #expect(summary.ipv4Prefixes == 32) }
        #expect(summary.ipv4Prefixes + summary.missing == 38)
        #expect(summary.refused == 10 + summary.missing, "in all")
    }

    @Test("is asked of the feed that it is missing of, whoever made the room")
    func others() throws {
        let owner = try Self.owner(TableLimits(prefixes: 32), feeds: 3)
        for (feed, numbers) in [1...31, 100...100, 200...200].enumerated() {
            Self.announce(owner, numbers, on: feed)
            // Feeds take turns: whose turn is last finds no room.
            owner.flushAndWait()
        }
        #expect(try Self.toAsk(owner) == [])
        Self.withdraw(owner, 1...1, on: 0)
        #expect(try Self.toAsk(owner) == [[2, 1]], "as little as it is, all of it fits")
        owner.submit(.feedDown(FeedID(2)))
        #expect(try Self.toAsk(owner) == [], "there is nobody to ask")
        owner.submit(.feedUp(FeedID(2)))
        owner.submit(.feedComplete(FeedID(2)))
        #expect(try Self.toAsk(owner) == [], "a new session brings all of it")
    }

    @Test("is asked for when a prefix with too many paths has fewer")
    func paths() throws {
        let owner = try Self.owner(TableLimits(pathsPerPrefix: 3))
        func paths(_ ids: ClosedRange<UInt32>) {
            var batch = RouteBatch(feed: FeedID(0))
            for id in ids {
                batch.announce(
                    Self.prefix(7), pathID: id, attributes: batch.intern(Self.path(Int(id))))
            }
            owner.submit(.routes(batch))
        }
        paths(1...5)
        #expect(try Self.toAsk(owner) == [])
        Self.announce(owner, [8], on: 0)
        Self.withdraw(owner, [8], on: 0)
        #expect(try Self.toAsk(owner) == [], "that was another prefix")
        var batch = RouteBatch(feed: FeedID(0))
        for id in 1...3 as ClosedRange<UInt32> { batch.withdraw(Self.prefix(7), pathID: id) }
        owner.submit(.routes(batch))
        #expect(try Self.toAsk(owner) == [[0, 2]], "the prefix has no route, and its feed has two")
    }
}
