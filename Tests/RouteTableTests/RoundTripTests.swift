// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

/// Random observations, files and expiries among random routes.
@Suite("Round trips in random tables")
struct RoundTripRandomTests {
    #if DEBUG
        static let seeds: Range<UInt64> = 0..<4
        static let steps = 40
    #else
        static let seeds: Range<UInt64> = 0..<24
        static let steps = 120
    #endif

    /// Crowded by the prefix, and by the value: near one another, so that many stay in their step.
    static func trip(_ random: inout SplitMix, sites: Int) -> RoundTrip {
        let microseconds: UInt32 =
            switch random.below(10) {
            case 0: 1
            case 1: RoundTrip.mostMicroseconds
            case 2: UInt32(1 + random.below(20_000_000))
            default: UInt32(20_000 + random.below(4_000))
            }
        return RoundTrip(
            prefix: RandomTableTests.prefix(&random), site: SiteID(UInt8(random.below(sites))),
            microseconds: microseconds)
    }

    static func step(_ table: TableUnderTest, _ random: inout SplitMix, sites: Int) {
        switch random.below(100) {
        case 0..<45: RandomTableTests.step(table, &random, feeds: 3, sites: sites)
        case 45..<80:
            table.apply(
                .observe((0..<(1 + random.below(4))).map { _ in Self.trip(&random, sites: sites) }))
        case 80..<84:
            // Again, as a program that measures does.
            let known = table.reference.roundTrips.reports
            guard !known.isEmpty else { return }
            let report = known[random.below(known.count)]
            let next = UInt32(20_000 + random.below(30_000))
            table.apply(
                .observe([
                    RoundTrip(prefix: report.prefix, site: report.site, microseconds: next)
                ]))
        case 84..<89:
            table.apply(
                .setRoundTrips(
                    (0..<random.below(12)).map { _ in Self.trip(&random, sites: sites) }))
        case 89..<93: table.apply(.expireRoundTrips)
        case 93:
            table.apply(
                .setRoundTripRules(
                    RoundTripRules(
                        weight: [0.125, 0.25, 1][random.below(3)],
                        expiry: Int64(1 + random.below(8)))))
        default: table.tick()
        }
    }

    @Test("mean what the reference says after each step", arguments: Self.seeds)
    func eachStep(seed: UInt64) throws {
        var random = SplitMix(seed: seed + 4000)
        let sites = [2, 9, 3, 64][Int(seed % 4)]
        let table = try TableUnderTest(
            steps: seed % 2 == 0 ? TableUnderTest.crumbs(1 << 16) : StepPolicy())
        for id in 0..<3 {
            table.apply(.addFeed(RandomTableTests.definition(id, &random, sites: min(sites, 4))))
            table.apply(.feedComplete(FeedID(UInt16(id))))
        }
        for step in 0..<Self.steps {
            Self.step(table, &random, sites: sites)
            let probes = (0..<10).map { _ in RandomTableTests.prefix(&random).last }
            guard try table.check("seed \(seed), step \(step)", probes: probes) else { return }
            guard try self.checkReports(table, "seed \(seed), step \(step)") else { return }
        }
    }

    @Test("mean what the reference says at rest", arguments: Self.seeds)
    func atRest(seed: UInt64) throws {
        var random = SplitMix(seed: seed + 5000)
        let table = try TableUnderTest(steps: TableUnderTest.crumbs(1 << 16))
        for id in 0..<3 {
            table.apply(.addFeed(RandomTableTests.definition(id, &random, sites: 4)))
            table.apply(.feedComplete(FeedID(UInt16(id))))
        }
        for round in 0..<6 {
            for _ in 0..<(Self.steps / 2) { Self.step(table, &random, sites: 4) }
            guard try table.check("seed \(seed), round \(round)") else { return }
            guard try self.checkReports(table, "seed \(seed), round \(round)") else { return }
        }
    }

    /// Slices of every size give each round trip once, in order.
    private func checkReports(_ table: TableUnderTest, _ context: String) throws -> Bool {
        let expected = table.reference.roundTrips.reports
        for limit in [1, 2, 3, 100_000] {
            let found = try Self.list(table, nil, limit)
            guard found == expected else {
                Issue.record("\(context), \(limit) a slice: \(found), not \(expected)")
                return false
            }
        }
        for block in ["0.0.0.0/0", "10.0.16.0/20", "::/0", "2001:db8::/32"] {
            let prefix = try IPPrefix(parsing: block)
            let within = expected.filter { prefix.contains($0.prefix) }
            guard try Self.list(table, prefix, 2) == within else {
                Issue.record("\(context): round trips within \(block)")
                return false
            }
        }
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.roundTripPrefixes == Set(expected.map(\.prefix)).count, "\(context)")
        return true
    }

    static func list(
        _ table: TableUnderTest, _ block: IPPrefix?, _ limit: Int
    ) throws -> [RoundTripReport] {
        var all: [RoundTripReport] = []
        var cursor: RoundTripCursor?
        repeat {
            let at = cursor
            let slice = try table.owner.querySync {
                let found = $0.roundTrips(after: at, within: block, limit: limit)
                return (found.roundTrips, found.next)
            }
            #expect(slice.0.count <= limit)
            all += slice.0
            cursor = slice.1
        } while cursor != nil
        return all
    }
}

