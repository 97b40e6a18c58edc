// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import RouteTable
import Testing

@Suite("Stale time", .serialized, .timeLimit(.minutes(2)))
struct StaleTimeTests {
    private static let staleTime = Duration.seconds(1)

    private static func station() async throws -> (Station, UInt16) {
        var peer = try SpeakerTests.peer()
        peer.staleTime = Self.staleTime
        let station = try await Station(
            SpeakerSettings(listen: try SpeakerTests.listen(), peers: [peer]))
        return (station, try #require(station.port))
    }

    /// A session that has sent one route and its End-of-RIB.
    private static func whole(_ station: Station, _ port: UInt16) async throws -> ScriptedPeer {
        let peer = try await Self.begun(station, port)
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/8"]))
        try await peer.send(.endOfRIB(.ipv4))
        try await peer.send(.endOfRIB(.ipv6))
        let isComplete = try await eventually { try await station.status().isComplete }
        #expect(isComplete)
        return peer
    }

    private static func begun(_ station: Station, _ port: UInt16) async throws -> ScriptedPeer {
        let before = try await station.status().counters.established
        let isFree = try await eventually { try await station.status().state == .active }
        #expect(isFree)
        let peer = try await ScriptedPeer.dial(port: port)
        try await peer.establish()
        let isUp = try await eventually {
            try await station.status().counters.established > before
        }
        #expect(isUp)
        return peer
    }

    /// Sessions that end before their transfer does, one after another, until there is no route.
    private static func flap(_ station: Station, _ port: UInt16) async throws -> Int {
        var sessions = 0
        let isEmpty = try await eventually {
            let peer = try await Self.begun(station, port)
            await peer.close()
            sessions += 1
            let isDown = try await eventually { try await station.status().state == .active }
            #expect(isDown)
            return try await station.routes() == [] && station.liveness.last == .lost
        }
        #expect(isEmpty, "\(sessions) sessions later: \(station.liveness)")
        return sessions
    }

    @Test("ends what a peer has that comes and goes again and again without its End-of-RIB")
    func flapping() async throws {
        let (station, port) = try await Self.station()
        await (try await Self.whole(station, port)).close()
        let sessions = try await Self.flap(station, port)
        #expect(sessions > 1, "they began while the routes were there")
        let peer = try await Self.whole(station, port)
        try await station.expect(["10.0.0.0/8 7"], "a whole transfer counts as ever")
        await peer.close()
        try await station.stop()
    }

    @Test("ends what came from a checkpoint, too, where no session brings it whole again")
    func restored() async throws {
        let (station, port) = try await Self.station()
        await station.speaker.restored([Station.feed])
        #expect(station.liveness == [.stale])
        #expect(try await Self.flap(station, port) > 1)
        try await station.stop()
    }

    @Test("begins anew when a transfer has been completed")
    func completed() async throws {
        let (station, port) = try await Self.station()
        await (try await Self.whole(station, port)).close()
        let again = try await Self.whole(station, port)
        let clock = ContinuousClock()
        let end = clock.now
        await again.close()
        let isEmpty = try await eventually { try await station.routes() == [] }
        #expect(isEmpty)
        #expect(clock.now - end >= Self.staleTime)
        try await station.stop()
    }
}
