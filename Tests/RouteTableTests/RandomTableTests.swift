// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

@Suite("A table under random changes")
struct RandomTableTests {
    // A wide prefix writes a million entries: in a debug build that takes its time.
    #if DEBUG
        static let seeds: Range<UInt64> = 0..<4
        static let steps = 40
    #else
        static let seeds: Range<UInt64> = 0..<24
        static let steps = 150
    #endif

    /// Prefixes crowded where the structure changes: at the top, at the root's boundary, inside
    /// nodes, between the two words of an address, at the bottom.
    static func prefix(_ random: inout SplitMix, shortest: Int) -> IPPrefix {
        while true {
            let prefix = self.prefix(&random)
            if prefix.length >= shortest { return prefix }
        }
    }

    static func prefix(_ random: inout SplitMix) -> IPPrefix {
        if random.chance(55) {
            let base: [UInt32] = [0, 0x0a00_0000, 0x0a00_1000, 0x0a00_10f0, 0xffff_fff0]
            let value =
                base[random.below(base.count)] | UInt32(random.below(16))
                << UInt32(random.below(29))
            let lengths = [0, 1, 3, 8, 16, 18, 19, 20, 21, 22, 23, 24, 26, 28, 29, 30, 31, 32]
            return IPPrefix(
                masking: IPAddress(ipv4: value), length: lengths[random.below(lengths.count)])
        }
        let base: [UInt128] = [
            0, 0x2001_0db8 << 96, 0x2001_0db8 << 96 | 0xf << 60, 0x2001_0db8 << 96 | 0xf0,
            .max - 15,
        ]
        let value =
            base[random.below(base.count)] | UInt128(random.below(16))
            << UInt128(random.below(125))
        let lengths = [0, 2, 12, 19, 20, 21, 32, 48, 60, 63, 64, 65, 68, 112, 124, 126, 127, 128]
        return IPPrefix(
            masking: IPAddress(family: .ipv6, leftAligned: value),
            length: lengths[random.below(lengths.count)])
    }

    static func attributes(_ random: inout SplitMix) -> RouteAttributes {
        let hops = random.below(4)
        let numbers = (0..<hops).map { _ in ASNumber(UInt32(64_600 + random.below(5))) }
        var segments = [ASPath.Segment(kind: .sequence, members: numbers)]
        if random.chance(20) {
            segments.append(.init(kind: .set, members: [64_601, 64_603]))
        }
        var attributes = RouteAttributes(
            origin: .igp, asPath: ASPath(segments: segments),
            nextHop: random.chance(50) ? IPAddress(ipv4: 1) : nil,
            multiExitDiscriminator: random.chance(20) ? 7 : nil,
            localPreference: random.chance(20) ? 100 : nil,
            penalty: random.chance(5) ? 255 : 0)
        if random.chance(15) { attributes.isIgnored = true }
        if random.chance(15) { attributes.distanceOverride = UInt8(random.below(4)) }
        if random.chance(10) {
            attributes.validation = OriginValidationState.allCases[random.below(4)]
        }
        if random.chance(10) { attributes.tags = ["a", "satellite"].suffix(1 + random.below(2)) }
        return attributes
    }

    static func definition(_ id: Int, _ random: inout SplitMix, sites: Int) -> FeedDefinition {
        var through: [SiteID: ASNumber] = [:]
        if random.chance(30) {
            for _ in 0..<2 {
                through[SiteID(UInt8(random.below(sites)))] =
                    ASNumber(UInt32(64_600 + random.below(5)))
            }
        }
        return FeedDefinition(
            id: FeedID(UInt16(id)), name: "feed \(id)",
            site: SiteID(UInt8(random.below(sites))), order: random.below(4),
            throughSites: through)
    }

