// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import NIOPosix
import Testing

@Suite("Listeners over a reload", .serialized, .timeLimit(.minutes(2)))
struct ListenerTests {
    private static func settings(_ listen: [String]) throws -> SpeakerSettings {
        var settings = SpeakerSettings(
            listen: try listen.map { try ListenAddress(parsing: $0) },
            peers: [try SpeakerTests.peer()])
        settings.listenRetry = .milliseconds(50)
        return settings
    }

    private static func apply(_ listen: [String], to station: Station) async throws -> [String] {
        await station.speaker.apply(try Self.settings(listen))
    }

    /// Whether the speaker is there: it closes a stranger's connection, and counts it.
    private static func answers(_ station: Station, _ host: String, _ port: UInt16) async throws
        -> Bool
    {
        let before = await station.speaker.strangers()
        guard let stranger = try? await LoopbackConnection.dial(host, port: port) else {
            return false
        }
        try await stranger.end()
        return await station.speaker.strangers() == before + 1
    }

    @Test("one that can't be bound is shown, and tried again until it can")
    func retried() async throws {
        let station = try await Station(Self.settings(["127.0.0.1:0"]))
        let other = try await LoopbackServer.listen()
        let report = try await Self.apply(["127.0.0.1:\(other.port)"], to: station)
        let words = "can't listen for BGP on 127.0.0.1:\(other.port): Address already in use"
        #expect(report == ["\(words); it is tried again"])
        #expect(try await station.status().problem == words)
        await other.close()
        let isThere = try await eventually {
            try await Self.answers(station, "127.0.0.1", other.port)
        }
        #expect(isThere)
        #expect(try await station.status().problem == nil)
        try await station.stop()
    }

    @Test("what was bound stays until what takes its place is there")
    func kept() async throws {
        let port = try await LoopbackServer.freePort()
        let station = try await Station(Self.settings(["127.0.0.1:\(port)"]))
        let peer = try await ScriptedPeer.dial(port: port)
        try await peer.establish()
        // 192.0.2.77 is nobody's.
        let nowhere = try await Self.apply(["192.0.2.77:\(port)"], to: station)
        #expect(
            nowhere == [
                "can't listen for BGP on 192.0.2.77:\(port): Cannot assign requested address; it "
                    + "is tried again", "127.0.0.1:\(port) is listened on until then",
            ])
        #expect(try await Self.answers(station, "127.0.0.1", port))

        // Somebody has a part of what all addresses are.
        let other = try await LoopbackServer.listen("127.0.0.9", port: port)
        let everywhere = try await Self.apply(["0.0.0.0:\(port)"], to: station)
        #expect(
            everywhere == [
                "can't listen for BGP on 0.0.0.0:\(port): Address already in use; it is tried "
                    + "again", "127.0.0.1:\(port) is listened on until then",
            ])
        #expect(try await Self.answers(station, "127.0.0.1", port))
        await other.close()
        let isThere = try await eventually {
            try await Self.answers(station, "127.0.0.9", port)
        }
        #expect(isThere)
        #expect(try await Self.answers(station, "127.0.0.1", port))

        #expect(try await Self.apply(["127.0.0.1:\(port)"], to: station) == [])
        #expect(try await Self.answers(station, "127.0.0.1", port))
        #expect(try await !Self.answers(station, "127.0.0.9", port))
        #expect(try await station.status().counters.established == 1)
        #expect(try await station.status().state == .established, "nobody's session is lost")
        await peer.close()
        try await station.stop()
    }

    @Test("one that is named no more is closed where nothing takes its place")
    func closed() async throws {
        let (first, second) = (
            try await LoopbackServer.freePort(), try await LoopbackServer.freePort()
        )
        let station = try await Station(
            Self.settings(["127.0.0.1:\(first)", "127.0.0.1:\(second)"]))
        let other = try await LoopbackServer.listen()
        let report = try await Self.apply(
            ["127.0.0.1:\(first)", "127.0.0.1:\(other.port)"], to: station)
        #expect(report.count == 1)
        #expect(try await !Self.answers(station, "127.0.0.1", second))
        #expect(try await Self.answers(station, "127.0.0.1", first))
        await other.close()
        try await station.stop()
    }

    @Test("IPv4 is taken by [::], or by a listener of its own, as they come and go")
    func dual() async throws {
        let port = try await LoopbackServer.freePort()
        let station = try await Station(Self.settings(["[::]:\(port)"]))
        let both = ["[::]:\(port)", "127.0.0.1:\(port)"]
        for (listen, takesOtherIPv4) in [
            ([both[0]], true), (both, false), ([both[0]], true), (both.reversed(), false),
            ([both[1]], false), (["0.0.0.0:\(port)", both[0]], true),
        ] {
            #expect(try await Self.apply(listen, to: station) == [], "\(listen)")
            #expect(try await Self.answers(station, "127.0.0.1", port), "\(listen)")
            #expect(
                try await Self.answers(station, "127.0.0.9", port) == takesOtherIPv4, "\(listen)")
            let takesIPv6 = listen.contains(both[0])
            #expect(try await Self.answers(station, "::1", port) == takesIPv6, "\(listen)")
        }
        try await station.stop()
    }

    @Test("the BMP station's are the same: both families on one port, kept, and tried again")
    func monitoring() async throws {
        let port = try await LoopbackServer.freePort()
        let routers = [try MonitoringStation.router()]
        func settings(_ listen: String...) throws -> BMPSettings {
            try MonitoringStation.settings(routers, listen: listen)
        }
        let station = try await MonitoringStation(
            settings("[::]:\(port)", "127.0.0.1:\(port)"))
        for host in ["::1", "127.0.0.1"] {
            try await LoopbackConnection.dial(host, port: port).end()
        }
        #expect(await station.station.strangers() == 2)
        let other = try await LoopbackServer.listen("127.0.0.9", port: port)
        let report = await station.station.apply(try settings("[::]:\(port)"))
        let words = "can't listen for BMP on [::]:\(port): Address already in use"
        #expect(report.first == "\(words); it is tried again")
        // The one on [::] is the old one, for IPv6 alone.
        #expect(
            report.dropFirst() == [
                "127.0.0.1:\(port) is listened on until then",
                "[::]:\(port) is listened on until then",
            ])
        #expect(try await station.status().problem == words)
        try await LoopbackConnection.dial("127.0.0.1", port: port).end()
        await other.close()
        let isThere = try await eventually { try await station.status().problem == nil }
        #expect(isThere)
        try await LoopbackConnection.dial("127.0.0.9", port: port).end()
        #expect(await station.station.strangers() == 4)
        try await station.stop()
    }
}
