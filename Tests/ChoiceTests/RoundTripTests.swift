// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable
import Testing

/// What the table's measured round trips do to answers.
@Suite("Measured round trips")
struct MeasuredRoundTripTests {
    private func observe(
        _ fixture: Fixture, _ trips: [(site: UInt8, prefix: String, milliseconds: UInt32)]
    ) async throws {
        fixture.owner.submit(
            .observe(
                try trips.map {
                    RoundTrip(
                        prefix: try IPPrefix(parsing: $0.prefix), site: SiteID($0.site),
                        microseconds: $0.milliseconds * 1000)
                }))
        await fixture.owner.flush()
    }

    @Test("are the cost of a site, instead of its hops")
    func cost() async throws {
        let fixture = try Fixture(OracleTests.sites(2))
        defer { fixture.owner.shutdown() }
        await fixture.complete(0, 1)
        try await fixture.announce([(0, "10.0.0.0/8", 2), (1, "10.0.0.0/8", 4)])
        var reader = try fixture.oracle.makeReader()
        #expect(try OracleTests.ask(&reader, "10.1.0.1").sites == [0, 1])
        // Two hops cost 10 ms; 4 ms measured are less.
        try await self.observe(fixture, [(1, "10.1.0.0/16", 4)])
        #expect(try OracleTests.ask(&reader, "10.1.0.1") == ([1, 0], 16))
        #expect(try OracleTests.ask(&reader, "10.2.0.1").sites == [0, 1])
        try await self.observe(fixture, [(0, "10.0.0.0/8", 2)])
        #expect(try OracleTests.ask(&reader, "10.1.0.1").sites == [0, 1])
    }

    @Test("break ties by hops where rtt is in the chain, and say so")
    func ties() async throws {
        let policy = Policy(
            sites: [SiteID(0), SiteID(1)], measure: .hops,
            tieBreaks: [.rtt, .order])
        let fixture = try Fixture(OracleTests.sites(2), policies: [policy])
        defer { fixture.owner.shutdown() }
        await fixture.complete(0, 1)
        try await fixture.announce([(0, "10.0.0.0/8", 3), (1, "10.0.0.0/8", 3)])
        var reader = try fixture.oracle.makeReader()
        #expect(try OracleTests.ask(&reader, "10.1.0.1").sites == [0, 1])
        // Where one of them was never measured, the criterion is passed over.
        try await self.observe(fixture, [(1, "10.0.0.0/8", 20)])
        #expect(try OracleTests.ask(&reader, "10.1.0.1").sites == [0, 1])
        try await self.observe(fixture, [(0, "10.0.0.0/8", 40)])
        #expect(try OracleTests.ask(&reader, "10.1.0.1").sites == [1, 0])
        let client = try IPAddress(parsing: "10.1.0.1")
        let ranking = reader.withBatch {
            $0.ranking(policy: 0, family: nil, client: client).ranking
        }
        let first = try #require(ranking.entries.first)
        #expect(first.reason == .rtt)
        let milliseconds = try #require(first.roundTrip) / .milliseconds(1)
        #expect(abs(milliseconds - 20) < 1)
    }
}
