// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc
import RouteTable
import Testing

@Suite("A table's limits")
struct TableLimitTests {
    static func path(_ hops: Int) -> RouteAttributes {
        RouteAttributes(asPath: ASPath([ASNumber](repeating: 64_500, count: hops)))
    }

    @Test("leave room for others beside a feed at its own, also those that are usual")
    func others() throws {
        let usual = TableLimits()
        #expect(usual.prefixes >= 3 * usual.routesPerFeed)
        let owner = try TableOwner(limits: TableLimits(prefixes: 300, routesPerFeed: 100))
        owner.submit(.defineSite(SiteID(0), name: "here"))
        for feed in 0..<3 as Range<UInt16> {
            owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(feed), name: "\(feed)", site: SiteID(0), order: Int(feed))))
            var batch = RouteBatch(feed: FeedID(feed))
            let index = batch.intern(Self.path(2))
            // The last one brings as many as it may, those before ever new ones.
            for number in 0..<(feed == 2 ? 100 : 5000) as Range<UInt32> {
                let address = IPAddress(ipv4: 0x0a00_0000 + UInt32(feed) << 16 + number)
                batch.announce(IPPrefix(masking: address, length: 32), attributes: index)
            }
            owner.submit(.routes(batch))
        }
        owner.flushAndWait()
        let counts = try owner.querySync { $0.counts() }
        #expect(counts.routes == 300)
        #expect(counts.refusals == [.prefixesPerFeed: 9800])
    }

    /// Not with sanitizers, which end the process themselves where address space is refused: they go
    /// with debug builds.
    @Test(
        "that the system sets to address space refuse the table in words",
        .enabled(if: !_isDebugAssertConfiguration()))
    func addressSpace() async throws {
        await #expect(processExitsWith: .exitCode(7)) {
            Self.limitAddressSpace(to: 2 << 30)
            do throws(TableResourceError) {
                _ = try TableOwner()
            } catch .addressSpace(let bytes, let code) {
                let words = "\(TableResourceError.addressSpace(bytes: bytes, code: code))"
                let isTold = words.contains("ulimit -v") && words.contains("\(bytes >> 20) MiB")
                exit(isTold && code == ENOMEM ? 7 : 1)
            }
        }
    }

    @Test(
        "that the system sets later refuse a site's column and a rebuild, and the table goes on",
        .enabled(if: !_isDebugAssertConfiguration()))
    func addressSpaceLater() async throws {
        await #expect(processExitsWith: .exitCode(7)) {
            let owner = try TableOwner()
            let prefix = IPPrefix(masking: IPAddress(ipv4: 0x0a00_0000), length: 8)
            func announce(_ site: UInt8, hops: Int) {
                owner.submit(.defineSite(SiteID(site), name: "\(site)"))
                owner.submit(
                    .addFeed(
                        FeedDefinition(
                            id: FeedID(UInt16(site)), name: "", site: SiteID(site), order: 0)))
                var batch = RouteBatch(feed: FeedID(UInt16(site)))
                batch.announce(prefix, attributes: batch.intern(Self.path(hops)))
                owner.submit(.routes(batch))
                owner.submit(.feedComplete(FeedID(UInt16(site))))
            }
            announce(0, hops: 3)
            owner.flushAndWait()
            // No more than is mapped now.
            Self.limitAddressSpace(to: 1)
            announce(63, hops: 2)
            owner.submit(.setPins([(prefix, [SiteID(0)])]))
            owner.flushAndWait()
            Self.limitAddressSpace(to: .max)
            let refused = try owner.querySync { $0.counts() }
            // The site, its feed, and the feed's two commands.
            try #require(refused.refusedCommands == 4)
            try #require(refused.refusedRebuilds >= 1)
            var reader = try owner.lookup.makeReader()
            let address = prefix.address
            let before = reader.withSnapshot { $0.values(ofClass: $0.classID(of: address)) }
            try #require(before.distance(of: SiteID(0)) == 3 && before.pins.isEmpty)

            // There is memory again: what was held is shown, although nobody asks again.
            owner.flushAndWait()
            let pinned = reader.withSnapshot { $0.values(ofClass: $0.classID(of: address)) }
            try #require(pinned.pins == [SiteID(0)])

            announce(63, hops: 2)
            owner.flushAndWait()
            let after = reader.withSnapshot { $0.values(ofClass: $0.classID(of: address)) }
            try #require(after.distance(of: SiteID(63)) == 2 && after.pins == [SiteID(0)])
            exit(7)
        }
    }

    static func limitAddressSpace(to bytes: rlim_t) {
        var limit = rlimit(rlim_cur: bytes, rlim_max: .max)
        setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    }

    @Test("refuse the sixty-fifth site in words, and the table goes on")
    func sites() throws {
        let owner = try TableOwner()
        let command = TableCommand.defineSite(SiteID(64), name: "one too many")
        #expect(throws: TableDefinitionError.siteOutOfRange(SiteID(64), limit: 64)) {
            try owner.submitChecked(command)
        }
        do {
            try command.validate()
        } catch {
            #expect("\(error)" == "site number 64 is out of range: a table holds 64 sites")
        }
        owner.submit(command)
        owner.submit(
            .addFeed(FeedDefinition(id: FeedID(0), name: "", site: SiteID(64), order: 0)))
        owner.submit(
            .addFeed(
                FeedDefinition(
                    id: FeedID(0), name: "", site: SiteID(1), order: 0,
                    throughSites: [SiteID(200): 1])))
        owner.submit(.setPins([(IPPrefix.all(.ipv4), [SiteID(99)])]))
        owner.submit(.removeSite(SiteID(64)))
        owner.submit(.routes(RouteBatch(feed: FeedID(7))))
        owner.flushAndWait()
        #expect(try owner.querySync { $0.counts() }.refusedCommands == 6)
        #expect(try owner.querySync { $0.feedSummaries() }.isEmpty)
    }

    @Test("let 64 sites and 256 feeds in, and refuse the next feed")
    func full() throws {
        let table = try TableUnderTest()
        let prefix = IPPrefix(masking: IPAddress(ipv4: 0x0a00_0000), length: 8)
        for id in 0..<256 {
            let feed = FeedDefinition(
                id: FeedID(UInt16(id)), name: "\(id)", site: SiteID(UInt8(id % 64)), order: id)
            table.apply(.addFeed(feed))
            table.change(feed.id, announce: [(prefix, Self.path(1 + (id * 7) % 90))])
            table.apply(.feedComplete(feed.id))
        }
        #expect(try table.check("256 feeds"))
        #expect(throws: TableDefinitionError.feedOutOfRange(FeedID(256), limit: 256)) {
            try table.owner.submitChecked(
                .addFeed(
                    FeedDefinition(id: FeedID(256), name: "", site: SiteID(0), order: 0)))
        }
    }

    @Test("on sites' numbers fit the width to those in use")
    func width() throws {
        let table = try TableUnderTest()
        let prefix = IPPrefix(masking: IPAddress(ipv4: 0x0a00_0000), length: 8)
        for (id, site) in [0, 7, 8, 15, 31, 32, 63].enumerated() {
            let feed = FeedID(UInt16(id))
            table.apply(
                .addFeed(
                    FeedDefinition(
                        id: feed, name: "", site: SiteID(UInt8(site)), order: id)))
            table.change(feed, announce: [(prefix, Self.path(id))])
            table.apply(.feedComplete(feed))
            #expect(try table.check("with site \(site)"))
        }
        for id in stride(from: 6, through: 1, by: -1) {
            table.apply(.removeFeed(FeedID(UInt16(id))))
            #expect(try table.check("without feed \(id)"))
        }
    }

    @Test("refuse ranges that go backwards")
    func ranges() throws {
        let owner = try TableOwner(limits: TableLimits(ranges: 2))
        let place = Place(latitude: 0, longitude: 0, name: "AU")
        let backwards = LocationRange(
            first: IPAddress(ipv4: 2), last: IPAddress(ipv4: 1), place: place)
        let mixed = LocationRange(
            first: IPAddress(ipv4: 2), last: IPAddress(ipv6High: 1, low: 0), place: place)
        for range in [backwards, mixed] {
            #expect(throws: TableDefinitionError.badRange(index: 0)) {
                try owner.submitChecked(.setLocations([range]))
            }
        }
        let good = LocationRange(
            first: IPAddress(ipv4: 1), last: IPAddress(ipv4: 2), place: place)
        owner.submit(.setLocations([good, good, good]))
        owner.flushAndWait()
        #expect(try owner.querySync { $0.counts() }.refusedCommands == 1)
    }

    /// Random changes to a small table; then what it holds must be what it answers.
    @Test(
        "refuse announcements, count them, and leave what is held right",
        arguments: [
            TableLimits(prefixes: 20), TableLimits(routesPerFeed: 9), TableLimits(classes: 12),
        ], 0..<4 as Range<UInt64>)
    func refusals(limits: TableLimits, seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let table = try TableUnderTest(limits: limits)
        for id in 0..<3 {
            table.apply(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(UInt16(id)), name: "", site: SiteID(UInt8(id)), order: id)))
            table.apply(.feedComplete(FeedID(UInt16(id))))
        }
        for round in 0..<20 {
            for _ in 0..<10 {
                let feed = FeedID(UInt16(random.below(3)))
                table.change(
                    feed,
                    announce: (0..<3).map { _ in
                        (RandomTableTests.prefix(&random), RandomTableTests.attributes(&random))
                    }, withdraw: [RandomTableTests.prefix(&random)])
            }
            // The reference takes over what the table says it holds.
            table.owner.flushAndWait()
            let held = try table.owner.querySync { $0.routes(after: nil, limit: .max).routes }
            for id in table.reference.feeds.keys { table.reference.feeds[id]?.routes = [:] }
            for route in held {
                table.reference.announce(route.prefix, route.attributes, on: route.feed)
                #expect(held.count { $0.feed == route.feed } <= limits.routesPerFeed)
            }
            #expect(Set(held.map(\.prefix)).count <= limits.prefixes)
            guard try table.check("seed \(seed), round \(round)") else { return }
        }
        let counts = try table.owner.querySync { $0.counts() }
        let summaries = try table.owner.querySync { $0.feedSummaries() }
        #expect(counts.refused > 0)
        #expect(summaries.reduce(0) { $0 + UInt64($1.refused) } == counts.refused)
    }

    @Test("on readers are an error, and a reader's end makes room")
    func readers() throws {
        let owner = try TableOwner(limits: TableLimits(readers: 2))
        let first = try owner.lookup.makeReader()
        do {
            let second = try owner.lookup.makeReader()
            #expect(throws: TableReaderError.noSlotLeft) { _ = try owner.lookup.makeReader() }
            _ = consume second
        }
        _ = try owner.lookup.makeReader()
        _ = consume first
    }

    /// A change of one of three prefixes to distances that no other has had lately.
    private func churn(_ table: TableUnderTest, _ random: inout SplitMix, rounds: Int) {
        for _ in 0..<rounds {
            for id in 0..<3 {
                let prefix = IPPrefix(
                    masking: IPAddress(ipv4: UInt32(random.below(3)) << 12), length: 24)
                table.change(
                    FeedID(UInt16(id)),
                    announce: [
                        (prefix, RouteAttributes(asPath: .empty, penalty: UInt8(random.below(255))))
                    ])
            }
        }
    }

    @Test("on classes count those alive: dead ones refuse nothing")
    func deadClasses() throws {
        var random = SplitMix(seed: 6)
        var steps = StepPolicy()
        steps.reclaimRest = 0
        let table = try TableUnderTest(limits: TableLimits(classes: 200), steps: steps)
        for id in 0..<3 {
            table.apply(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(UInt16(id)), name: "", site: SiteID(UInt8(id)), order: id)))
            table.apply(.feedComplete(FeedID(UInt16(id))))
        }
        for round in 0..<30 {
            self.churn(table, &random, rounds: 20)
            #expect(try table.check("round \(round)"))
        }
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.refused == 0)
        #expect(counts.classes < 400 && counts.rebuilds > 3)
    }

    @Test("on classes let announcements in again when there is room")
    func roomForClasses() throws {
        var steps = StepPolicy()
        steps.reclaimRest = 0
        let table = try TableUnderTest(limits: TableLimits(classes: 100), steps: steps)
        let feed = FeedID(0)
        table.apply(.addFeed(FeedDefinition(id: feed, name: "", site: SiteID(0), order: 0)))
        table.apply(.feedComplete(feed))
        @Sendable func prefix(_ number: Int) -> IPPrefix {
            IPPrefix(masking: IPAddress(ipv4: UInt32(number) << 12), length: 24)
        }
        func announce(_ number: Int) throws -> UInt64 {
            var batch = RouteBatch(feed: feed)
            batch.announce(
                prefix(number),
                attributes: batch.intern(
                    RouteAttributes(asPath: .empty, penalty: UInt8(number))))
            table.owner.submit(.routes(batch))
            table.owner.flushAndWait()
            return try table.owner.querySync { $0.counts().refused }
        }
        var number = 0
        while try announce(number) == 0 {
            number += 1
            try #require(number < 250)
        }
        #expect(number >= 99, "a hundred fit, and what came while they were counted")
        var batch = RouteBatch(feed: feed)
        for number in 0..<number { batch.withdraw(prefix(number)) }
        table.owner.submit(.routes(batch))
        table.owner.flushAndWait()
        // The next one has the classes counted; once they are, it gets in.
        var attempts = 0
        while try table.owner.querySync({ $0.routes(at: prefix(250)) }).isEmpty {
            _ = try announce(250)
            attempts += 1
            try #require(attempts < 100)
        }
    }

    @Test("on classes hold for a first transfer, whose last ones in address order are refused")
    func classesOfAFirstTransfer() throws {
        let table = try TableUnderTest(limits: TableLimits(classes: 40))
        var random = SplitMix(seed: 11)
        for id in 0..<3 {
            let feed = FeedID(UInt16(id))
            table.owner.submit(
                .addFeed(FeedDefinition(id: feed, name: "", site: SiteID(UInt8(id)), order: id)))
            table.owner.submit(.feedUp(feed))
        }
        // A covering prefix, and more specifics that all make classes of their own.
        func prefix(_ number: Int) -> IPPrefix {
            number == 0
                ? IPPrefix(masking: IPAddress(ipv4: 0x0a00_0000), length: 8)
                : IPPrefix(masking: IPAddress(ipv4: 0x0a00_0000 + UInt32(number) << 12), length: 24)
        }
        var announced = 0
        for id in 0..<3 {
            var batch = RouteBatch(feed: FeedID(UInt16(id)))
            for number in 0..<200 {
                let penalty = UInt8(random.below(250))
                batch.announce(
                    prefix(number),
                    attributes: batch.intern(
                        RouteAttributes(asPath: .empty, penalty: penalty)))
                announced += 1
            }
            table.owner.submit(.routes(batch))
        }
        for id in 0..<3 { table.owner.submit(.feedComplete(FeedID(UInt16(id)))) }
        table.owner.flushAndWait()
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.classes <= 40 && counts.classes > 20)
        #expect(counts.refusals == [.classes: counts.refused])
        #expect(counts.routes + Int(counts.refused) == announced)
        let summaries = try table.owner.querySync { $0.feedSummaries() }
        #expect(summaries.reduce(0) { $0 + UInt64($1.refused) } == counts.refused)

        // What is held is what is answered.
        let held = try table.owner.querySync { $0.routes(after: nil, limit: .max).routes }
        #expect(held.filter { $0.prefix == prefix(0) }.count == 3, "what covers them stays")
        var reader = try table.owner.lookup.makeReader()
        for number in 0..<200 {
            for id in 0..<3 {
                let site = SiteID(UInt8(id))
                let own = held.filter { $0.site == site && $0.prefix.contains(prefix(number)) }
                let expected = own.max { $0.prefix.length < $1.prefix.length }?.distance
                let address = prefix(number).address
                let values = reader.withSnapshot {
                    $0.values(ofClass: $0.classID(of: address))
                }
                #expect(values.distance(of: site) == expected)
            }
        }

        // At the limit nothing more comes in.
        var batch = RouteBatch(feed: FeedID(0))
        for number in 300..<400 {
            batch.announce(
                prefix(number),
                attributes: batch.intern(
                    RouteAttributes(asPath: .empty, penalty: UInt8(number - 300))))
        }
        table.owner.submit(.routes(batch))
        table.owner.flushAndWait()
        #expect(try table.owner.querySync { $0.counts() }.classes <= 40)
    }

    @Test("on classes are passed where pins alone make more, and nothing is taken out for it")
    func classesOfPins() throws {
        let table = try TableUnderTest(limits: TableLimits(classes: 4))
        for id in 0..<8 {
            table.apply(.defineSite(SiteID(UInt8(id)), name: "\(id)"))
        }
        table.apply(
            .setPins(
                (0..<8).map {
                    (
                        IPPrefix(masking: IPAddress(ipv4: UInt32($0) << 24), length: 8),
                        [SiteID(UInt8($0))]
                    )
                }))
        #expect(try table.check("eight pins"))
        #expect(try table.owner.querySync { $0.counts() }.refused == 0)
    }

    @Test("on classes are far: the index of a hundred thousand grows while they come")
    func manyClasses() throws {
        let table = try TableUnderTest()
        for id in 0..<3 {
            table.owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(UInt16(id)), name: "", site: SiteID(UInt8(id)), order: id)))
            table.owner.submit(.feedComplete(FeedID(UInt16(id))))
        }
        let count = 100_000
        func distance(_ number: Int, _ site: Int) -> Int {
            [number % 250, number / 250 % 250, number / 62_500][site]
        }
        for site in 0..<3 {
            for start in stride(from: 0, to: count, by: 2_000) {
                var batch = RouteBatch(feed: FeedID(UInt16(site)))
                for number in start..<start + 2_000 {
                    batch.announce(
                        IPPrefix(masking: IPAddress(ipv4: UInt32(number) << 8), length: 24),
                        attributes: batch.intern(
                            RouteAttributes(
                                asPath: .empty, penalty: UInt8(distance(number, site)))))
                }
                table.owner.submitAndWait(.routes(batch))
            }
        }
        table.owner.flushAndWait()
        var reader = try table.owner.lookup.makeReader()
        let wrong = reader.withSnapshot { snapshot in
            var wrong = 0
            for number in 0..<count {
                let address = IPAddress(ipv4: UInt32(number) << 8 | 7)
                let values = snapshot.values(ofClass: snapshot.classID(of: address))
                for site in 0..<3 {
                    if values.distance(of: SiteID(UInt8(site))) != distance(number, site) {
                        wrong += 1
                    }
                }
            }
            return wrong
        }
        #expect(wrong == 0)
        #expect(try table.owner.querySync { $0.counts() }.classes >= count)
    }

    @Test("keep dead classes from piling up")
    func classes() throws {
        var random = SplitMix(seed: 5)
        let table = try TableUnderTest()
        for id in 0..<4 {
            table.apply(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(UInt16(id)), name: "", site: SiteID(UInt8(id)), order: id)))
            table.apply(.feedComplete(FeedID(UInt16(id))))
        }
        let prefixes = (0..<32).map {
            IPPrefix(masking: IPAddress(ipv4: UInt32($0) << 12), length: 24)
        }
        for _ in 0..<60 {
            for id in 0..<4 {
                table.change(
                    FeedID(UInt16(id)),
                    announce: (0..<700).map { _ in
                        (
                            prefixes[random.below(32)],
                            RouteAttributes(
                                asPath: .empty, penalty: UInt8(random.below(255)))
                        )
                    })
            }
        }
        table.owner.flushAndWait()
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.classes < 65_536 + 4_000)
        #expect(counts.rebuilds > 0, "a generation of classes ended")
        #expect(try table.check("after many classes"))
    }

    @Test("of memory refuse further routes, and what is held stays right and may change")
    func memory() throws {
        let usual = try TableOwner()
        let base = try usual.querySync { $0.memory().reduce(0) { $0 + $1.bytes } }
        usual.shutdown()
        let owner = try TableOwner(limits: TableLimits(memory: base + (1 << 20)))
        defer { owner.shutdown() }
        let feed = FeedID(0)
        owner.submit(.defineSite(SiteID(0), name: "a"))
        owner.submit(.addFeed(FeedDefinition(id: feed, name: "a", site: SiteID(0), order: 0)))
        func prefix(_ number: Int) -> IPPrefix {
            IPPrefix(masking: IPAddress(ipv4: UInt32(number) << 8), length: 24)
        }
        let announced = 200_000
        for start in stride(from: 0, to: announced, by: 1000) {
            var batch = RouteBatch(feed: feed)
            let index = batch.intern(Self.path(3))
            for number in start..<start + 1000 { batch.announce(prefix(number), attributes: index) }
            owner.submitAndWait(.routes(batch))
        }
        owner.submit(.feedComplete(feed))
        owner.flushAndWait()
        let counts = try owner.querySync { $0.counts() }
        #expect(counts.refused > 0 && counts.refusals == [.memory: counts.refused])
        #expect(counts.routes + Int(counts.refused) == announced)
        #expect(counts.routes >= 1000)
        #expect(try owner.querySync { $0.feedSummaries() }.first?.refused == Int(counts.refused))

        // The first are held, and change; one of those refused isn't there.
        var change = RouteBatch(feed: feed)
        change.announce(prefix(0), attributes: change.intern(Self.path(7)))
        change.withdraw(prefix(1))
        owner.submit(.routes(change))
        owner.flushAndWait()
        var reader = try owner.lookup.makeReader()
        func distance(_ number: Int) -> Int? {
            reader.withSnapshot {
                $0.values(ofClass: $0.classID(of: prefix(number).address)).distance(of: SiteID(0))
            }
        }
        #expect(distance(0) == 7)
        #expect(distance(1) == nil)
        #expect(distance(2) == 3)
        #expect(distance(announced - 1) == nil)
    }

    @Test("on classes refuse nothing that a new session announces as it was")
    func sameAgain() throws {
        var limits = TableLimits()
        limits.classes = 10
        let owner = try TableOwner(limits: limits)
        let feed = SteppedWriterTests.feed(0, site: 0)
        owner.submit(.addFeed(feed))
        for _ in 0..<2 {
            owner.submit(.feedUp(feed.id))
            var batch = RouteBatch(feed: feed.id)
            for number in 0..<9 {
                batch.announce(
                    SteppedWriterTests.prefix(number),
                    attributes: batch.intern(SteppedWriterTests.path(number)))
            }
            owner.submit(.routes(batch))
            owner.submit(.feedComplete(feed.id))
            owner.flushAndWait()
            let counts = try owner.querySync { $0.counts() }
            #expect(counts.routes == 9 && counts.refused == 0)
        }
    }

    @Test("that a lookup has on classes are no end for a default route while another is built")
    func fullLookup() throws {
        var steps = StepPolicy()
        steps.units = 4096
        steps.patience = 0
        steps.bulk = .max
        let owner = try TableOwner(steps: steps)
        for id in 0..<4 {
            let feed = SteppedWriterTests.feed(id, site: id)
            owner.submit(.addFeed(feed))
            // Whole without a route: what comes is painted into the first lookup, which has room
            // for 65,536 classes.
            owner.submit(.feedComplete(feed.id))
        }
        func announce(_ site: Int, _ numbers: Range<Int>, hops: (Int) -> Int) {
            var batch = RouteBatch(feed: FeedID(UInt16(site)))
            for number in numbers {
                batch.announce(
                    SteppedWriterTests.prefix(number),
                    attributes: batch.intern(SteppedWriterTests.path(hops(number))))
            }
            owner.submit(.routes(batch))
        }
        announce(0, 0..<62_500) { $0 % 250 }
        announce(1, 0..<62_500) { $0 / 250 }
        announce(2, 0..<4000) { _ in 1 }
        // Its first address is the family's first.
        for hops in 0..<4 {
            var batch = RouteBatch(feed: FeedID(3))
            batch.announce(
                IPPrefix.all(.ipv4), attributes: batch.intern(SteppedWriterTests.path(hops)))
            owner.submit(.routes(batch))
        }
        owner.flushAndWait()
        var reader = try owner.lookup.makeReader()
        for number in [0, 3999, 62_499] {
            let address = SteppedWriterTests.prefix(number).address
            let values = reader.withSnapshot { $0.values(ofClass: $0.classID(of: address)) }
            #expect(values.distance(of: SiteID(0)) == number % 250)
            #expect(values.distance(of: SiteID(1)) == number / 250)
            #expect(values.distance(of: SiteID(2)) == (number < 4000 ? 1 : nil))
            #expect(values.distance(of: SiteID(3)) == 3)
        }
        #expect(try owner.querySync { $0.counts() }.rebuilds > 0)
    }
}
