// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Synchronization
import Testing

/// A site with a feed of 1000 prefixes, and a clock.
private final class GuardedTable {
    final class World: Sendable {
        let uptime = Atomic<Int64>(5_000)
        let alarms = Mutex<[FeedAlarm]>([])
    }

    static let feed = FeedID(3)
    static let site = SiteID(1)
    static let other = FeedID(4)
    let owner: TableOwner
    let world = World()

    init(
        rules: FeedGuardRules? = FeedGuardRules(share: 0.5, window: 60, settle: 300),
        prefixes: Int = 1000, units: Int? = nil, limits: TableLimits = TableLimits()
    ) throws {
        let world = self.world
        var steps = units.map { TableUnderTest.crumbs($0) } ?? StepPolicy()
        steps.uptime = { world.uptime.load(ordering: .sequentiallyConsistent) }
        self.owner = try TableOwner(
            limits: limits, steps: steps, now: { 1_000_000_000 })
        self.owner.onFeedAlarm { alarm in world.alarms.withLock { $0.append(alarm) } }
        self.owner.submit(.defineSite(Self.site, name: "one"))
        self.define(rules)
        self.owner.submit(.feedUp(Self.feed))
        self.announce(0..<prefixes)
        self.owner.submit(.feedComplete(Self.feed))
        self.settle()
    }

    deinit { self.owner.shutdown() }

    func define(_ rules: FeedGuardRules?) {
        self.owner.submit(
            .addFeed(
                FeedDefinition(
                    id: Self.feed, name: "core", site: Self.site, order: 0, guardRules: rules)))
    }

    /// Waits until all is done.
    func settle() { self.owner.flushAndWait() }

    /// Has all that `body` submits wait for the writer: a slice is done between two commands.
    func held(_ body: () -> Void) async throws {
        let isHeld = Atomic<Bool>(false)
        let isReady = Atomic<Bool>(false)
        let owner = self.owner
        async let held = owner.query { _ in
            isHeld.store(true, ordering: .releasing)
            while !isReady.load(ordering: .acquiring) {}
            return true
        }
        while !isHeld.load(ordering: .acquiring) { await Task.yield() }
        body()
        isReady.store(true, ordering: .releasing)
        #expect(try await held)
    }

    /// Lets time pass, and the writer notice it.
    func pass(_ seconds: Int64) {
        self.settle()
        self.world.uptime.wrappingAdd(seconds, ordering: .sequentiallyConsistent)
        self.settle()
        self.settle()
    }

    static func prefix(_ number: Int) -> IPPrefix {
        number % 7 == 6
            ? IPPrefix(
                masking: IPAddress(ipv6High: 0x2001_0db8_0000_0000 | UInt64(number) << 16, low: 0),
                length: 48)
            : IPPrefix(
                masking: IPAddress(ipv4: 0x0a00_0000 | UInt32(number) << 8), length: 24)
    }

    func announce(
        _ numbers: some Sequence<Int>, hops: Int = 2, on feed: FeedID = feed, from first: Int = 100
    ) {
        var batch = RouteBatch(feed: feed)
        let path = ASPath((0..<hops).map { ASNumber(rawValue: UInt32(first + $0)) })
        let attributes = batch.intern(RouteAttributes(asPath: path))
        for number in numbers { batch.announce(Self.prefix(number), attributes: attributes) }
        self.owner.submit(.routes(batch))
    }

    func withdraw(_ numbers: some Sequence<Int>) {
        var batch = RouteBatch(feed: Self.feed)
        for number in numbers { batch.withdraw(Self.prefix(number)) }
        self.owner.submit(.routes(batch))
    }

    /// All routes, as they are listed: whether each is stale.
    func routes() throws -> [IPPrefix: Bool] {
        self.settle()
        let list = try self.owner.querySync { rib in
            rib.routes(after: nil, feed: Self.feed, limit: 100_000).routes
        }
        return Dictionary(uniqueKeysWithValues: list.map { ($0.prefix, $0.isStale) })
    }

    var summary: FeedSummary {
        get throws {
            self.settle()
            let all = try self.owner.querySync { $0.feedSummaries() }
            return try #require(all.first { $0.id == Self.feed })
        }
    }