@Suite("Round trips")
struct RoundTripTests {
    let table: TableUnderTest

    init() throws {
        self.table = try TableUnderTest(limits: TableLimits(roundTripPrefixes: 3))
    }

    private func trip(_ prefix: String, _ site: UInt8, _ milliseconds: Double) throws -> RoundTrip {
        RoundTrip(
            prefix: try IPPrefix(parsing: prefix), site: SiteID(site),
            microseconds: try #require(RoundTrip.microseconds(milliseconds: milliseconds)))
    }

    private func roundTrip(_ site: UInt8, at address: String) throws -> Double? {
        self.table.owner.flushAndWait()
        var reader = try self.table.owner.lookup.makeReader()
        let client = try IPAddress(parsing: address)
        return reader.withSnapshot { snapshot in
            snapshot.values(ofClass: snapshot.lookup(client).classID).roundTrip(of: SiteID(site))
        }.map { $0 / .milliseconds(1) }
    }

    @Test("hold for the longest prefix that was observed from each site alone")
    func longestMatch() throws {
        self.table.apply(
            .observe([
                try self.trip("10.0.0.0/8", 0, 100), try self.trip("10.0.0.0/8", 1, 100),
                try self.trip("10.1.0.0/16", 1, 10),
            ]))
        #expect(try self.table.check("three observations"))
        let wide = try #require(try self.roundTrip(0, at: "10.1.0.1"))
        let narrow = try #require(try self.roundTrip(1, at: "10.1.0.1"))
        #expect(abs(wide - 100) < 5)
        #expect(abs(narrow - 10) < 0.5)
        #expect(try self.roundTrip(1, at: "10.2.0.1") == wide)
        #expect(try self.roundTrip(0, at: "11.0.0.1") == nil)
    }

    @Test("stay in their step while the average wanders a little, and cost no class")
    func hysteresis() throws {
        self.table.apply(.observe([try self.trip("10.0.0.0/8", 0, 100)]))
        let first = try #require(try self.roundTrip(0, at: "10.0.0.1"))
        let classes = try self.table.owner.querySync { $0.counts().classes }
        for index in 0..<100 {
            let value = index % 2 == 0 ? 94.0 : 106
            self.table.apply(.observe([try self.trip("10.0.0.0/8", 0, value)]))
            #expect(try self.roundTrip(0, at: "10.0.0.1") == first)
        }
        #expect(try self.table.owner.querySync { $0.counts().classes } == classes)
        for _ in 0..<30 { self.table.apply(.observe([try self.trip("10.0.0.0/8", 0, 200)])) }
        let last = try #require(try self.roundTrip(0, at: "10.0.0.1"))
        #expect(abs(last - 200) < 16)
    }

    @Test("are averaged: a quarter of what is new")
    func averages() throws {
        self.table.apply(
            .observe([try self.trip("10.0.0.0/8", 0, 100), try self.trip("10.0.0.0/8", 0, 20)]))
        let report = try #require(try RoundTripRandomTests.list(self.table, nil, 9).first)
        #expect(report.average == 80_000)
        #expect(report.observed == self.table.reference.now)
    }

    @Test("are forgotten when nobody observes them any more; what a file says stays")
    func expiry() throws {
        self.table.apply(.setRoundTripRules(RoundTripRules(weight: 1, expiry: 2)))
        self.table.apply(.setRoundTrips([try self.trip("10.0.0.0/8", 0, 50)]))
        self.table.apply(
            .observe([try self.trip("10.0.0.0/8", 0, 10), try self.trip("11.0.0.0/8", 0, 10)]))
        for _ in 0..<2 {
            self.table.tick()
            self.table.apply(.expireRoundTrips)
        }
        #expect(try self.roundTrip(0, at: "11.0.0.1") != nil)
        self.table.tick()
        self.table.apply(.expireRoundTrips)
        #expect(try self.roundTrip(0, at: "11.0.0.1") == nil)
        let filed = try #require(try self.roundTrip(0, at: "10.0.0.1"))
        #expect(abs(filed - 50) < 3)
        #expect(try self.table.owner.querySync { $0.counts().roundTripPrefixes } == 1)
    }

    @Test("of more prefixes than the limit are refused and counted; what is known goes on")
    func limit() throws {
        for index in 0..<5 {
            self.table.owner.submit(.observe([try self.trip("10.\(index).0.0/16", 0, 10)]))
        }
        self.table.owner.flushAndWait()
        #expect(self.table.owner.roundTripsAreFull)
        let counts = try self.table.owner.querySync { $0.counts() }
        #expect(counts.roundTripPrefixes == 3)
        #expect(counts.refusedObservations == 2)
        let (first, last) = (
            try IPPrefix(parsing: "10.0.0.0/16"), try IPPrefix(parsing: "10.4.0.0/16")
        )
        #expect(try self.table.owner.querySync { $0.hasRoundTrip(at: first) })
        #expect(try !self.table.owner.querySync { $0.hasRoundTrip(at: last) })
        self.table.owner.submit(.observe([try self.trip("10.0.0.0/16", 1, 300)]))
        #expect(try self.roundTrip(1, at: "10.0.0.1") != nil)
        #expect(try self.roundTrip(0, at: "10.4.0.1") == nil)
    }

    @Test("that need more classes than the limit are refused; what is known is right")
    func classLimit() throws {
        let limited = try TableUnderTest(limits: TableLimits(classes: 40))
        for round in 0..<3 {
            for index in 0..<200 {
                let trip = try self.trip("10.\(index).0.0/16", UInt8(round), Double(10 + index * 7))
                limited.owner.submit(.observe([trip]))
            }
            limited.owner.flushAndWait()
        }
        let counts = try limited.owner.querySync { $0.counts() }
        #expect(counts.refusedObservations > 0)
        #expect(counts.classes <= 2 * 40 + 1)
        let known = try RoundTripRandomTests.list(limited, nil, 100)
        #expect(!known.isEmpty && known.count < 600)
        var reader = try limited.owner.lookup.makeReader()
        for report in known {
            let client = report.prefix.address
            let values = reader.withSnapshot { $0.values(ofClass: $0.lookup(client).classID) }
            #expect(values.roundTrip(of: report.site) == report.used)
        }
    }

    @Test("of a site beyond the table's columns are refused")
    func siteOutOfRange() throws {
        let trip = try self.trip("10.0.0.0/8", 64, 10)
        #expect(throws: TableDefinitionError.siteOutOfRange(SiteID(64), limit: 64)) {
            try self.table.owner.submitChecked(.observe([trip]))
        }
        self.table.owner.submit(.observe([trip]))
        self.table.owner.flushAndWait()
        #expect(try self.table.owner.querySync { $0.counts().refusedCommands } == 1)
        #expect(try self.table.owner.querySync { $0.counts().roundTripPrefixes } == 0)
    }

