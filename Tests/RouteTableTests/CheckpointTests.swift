// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

@Suite("A checkpoint of the table")
struct CheckpointTests {
    // A wide prefix writes a million entries: in a debug build that takes its time.
    #if DEBUG
        static let seeds: Range<UInt64> = 0..<4
    #else
        static let seeds: Range<UInt64> = 0..<40
    #endif
    static let sites = 5
    static let feeds = 6

    static func name(_ site: SiteID) -> String { "site \(site.rawValue)" }

    /// A table after some random history, all of its sites defined.
    static func table(seed: UInt64, steps: Int = 60) throws -> TableUnderTest {
        var random = SplitMix(seed: seed)
        let table = try TableUnderTest()
        for site in 0..<Self.sites {
            let site = SiteID(UInt8(site))
            table.apply(.defineSite(site, name: self.name(site)))
        }
        for feed in 0..<Self.feeds {
            table.apply(
                .addFeed(RandomTableTests.definition(feed, &random, sites: Self.sites)))
        }
        for _ in 0..<steps {
            RandomTableTests.step(table, &random, feeds: Self.feeds, sites: Self.sites)
            if random.chance(10) { table.tick() }
        }
        // A site that was removed on the way is there again, without its feeds.
        for site in 0..<Self.sites {
            let site = SiteID(UInt8(site))
            table.apply(.defineSite(site, name: self.name(site)))
        }
        return table
    }

    /// Another table with the sites and feeds of a reference, their names as they were.
    static func empty(
        like reference: ReferenceTable, sites: (SiteID) -> SiteID = { $0 }
    ) throws -> TableUnderTest {
        let table = try TableUnderTest()
        for site in 0..<Self.sites {
            let site = SiteID(UInt8(site))
            table.apply(.defineSite(sites(site), name: self.name(site)))
        }
        for feed in reference.feeds.values { table.apply(.addFeed(feed.definition)) }
        table.owner.submit(.setPins(reference.pins))
        table.owner.submit(.setLocations(LocationSet(reference.locations)))
        return table
    }

    static func routes(_ owner: TableOwner) throws -> [SiteRoute] {
        try owner.querySync { $0.routes(after: nil, limit: .max).routes }
    }

    static func hasRoutes(_ table: TableUnderTest) -> Bool {
        table.reference.feeds.values.contains { !$0.isHidden && !$0.routes.isEmpty }
    }

    @Test(
        "gives back what readers saw, then every route, whatever the numbers are now",
        arguments: Self.seeds)
    func roundTrip(seed: UInt64) throws {
        let table = try Self.table(seed: seed)
        guard Self.hasRoutes(table) else { return }
        table.owner.flushAndWait()
        let checkpoint = try Checkpoint(bytes: try table.owner.checkpoint())
        let number: (SiteID) -> SiteID = { SiteID(UInt8((Int($0.rawValue) * 3 + 2) % Self.sites)) }
        let feed: (FeedID) -> FeedID = { FeedID(7 - $0.rawValue) }
        let expected = table.reference.restarted(
            sites: number, feeds: feed, now: table.reference.now)

        let restored = try Self.empty(like: expected, sites: number)
        let restore = try restored.owner.beginRestore(checkpoint)
        #expect(restore.isAnswering)
        #expect(checkpoint.written == 1_700_000_000)
        // Before any route is back: what readers saw when it was written.
        var seen = table.reference
        seen.feeds = [:]
        for (id, state) in table.reference.feeds where !state.isHidden {
            var state = state
            state.definition = state.definition.renumbered(sites: number, feeds: feed)
            seen.feeds[feed(id)] = state
        }
        seen.pins = expected.pins
        restored.reference = seen
        #expect(try restored.check("seed \(seed): before the routes", waits: false))

        let count = try restore.run()
        restored.reference = expected
        #expect(try restored.check("seed \(seed): with the routes"))
        let routes = try Self.routes(restored.owner)
        #expect(routes == expected.allRoutes, "seed \(seed)")
        #expect(count == routes.count && count == checkpoint.counts.routes)
        let counts = try restored.owner.querySync { $0.counts() }
        #expect(counts.ipv4Prefixes == checkpoint.counts.ipv4Prefixes)
        #expect(counts.attributeSets == checkpoint.counts.attributeSets)
        // Written again it is the same, but for the numbers.
        let again = try Checkpoint(bytes: try restored.owner.checkpoint())
        #expect(again.counts.routes == checkpoint.counts.routes)
        #expect(again.feedNames.sorted() == checkpoint.feedNames.sorted())
    }

