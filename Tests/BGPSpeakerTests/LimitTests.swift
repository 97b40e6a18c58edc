// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import RouteTable
import Testing

@Suite("Limits of prefixes over a reload", .serialized, .timeLimit(.minutes(2)))
struct LimitTests {
    private static let routes = (0..<20).map { "10.\($0).0.0/16" }

    private static func settings(
        _ limits: PrefixLimits?, holdTime: Int = 30
    ) throws -> SpeakerSettings {
        var peer = try SpeakerTests.peer()
        peer.limits = limits
        peer.holdTime = holdTime
        return SpeakerSettings(listen: try SpeakerTests.listen(), peers: [peer])
    }

    /// A session that has brought twenty routes.
    private static func loaded(
        _ limits: PrefixLimits?
    ) async throws -> (Station, ScriptedPeer) {
        let station = try await Station(Self.settings(limits))
        let peer = try await ScriptedPeer.dial(port: try #require(station.port))
        try await peer.establish()
        try await peer.send(try ScriptedPeer.announce(Self.routes))
        return (station, peer)
    }

    private static func expectEnd(
        _ station: Station, _ peer: ScriptedPeer, _ words: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        #expect(
            try await peer.notification().description.hasPrefix(
                "Cease/Maximum Number of Prefixes Reached"), sourceLocation: sourceLocation)
        let status = try await station.status()
        guard case .limit(let reason, _)? = status.suspension else {
            Issue.record("it is not kept down", sourceLocation: sourceLocation)
            return
        }
        #expect(reason == words, sourceLocation: sourceLocation)
    }

    private static func expectSession(_ station: Station) async throws {
        let again = try await ScriptedPeer.dial(port: try #require(station.port))
        try await again.establish()
        let isUp = try await eventually { try await station.status().state == .established }
        #expect(isUp)
        await again.close()
    }

    @Test(
        "limits that are new, or lower, hold for what is there at once",
        arguments: [nil, PrefixLimits(ipv4: 1000), PrefixLimits(ipv6: 1)])
    func lowered(limits: PrefixLimits?) async throws {
        let (station, peer) = try await Self.loaded(limits)
        try await station.expect(Self.routes.sorted(by: Self.byNumber).map { "\($0) 7" })
        #expect(
            await station.speaker.apply(try Self.settings(PrefixLimits(ipv4: 20))) == [])
        await station.owner.flush()
        #expect(try await station.status().state == .established, "as many as are allowed")
        #expect(
            await station.speaker.apply(try Self.settings(PrefixLimits(ipv4: 19))) == [])
        // Nothing more need come of the peer.
        try await Self.expectEnd(station, peer, "20 IPv4 prefixes, 19 are allowed")
        try await station.stop()
    }

    private static func byNumber(_ a: String, _ b: String) -> Bool {
        a.count == b.count ? a < b : a.count < b.count
    }

    @Test(
        "who is kept down by a limit may begin again when it is another",
        arguments: [nil, Duration.seconds(600)])
    func raised(restartAfter: Duration?) async throws {
        let (station, peer) = try await Self.loaded(
            PrefixLimits(ipv4: 19, restartAfter: restartAfter))
        try await Self.expectEnd(station, peer, "20 IPv4 prefixes, 19 are allowed")
        #expect(
            await station.speaker.apply(
                try Self.settings(PrefixLimits(ipv4: 20, restartAfter: restartAfter)))
                == ["feed scripted: other limits; its session may begin again"])
        try await Self.expectSession(station)
        try await station.stop()
    }

    @Test("its wait doesn't outlive a reload that makes the session another")
    func wait() async throws {
        let limits = PrefixLimits(ipv4: 19, restartAfter: .seconds(600))
        let (station, peer) = try await Self.loaded(limits)
        try await Self.expectEnd(station, peer, "20 IPv4 prefixes, 19 are allowed")
        #expect(
            await station.speaker.apply(try Self.settings(limits, holdTime: 60))
                == ["feed scripted: session reset, its settings have changed"])
        #expect(try await station.status().suspension == nil)
        try await Self.expectSession(station)
        try await station.stop()
    }

    @Test("without a wait it stays down over a reload, until an operator says otherwise")
    func untilCleared() async throws {
        let limits = PrefixLimits(ipv4: 19)
        let (station, peer) = try await Self.loaded(limits)
        try await Self.expectEnd(station, peer, "20 IPv4 prefixes, 19 are allowed")
        _ = await station.speaker.apply(try Self.settings(limits, holdTime: 60))
        #expect(try await station.status().state == .idle)
        #expect(try await station.status().suspension != nil)
        #expect(await station.speaker.clear(Station.feed) == .done)
        try await Self.expectSession(station)
        try await station.stop()
    }
}
