// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import BGPWire
import RouteTable
import Testing

@Suite("Neighbours of a range from before the start", .serialized, .timeLimit(.minutes(2)))
struct RangeMembersTests {
    /// Neighbours in 127.0.0.0/29, two at most, whose routes live so long without a session.
    private static func settings(staleTime: Duration = .seconds(30)) throws -> SpeakerSettings {
        var template = try SpeakerTests.peer()
        template.name = "edge"
        template.staleTime = staleTime
        return SpeakerSettings(
            listen: try SpeakerTests.listen(),
            ranges: [
                PeerRange(
                    prefix: try IPPrefix(parsing: "127.0.0.0/29"), template: template,
                    definition: FeedDefinition(
                        id: template.feed, name: "edge", site: SiteID(0), order: 1 << 32),
                    slots: [FeedID(8), FeedID(9)])
            ])
    }

    private static func words(_ found: RangeMembers) -> [String] {
        found.members.map {
            "\($0.definition.name) \($0.address) \($0.definition.id.rawValue) of \($0.range.rawValue)"
        } + found.surplus.map { "\($0) has no room" }
    }

    @Test(
        "are known by the names of their feeds",
        arguments: [
            (["edge@127.0.0.3"], ["edge@127.0.0.3 127.0.0.3 8 of 1"]),
            (
                ["other", "edge@127.0.0.3", "edge@127.0.0.2"],
                ["edge@127.0.0.3 127.0.0.3 8 of 1", "edge@127.0.0.2 127.0.0.2 9 of 1"]
            ),
            // No such range, not in it, nobody's address.
            (["edges@127.0.0.3", "edge@127.0.0.8", "edge@::1", "edge@", "@", "edge@x@y"], []),
            // Not as it would be written.
            (["edge@127.0.0.3/32", "edge@::ffff:127.0.0.3"], []),
            (
                (2...4).map { "edge@127.0.0.\($0)" },
                [
                    "edge@127.0.0.2 127.0.0.2 8 of 1", "edge@127.0.0.3 127.0.0.3 9 of 1",
                    "edge@127.0.0.4 has no room",
                ]
            ),
        ])
    func names(names: [String], expected: [String]) throws {
        #expect(Self.words(try Self.settings().members(named: names)) == expected)
    }

    @Test("are none any more where a feed of its own has their address")
    func named() throws {
        var settings = try Self.settings()
        settings.peers = [try SpeakerTests.peer()]
        let found = settings.members(named: ["edge@127.0.0.2", "edge@127.0.0.3"])
        #expect(Self.words(found) == ["edge@127.0.0.3 127.0.0.3 8 of 1"])
        let routers = try MonitoringStation.settings([
            MonitoringStation.range(), MonitoringStation.router(address: "127.0.0.3"),
        ])
        let others = routers.members(named: ["edges@127.0.0.2", "edges@127.0.0.3", "edge"])
        #expect(Self.words(others) == ["edges@127.0.0.2 127.0.0.2 8 of 1"])
    }

    /// A table with a route of each neighbour, as a checkpoint has left it.
    private static func fill(_ owner: TableOwner, _ members: [RangeMember]) {
        for member in members {
            let feed = member.definition.id
            owner.submit(.addFeed(member.definition))
            owner.submit(.feedUp(feed))
            var batch = RouteBatch(feed: feed)
            let prefix = IPPrefix(
                masking: IPAddress(ipv4: UInt32(feed.rawValue) << 24), length: 8)
            batch.announce(
                prefix, attributes: batch.intern(RouteAttributes(asPath: ASPath([7]))))
            owner.submit(.routes(batch))
            owner.submit(.feedComplete(feed))
            owner.submit(.feedDown(feed))
        }
    }

    @Test("get their feed back when they call, and go after the stale time when they don't")
    func comeAndGo() async throws {
        let settings = try Self.settings(staleTime: .seconds(4))
        let members = settings.members(named: ["edge@127.0.0.3", "edge@127.0.0.2"]).members
        let station = try await Station(settings)
        Self.fill(station.owner, members)
        await station.speaker.restored([FeedID(8), FeedID(9)], members: members)
        var statuses = await station.speaker.status()
        #expect(statuses.map(\.settings.name) == ["edge@127.0.0.3", "edge@127.0.0.2"])
        #expect(statuses.map(\.range) == ["edge", "edge"])
        #expect(statuses.map(\.liveness) == [.stale, .stale])
        // They have the range's numbers: there is none for a third.
        let port = try #require(station.port)
        let third = try await ScriptedPeer.dial(port: port, from: "127.0.0.4")
        #expect(try await third.next() == .closed)

        let peer = try await ScriptedPeer.dial(port: port)
        try await peer.establish()
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/8"]))
        try await peer.send(.endOfRIB(.ipv4))
        try await peer.send(.endOfRIB(.ipv6))
        let isAlone = try await eventually {
            statuses = await station.speaker.status()
            return statuses.map(\.settings.name) == ["edge@127.0.0.2"]
        }
        #expect(isAlone, "\(statuses.map(\.settings.name))")
        #expect(statuses.first?.settings.feed == FeedID(9) && statuses.first?.liveness == .live)
        try await station.expect(["10.0.0.0/8 7"])
        let feeds = try await station.owner.query { $0.feedSummaries().map(\.name) }
        #expect(feeds == ["edge@127.0.0.2"])
        await peer.close()
        try await station.stop()
    }

    @Test("go at once where what came back turned out bad")
    func bad() async throws {
        let settings = try Self.settings()
        let members = settings.members(named: ["edge@127.0.0.2"]).members
        let station = try await Station(settings)
        Self.fill(station.owner, members)
        await station.speaker.restored([FeedID(8)], members: members)
        await station.speaker.restored([FeedID(8)], isGood: false)
        #expect(try await eventually { await station.speaker.status().isEmpty })
        #expect(try await eventually { try await station.routes() == [] })
        try await station.stop()
    }

    @Test("may be routers that speak BMP")
    func routers() async throws {
        var range = try MonitoringStation.range()
        range.staleTime = .seconds(4)
        let settings = try MonitoringStation.settings([range])
        let members = settings.members(named: ["edges@127.0.0.2", "edges@127.0.0.3"]).members
        let station = try await MonitoringStation(settings)
        Self.fill(station.owner, members)
        try await station.expect(["*8.0.0.0/8 7", "*9.0.0.0/8 7"])
        await station.station.restored([FeedID(8), FeedID(9)], members: members)
        #expect(
            station.events == [
                "edges@127.0.0.2 at site 0", "edges@127.0.0.3 at site 0", "8 stale", "9 stale",
            ])
        let router = try await station.connect()
        try await router.send(
            RouterBytes.initiation + RouterBytes.peerUp(1)
                + RouterBytes.announce(1, ["10.0.0.0/8"]))
        try await station.expect("edges@127.0.0.2") { $0.isConnected }
        try await station.expect(["*8.0.0.0/8 7", "10.0.0.0/8 1"])
        #expect(try await eventually { station.events.last == "edges@127.0.0.3 gone" })
        try await station.stop()
    }
}
