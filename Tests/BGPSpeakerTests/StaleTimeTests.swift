// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import RouteTable
import Testing

@Suite("Stale time", .serialized, .timeLimit(.minutes(5)))
struct StaleTimeTests {
    private static let staleTime = Duration.seconds(1)

    private static func station(
        staleTime: Duration = Self.staleTime
    ) async throws -> (Station, UInt16) {
        var peer = try SpeakerTests.peer()
        peer.staleTime = staleTime
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

    /// Lets a peer flap until its routes are gone, from what `prepare` leaves; with longer and
    /// longer stale times, until more than one session has begun while the routes were there.
    private static func flapping(
        from prepare: (Station, UInt16) async throws -> Void,
        then finish: (Station, UInt16) async throws -> Void
    ) async throws {
        for seconds in [1, 4, 16] {
            let (station, port) = try await Self.station(staleTime: .seconds(seconds))
            try await prepare(station, port)
            let sessions = try await Self.flap(station, port)
            try await finish(station, port)
            try await station.stop()
            if sessions > 1 { return }
        }
        Issue.record("no session began while the routes were there")
    }

    @Test("ends what a peer has that comes and goes again and again without its End-of-RIB")
    func flapping() async throws {
        try await Self.flapping { station, port in
            await (try await Self.whole(station, port)).close()
        } then: { station, port in
            let peer = try await Self.whole(station, port)
            try await station.expect(["10.0.0.0/8 7"], "a whole transfer counts as ever")
            await peer.close()
        }
    }

    @Test("ends what came from a checkpoint, too, where no session brings it whole again")
    func restored() async throws {
        try await Self.flapping { station, _ in
            await station.speaker.restored([Station.feed])
            #expect(station.liveness == [.stale])
        } then: { _, _ in
        }
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