    @Test("come back from what was remembered, but not over what has been observed since")
    func restoring() throws {
        self.table.apply(.observe([try self.trip("10.0.0.0/8", 0, 10)]))
        self.table.owner.flushAndWait()
        let other = try TableUnderTest()
        let known = try RoundTripRandomTests.list(self.table, nil, 9)
        other.owner.submit(.observe([try self.trip("11.0.0.0/8", 0, 10)]))
        other.owner.submit(
            .restoreRoundTrips(
                known + [
                    RoundTripReport(
                        prefix: try IPPrefix(parsing: "11.0.0.0/8"), site: SiteID(0),
                        average: 500_000, observed: 5, used: .zero)
                ]))
        other.owner.flushAndWait()
        let now = try RoundTripRandomTests.list(other, nil, 9)
        #expect(now.first == known.first)
        #expect(now.last?.average == 10_000)
    }

    @Test("that are remembered as of the future are of now, or they would stay for ever")
    func restoringOfTheFuture() throws {
        let table = try TableUnderTest()
        table.owner.submit(
            .restoreRoundTrips([
                RoundTripReport(
                    prefix: try IPPrefix(parsing: "11.0.0.0/8"), site: SiteID(0),
                    average: 500_000, observed: 1 << 40, used: .zero)
            ]))
        table.owner.flushAndWait()
        #expect(try RoundTripRandomTests.list(table, nil, 9).first?.observed == 1_000_000)
    }

    @Test("are numbers of milliseconds from 0 to a minute")
    func milliseconds() {
        #expect(RoundTrip.microseconds(milliseconds: 0) == 1)
        #expect(RoundTrip.microseconds(milliseconds: 1.5) == 1500)
        #expect(RoundTrip.microseconds(milliseconds: 60_000) == 60_000_000)
        #expect(RoundTrip.microseconds(milliseconds: 60_000.1) == nil)
        #expect(RoundTrip.microseconds(milliseconds: -1) == nil)
        #expect(RoundTrip.microseconds(milliseconds: .nan) == nil)
        #expect(RoundTrip.microseconds(milliseconds: .infinity) == nil)
    }

    @Test("have steps of a tenth, from 0.1 ms to 10 s")
    func steps() throws {
        var before = 0.0
        for code in 1...RoundTripCode.last.rawValue {
            let code = RoundTripCode(rawValue: code)
            let value = try #require(code.duration) / .microseconds(1)
            #expect(RoundTripCode(nearest: value) == code)
            if before > 0 { #expect(value / before > 1.09 && value / before < 1.11) }
            before = value
        }
        #expect(RoundTripCode(nearest: 1).duration == .microseconds(100))
        #expect(RoundTripCode(nearest: 60_000_000) == .last)
        #expect(before > 10_000_000 && before < 10_500_000)
        #expect(RoundTripCode.none.duration == nil)
    }
}
