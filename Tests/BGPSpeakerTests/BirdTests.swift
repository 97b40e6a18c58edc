// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import RouteTable
import Testing

/// A way to meet: who dials, which kind of session, over which family.
struct Meeting: CustomTestStringConvertible, Sendable {
    enum Dialler: Sendable { case martlet, bird, both }

    var dialler: Dialler
    var isInternal: Bool
    var family: AddressFamily

    var testDescription: String {
        let who =
            switch dialler {
            case .martlet: "we dial"
            case .bird: "BIRD dials"
            case .both: "both dial"
            }
        return "\(isInternal ? "iBGP" : "eBGP") over \(family), \(who)"
    }

    static let all: [Meeting] = [
        .init(dialler: .martlet, isInternal: true, family: .ipv4),
        .init(dialler: .martlet, isInternal: false, family: .ipv4),
        .init(dialler: .martlet, isInternal: true, family: .ipv6),
        .init(dialler: .martlet, isInternal: false, family: .ipv6),
        .init(dialler: .bird, isInternal: true, family: .ipv4),
        .init(dialler: .bird, isInternal: false, family: .ipv4),
        .init(dialler: .bird, isInternal: true, family: .ipv6),
        .init(dialler: .bird, isInternal: false, family: .ipv6),
        .init(dialler: .both, isInternal: false, family: .ipv4),
    ]

    var martletAddress: String { family == .ipv4 ? "127.0.0.3" : "::1" }
    var birdAddress: String { family == .ipv4 ? "127.0.0.2" : "::1" }

    /// A path as it arrives: an external peer puts its own AS first.
    func path(_ route: String) -> String {
        guard !isInternal else { return route }
        let words = route.split(separator: " ", maxSplits: 1)
        return "\(words[0]) 65001" + (words.count > 1 ? " \(words[1])" : "")
    }

    /// Both of them, met.
    func meet(
        routes: [String], staleTime: Duration = .seconds(60), holdTime: Int = 9
    ) async throws -> (Station, Bird) {
        let port = try freePort(birdAddress)
        let martlet = try IPAddress(parsing: martletAddress)
        let peer = PeerSettings(
            name: "bird", feed: Station.feed, localAS: 65000, peerAS: isInternal ? 65000 : 65001,
            routerID: 0x0aff_0001, peerAddress: try IPAddress(parsing: birdAddress), port: port,
            localAddress: martlet,
            connect: dialler == .martlet ? .active : dialler == .bird ? .passive : .both,
            holdTime: holdTime, staleTime: staleTime, connectRetry: .milliseconds(200),
            maximumConnectRetry: .seconds(1))
        let station = try await Station(
            SpeakerSettings(
                listen: dialler == .martlet ? [] : [ListenAddress(address: martlet, port: 0)],
                peers: [peer]))
        let bird = try Bird(
            Bird.Peering(
                birdAddress: birdAddress, birdPort: port, birdAS: isInternal ? 65000 : 65001,
                martletAddress: martletAddress,
                martletPort: dialler == .martlet
                    ? nil : station.port,
                martletAS: 65000),
            routes: routes)
        return (station, bird)
    }
}

@Suite(
    "A session with BIRD", .enabled(if: Bird.isWanted, Comment(rawValue: Bird.missing)),
    .serialized, .timeLimit(.minutes(2)))
struct BirdTests {
    @Test("routes appear, change, and are withdrawn", arguments: Meeting.all)
    func routes(meeting: Meeting) async throws {
        let first = ["10.0.0.0/8 64600 64601", "192.0.2.0/24", "2001:db8:1::/48 64700"]
        let (station, bird) = try await meeting.meet(routes: first)
        try await station.expect(first.map(meeting.path), "they appear")
        let status = try await station.status()
        #expect(status.state == .established)
        #expect(status.isComplete, "BIRD sends End-of-RIB")
        #expect(status.negotiation?.context.isInternal == meeting.isInternal)
        let second = ["10.0.0.0/8 64600", "192.0.2.128/25", "2001:db8:1::/48 64700 64701"]
        try bird.change(to: second)
        try await station.expect(second.map(meeting.path), "they change")
        try bird.change(to: [])
        try await station.expect([], "they are withdrawn")
        #expect(try await station.status().counters.established == 1, "one session for all of it")
        try await station.stop()
    }

