// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import Console
import RouteTable
import Synchronization
import Testing

@Suite("Routes that are stale, and several of one feed")
struct StaleRouteTests {
    /// A fixture whose feed sydney-core has lost its session, half a minute before the start.
    private func stale(_ feeds: SiteStatus.Feeds) async throws -> Fixture {
        let fixture = try await Fixture()
        fixture.owner.submit(.feedDown(Fixture.core))
        await fixture.owner.flush()
        fixture.staleFeeds.withLock { $0[Fixture.core] = Fixture.startTime - 30 }
        if feeds != .live {
            fixture.staleSites.withLock { $0[Fixture.sydney] = Fixture.startTime - 30 }
        }
        fixture.oracle.update { $0.status[Fixture.sydney] = SiteStatus(feeds: feeds) }
        return fixture
    }

    private func run(
        _ line: String, _ face: Face = .people, on fixture: Fixture
    ) async throws -> String {
        try await fixture.interpreter().run(line, face: face).text
    }

    @Test("the ranking says since when")
    func ranking() async throws {
        let fixture = try await self.stale(.stale)
        let line =
            "1 sydney distance=3 cost=15 km=0 rtt=- state=stale reason=cost stale_since=47\n"
        #expect(try await self.run("rank 1.0.4.1", .machine, on: fixture).contains(line))
        for command in ["rank", "explain"] {
            let text = try await self.run("\(command) 1.0.4.1", on: fixture)
            #expect(
                text.contains(
                    "sydney has been stale for 00:00:47: none of its feeds has a session.\n"))
        }
        let explained = try await self.run("explain 1.0.4.1", .machine, on: fixture)
        #expect(
            explained.contains(
                " tags=- stale=yes stale_since=47 long_lived_stale=no path_id=-\n2 tokyo "))
        #expect(
            try await self.run("explain 1.0.4.1 --json", on: fixture)
                .contains("\"stale\":true,\"stale_since\":47,\"long_lived_stale\":false"))
    }

    @Test("a stale route of a site that has other sessions is told apart")
    func oneFeed() async throws {
        let fixture = try await self.stale(.live)
        #expect(
            try await self.run("explain 1.0.4.1", on: fixture)
                .contains(
                    "sydney's route has been stale for 00:00:47: the session that it came by is lost."
                ))
        #expect(
            try await self.run("rank 1.0.4.1", .machine, on: fixture)
                .contains(
                    " rtt=- state=up reason=cost stale_since=-\n2 tokyo")
        )
    }

    @Test("a site whose routes are gone says that")
    func lost() async throws {
        let fixture = try await self.stale(.lost)
        #expect(
            try await self.run("rank 1.0.4.1", on: fixture)
                .contains("sydney has had no routes for 00:00:47.\n"))
    }

    @Test("long-lived stale ones are marked wherever routes are shown (RFC 9494)")
    func longLived() async throws {
        let fixture = try await self.stale(.stale)
        #expect(
            try await self.run("show ip bgp 1.0.4.1", on: fixture)
                .contains("valid, internal, stale, best\n"))
        fixture.owner.submit(.longLivedStale(Fixture.core, .ipv4))
        await fixture.owner.flush()
        #expect(
            try await self.run("show ip bgp 1.0.4.1", on: fixture)
                .contains("valid, internal, long-lived stale, best\n"))
        #expect(
            try await self.run("show ip bgp 1.0.4.1 --json", on: fixture)
                .contains("\"long_lived_stale\":true"))
        let routes = try await self.run("show routes longer-than 1.0.4.0/24", .machine, on: fixture)
        #expect(routes.contains(" stale=yes "))
        #expect(routes.contains(" long_lived_stale=yes path_id=- held_back=no\n"))
        #expect(
            try await self.run("show routes longer-than 1.0.4.0/24", on: fixture)
                .contains("  long-lived-stale  "))
        #expect(
            try await self.run("explain 1.0.4.1", on: fixture)
                .contains("sydney's route: it is long-lived stale, and any other is better."))
    }

    @Test("a feed's several paths are all shown, with their numbers (RFC 7911)")
    func paths() async throws {
        let fixture = try await Fixture()
        var batch = RouteBatch(feed: Fixture.core)
        for (number, length) in [(7, 2), (4_294_967_295, 1)] as [(UInt32, Int)] {
            let path = (0..<length).map { ASNumber(UInt32(65001 + $0)) }
            let attributes = batch.intern(RouteAttributes(asPath: ASPath(path)))
            batch.announce(
                try IPPrefix(parsing: "192.0.2.0/24"), pathID: number, attributes: attributes)
        }
        fixture.owner.submit(.routes(batch))
        await fixture.owner.flush()
        let entry = try await self.run("show ip bgp 192.0.2.0/24", on: fixture)
        #expect(entry.contains("Paths: (2 available,"))
        #expect(entry.contains("\n      AddPath ID: RX 7\n"))
        #expect(entry.contains("\n      AddPath ID: RX 4294967295\n"))
        let routes = try await self.run(
            "show routes longer-than 192.0.2.0/24", .machine, on: fixture)
        #expect(routes.contains(" path_id=7 held_back=no\n"))
        #expect(routes.contains(" path_id=4294967295 held_back=no\n"))
        #expect(
            try await self.run("show routes longer-than 192.0.2.0/24", on: fixture)
                .contains("path:4294967295"))
        let explained = try await self.run("explain 192.0.2.1", on: fixture)
        #expect(
            explained.contains("it is path 4294967295 of its feed's"), "the shortest one decides")
        #expect(
            try await self.run("show ip bgp 192.0.2.1 --json", on: fixture)
                .contains("\"path_id\":4294967295"))
    }
}