    /// The distances that readers see, by number; nil without a route.
    func distances(_ numbers: Range<Int>) throws -> [Int?] {
        self.settle()
        var reader = try self.owner.lookup.makeReader()
        return reader.withSnapshot { snapshot -> [Int?] in
            numbers.map { number in
                let address = Self.prefix(number).address
                return snapshot.values(ofClass: snapshot.classID(of: address))
                    .distance(of: Self.site)
            }
        }
    }

    var alarms: [FeedAlarm.Kind] { self.world.alarms.withLock { $0.map(\.kind) } }

    /// Prefixes, live ones and stale ones.
    func expect(
        live: Range<Int>, stale: Range<Int>, at location: SourceLocation = #_sourceLocation
    ) throws {
        let routes = try self.routes()
        #expect(
            Set(routes.filter { !$0.value }.keys) == Set(live.map(Self.prefix)), "live",
            sourceLocation: location)
        #expect(
            Set(routes.filter(\.value).keys) == Set(stale.map(Self.prefix)), "stale",
            sourceLocation: location)
        let both = try self.distances(live) + self.distances(stale)
        #expect(both.allSatisfy { $0 != nil }, "all answer", sourceLocation: location)
    }
}

@Suite("The guard of feeds", .timeLimit(.minutes(2)))
struct FeedGuardTests {
    @Test("no more paths of a prefix come back than there may be")
    func paths() throws {
        let table = try GuardedTable(limits: TableLimits(pathsPerPrefix: 3))
        let prefix = GuardedTable.prefix(0)
        var batch = RouteBatch(feed: GuardedTable.feed)
        let attributes = batch.intern(RouteAttributes(asPath: ASPath([ASNumber(rawValue: 9)])))
        for id in 1...10 as ClosedRange<UInt32> {
            batch.announce(prefix, pathID: id, attributes: attributes)
            batch.withdraw(prefix, pathID: id)
        }
        table.owner.submit(.routes(batch))
        table.withdraw(1..<1000)
        table.settle()
        #expect(table.alarms == [.raised])
        let (paths, refused) = try table.owner.querySync { rib in
            (
                rib.routes(after: nil, feed: GuardedTable.feed, limit: 100_000).routes
                    .count { $0.prefix == prefix },
                rib.counts().refused
            )
        }
        #expect(paths == 3)
        #expect(refused == 8)
    }