    @Test("a killed BIRD's routes stay, stale, until their time is over")
    func killed() async throws {
        let meeting = Meeting(dialler: .martlet, isInternal: false, family: .ipv4)
        let routes = ["10.0.0.0/8", "2001:db8::/32"].map(meeting.path)
        let (station, bird) = try await meeting.meet(
            routes: ["10.0.0.0/8", "2001:db8::/32"], staleTime: .seconds(2))
        try await station.expect(routes)
        let isLive = try await eventually { station.liveness == [.live] }
        #expect(isLive)
        bird.kill()
        try await station.expect(routes.map { "*" + $0 }, "stale at once")
        #expect(station.liveness == [.live, .stale])
        try await station.expect([], "gone in the end")
        #expect(station.liveness == [.live, .stale, .lost])
        try await station.stop()
    }

    @Test("a BIRD that comes back makes its routes fresh, and those it has no more leave")
    func restarted() async throws {
        let meeting = Meeting(dialler: .martlet, isInternal: true, family: .ipv4)
        let (station, bird) = try await meeting.meet(routes: ["10.0.0.0/8", "192.0.2.0/24"])
        try await station.expect(["10.0.0.0/8", "192.0.2.0/24"])
        bird.kill()
        try await station.expect(["*10.0.0.0/8", "*192.0.2.0/24"])
        try bird.write(only: ["192.0.2.0/24"])
        try bird.start()
        try await station.expect(["192.0.2.0/24"])
        try await station.stop()
    }

    @Test("what BIRD says when it ends a session is shown in words")
    func notification() async throws {
        let meeting = Meeting(dialler: .martlet, isInternal: true, family: .ipv4)
        let (station, bird) = try await meeting.meet(routes: ["10.0.0.0/8"])
        try await station.expect(["10.0.0.0/8"])
        try bird.control("disable martlet \"moving cables\"")
        let isTold = try await eventually {
            try await station.status().lastError
                == "the peer ended it: Cease/Administrative Shutdown: \"moving cables\""
        }
        let status = try await station.status()
        #expect(isTold, "\(status)")
        try await station.expect(["*10.0.0.0/8"])
        try bird.control("enable martlet")
        try await station.expect(["10.0.0.0/8"])
        try await station.stop()
    }

    @Test("our own end reaches BIRD in words")
    func shutdown() async throws {
        let meeting = Meeting(dialler: .bird, isInternal: true, family: .ipv4)
        let (station, bird) = try await meeting.meet(routes: ["10.0.0.0/8"])
        try await station.expect(["10.0.0.0/8"])
        try await station.stop(message: "good night")
        var text = ""
        let isTold = try await eventually {
            text = try bird.control("show protocols all martlet")
            return text.contains("Administrative shutdown")
        }
        #expect(isTold, "\(text)")
        #expect(!text.contains("routes: 1 imported"), "nothing was announced to it")
    }

    @Test("both dialling at once, again and again, ends in one session each time")
    func collisions() async throws {
        let meeting = Meeting(dialler: .both, isInternal: false, family: .ipv4)
        let (station, bird) = try await meeting.meet(routes: ["10.0.0.0/8"])
        try await station.expect(["10.0.0.0/8 65001"])
        for round in 1...3 {
            try bird.control("restart martlet")
            await station.speaker.clear(Station.feed)
            let isUp = try await eventually {
                let status = try await station.status()
                return status.state == .established && status.counters.established > round
            }
            let status = try await station.status()
            #expect(isUp, "\(status)")
        }
        try await station.expect(["10.0.0.0/8 65001"])
        try await station.stop()
    }
}