    @Test(
        "goes on as any table does: sessions confirm, replace and drop what came back",
        arguments: Self.seeds)
    func lifeAfterwards(seed: UInt64) throws {
        let table = try Self.table(seed: seed)
        guard Self.hasRoutes(table) else { return }
        table.owner.flushAndWait()
        let checkpoint = try Checkpoint(bytes: try table.owner.checkpoint())
        let expected = table.reference.restarted(
            sites: { $0 }, feeds: { $0 }, now: table.reference.now)
        let restored = try Self.empty(like: expected)
        try restored.owner.beginRestore(checkpoint).run()
        restored.reference = expected
        var random = SplitMix(seed: seed &+ 1000)
        for step in 0..<40 {
            RandomTableTests.step(restored, &random, feeds: Self.feeds, sites: Self.sites)
            if step % 10 == 0 {
                try #require(try restored.check("seed \(seed), step \(step)"))
            }
        }
        #expect(try restored.check("seed \(seed): at the end"))
    }

    // MARK: Beside live sessions

    let block = IPPrefix(masking: IPAddress(ipv4: 0x0a00_0000), length: 8)
    let longer = IPPrefix(masking: IPAddress(ipv4: 0x0a01_0000), length: 16)
    let other = IPPrefix(masking: IPAddress(ipv4: 0x0b00_0000), length: 8)

    static func path(_ hops: Int) -> RouteAttributes {
        RouteAttributes(asPath: ASPath([ASNumber](repeating: 64_500, count: hops)))
    }

    /// Two sites with a feed each, three prefixes a feed.
    func small() throws -> [UInt8] {
        let table = try self.started()
        for feed in [0, 1] as [UInt16] {
            table.change(
                FeedID(feed),
                announce: [
                    (self.block, Self.path(2)), (self.longer, Self.path(4)),
                    (self.other, Self.path(3)),
                ])
            table.apply(.feedComplete(FeedID(feed)))
        }
        table.owner.flushAndWait()
        return try table.owner.checkpoint()
    }

