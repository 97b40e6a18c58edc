// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Synchronization
import Testing

/// What happens between two slices of the writer's long work.
@Suite("A writer that works in slices")
struct SteppedWriterTests {
    static func feed(_ id: Int, site: Int) -> FeedDefinition {
        FeedDefinition(
            id: FeedID(UInt16(id)), name: "f\(id)", site: SiteID(UInt8(site)), order: id)
    }

    static func path(_ hops: Int) -> RouteAttributes {
        RouteAttributes(asPath: .empty, penalty: UInt8(hops))
    }

    static func prefix(_ number: Int) -> IPPrefix {
        IPPrefix(masking: IPAddress(ipv4: 0x0a00_0000 + UInt32(number) << 8), length: 24)
    }

    /// A table with a feed of many routes at site 0, and another that has them too at site 1.
    static func table(_ units: Int, routes: Int = 300) throws -> TableUnderTest {
        let table = try TableUnderTest(steps: TableUnderTest.crumbs(units))
        for id in 0..<2 {
            table.apply(.addFeed(Self.feed(id, site: id)))
            table.apply(.feedUp(FeedID(UInt16(id))))
            table.change(
                FeedID(UInt16(id)),
                announce: (0..<routes).map { (Self.prefix($0), Self.path($0 % 7)) })
            table.apply(.feedComplete(FeedID(UInt16(id))))
        }
        table.owner.flushAndWait()
        return table
    }

    @Test("forgets what a feed told a site that it tells nothing any more", arguments: [1, 64])
    func redefinition(units: Int) throws {
        let table = try Self.table(units)
        table.apply(.addFeed(Self.feed(0, site: 2)))
        // While the walk is under way, some leave and some change.
        for number in stride(from: 299, to: 0, by: -3) {
            table.change(
                FeedID(0), announce: [(Self.prefix(number - 1), Self.path(9))],
                withdraw: [Self.prefix(number)])
        }
        #expect(try table.check("redefined"))
        table.apply(.addFeed(Self.feed(0, site: 0)))
        table.change(FeedID(0), withdraw: (0..<300).map { Self.prefix($0) })
        #expect(try table.check("and back, without routes"))
    }

    @Test("keeps a feed right that flaps faster than it is walked", arguments: [1, 64, 1 << 12])
    func flapping(units: Int) throws {
        var random = SplitMix(seed: UInt64(units))
        let table = try Self.table(units)
        // More sessions than there are numbers for epochs, with routes in each.
        for round in 0..<60 {
            let feed = FeedID(UInt16(random.below(2)))
            switch random.below(8) {
            case 0: table.apply(.feedDown(feed))
            case 1: table.apply(.feedFlush(feed))
            case 2, 3: table.apply(.feedComplete(feed))
            default: table.apply(.feedUp(feed))
            }
            table.change(
                feed,
                announce: (0..<5).map { _ in
                    (Self.prefix(random.below(300)), Self.path(random.below(5)))
                }, withdraw: [Self.prefix(random.below(300))])
            if round % 20 == 19 {
                guard try table.check("\(units) units, round \(round)") else { return }
            }
        }
        let summaries = try table.owner.querySync { $0.feedSummaries() }
        for summary in summaries {
            let feed = try #require(table.reference.feeds[summary.id])
            #expect(summary.ipv4Prefixes == feed.routes.count)
            #expect(summary.stalePrefixes == feed.routes.values.count(where: \.isStale))
            #expect(summary.isFirstTransfer == feed.isHidden)
        }
    }

    @Test("takes a feed out and another in under its number", arguments: [1, 64])
    func replacement(units: Int) throws {
        let table = try Self.table(units)
        for round in 0..<4 {
            table.apply(.removeFeed(FeedID(0)))
            #expect(try table.owner.querySync { $0.feedSummaries() }.map(\.id) == [FeedID(1)])
            table.apply(.addFeed(Self.feed(0, site: 2 + round)))
            table.change(
                FeedID(0), announce: (0..<20).map { (Self.prefix($0 * 3), Self.path(round)) })
            table.apply(.feedComplete(FeedID(0)))
            if round % 2 == 1 {
                guard try table.check("round \(round)") else { return }
            }
        }
    }

    @Test(
        "shows wide prefixes in the end, however often they change", arguments: [1 << 10, 1 << 14])
    func widePrefixes(units: Int) throws {
        var random = SplitMix(seed: UInt64(units))
        let table = try Self.table(units, routes: 40)
        let wide = ["0.0.0.0/0", "10.0.0.0/9", "10.0.0.0/12", "::/0", "2000::/3", "10.0.4.0/22"]
        let prefixes = try wide.map { try IPPrefix(parsing: $0) }
        for round in 0..<12 {
            for _ in 0..<20 {
                let feed = FeedID(UInt16(random.below(2)))
                let prefix = prefixes[random.below(prefixes.count)]
                if random.chance(60) {
                    table.change(feed, announce: [(prefix, Self.path(random.below(4)))])
                } else {
                    table.change(feed, withdraw: [prefix])
                }
                table.change(feed, announce: [(Self.prefix(random.below(40)), Self.path(2))])
            }
            guard try table.check("\(units) units, round \(round)") else { return }
        }
    }

