// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import Console
import RouteTable
import Synchronization
import Testing

@Suite("Routes that don't count yet, and those that a guard holds")
struct FirstTransferTests {
    private static let raw = FeedID(7)

    /// A fixture with a further feed of London's, in its first transfer, that has sent one route.
    private func transferring() async throws -> Fixture {
        let fixture = try await Fixture()
        fixture.owner.submit(
            .addFeed(
                FeedDefinition(
                    id: Self.raw, name: "raw", site: Fixture.london, order: 2, throughSites: [:])))
        fixture.owner.submit(.feedUp(Self.raw))
        var batch = RouteBatch(feed: Self.raw)
        let route = batch.intern(RouteAttributes(asPath: ASPath([64603, 56203])))
        batch.announce(try IPPrefix(parsing: "30.5.0.0/16"), attributes: route)
        fixture.owner.submit(.routes(batch))
        await fixture.owner.flush()
        fixture.staleSites.withLock { $0[Fixture.london] = Fixture.startTime - 4 }
        fixture.oracle.update { $0.status[Fixture.london] = SiteStatus(feeds: .lost) }
        return fixture
    }

    private func run(
        _ line: String, _ face: Face = .people, on fixture: Fixture
    ) async throws -> String {
        try await fixture.interpreter().run(line, face: face).text
    }

