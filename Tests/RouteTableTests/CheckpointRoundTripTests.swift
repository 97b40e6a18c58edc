// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

@Suite("Round trips of a checkpoint")
struct CheckpointRoundTripTests {
    #if DEBUG
        static let seeds: Range<UInt64> = 0..<6
    #else
        static let seeds: Range<UInt64> = 0..<40
    #endif

    static func name(_ site: Int) -> String { "site \(site)" }

    static func table(sites: Int, number: (Int) -> Int = { $0 }) throws -> TableUnderTest {
        let table = try TableUnderTest()
        for site in 0..<sites {
            table.owner.submit(
                .defineSite(SiteID(UInt8(number(site))), name: Self.name(site)))
        }
        table.owner.submit(
            .addFeed(
                FeedDefinition(
                    id: FeedID(0), name: "feed", site: SiteID(UInt8(number(0))), order: 0)))
        return table
    }

    /// The round trips of some addresses, site by site.
    static func seen(
        _ owner: TableOwner, _ addresses: [IPAddress], sites: Int
    ) throws -> [[Duration?]] {
        var reader = try owner.lookup.makeReader()
        return reader.withSnapshot { snapshot in
            var seen: [[Duration?]] = []
            for address in addresses {
                let values = snapshot.values(ofClass: snapshot.classID(of: address))
                seen.append((0..<sites).map { values.roundTrip(of: SiteID(UInt8($0))) })
            }
            return seen
        }
    }

    @Test(
        "are in answers before any route is back, beside those of files, and stay as they are",
        arguments: Self.seeds)
    func atOnce(seed: UInt64) throws {
        var random = SplitMix(seed: seed + 9000)
        let sites = [2, 9, 64][Int(seed % 3)]
        let number: (Int) -> Int = { ($0 * 3 + 1) % sites }
        // 3 and 9 share a factor: then numbers stay as they are.
        let renumbered = sites == 9 ? { $0 } : number
        let table = try Self.table(sites: sites)
        table.change(
            FeedID(0), announce: [(RandomTableTests.prefix(&random), CheckpointTests.path(3))])
        table.owner.submit(.feedComplete(FeedID(0)))
        var trips = (0..<200).map { _ in RoundTripRandomTests.trip(&random, sites: sites) }
        table.owner.submit(.observe(trips))
        table.owner.flushAndWait()
        let checkpoint = try Checkpoint(bytes: try table.owner.checkpoint())
        #expect(checkpoint.counts.roundTrips > 10)

        let restored = try Self.table(sites: sites, number: renumbered)
        let filed = (0..<60).map { _ in RoundTripRandomTests.trip(&random, sites: sites) }
        if seed % 2 == 0 {
            restored.owner.submit(.setRoundTrips(filed))
            trips += filed
        }
        let restore = try restored.owner.beginRestore(checkpoint)
        #expect(restore.isAnswering)
        let addresses = trips.flatMap { [$0.prefix.address, $0.prefix.last] }
        let before = try Self.seen(restored.owner, addresses, sites: sites)
        #expect(before.contains { $0.contains { $0 != nil } })
        try restore.run()
        restored.owner.flushAndWait()
        let after = try Self.seen(restored.owner, addresses, sites: sites)
        #expect(before == after, "seed \(seed)")
        let reports = try restored.owner.querySync { rib in
            rib.roundTrips(after: nil, limit: .max).roundTrips
        }
        #expect(reports.count { $0.average != nil } == checkpoint.counts.roundTrips)
        for report in reports {
            let values = try Self.seen(restored.owner, [report.prefix.address], sites: sites)
            let isInner = reports.contains {
                $0.prefix != report.prefix && report.prefix.contains($0.prefix)
                    && $0.prefix.address == report.prefix.address && $0.site == report.site
            }
            #expect(isInner || values[0][Int(report.site.rawValue)] == report.used)
        }
    }

    @Test("of sites that are no more are left out, and what is observed meanwhile is kept")
    func meanwhile() throws {
        let table = try Self.table(sites: 2)
        let (block, other) = (CheckpointTests().block, CheckpointTests().other)
        table.change(FeedID(0), announce: [(block, CheckpointTests.path(2))])
        table.owner.submit(.feedComplete(FeedID(0)))
        let trips = [0, 1].map {
            RoundTrip(prefix: block, site: SiteID($0), microseconds: 20_000)
        }
        table.owner.submit(.observe(trips))
        table.owner.flushAndWait()
        let checkpoint = try Checkpoint(bytes: try table.owner.checkpoint())

        let restored = try Self.table(sites: 1)
        let restore = try restored.owner.beginRestore(checkpoint)
        let addresses = [block.address, other.address]
        let before = try Self.seen(restored.owner, addresses, sites: 2)
        #expect(before[0][0] != nil && before[0][1] == nil)
        restored.owner.submit(
            .observe(
                [block, other].map {
                    RoundTrip(prefix: $0, site: SiteID(0), microseconds: 90_000)
                }))
        _ = try restored.owner.querySync { $0.counts() }
        #expect(
            try Self.seen(restored.owner, addresses, sites: 2) == before,
            "it shows with the routes")
        try restore.run()
        restored.owner.flushAndWait()
        let reports = try restored.owner.querySync { rib in
            rib.roundTrips(after: nil, limit: 10).roundTrips
        }
        #expect(reports.map(\.prefix) == [block, other])
        #expect(reports.map(\.average) == [90_000, 90_000], "the newer one counts")
        let after = try Self.seen(restored.owner, addresses, sites: 2)
        #expect(after.map { $0[0] } == reports.map(\.used))
    }
}