    @Test(
        "half of the prefixes may go within a minute; of more, all come back as stale",
        arguments: [nil, 1, 40, 1000])
    func trips(units: Int?) throws {
        let table = try GuardedTable(units: units)
        table.withdraw(0..<300)
        table.pass(30)
        table.withdraw(300..<500)
        try table.expect(live: 500..<1000, stale: 0..<0)
        #expect(table.alarms == [])
        #expect(try table.summary.guardState == .watching)
        table.withdraw(500..<501)
        try table.expect(live: 501..<1000, stale: 0..<501)
        #expect(table.alarms == [.raised])
        #expect(try table.summary.guardState == .holding(since: 1_000_000_000))
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.heldFeeds == 1 && counts.guardTrips == 1)
        let alarm = try #require(table.world.alarms.withLock { $0.first })
        #expect(alarm.before == 1000 && alarm.live == 499 && alarm.name == "core")
        // What goes now turns stale where it stands.
        table.withdraw(501..<900)
        try table.expect(live: 900..<1000, stale: 0..<900)
        table.withdraw(0..<900)
        try table.expect(live: 900..<1000, stale: 0..<900)
    }

    @Test("what went before the window is gone")
    func window() throws {
        let table = try GuardedTable()
        table.withdraw(0..<300)
        table.pass(62)
        table.withdraw(300..<800)
        try table.expect(live: 800..<1000, stale: 300..<800)
        #expect(try table.distances(0..<300).allSatisfy { $0 == nil })
    }

    @Test("a slow loss is believed, and so is one that comes back in between")
    func slow() throws {
        let table = try GuardedTable()
        for step in 0..<9 {
            table.withdraw(step * 100..<step * 100 + 90)
            table.pass(62)
            table.withdraw(step * 100 + 90..<step * 100 + 100)
        }
        try table.expect(live: 900..<1000, stale: 0..<0)
        table.announce(0..<900)
        for _ in 0..<6 {
            table.withdraw(0..<400)
            table.announce(0..<400)
            table.pass(5)
        }
        try table.expect(live: 0..<1000, stale: 0..<0)
        #expect(table.alarms == [])
        // It has all been remembered as withdrawn, and doesn't come back over what is announced.
        table.announce(0..<400, hops: 3)
        table.withdraw(400..<1000)
        try table.expect(live: 0..<400, stale: 400..<1000)
        #expect(try table.distances(0..<400).allSatisfy { $0 == 3 })
    }

    @Test("a feed that settles is believed", arguments: [nil, 3, 100])
    func settles(units: Int?) throws {
        let table = try GuardedTable(units: units)
        table.withdraw(0..<600)
        table.pass(59)
        table.pass(240)
        try table.expect(live: 600..<1000, stale: 0..<600)
        #expect(table.alarms == [.raised])
        table.pass(70)
        try table.expect(live: 600..<1000, stale: 0..<0)
        #expect(table.alarms == [.raised, .settled])
        #expect(try table.distances(0..<600).allSatisfy { $0 == nil })
        #expect(try table.summary.guardState == .watching)
        // And is watched again, by what it has now.
        table.withdraw(600..<790)
        table.pass(1)
        #expect(table.alarms == [.raised, .settled])
        table.withdraw(790..<801)
        try table.expect(live: 801..<1000, stale: 600..<801)
        #expect(table.alarms == [.raised, .settled, .raised])
    }

    @Test("another such loss begins the wait anew")
    func another() throws {
        let table = try GuardedTable()
        table.withdraw(0..<600)
        table.pass(280)
        table.withdraw(600..<900)
        table.pass(120)
        try table.expect(live: 900..<1000, stale: 0..<900)
        table.pass(300)
        try table.expect(live: 900..<1000, stale: 0..<0)
    }

    @Test("a feed that announces all again has recovered")
    func recovers() throws {
        let table = try GuardedTable()
        table.withdraw(0..<600)
        table.announce(0..<599, hops: 2)
        #expect(try table.routes().filter(\.value).keys.first == GuardedTable.prefix(599))
        #expect(try table.routes().filter(\.value).count == 1)
        table.announce(599..<600)
        table.pass(1)
        try table.expect(live: 0..<1000, stale: 0..<0)
        #expect(table.alarms == [.raised, .recovered])
    }

    @Test("an operator may believe the feed at once", arguments: [nil, 1, 30])
    func released(units: Int?) throws {
        let table = try GuardedTable(units: units)
        table.owner.submit(.releaseGuard(GuardedTable.feed))
        table.withdraw(0..<600)
        table.owner.submit(.releaseGuard(GuardedTable.feed))
        try table.expect(live: 600..<1000, stale: 0..<0)
        #expect(table.alarms == [.raised, .released])
        #expect(try table.distances(0..<600).allSatisfy { $0 == nil })
        table.withdraw(600..<900)
        table.define(nil)
        try table.expect(live: 900..<1000, stale: 0..<0)
        #expect(try table.summary.guardState == .off)
        table.withdraw(900..<1000)
        try table.expect(live: 0..<0, stale: 0..<0)
    }

    @Test("a session that ends or begins anew ends the guard; End-of-RIB decides then")
    func sessions() throws {
        let table = try GuardedTable(units: 50)
        table.withdraw(0..<600)
        table.owner.submit(.feedDown(GuardedTable.feed))
        try table.expect(live: 0..<0, stale: 0..<1000)
        #expect(table.alarms == [.raised, .ended])
        table.owner.submit(.feedUp(GuardedTable.feed))
        table.announce(0..<200)
        table.withdraw(150..<200)
        try table.expect(live: 0..<150, stale: 200..<1000)
        table.owner.submit(.feedComplete(GuardedTable.feed))
        try table.expect(live: 0..<150, stale: 0..<0)
        // While the stale ones leave, the guard already watches.
        table.announce(150..<1000)
        table.owner.submit(.feedUp(GuardedTable.feed))
        table.announce(0..<500)
        table.owner.submit(.feedComplete(GuardedTable.feed))
        table.withdraw(0..<300)
        table.withdraw(300..<320)
        try table.expect(live: 320..<500, stale: 0..<320)
        table.owner.submit(.feedComplete(GuardedTable.feed))
        try table.expect(live: 320..<500, stale: 0..<320)
        table.owner.submit(.feedFlush(GuardedTable.feed))
        try table.expect(live: 0..<0, stale: 0..<0)
        #expect(try table.summary.guardState == .off)
    }

    private func revision(
        within blocks: [IPPrefix]? = nil, penalty: UInt8? = nil, tag: String? = nil
    ) -> TableCommand {
        .revise(
            TableRevision(within: blocks) { _, _, held in
                var revised = held
                if let penalty { revised.penalty = penalty }
                if let tag { revised.tags = [tag] }
                return revised
            })
    }

    /// The penalties and tags of routes.
    private func judged(_ table: GuardedTable) throws -> [IPPrefix: String] {
        table.settle()
        let routes = try table.owner.querySync { rib in
            rib.routes(after: nil, feed: GuardedTable.feed, limit: 100_000).routes
        }
        return Dictionary(
            uniqueKeysWithValues: routes.map {
                ($0.prefix, "\($0.attributes.penalty) \($0.attributes.tags)")
            })
    }

    @Test(
        "what comes back was looked at by every revision since, in their order",
        arguments: [nil, 1])
    func revisions(units: Int?) throws {
        let table = try GuardedTable(units: units)
        table.withdraw(0..<300)
        table.owner.submit(self.revision(penalty: 9, tag: "first"))
        table.owner.submit(self.revision(within: [GuardedTable.prefix(0)], tag: "second"))
        table.settle()
        table.withdraw(300..<600)
        try table.expect(live: 600..<1000, stale: 0..<600)
        var expected = Dictionary(
            uniqueKeysWithValues: (0..<1000).map { (GuardedTable.prefix($0), "9 [\"first\"]") })
        expected[GuardedTable.prefix(0)] = "9 [\"second\"]"
        #expect(try self.judged(table) == expected)
        // What is taken out doesn't come back either.
        table.announce(0..<600)
        table.pass(62)
        table.withdraw(0..<300)
        table.owner.submit(
            .revise(TableRevision(within: [GuardedTable.prefix(3)]) { _, _, _ in nil }))
        table.settle()
        table.withdraw(300..<600)
        let routes = try table.routes()
        #expect(routes.count == 999 && routes[GuardedTable.prefix(3)] == nil)
        table.owner.submit(.removeFeed(GuardedTable.feed))
        table.settle()
        #expect(try table.owner.querySync { $0.counts() }.attributeSets == 0)
    }

    @Test("what is withdrawn before a revision has come to it is looked at when it comes back")
    func withdrawnUnseen() async throws {
        let table = try GuardedTable(units: 1)
        try await table.held {
            table.owner.submit(self.revision(penalty: 5))
            table.withdraw(501..<1000)
        }
        table.withdraw(0..<2)
        let judged = try self.judged(table)
        #expect(judged.count == 1000 && Set(judged.values) == ["5 []"])
        #expect(table.alarms == [.raised])
    }

    @Test("what comes back behind a revision is looked at")
    func returningUnseen() async throws {
        let table = try GuardedTable(units: 1)
        try await table.held {
            table.withdraw(0..<600)
            table.owner.submit(self.revision(penalty: 6))
        }
        let judged = try self.judged(table)
        #expect(judged.count == 1000 && Set(judged.values) == ["6 []"])
    }

    @Test("a family whose stale routes have left gets none back; the other does")
    func familiesApart() async throws {
        let table = try GuardedTable(units: 1)
        try await table.held {
            table.withdraw(0..<700)
            table.owner.submit(.feedDown(GuardedTable.feed))
            table.owner.submit(.staleExpired(GuardedTable.feed, .ipv4))
        }
        let routes = try table.routes()
        #expect(routes.keys.allSatisfy { $0.family == .ipv6 })
        #expect(routes.count == (0..<1000).count { $0 % 7 == 6 })
        #expect(table.alarms == [.raised, .ended])
    }

    @Test("a small feed and one without rules are not guarded")
    func small() throws {
        let small = try GuardedTable(prefixes: 99)
        small.withdraw(0..<99)
        try small.expect(live: 0..<0, stale: 0..<0)
        let free = try GuardedTable(rules: nil)
        free.withdraw(0..<1000)
        try free.expect(live: 0..<0, stale: 0..<0)
        #expect(small.alarms + free.alarms == [])
        free.announce(0..<1000)
        free.define(FeedGuardRules(share: 0.1, window: 10, settle: 10))
        free.withdraw(0..<101)
        try free.expect(live: 101..<1000, stale: 0..<101)
    }

    @Test("a held route loses to a fresh one of the same site; nothing leaks")
    func stale() throws {
        let table = try GuardedTable(units: 20)
        table.owner.submit(
            .addFeed(
                FeedDefinition(
                    id: GuardedTable.other, name: "edge", site: GuardedTable.site, order: 1)))
        table.owner.submit(.feedUp(GuardedTable.other))
        table.announce(0..<1000, hops: 7, on: GuardedTable.other)
        table.owner.submit(.feedComplete(GuardedTable.other))
        #expect(try table.distances(0..<1000).allSatisfy { $0 == 2 })
        table.withdraw(0..<900)
        #expect(try table.distances(0..<900).allSatisfy { $0 == 7 })
        #expect(try table.distances(900..<1000).allSatisfy { $0 == 2 })
        table.announce(0..<900, hops: 2)
        table.pass(1)
        #expect(try table.distances(0..<1000).allSatisfy { $0 == 2 })
        for round in 0..<4 {
            table.withdraw(0..<900)
            table.announce(0..<300, hops: 3 + round)
            table.pass(round == 2 ? 400 : 30)
        }
        for feed in [GuardedTable.feed, GuardedTable.other] {
            table.owner.submit(.removeFeed(feed))
        }
        table.settle()
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.attributeSets == 0 && counts.ipv4Prefixes + counts.ipv6Prefixes == 0)
        let memory = try table.owner.querySync { $0.memory() }
        #expect(memory.first { $0.name == "withdrawals" }?.bytes == 0)
    }

    @Test("what the limit of classes refuses is no loss")
    func refusals() throws {
        let table = try GuardedTable(limits: TableLimits(classes: 4))
        // Another feed fills the classes.
        table.owner.submit(
            .addFeed(
                FeedDefinition(id: GuardedTable.other, name: "edge", site: SiteID(2), order: 1)))
        table.owner.submit(.feedUp(GuardedTable.other))
        for hops in 3..<9 {
            table.announce(2000 + hops..<2001 + hops, hops: hops, on: GuardedTable.other)
        }
        table.owner.submit(.feedComplete(GuardedTable.other))
        table.settle()
        #expect(table.owner.classesAreFull)
        // Other paths of the same length make no class. Longer ones are refused, and the routes
        // they replace leave; but nobody has withdrawn them.
        table.announce(0..<1000, hops: 2, from: 300)
        #expect(try table.summary.refused == 0)
        table.announce(100..<800, hops: 9)
        #expect(try table.summary.refused == 700)
        #expect(try table.routes().count == 300)
        table.withdraw(800..<1000)
        table.pass(1)
        #expect(table.alarms == [])
        #expect(try table.summary.guardState == .watching)
        // With room again they come back; what is lost then counts.
        table.owner.submit(.removeFeed(GuardedTable.other))
        table.pass(62)
        #expect(!table.owner.classesAreFull)
        table.announce(100..<1000)
        #expect(try table.routes().count == 1000)
        table.withdraw(100..<600)
        table.settle()
        #expect(table.alarms == [])
        table.withdraw(600..<602)
        table.settle()
        #expect(table.alarms == [.raised])
    }
}