    @Test("shows a burst by one rebuild, and all of it")
    func burst() async throws {
        let table = try Self.table(1 << 16)
        let before = try table.owner.querySync { $0.counts() }
        // The writer is held up until all of it waits.
        let isReady = Atomic<Bool>(false)
        let owner = table.owner
        async let held = owner.query { _ in
            while !isReady.load(ordering: .acquiring) {}
            return true
        }
        for number in 0..<300 {
            table.change(FeedID(0), announce: [(Self.prefix(number), Self.path(10 + number % 5))])
        }
        isReady.store(true, ordering: .releasing)
        #expect(try await held)
        #expect(try table.check("after the burst"))
        let after = try table.owner.querySync { $0.counts() }
        #expect(after.rebuilds > before.rebuilds)
    }

    @Test("measures its longest steps by kind")
    func longestSteps() throws {
        let table = try Self.table(64)
        table.apply(.setPins([(Self.prefix(1), [SiteID(0)])]))
        table.owner.flushAndWait()
        let steps = try table.owner.querySync { $0.counts() }.longestSteps
        for kind in [StepKind.batch, .walk, .build] {
            #expect(steps[kind].elapsed > 0, "\(kind)")
        }
    }

    @Test("shows what is due while a feed is walked again and again")
    func endlessWalks() throws {
        var steps = TableUnderTest.crumbs(1)
        steps.overdue = 50_000
        steps.bulk = .max
        let table = try TableUnderTest(
            limits: TableLimits(queuedChanges: 200), steps: steps)
        table.apply(.addFeed(Self.feed(0, site: 0)))
        table.change(
            FeedID(0), announce: (0..<4_000).map { (Self.prefix($0), Self.path($0 % 7)) })
        table.apply(.feedComplete(FeedID(0)))
        table.owner.flushAndWait()
        table.apply(.setPins([(Self.prefix(1), [SiteID(9)])]))
        var reader = try table.owner.lookup.makeReader()
        let deadline = ContinuousClock.now + .seconds(60)
        var isShown = false
        var moves = 0
        // Each move begins a walk over 63 pages anew, a page after each command.
        while !isShown, ContinuousClock.now < deadline {
            for _ in 0..<100 {
                moves += 1
                let command = TableCommand.addFeed(Self.feed(0, site: moves % 2))
                table.reference.apply(command)
                table.owner.submitAndWait(command)
            }
            isShown = reader.withSnapshot { snapshot in
                snapshot.values(ofClass: snapshot.classID(of: Self.prefix(1).address)).pins
                    == [SiteID(9)]
            }
        }
        #expect(isShown, "after \(moves) moves")
        #expect(try table.check("in the end"))
    }

    @Test("builds with huge pages that come from elsewhere", arguments: [64, 1 << 14])
    func hugePages(units: Int) throws {
        var steps = TableUnderTest.crumbs(units)
        steps.hugePagesFrom = 0
        let table = try TableUnderTest(steps: steps)
        for id in 0..<2 {
            table.apply(.addFeed(Self.feed(id, site: id)))
            table.change(
                FeedID(UInt16(id)),
                announce: (0..<300).map { (Self.prefix($0), Self.path(($0 + id) % 7)) })
            table.apply(.feedComplete(FeedID(UInt16(id))))
            guard try table.check("feed \(id)") else { return }
            table.change(
                FeedID(0),
                announce: (0..<300).map {
                    (
                        IPPrefix(masking: Self.prefix($0).address, length: 26),
                        Self.path($0 % 5)
                    )
                })
            guard try table.check("feed \(id), and longer ones") else { return }
        }
    }

    /// A slice finds some thousand neighbours that are alike: were only the first of them painted,
    /// it would take some hundred thousand slices.
    @Test("gets on in long runs of one class")
    func longRuns() throws {
        let owner = try TableOwner(steps: TableUnderTest.crumbs(1 << 14))
        defer { owner.shutdown() }
        var reader = try owner.lookup.makeReader()
        func distances(_ address: UInt32) -> [Int?] {
            owner.flushAndWait()
            return reader.withSnapshot { snapshot in
                let values = snapshot.values(
                    ofClass: snapshot.classID(of: IPAddress(ipv4: address)))
                return [values.distance(of: SiteID(0)), values.distance(of: SiteID(1))]
            }
        }
        func announce(_ prefixes: some Sequence<IPPrefix>, _ hops: Int, on feed: FeedID) {
            var batch = RouteBatch(feed: feed)
            let index = batch.intern(Self.path(hops))
            for prefix in prefixes { batch.announce(prefix, attributes: index) }
            owner.submit(.routes(batch))
        }
        for id in 0..<2 { owner.submit(.addFeed(Self.feed(id, site: id))) }
        announce(
            (0..<20_000 as Range<UInt32>).map {
                IPPrefix(masking: IPAddress(ipv4: $0 << 16), length: 16)
            }, 3, on: FeedID(0))
        owner.submit(.feedComplete(FeedID(0)))
        #expect(distances(19_999 << 16) == [3, nil] && distances(20_000 << 16) == [nil, nil])
        announce([.all(.ipv4)], 5, on: FeedID(1))
        owner.submit(.feedComplete(FeedID(1)))
        #expect(distances(1 << 16) == [3, 5])
        // Now it is painted, under none of whose prefixes the site has another value.
        for hops in 6..<9 {
            announce([.all(.ipv4)], hops, on: FeedID(1))
            #expect(distances(10_000 << 16) == [3, hops])
            #expect(distances(.max) == [nil, hops])
            let steps = try owner.querySync { $0.counts() }.longestSteps
            for kind in [StepKind.build, .paint] {
                #expect(steps[kind].count < 20_000, "slices of \(kind)")
            }
        }
    }
}