    func started(
        feeds: [UInt16] = [0, 1], limits: TableLimits = TableLimits()
    ) throws -> TableUnderTest {
        let table = try TableUnderTest(limits: limits)
        for feed in feeds {
            let site = SiteID(UInt8(feed))
            table.apply(.defineSite(site, name: Self.name(site)))
            table.apply(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(feed), name: "feed \(feed)", site: site, order: Int(feed))))
        }
        return table
    }

    func distance(_ table: TableUnderTest, _ site: UInt8, _ prefix: IPPrefix) throws -> Int? {
        var reader = try table.owner.lookup.makeReader()
        return reader.withSnapshot { snapshot in
            snapshot.values(ofClass: snapshot.classID(of: prefix.address))
                .distance(of: SiteID(site))
        }
    }

    @Test("never replaces what a session has brought, nor gives to a feed that is whole")
    func liveRoutesWin() throws {
        let table = try self.started()
        let restore = try table.owner.beginRestore(try Checkpoint(bytes: try self.small()))
        table.apply(.feedUp(FeedID(0)))
        table.apply(.feedUp(FeedID(1)))
        table.change(FeedID(0), announce: [(self.block, Self.path(7))])
        table.change(FeedID(1), announce: [(self.block, Self.path(6))])
        table.apply(.feedComplete(FeedID(1)))
        _ = try table.owner.querySync { $0.counts() }
        // Nothing of this shows before the routes are back.
        #expect(try self.distance(table, 0, self.block) == 2)
        #expect(try self.distance(table, 1, self.longer) == 4)
        #expect(try restore.run() == 2)
        table.owner.flushAndWait()
        #expect(try self.distance(table, 0, self.block) == 7)
        #expect(try self.distance(table, 0, self.longer) == 4)
        #expect(try self.distance(table, 1, self.block) == 6)
        #expect(try self.distance(table, 1, self.longer) == 6)
        #expect(try self.distance(table, 1, self.other) == nil)
        let summaries = try table.owner.querySync { $0.feedSummaries() }
        #expect(summaries.map(\.stalePrefixes) == [2, 0])
        #expect(summaries.map(\.isFirstTransfer) == [false, false])
        // End-of-RIB takes away what wasn't confirmed.
        table.apply(.feedComplete(FeedID(0)))
        table.owner.flushAndWait()
        #expect(try self.distance(table, 0, self.longer) == 7)
        #expect(try self.distance(table, 0, self.other) == nil)
    }

    @Test("loses the routes of a feed that is flushed or taken away while they come back")
    func flushedMeanwhile() throws {
        let table = try self.started()
        let restore = try table.owner.beginRestore(try Checkpoint(bytes: try self.small()))
        table.apply(.feedFlush(FeedID(0)))
        table.apply(.removeFeed(FeedID(1)))
        #expect(try restore.run() == 0)
        table.owner.flushAndWait()
        #expect(try self.distance(table, 0, self.block) == nil)
        #expect(try self.distance(table, 1, self.block) == nil)
        #expect(try table.owner.querySync { $0.counts() }.attributeSets == 0)
        #expect(try table.owner.querySync { $0.counts() }.ipv4Prefixes == 0)
    }

    @Test("keeps what was observed of round trips, for the sites that there still are")
    func roundTrips() throws {
        let table = try self.started()
        table.change(FeedID(1), announce: [(self.block, Self.path(2))])
        table.apply(.feedComplete(FeedID(1)))
        for site in [0, 1] as [UInt8] {
            table.owner.submit(
                .observe([
                    RoundTrip(prefix: self.longer, site: SiteID(site), microseconds: 20_000)
                ]))
        }
        // What a file says is the file's.
        table.owner.submit(
            .setRoundTrips([
                RoundTrip(prefix: self.other, site: SiteID(1), microseconds: 30_000)
            ]))
        table.owner.flushAndWait()
        let checkpoint = try Checkpoint(bytes: try table.owner.checkpoint())
        #expect(checkpoint.counts.roundTrips == 2)
        let one = try self.started(feeds: [1])
        try one.owner.beginRestore(checkpoint).run()
        one.owner.flushAndWait()
        let reports = try one.owner.querySync { rib in
            rib.roundTrips(after: nil, limit: 10).roundTrips
        }
        #expect(reports.map(\.prefix) == [self.longer])
        #expect(reports.map(\.site) == [SiteID(1)])
        #expect(reports[0].average == 20_000 && reports[0].observed == 1_000_000)
        var reader = try one.owner.lookup.makeReader()
        let address = self.longer.address
        let seen = reader.withSnapshot { snapshot in
            snapshot.values(ofClass: snapshot.classID(of: address)).roundTrip(of: SiteID(1))
        }
        #expect(seen == reports[0].used)
    }

    @Test("never passes the limit of memory, and says what it refused")
    func memoryLimit() throws {
        let large = try self.started(feeds: [0])
        func prefix(_ number: Int) -> IPPrefix {
            IPPrefix(masking: IPAddress(ipv4: UInt32(number) << 8), length: 24)
        }
        let saved = 5000
        for start in stride(from: 0, to: saved, by: 1000) {
            var batch = RouteBatch(feed: FeedID(0))
            let index = batch.intern(Self.path(3))
            for number in start..<start + 1000 { batch.announce(prefix(number), attributes: index) }
            large.owner.submitAndWait(.routes(batch))
        }
        large.owner.submit(.feedComplete(FeedID(0)))
        large.owner.flushAndWait()
        let checkpoint = try Checkpoint(bytes: try large.owner.checkpoint())

        let table = try TableUnderTest(limits: TableLimits(memory: 1))
        table.owner.submit(.defineSite(SiteID(0), name: Self.name(SiteID(0))))
        table.owner.submit(
            .addFeed(
                FeedDefinition(id: FeedID(0), name: "feed 0", site: SiteID(0), order: 0)))
        #expect(try table.owner.beginRestore(checkpoint).run() == 0)
        table.owner.flushAndWait()
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.routes == 0)
        #expect(Int(counts.refusals[.memory] ?? 0) == saved)
        #expect(Int(counts.refused) == saved)
    }

    @Test("gives a feed's routes to the site that it has by then")
    func otherSiteMeanwhile() throws {
        let table = try self.started()
        table.apply(.defineSite(SiteID(2), name: "another"))
        let restore = try table.owner.beginRestore(try Checkpoint(bytes: try self.small()))
        table.owner.submit(
            .addFeed(FeedDefinition(id: FeedID(1), name: "feed 1", site: SiteID(2), order: 1)))
        #expect(try restore.run() == 6)
        table.owner.flushAndWait()
        #expect(try self.distance(table, 2, self.longer) == 4)
        #expect(try self.distance(table, 1, self.longer) == nil)
        #expect(try self.distance(table, 0, self.longer) == 4)
    }

    enum Sweep: CaseIterable {
        case familyComplete
        case staleExpired
        case refreshEnded
    }

    @Test(
        "a family whose stale routes have left gets none back; the other does",
        arguments: Sweep.allCases)
    func familiesApart(_ sweep: Sweep) throws {
        let ipv6 = IPPrefix(masking: IPAddress(ipv6High: 0x2001_0db8 << 32, low: 0), length: 32)
        let table = try self.started(feeds: [0])
        let feed = FeedID(0)
        table.change(
            feed, announce: [self.block, self.longer, ipv6].map { ($0, Self.path(2)) })
        table.apply(.feedComplete(feed))
        table.owner.flushAndWait()
        let restored = try self.started(feeds: [0])
        let restore = try restored.owner.beginRestore(
            try Checkpoint(bytes: try table.owner.checkpoint()))
        restored.reference = table.reference.restarted(sites: { $0 }, feeds: { $0 }, now: 1_000_000)
        switch sweep {
        case .familyComplete:
            restored.apply(.feedUp(feed))
            restored.change(feed, announce: [(self.block, Self.path(3))])
            restored.apply(.familyComplete(feed, .ipv4))
        case .staleExpired: restored.apply(.staleExpired(feed, .ipv4))
        case .refreshEnded:
            restored.apply(.feedUp(feed))
            restored.apply(.refreshBegan(feed, .ipv4))
            restored.change(feed, announce: [(self.block, Self.path(3))])
            restored.apply(.refreshEnded(feed, .ipv4))
        }
        try restore.run()
        #expect(try restored.check("\(sweep)"))
        let routes = try Self.routes(restored.owner)
        #expect(routes.map(\.prefix) == restored.reference.allRoutes.map(\.prefix))
        #expect(routes.contains { $0.prefix == ipv6 && $0.isStale })
    }

    @Test("that is given up half way leaves an empty table that works")
    func abandoned() throws {
        let table = try self.started()
        do {
            let restore = try table.owner.beginRestore(try Checkpoint(bytes: try self.small()))
            #expect(restore.isAnswering)
            #expect(try self.distance(table, 0, self.block) == 2)
        }
        table.owner.flushAndWait()
        #expect(try self.distance(table, 0, self.block) == nil)
        table.apply(.feedUp(FeedID(0)))
        table.change(FeedID(0), announce: [(self.block, Self.path(5))])
        table.apply(.feedComplete(FeedID(0)))
        #expect(try table.check("after a restore that was given up"))
        #expect(try self.distance(table, 0, self.block) == 5)
    }

    @Test("gives nothing to what is configured no more, and waits where a site lacks a feed")
    func otherConfiguration() throws {
        let checkpoint = try Checkpoint(bytes: try self.small())
        // The site has gone with its feed: its column is left out.
        let one = try self.started(feeds: [1])
        let restore = try one.owner.beginRestore(checkpoint)
        #expect(restore.isAnswering)
        #expect(restore.feeds == [FeedID(1)])
        #expect(try self.distance(one, 1, self.block) == 2)
        #expect(try self.distance(one, 0, self.block) == nil)
        #expect(try restore.run() == 3)
        #expect(try Self.routes(one.owner).map(\.feed) == [FeedID(1), FeedID(1), FeedID(1)])

        // The site is there, and its feed isn't: what it had to say can't be told from others'.
        let two = try self.started(feeds: [1])
        two.apply(.defineSite(SiteID(0), name: Self.name(SiteID(0))))
        let second = try two.owner.beginRestore(checkpoint)
        #expect(!second.isAnswering)
        #expect(try self.distance(two, 1, self.block) == nil)
        #expect(try second.run() == 3)
        two.owner.flushAndWait()
        #expect(try self.distance(two, 1, self.longer) == 4)
        #expect(try self.distance(two, 0, self.block) == nil)

        // Of a configuration that shares nothing.
        let none = try TableUnderTest()
        let third = try none.owner.beginRestore(checkpoint)
        #expect(!third.isAnswering && third.feeds.isEmpty)
        #expect(try third.run() == 0)
    }

    @Test("is taken by an unused table alone, and by one at a time")
    func usedTable() throws {
        let checkpoint = try Checkpoint(bytes: try self.small())
        let table = try self.started()
        let restore = try table.owner.beginRestore(checkpoint)
        #expect(throws: CheckpointError.tableInUse) { try table.owner.beginRestore(checkpoint) }
        #expect(throws: CheckpointRefusal.isRestoring) { try table.owner.checkpoint() }
        try restore.run()
        #expect(throws: CheckpointError.tableInUse) { try table.owner.beginRestore(checkpoint) }
        #expect(try Checkpoint(bytes: try table.owner.checkpoint()).counts.routes == 6)
    }

    @Test("is not written of a table without routes that count")
    func emptyTable() throws {
        let table = try self.started()
        #expect(throws: CheckpointRefusal.isEmpty) { try table.owner.checkpoint() }
        table.change(FeedID(0), announce: [(self.block, Self.path(2))])
        #expect(throws: CheckpointRefusal.isEmpty) { try table.owner.checkpoint() }
        table.apply(.feedComplete(FeedID(0)))
        table.owner.flushAndWait()
        #expect(try Checkpoint(bytes: try table.owner.checkpoint()).counts.routes == 1)
    }

    @Test("keeps within the table's limits, and counts what it leaves out")
    func limits() throws {
        let table = try TableUnderTest(limits: TableLimits(prefixes: 2))
        for feed in [0, 1] as [UInt16] {
            let site = SiteID(UInt8(feed))
            table.apply(.defineSite(site, name: Self.name(site)))
            table.apply(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(feed), name: "feed \(feed)", site: site, order: 0)))
        }
        try table.owner.beginRestore(try Checkpoint(bytes: try self.small())).run()
        table.owner.flushAndWait()
        #expect(try table.owner.querySync { $0.counts() }.ipv4Prefixes == 2)
        #expect(try table.owner.querySync { $0.feedSummaries() }.map(\.refused) == [1, 1])
        #expect(try self.distance(table, 1, self.longer) == 4)
        #expect(try self.distance(table, 1, self.other) == nil)
    }

    @Test("gives routes to the site whose their feed has become while they come back")
    func movedFeed() throws {
        typealias Stepped = SteppedWriterTests
        let table = try Stepped.table(64, routes: 20)
        let restored = try TableUnderTest()
        for site in 0..<3 {
            let site = SiteID(UInt8(site))
            table.apply(.defineSite(site, name: Self.name(site)))
            restored.apply(.defineSite(site, name: Self.name(site)))
        }
        table.owner.flushAndWait()
        let checkpoint = try Checkpoint(bytes: try table.owner.checkpoint())
        for id in 0..<2 { restored.apply(.addFeed(Stepped.feed(id, site: id))) }
        let restore = try restored.owner.beginRestore(checkpoint)
        let moved = Stepped.feed(0, site: 2)
        restored.owner.submit(.addFeed(moved))
        #expect(try restore.run() == 40)
        var expected = table.reference.restarted(
            sites: { $0 }, feeds: { $0 }, now: table.reference.now)
        expected.feeds[FeedID(0)]?.definition = moved
        restored.reference = expected
        #expect(try restored.check("moved"))
    }
}
