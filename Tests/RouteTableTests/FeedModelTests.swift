// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

/// Sessions, refreshes, transfers and paths in all combinations: after each of them what is held,
/// what is stale and what counts is what a reference says, which keeps a state with each route.
@Suite("All that can happen to a feed")
struct FeedModelTests {
    static func path(_ hops: Int) -> RouteAttributes {
        RouteAttributes(asPath: ASPath([ASNumber](repeating: 64_500, count: hops)))
    }

    // MARK: Every short sequence

    enum Event: CaseIterable {
        case announce
        case announceOther
        case withdraw
        case up
        case down
        case complete
        case familyComplete
        case flush
        case refreshBegan
        case refreshEnded
        case longLived
        case expired
        case withdrawPaths
    }

    /// A feed of its own site, at prefixes of its own, and what it should be.
    private struct Lane {
        let feed: FeedID
        let prefix: IPPrefix
        var reference = ReferenceTable()

        init(_ number: Int) {
            self.feed = FeedID(UInt16(number))
            self.prefix = SteppedWriterTests.prefix(number)
            self.reference.apply(.addFeed(self.definition))
        }

        var definition: FeedDefinition {
            FeedDefinition(
                id: self.feed, name: "\(self.feed.rawValue)",
                site: SiteID(UInt8(self.feed.rawValue)), order: 0)
        }

        mutating func play(_ event: Event, on owner: TableOwner) {
            var batch = RouteBatch(feed: self.feed)
            func announce(_ id: UInt32, _ attributes: RouteAttributes) {
                batch.announce(
                    self.prefix, pathID: id, attributes: batch.intern(attributes))
                self.reference.announce(self.prefix, pathID: id, attributes, on: self.feed)
            }
            let command: TableCommand
            switch event {
            case .announce:
                var attributes = FeedModelTests.path(2)
                attributes.refusesLongLivedStale = true
                announce(0, attributes)
                command = .routes(batch)
            case .announceOther:
                announce(9, FeedModelTests.path(5))
                command = .routes(batch)
            case .withdraw:
                batch.withdraw(self.prefix)
                self.reference.withdraw(self.prefix, on: self.feed)
                command = .routes(batch)
            case .up: command = .feedUp(self.feed)
            case .down: command = .feedDown(self.feed)
            case .complete: command = .feedComplete(self.feed)
            case .familyComplete: command = .familyComplete(self.feed, .ipv4)
            case .flush: command = .feedFlush(self.feed)
            case .refreshBegan: command = .refreshBegan(self.feed, .ipv4)
            case .refreshEnded: command = .refreshEnded(self.feed, .ipv4)
            case .longLived: command = .longLivedStale(self.feed, .ipv4)
            case .expired: command = .staleExpired(self.feed, .ipv4)
            case .withdrawPaths: command = .withdrawPaths(self.feed, pathIDs: [9])
            }
            if case .routes = command {} else { self.reference.apply(command) }
            owner.submit(command)
        }
    }

    /// Sequences that run side by side in one table, each with a site of its own.
    private static let lanes = 60

    #if DEBUG
        static let lengths = [1, 2]
    #else
        static let lengths = [1, 2, 3, 4]
    #endif

    /// What comes before each sequence: nothing; a whole feed; one that was lost.
    static let beginnings: [[Event]] = [
        [], [.up, .announce, .announceOther, .complete],
        [.up, .announce, .announceOther, .complete, .down],
    ]

    @Test("every sequence of events is told right", arguments: Self.lengths, Self.beginnings)
    func sequences(length: Int, beginning: [Event]) throws {
        let events = Event.allCases
        let count = Array(repeating: events.count, count: length).reduce(1, *)
        // The longest of them in crumbs alone.
        let owner = try TableOwner(
            steps: TableUnderTest.crumbs(length < 4 ? 1 << 16 : 64), now: { 0 })
        defer { owner.shutdown() }
        var reader = try owner.lookup.makeReader()
        for first in stride(from: 0, to: count, by: Self.lanes) {
            var lanes = (0..<min(Self.lanes, count - first)).map { Lane($0) }
            for lane in lanes { owner.submit(.addFeed(lane.definition)) }
            for event in beginning {
                for index in lanes.indices { lanes[index].play(event, on: owner) }
            }
            for step in 0..<length {
                let next = lanes.indices.map { index in
                    var number = first + index
                    for _ in 0..<step { number /= events.count }
                    return events[number % events.count]
                }
                // A feed that has nothing is held back again: what is on its way out is something.
                if step > 0, next.contains(.up) { owner.flushAndWait() }
                for index in lanes.indices { lanes[index].play(next[index], on: owner) }
            }
            owner.flushAndWait()
            let expected = lanes.flatMap(\.reference.allRoutes).sorted {
                ($0.prefix, $0.pathID) < ($1.prefix, $1.pathID)
            }
            let found = try owner.querySync { $0.routes(after: nil, limit: .max).routes }
            let addresses = lanes.map(\.prefix.address)
            let distances = reader.withSnapshot { snapshot in
                var distances: [Int?] = []
                for (index, address) in addresses.enumerated() {
                    let values = snapshot.values(ofClass: snapshot.classID(of: address))
                    distances.append(values.distance(of: SiteID(UInt8(index))))
                }
                return distances
            }
            for (index, lane) in lanes.enumerated() {
                let route = lane.reference.route(
                    of: SiteID(UInt8(index)), at: lane.prefix.address)
                guard distances[index] == route?.distance else {
                    Issue.record(
                        "sequence \(first + index): \(distances[index] ?? -1), not \(route as Any)")
                    return
                }
            }
            guard found == expected else {
                Issue.record("sequences from \(first): \(found), not \(expected)")
                return
            }
            for lane in lanes { owner.submit(.removeFeed(lane.feed)) }
        }
        owner.flushAndWait()
        let counts = try owner.querySync { $0.counts() }
        #expect(counts.routes == 0 && counts.furtherPaths == 0 && counts.attributeSets == 0)
        #expect(counts.ipv4Prefixes == 0 && counts.refused == 0 && counts.refusedCommands == 0)
    }

