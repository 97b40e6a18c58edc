// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Synchronization
import Testing

@Suite("Another look at routes that are held")
struct RevisionTests {
    static let block = IPPrefix(masking: IPAddress(ipv4: 0x0a00_0000), length: 8)
    static let longer = IPPrefix(masking: IPAddress(ipv4: 0x0a01_0000), length: 16)
    static let elsewhere = IPPrefix(masking: IPAddress(ipv4: 0x0b00_0000), length: 8)
    static let ipv6 = IPPrefix(
        masking: IPAddress(ipv6High: 0x2001_0db8 << 32, low: 0), length: 32)
    static let all = [block, longer, elsewhere, ipv6]

    static func path(_ hops: Int) -> RouteAttributes {
        RouteAttributes(asPath: ASPath([ASNumber](repeating: 64_500, count: hops)))
    }

    /// Two feeds of two sites, each with a route of two hops at every prefix.
    static func table(steps: StepPolicy = StepPolicy()) throws -> TableUnderTest {
        let table = try TableUnderTest(steps: steps)
        for id in 0..<2 as Range<UInt16> {
            table.apply(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(id), name: "f\(id)", site: SiteID(UInt8(id)), order: Int(id))))
            table.apply(.feedComplete(FeedID(id)))
            table.change(FeedID(id), announce: self.all.map { ($0, self.path(2)) })
        }
        return table
    }

    private static func ignoring(
        _ feed: FeedID, _ prefix: IPPrefix, _ held: RouteAttributes
    ) -> RouteAttributes? {
        var revised = held
        revised.validation = .invalid
        revised.isIgnored = true
        return revised
    }

    private func states(_ table: TableUnderTest) throws -> [String] {
        try table.owner.querySync { rib in
            Self.all.flatMap { prefix in
                rib.routes(at: prefix).filter(\.attributes.isIgnored).map {
                    "\(prefix) \($0.feed.rawValue)"
                }
            }
        }
    }

    @Test("of all routes, in both families")
    func everything() throws {
        let table = try Self.table()
        table.apply(.revise(TableRevision(Self.ignoring)))
        #expect(try table.check("all"))
        #expect(try self.states(table).count == 8)
    }

    @Test("of one feed's routes")
    func oneFeed() throws {
        let table = try Self.table()
        table.apply(.revise(TableRevision(feeds: [FeedID(1)], Self.ignoring)))
        #expect(try table.check("one feed"))
        #expect(try self.states(table) == Self.all.map { "\($0) 1" })
    }

    @Test("of routes under prefixes, and of no others")
    func underPrefixes() throws {
        let table = try Self.table()
        table.apply(
            .revise(TableRevision(within: [Self.longer, Self.ipv6], Self.ignoring)))
        #expect(try table.check("under prefixes"))
        let changed = [Self.longer, Self.ipv6].flatMap { ["\($0) 0", "\($0) 1"] }
        #expect(try self.states(table) == changed)
        table.apply(
            .revise(TableRevision(feeds: [FeedID(0)], within: [Self.block], Self.ignoring)))
        #expect(try table.check("under prefixes, one feed"))
        #expect(try self.states(table).count == 5)
    }

    @Test("nothing is looked at where no prefix is given, nor for feeds that there aren't")
    func nothing() throws {
        let table = try Self.table()
        table.apply(.revise(TableRevision(within: [], Self.ignoring)))
        table.apply(.revise(TableRevision(feeds: [FeedID(9)], Self.ignoring)))
        #expect(try table.check("nothing"))
        #expect(try self.states(table) == [])
    }

    @Test("of many routes in one go, whose attributes' numbers are given to others meanwhile")
    func numbersAnew() throws {
        var steps = StepPolicy()
        steps.microseconds = 1_000_000
        let table = try TableUnderTest(steps: steps)
        table.apply(
            .addFeed(FeedDefinition(id: FeedID(0), name: "", site: SiteID(0), order: 0)))
        table.apply(.feedComplete(FeedID(0)))
        // Each set of attributes comes again and again, between others, and for the last time soon.
        let sets = 0..<300 as Range<UInt32>
        let routes = sets.flatMap { set in
            (0..<4 as Range<UInt32>).map { turn in
                let place = (set + turn * 3) << 8 | set & 0xff
                return (
                    IPPrefix(host: IPAddress(ipv4: 0x0a00_0000 | place)),
                    RouteAttributes(asPath: ASPath([ASNumber(64_512 + set), 64_500]))
                )
            }
        }
        table.change(FeedID(0), announce: routes)
        let other = { @Sendable (held: RouteAttributes) in
            // As long as the old ones, so that what those leave is used again.
            var revised = held
            revised.asPath = ASPath(
                held.asPath.segments.flatMap(\.members).map { ASNumber($0.rawValue ^ 0x1_0000) })
            return revised
        }
        table.owner.submit(.revise(TableRevision { _, _, held in other(held) }))
        for (prefix, attributes) in routes {
            let held = try table.owner.querySync { $0.routes(at: prefix) }
            #expect(held.map(\.attributes) == [other(attributes)], "\(prefix)")
        }
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.attributeSets == sets.count)
    }

    @Test("of routes under many prefixes, few of which there are, ends its slices between them")
    func manyPrefixes() throws {
        let table = try Self.table(steps: TableUnderTest.crumbs(64))
        func walks() throws -> UInt64 {
            table.owner.flushAndWait()
            return try table.owner.querySync { $0.counts() }.longestSteps[.walk].count
        }
        let before = try walks()
        let absent = (0..<2000 as Range<UInt32>).map {
            IPPrefix(masking: IPAddress(ipv4: 0xcb00_0000 | $0 << 8), length: 24)
        }
        table.apply(
            .revise(TableRevision(within: [Self.longer] + absent + [Self.ipv6], Self.ignoring)))
        #expect(try table.check("many prefixes"))
        #expect(
            try self.states(table) == [Self.longer, Self.ipv6].flatMap { ["\($0) 0", "\($0) 1"] })
        #expect(try walks() - before >= 400)
    }

    @Test("a route that is not to stand leaves, and its prefix with the last one")
    func leaving() throws {
        let table = try Self.table()
        table.apply(.revise(TableRevision(within: [Self.block]) { _, _, _ in nil }))
        #expect(try table.check("leaving"))
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.routes == 4)
        #expect(counts.ipv4Prefixes == 1)
    }

    @Test("what stays the same keeps its time, and so does what changes; stale stays stale")
    func timesAndStaleness() throws {
        let table = try Self.table()
        table.apply(.feedUp(FeedID(0)))
        table.change(FeedID(0), announce: [(Self.block, Self.path(2))])
        table.tick()
        table.apply(.revise(TableRevision(feeds: [FeedID(0)], Self.ignoring)))
        table.owner.flushAndWait()
        let routes = try table.owner.querySync { rib in
            Self.all.flatMap { rib.routes(at: $0) }.filter { $0.feed == FeedID(0) }
        }
        #expect(routes.map(\.isStale) == [false, true, true, true])
        #expect(Set(routes.map(\.since)) == [1_000_000])
        table.apply(.feedComplete(FeedID(0)))
        #expect(try table.check("after the sweep"))
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.routes == 5)
    }

    @Test("a feed's change shows at once where that is asked for")
    func atOnce() throws {
        let table = try Self.table(steps: TableUnderTest.crumbs(64))
        table.apply(
            .revise(
                TableRevision(feeds: [FeedID(0)], showsAtOnce: true) { _, _, held in
                    var revised = held
                    revised.penalty = 5
                    return revised
                }))
        #expect(try table.check("with a penalty"))
    }

    /// The distances that readers see of both sites at some prefixes; those without are left out.
    static func distances(_ lookup: LookupTable, _ prefixes: [IPPrefix]) -> Set<Int> {
        guard var reader = try? lookup.makeReader() else { return [] }
        return reader.withSnapshot { snapshot in
            var distances: Set<Int> = []
            for prefix in prefixes {
                let values = snapshot.values(ofClass: snapshot.classID(of: prefix.address))
                for site in 0..<2 as Range<UInt8> {
                    if let distance = values.distance(of: SiteID(site)) {
                        distances.insert(distance)
                    }
                }
            }
            return distances
        }
    }

    @Test("of whole feeds shows in one step, though the lookup is built anew meanwhile")
    func oneStep() throws {
        let table = try SteppedWriterTests.table(4096, routes: 1_000)
        let some = stride(from: 0, to: 1_000, by: 50).map { SteppedWriterTests.prefix($0) }
        let lookup = table.owner.lookup
        let early = Atomic<Int>(0)
        table.apply(.setPins([(SteppedWriterTests.prefix(1), [SiteID(0)])]))
        // What is looked at is what readers see until the last of it has been looked at.
        table.owner.submit(
            .revise(
                TableRevision(showsAtOnce: true) { _, _, held in
                    if Self.distances(lookup, some).contains(where: { $0 >= 100 }) {
                        early.wrappingAdd(1, ordering: .relaxed)
                    }
                    var revised = held
                    revised.penalty = 100 + held.penalty % 100
                    return revised
                }))
        table.owner.flushAndWait()
        #expect(early.load(ordering: .relaxed) == 0)
        #expect(Self.distances(lookup, some).allSatisfy { $0 >= 100 })
        #expect(try table.owner.querySync { $0.counts() }.rebuilds > 2)
    }

    @Test("ends its slices between two prefixes, as does a feed's walk")
    func slices() throws {
        let table = try SteppedWriterTests.table(1, routes: 300)
        func walks() throws -> UInt64 {
            table.owner.flushAndWait()
            return try table.owner.querySync { $0.counts() }.longestSteps[.walk].count
        }
        let before = try walks()
        table.apply(.revise(TableRevision(feeds: [FeedID(0)], Self.ignoring)))
        let between = try walks()
        #expect(between - before >= 300)
        table.apply(.addFeed(SteppedWriterTests.feed(1, site: 2)))
        #expect(try walks() - between >= 300)
        #expect(try table.check("at the end"))
    }

    /// What is said of a route by the rule of this number; nil: it isn't held.
    static func judge(
        _ rule: Int, _ prefix: IPPrefix, _ attributes: RouteAttributes
    ) -> RouteAttributes? {
        let number = prefix.length + rule
        if number % 7 == 0 { return nil }
        var judged = attributes
        judged.penalty = UInt8(number % 3)
        judged.isIgnored = number % 5 == 0
        judged.validation = judged.isIgnored ? .invalid : .valid
        return judged
    }

    #if DEBUG
        static let seeds: Range<UInt64> = 0..<4
        static let steps = 60
    #else
        static let seeds: Range<UInt64> = 0..<16
        static let steps = 200
    #endif

    @Test(
        "among everything else, in steps of every size, comes out as the reference",
        arguments: [1, 64, 4096], Self.seeds)
    func random(units: Int, seed: UInt64) throws {
        var random = SplitMix(seed: seed + 900)
        let table = try TableUnderTest(steps: TableUnderTest.crumbs(units))
        // The rule in force, as whoever announces and whoever revises knows it.
        let rule = Rule()
        for id in 0..<4 {
            table.apply(.addFeed(RandomTableTests.definition(id, &random, sites: 4)))
            if random.chance(80) { table.apply(.feedComplete(FeedID(UInt16(id)))) }
        }
        let narrowest = units < 4096 ? 9 : 0
        for step in 0..<Self.steps {
            let feed = FeedID(UInt16(random.below(4)))
            switch random.below(20) {
            case 0..<13:
                var announce: [(IPPrefix, RouteAttributes)] = []
                var withdraw: [IPPrefix] = []
                for _ in 0..<(1 + random.below(6)) {
                    let prefix = RandomTableTests.prefix(&random, shortest: narrowest)
                    let judged = Self.judge(
                        rule.number, prefix, RandomTableTests.attributes(&random))
                    if let judged, random.chance(80) {
                        announce.append((prefix, judged))
                    } else {
                        withdraw.append(prefix)
                    }
                }
                table.change(feed, announce: announce, withdraw: withdraw)
            case 13:
                // A feed without routes is held back again as its session begins: those that a
                // revision is about to take out are still there.
                table.owner.flushAndWait()
                table.apply(.feedUp(feed))
            case 14: table.apply(.feedComplete(feed))
            case 15: table.apply(.feedDown(feed))
            case 16: table.apply(.feedFlush(feed))
            default:
                // What is rejected leaves for good: two such rules may not be under way at once.
                table.owner.flushAndWait()
                rule.number += 1
                let atOnce = random.chance(30)
                table.apply(
                    .revise(
                        TableRevision(showsAtOnce: atOnce) { Self.judge(rule.number, $1, $2) }))
                if random.chance(30) {
                    let block = RandomTableTests.prefix(&random, shortest: narrowest)
                    table.apply(
                        .revise(
                            TableRevision(feeds: [feed], within: [block]) {
                                Self.judge(rule.number, $1, $2)
                            }))
                }
            }
            if step % 8 == 7, !(try table.check("units \(units), seed \(seed), step \(step)")) {
                return
            }
        }
        #expect(try table.check("units \(units), seed \(seed), at the end"))
    }

    private final class Rule: Sendable {
        private let value = Atomic<Int>(1)
        var number: Int {
            get { self.value.load(ordering: .sequentiallyConsistent) }
            set { self.value.store(newValue, ordering: .sequentiallyConsistent) }
        }
    }
}