    /// One random command, to the table and to the reference.
    static func step(
        _ table: TableUnderTest, _ random: inout SplitMix, feeds: Int, sites: Int,
        shortest: Int = 0
    ) {
        let feed = FeedID(UInt16(random.below(feeds)))
        switch random.below(100) {
        case 0..<70:
            var announce: [(IPPrefix, RouteAttributes)] = []
            var withdraw: [IPPrefix] = []
            let known =
                table.reference.feeds[feed].map { $0.routes.keys.sorted().map(\.prefix) } ?? []
            for _ in 0..<(1 + random.below(4)) {
                if random.chance(60) {
                    announce.append(
                        (self.prefix(&random, shortest: shortest), self.attributes(&random)))
                } else if let old = known.isEmpty ? nil : known[random.below(known.count)] {
                    withdraw.append(old)
                } else {
                    withdraw.append(self.prefix(&random, shortest: shortest))
                }
            }
            table.change(feed, announce: announce, withdraw: withdraw)
        case 70..<76: table.apply(.feedUp(feed))
        case 76..<84: table.apply(.feedComplete(feed))
        case 84..<88: table.apply(.feedDown(feed))
        case 88..<90: table.apply(.feedFlush(feed))
        case 90..<92: table.apply(.removeFeed(feed))
        case 92..<95:
            table.apply(.addFeed(self.definition(Int(feed.rawValue), &random, sites: sites)))
        case 95: table.apply(.removeSite(SiteID(UInt8(random.below(sites)))))
        case 96, 97:
            table.apply(
                .setPins(
                    (0..<random.below(6)).map { _ in
                        let pinned = (0..<random.below(3)).map { _ in
                            SiteID(UInt8(random.below(sites)))
                        }
                        return (self.prefix(&random, shortest: shortest), pinned)
                    }))
        case 98:
            table.apply(
                .setLocations(
                    LocationSet(
                        (0..<random.below(8)).map { _ in
                            let (a, b) = (
                                self.prefix(&random, shortest: shortest),
                                self.prefix(&random, shortest: shortest)
                            )
                            let place = Place(
                                latitude: 0, longitude: 0, name: ["AU", "NL"][random.below(2)])
                            guard a.family == b.family, shortest == 0 else {
                                return LocationRange(first: a.address, last: a.last, place: place)
                            }
                            return LocationRange(
                                first: min(a.address, b.address), last: max(a.last, b.last),
                                place: place)
                        })))
        default: table.tick()
        }
    }

    @Test("answers as the reference does after each of them", arguments: Self.seeds)
    func eachStep(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let table = try TableUnderTest()
        let sites = [2, 9, 3, 64][Int(seed % 4)]
        for id in 0..<5 {
            table.apply(.addFeed(Self.definition(id, &random, sites: min(sites, 4))))
            if random.chance(80) { table.apply(.feedComplete(FeedID(UInt16(id)))) }
        }
        for step in 0..<Self.steps {
            Self.step(table, &random, feeds: 5, sites: sites)
            let probes = (0..<20).map { _ in Self.prefix(&random).last }
            guard try table.check("seed \(seed), step \(step)", probes: probes) else { return }
        }
    }

    /// The sizes of slices: a leaf at a time, a part of a wide prefix, most of one.
    static let crumbs = [1, 64, 4096, 1 << 16]

    @Test(
        "answers as the reference does with steps of every size", arguments: Self.crumbs,
        Self.seeds)
    func smallSteps(units: Int, seed: UInt64) throws {
        var random = SplitMix(seed: seed + 200)
        let table = try TableUnderTest(steps: TableUnderTest.crumbs(units))
        // Wide prefixes take as many slices as they have leaves.
        let narrowest = units < 4096 ? 9 : 0
        let sites = [2, 9, 3, 17][Int(seed % 4)]
        for id in 0..<5 {
            table.apply(.addFeed(Self.definition(id, &random, sites: min(sites, 4))))
            if random.chance(80) { table.apply(.feedComplete(FeedID(UInt16(id)))) }
        }
        for round in 0..<(Self.steps / 6) {
            // Nothing waits for what came before, so that walks, paints and builds overlap.
            for _ in 0..<(1 + random.below(24)) {
                Self.step(
                    table, &random, feeds: 5, sites: sites, shortest: narrowest)
            }
            let probes = (0..<20).map { _ in Self.prefix(&random).last }
            guard try table.check("\(units) units, seed \(seed), round \(round)", probes: probes)
            else { return }
        }
        try Self.checkRoutes(table, "\(units) units, seed \(seed)")
    }