    // MARK: Long sequences by chance

    #if DEBUG
        static let seeds: Range<UInt64> = 0..<4
        static let steps = 120
    #else
        static let seeds: Range<UInt64> = 0..<24
        static let steps = 500
    #endif

    private static func attributes(_ random: inout SplitMix) -> RouteAttributes {
        var attributes = self.path(random.below(4))
        if random.chance(15) { attributes.refusesLongLivedStale = true }
        if random.chance(15) { attributes.hasLongLivedStale = true }
        if random.chance(10) { attributes.isIgnored = true }
        return attributes
    }

    private static func step(
        _ table: TableUnderTest, _ random: inout SplitMix, feeds: Int, ids: Int
    ) {
        let feed = FeedID(UInt16(random.below(feeds)))
        let family = random.chance(60) ? AddressFamily.ipv4 : .ipv6
        func prefix(_ random: inout SplitMix) -> IPPrefix {
            let lengths = random.chance(60) ? [9, 16, 24, 32] : [20, 32, 48, 64]
            let isIPv4 = lengths[0] == 9
            let length = lengths[random.below(4)]
            let value = UInt128(isIPv4 ? 0x0a01_0203 : 0x2001_0db8) << 96
            return IPPrefix(
                masking: IPAddress(
                    family: isIPv4 ? .ipv4 : .ipv6,
                    leftAligned: value | UInt128(random.below(2)) << UInt128(128 - length)),
                length: length)
        }
        switch random.below(100) {
        case 0..<60:
            let paths = (0..<random.below(5)).map { _ in
                (prefix(&random), UInt32(random.below(ids)), self.attributes(&random))
            }
            let withdraw = (0..<random.below(4)).map { _ in
                (prefix(&random), UInt32(random.below(ids)))
            }
            table.change(feed, paths: paths, withdraw: withdraw)
        case 60..<67:
            // A feed that has nothing is held back again: what is on its way out is something.
            if ids > 1 { table.owner.flushAndWait() }
            table.apply(.feedUp(feed))
        case 67..<71: table.apply(.feedDown(feed))
        case 71..<74: table.apply(.feedComplete(feed))
        case 74..<78: table.apply(.familyComplete(feed, family))
        case 78..<83: table.apply(.refreshBegan(feed, family))
        case 83..<88: table.apply(.refreshEnded(feed, family))
        case 88..<91: table.apply(.longLivedStale(feed, family))
        case 91..<93: table.apply(.staleExpired(feed, family))
        case 93..<97:
            if ids > 1 {
                let ended = (0..<1 + random.below(2)).map { _ in UInt32(random.below(ids)) }
                table.apply(.withdrawPaths(feed, pathIDs: ended))
            }
        case 97: table.apply(.feedFlush(feed))
        case 98:
            let chosen = random.below(3)
            table.apply(
                .revise(
                    TableRevision(
                        feeds: random.chance(50) ? [feed] : nil,
                        showsAtOnce: random.chance(50)
                    ) { _, prefix, held in
                        var attributes = held
                        attributes.isIgnored = prefix.length % 3 == chosen
                        return prefix.length == 48 && chosen == 0 ? nil : attributes
                    }))
            // What comes before it is done may be looked at, too, or not.
            table.owner.flushAndWait()
        default: table.tick()
        }
    }

    @Test(
        "long sequences of two feeds of one site, and of one of another",
        arguments: [1, 64, 1 << 16], Self.seeds)
    func longSequences(units: Int, seed: UInt64) throws {
        var random = SplitMix(seed: seed &* 31 &+ UInt64(units))
        let table = try TableUnderTest(steps: TableUnderTest.crumbs(units))
        for id in 0..<3 {
            table.apply(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(UInt16(id)), name: "\(id)", site: SiteID(UInt8(id / 2)),
                        order: id)))
            if random.chance(70) { table.apply(.feedComplete(FeedID(UInt16(id)))) }
        }
        let ids = [1, 2, 5][Int(seed % 3)]
        var done = 0
        while done < Self.steps {
            // Nothing waits for what came before, so that all kinds of work overlap.
            let burst = 1 + random.below(20)
            for _ in 0..<burst { Self.step(table, &random, feeds: 3, ids: ids) }
            done += burst
            let context = "\(units) units, seed \(seed), step \(done)"
            guard try table.check(context) else { return }
            try RandomTableTests.checkRoutes(table, context)
        }
        for id in 0..<3 { table.apply(.removeFeed(FeedID(UInt16(id)))) }
        table.owner.flushAndWait()
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.routes == 0 && counts.attributeSets == 0 && counts.refused == 0)
    }
}