    @Test("explain says that a feed is in its first transfer, and not that there are no routes")
    func explained() async throws {
        let fixture = try await self.transferring()
        let text = try await self.run("explain 30.5.0.1", on: fixture)
        #expect(
            text.contains(
                "london's feed raw is in its first transfer, 1 IPv4 route so far: its routes count "
                    + "when it is over.\n"))
        #expect(!text.contains("has had no routes"))
        #expect(
            try await self.run("explain 30.5.0.1 --json", on: fixture)
                .contains("\"first_transfers\":[\"raw\"]"))
        fixture.owner.submit(.feedComplete(Self.raw))
        await fixture.owner.flush()
        #expect(!(try await self.run("explain 30.5.0.1", on: fixture)).contains("first transfer"))
    }

    @Test(
        "how it ends is told where that is known",
        arguments: [
            (TransferEnd.endOfRIB, "its routes count when it is over, at End-of-RIB."),
            (
                .quiet(seconds: 10),
                "its routes count when it is over, after 10 s without news, since the router sends no "
                    + "End-of-RIB."
            ),
        ])
    func end(end: TransferEnd, words: String) async throws {
        let fixture = try await self.transferring()
        fixture.furtherReports.withLock {
            $0 = [
                FeedReport(
                    identity: FeedIdentity(
                        id: Self.raw, name: "raw", site: Fixture.london, kind: .bgp),
                    state: "established", isUp: true,
                    session: SessionReport(
                        wanted: [.ipv4], negotiated: [.ipv4], isComplete: false, reflected: 0,
                        end: end))
            ]
        }
        #expect(try await self.run("explain 30.5.0.1", on: fixture).contains(words))
    }

    @Test("a session lost in its first transfer leaves routes that don't count, and that is said")
    func lost() async throws {
        let fixture = try await self.transferring()
        fixture.owner.submit(.feedDown(Self.raw))
        await fixture.owner.flush()
        let text = try await self.run("explain 30.5.0.1", on: fixture)
        #expect(
            text.contains(
                "london's feed raw lost its session in its first transfer: its 1 IPv4 route "
                    + "doesn't count.\n"))
        #expect(text.contains("london has had no routes for 00:00:21."))
    }

    @Test("show calls such routes held back, and none of them best")
    func shown() async throws {
        let fixture = try await self.transferring()
        let entry = try await self.run("show ip bgp 30.5.0.0/16", on: fixture)
        #expect(entry.contains("Paths: (1 available, no best path,"))
        #expect(entry.contains(", held back, external\n"))
        let routes = try await self.run("show routes longer-than 30.0.0.0/8", on: fixture)
        #expect(routes.contains("  held-back  64603 56203"))
        let line = try await self.run(
            "show routes longer-than 30.0.0.0/8", .machine, on: fixture)
        #expect(line.contains(" held_back=yes\n"))
        fixture.owner.submit(.feedComplete(Self.raw))
        await fixture.owner.flush()
        #expect(
            try await self.run("show ip bgp 30.5.0.0/16", on: fixture)
                .contains(", valid, external, best\n"))
        #expect(
            try await self.run("show routes longer-than 30.0.0.0/8", .machine, on: fixture)
                .contains(" held_back=no\n"))
    }

    @Test("explain says that a route is held by its feed's guard, and how it is let go")
    func guarded() async throws {
        let fixture = try await Fixture()
        fixture.owner.submit(
            .addFeed(
                FeedDefinition(
                    id: Self.raw, name: "raw", site: Fixture.london, order: 2, throughSites: [:],
                    guardRules: FeedGuardRules(share: 0.5, window: 60, settle: 300))))
        fixture.owner.submit(.feedUp(Self.raw))
        var batch = RouteBatch(feed: Self.raw)
        let route = batch.intern(RouteAttributes(asPath: ASPath([64603])))
        fixture.furtherReports.withLock {
            $0 = [
                FeedReport(
                    identity: FeedIdentity(
                        id: Self.raw, name: "raw", site: Fixture.london, kind: .bgp),
                    state: "established", isUp: true)
            ]
        }
        let prefixes = (0..<200).map {
            IPPrefix(masking: IPAddress(ipv4: 0x1e00_0000 + UInt32($0) << 16), length: 16)
        }
        for prefix in prefixes { batch.announce(prefix, attributes: route) }
        fixture.owner.submit(.routes(batch))
        fixture.owner.submit(.feedComplete(Self.raw))
        await fixture.owner.flush()
        batch = RouteBatch(feed: Self.raw)
        for prefix in prefixes.dropFirst(20) { batch.withdraw(prefix) }
        fixture.owner.submit(.routes(batch))
        await fixture.owner.flush()
        let text = try await self.run("explain 30.150.0.1", on: fixture)
        #expect(
            text.contains(
                "london's route is held as stale by the guard of feed raw, which lost much at once "
                    + "00:00:17 ago: 'guard release raw' lets it go.\n"))
        #expect(
            try await self.run("explain 30.150.0.1 --json", on: fixture)
                .contains("\"stale\":true,\"stale_since\":17"))
    }

    @Test("explain says that a session is back, but has not brought the route")
    func returning() async throws {
        let fixture = try await Fixture()
        fixture.owner.submit(.feedDown(Fixture.core))
        fixture.owner.submit(.feedUp(Fixture.core))
        await fixture.owner.flush()
        #expect(
            try await self.run("explain 1.0.4.1", on: fixture)
                .contains(
                    "sydney's route is stale: feed sydney-core has a session again, in which it has "
                        + "not come.\n"))
    }

    @Test("nearest gives the same scope as JSON as without")
    func scopes() async throws {
        let fixture = try await Fixture()
        let scopes = try ScopeKeeper(owner: fixture.owner, oracle: fixture.oracle)
        let line = "nearest 1.0.4.1 for www.example.com"
        // How wide it may be is found out for what is asked.
        _ = try await self.run(line, .machine, on: fixture)
        scopes.refresh()
        #expect(try await self.run(line, .machine, on: fixture).contains(" scope=22 "))
        #expect(
            try await self.run(line + " --json", on: fixture)
                .contains("\"client\":\"1.0.4.0/22\",\"scope\":22,"))
        fixture.setReadiness(.notReady(waitingFor: "tokyo-edge"))
        #expect(
            try await self.run(line + " --json", .machine, on: fixture)
                == "- 503 not ready: tokyo-edge\n")
    }

    @Test("show ip bgp tells of rules that reject, where it finds nothing")
    func rejected() async throws {
        let fixture = try await Fixture()
        fixture.ruleReports.withLock {
            $0[Fixture.core] = RuleReport(
                rules: [
                    .init(words: "community blackhole -> reject", matches: 12, rejects: true),
                    .init(words: "all -> accept", matches: 40),
                ], options: [], others: 0, defaultRoutes: 0, lengths: 0, bogons: 0)
        }
        #expect(
            try await self.run("show ip bgp 203.0.113.0/24", on: fixture)
                == "% Network not in table\n%   rules of feed sydney-core rejected 12 announcements: "
                + "see 'show feed sydney-core rules'\n")
    }
}