    @Test("answers as the reference does at rest", arguments: Self.seeds)
    func atRest(seed: UInt64) throws {
        var random = SplitMix(seed: seed + 100)
        let table = try TableUnderTest()
        for id in 0..<6 {
            table.apply(.addFeed(Self.definition(id, &random, sites: 4)))
            table.apply(.feedComplete(FeedID(UInt16(id))))
        }
        for round in 0..<6 {
            for _ in 0..<(Self.steps * 2 / 5) { Self.step(table, &random, feeds: 6, sites: 4) }
            guard try table.check("seed \(seed), round \(round)") else { return }
            try Self.checkRoutes(table, "seed \(seed), round \(round)")
        }
    }

    /// What `show` and `explain` ask.
    static func checkRoutes(_ table: TableUnderTest, _ context: String) throws {
        let reference = table.reference
        for address in reference.boundaries(.ipv4) + reference.boundaries(.ipv6) {
            let expected = reference.sites.sorted().compactMap {
                reference.route(of: $0, at: address)
            }
            let found = try table.owner.querySync { $0.routes(covering: address) }
            guard found == expected else {
                Issue.record("\(context): routes at \(address): \(found), not \(expected)")
                return
            }
        }
        // Listing, in slices of every size, gives each route once and in order.
        let all = reference.allRoutes
        for limit in [1, 2, 3, 7, 100_000] {
            #expect(try Self.list(table, nil, nil, limit) == all, "\(context), \(limit) a slice")
        }
        for id in reference.feeds.keys {
            #expect(try Self.list(table, id, nil, 2) == all.filter { $0.feed == id })
        }
        for block in ["0.0.0.0/0", "10.0.16.0/20", "::/0", "2001:db8::/32", "255.255.255.255/32"] {
            let prefix = try IPPrefix(parsing: block)
            #expect(
                try Self.list(table, nil, prefix, 3) == all.filter { prefix.contains($0.prefix) })
        }
        let summaries = try table.owner.querySync { $0.feedSummaries() }
        #expect(summaries.count == reference.feeds.count)
        for summary in summaries {
            let feed = try #require(reference.feeds[summary.id])
            #expect(summary.ipv4Prefixes + summary.ipv6Prefixes == feed.prefixes.count)
            #expect(summary.furtherPaths == feed.routes.count - feed.prefixes.count)
            #expect(summary.stalePrefixes == feed.routes.values.count(where: \.isStale))
            #expect(
                summary.longLivedStale == feed.routes.values.count { $0.state == .longLived })
            let fresh = feed.routes.filter { !$0.value.isStale }.keys.map(\.prefix.family)
            #expect(summary.freshIPv4 == fresh.count { $0 == .ipv4 })
            #expect(summary.freshIPv6 == fresh.count { $0 == .ipv6 })
            #expect(summary.isFirstTransfer == feed.isHidden)
        }
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.routes == all.count)
        #expect(counts.attributeSets == Set(all.map(\.attributes)).count)
        #expect(
            counts.ipv4Prefixes + counts.ipv6Prefixes == Set(all.map(\.prefix)).count)
    }

    private static func list(
        _ table: TableUnderTest, _ feed: FeedID?, _ block: IPPrefix?, _ limit: Int
    ) throws -> [SiteRoute] {
        var routes: [SiteRoute] = []
        var cursor: RouteCursor?
        repeat {
            let at = cursor
            let slice = try table.owner.querySync {
                $0.routes(after: at, feed: feed, within: block, limit: limit)
            }
            #expect(slice.routes.count <= limit)
            routes += slice.routes
            cursor = slice.next
        } while cursor != nil
        return routes
    }
}
