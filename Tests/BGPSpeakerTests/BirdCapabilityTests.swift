// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import Foundation
import RouteTable
import Testing

/// What OPEN offers, and a real router's answer to it.
@Suite(
    "Capabilities with BIRD", .enabled(if: Bird.isWanted, Comment(rawValue: Bird.missing)),
    .serialized, .timeLimit(.minutes(2)))
struct BirdCapabilityTests {
    /// Both, met on 127.0.0.2 and 127.0.0.3: Martlet dials.
    static func meet(
        options: SessionOptions, routes: [String], extra: String = "", channelExtra: String = "",
        ipv4Extra: String = ""
    ) async throws -> (Station, Bird) {
        let port = try freePort("127.0.0.2")
        var peer = PeerSettings(
            name: "bird", feed: Station.feed, localAS: 65000, peerAS: 65001,
            routerID: 0x0aff_0001, peerAddress: try IPAddress(parsing: "127.0.0.2"), port: port,
            localAddress: try IPAddress(parsing: "127.0.0.3"), connect: .active, holdTime: 9,
            connectRetry: .milliseconds(200), maximumConnectRetry: .seconds(1))
        peer.options = options
        let station = try await Station(SpeakerSettings(listen: [], peers: [peer]))
        let bird = try Bird(
            Bird.Peering(
                birdAddress: "127.0.0.2", birdPort: port, birdAS: 65001,
                martletAddress: "127.0.0.3", martletPort: nil, martletAS: 65000, extra: extra,
                channelExtra: channelExtra, ipv4Extra: ipv4Extra),
            routes: routes)
        return (station, bird)
    }

    static func negotiation(_ station: Station, _ bird: Bird) async throws -> Negotiation {
        let isUp = try await eventually {
            try await station.status().state == .established
        }
        let status = try await station.status()
        #expect(isUp, "\(status.state), \(status.lastError ?? "-"), BIRD says: \(bird.log)")
        return try #require(status.negotiation)
    }

    @Test("all that both can do is agreed")
    func everything() async throws {
        var options = SessionOptions()
        options.role = .customer
        options.isRoleStrict = true
        options.longLivedStaleTime = .seconds(60)
        options.addPath = .ipv4
        let (station, bird) = try await Self.meet(
            options: options, routes: ["10.0.0.0/8", "2001:db8:1::/48"],
            extra: """
                local role provider; enable extended messages on;
                graceful restart on; graceful restart time 77;
                long lived graceful restart on; long lived stale time 99;
                """,
            channelExtra: "add paths tx;", ipv4Extra: "extended next hop on;")
        let agreed = try await Self.negotiation(station, bird)
        #expect(agreed.context.families == .both)
        #expect(agreed.context.fourOctetAS)
        #expect(agreed.context.addPath == .ipv4, "we asked for IPv4 alone")
        #expect(agreed.context.extendedMessages)
        #expect(agreed.context.extendedNextHop)
        #expect(agreed.canRefresh && agreed.marksRefresh)
        #expect(agreed.gracefulRestart?.restartSeconds == 77)
        #expect(agreed.gracefulRestart?.families == .both)
        #expect(agreed.longLived.map(\.staleSeconds) == [99, 99])
        #expect(agreed.longLivedTime(.ipv6, atMost: .seconds(60)) == .seconds(60))
        #expect(agreed.localRole == .customer && agreed.peerRole == .provider)
        let shown = try bird.control("show protocols all martlet")
        for words in [
            "Long-lived graceful restart", "Extended message", "Extended next hop", "ADD-PATH",
            "Enhanced refresh", "Role",
        ] {
            let isThere = shown.range(of: words, options: .caseInsensitive) != nil
            #expect(isThere, "\(words) in \(shown)")
        }
        try await station.stop()
    }

    @Test("IPv4 prefixes come with an IPv6 next hop (RFC 8950)")
    func extendedNextHop() async throws {
        let (station, bird) = try await Self.meet(
            options: SessionOptions(), routes: ["10.0.0.0/8"],
            ipv4Extra: "extended next hop on; next hop address 2001:db8::7;")
        _ = try await Self.negotiation(station, bird)
        try await station.expect(["10.0.0.0/8 65001"])
        let hop = try await station.owner.query { rib in
            rib.routes(after: nil, feed: nil, within: nil, limit: 1).routes.first?.attributes
                .nextHop
        }
        #expect(hop == (try IPAddress(parsing: "2001:db8::7")))
        try await station.stop()
    }

    @Test("what was agreed to be refreshed is sent again, between its borders")
    func refresh() async throws {
        let (station, bird) = try await Self.meet(
            options: SessionOptions(), routes: ["10.0.0.0/8", "2001:db8:1::/48"])
        let agreed = try await Self.negotiation(station, bird)
        #expect(agreed.marksRefresh)
        try await station.expect(["10.0.0.0/8 65001", "2001:db8:1::/48 65001"])
        let before = try await station.status().counters
        let order = await station.speaker.refresh(Station.feed)
        guard case .refused = order else {
            // Two UPDATEs, and a beginning and an end of each family.
            let isBack = try await eventually {
                let now = try await station.status().counters
                return now.updatesIn >= before.updatesIn + 2
                    && now.messagesIn >= before.messagesIn + 6
            }
            #expect(isBack)
            try await station.expect(["10.0.0.0/8 65001", "2001:db8:1::/48 65001"])
            #expect(try await station.status().counters.established == 1)
            try await station.stop()
            return
        }
        Issue.record("the refresh was refused")
        try await station.stop()
    }

    @Test("roles that don't fit are refused, in words (RFC 9234 §4.2)")
    func roleMismatch() async throws {
        var options = SessionOptions()
        options.role = .provider
        let (station, bird) = try await Self.meet(
            options: options, routes: ["10.0.0.0/8"], extra: "local role provider;")
        let isRefused = try await eventually {
            try await station.status().lastError?.contains("OPEN Message Error/Role Mismatch")
                == true
        }
        let status = try await station.status()
        #expect(isRefused, "\(status.lastError ?? "-"), BIRD says: \(bird.log)")
        #expect(status.counters.established == 0)
        try await station.stop()
    }

    @Test("a route that a customer's mark shows to have leaked counts as such (RFC 9234 §5)")
    func leak() async throws {
        var options = SessionOptions()
        options.role = .provider
        let (station, bird) = try await Self.meet(
            options: options, routes: ["10.0.0.0/8"],
            ipv4Extra: "export filter { bgp_otc = 65010; accept; };")
        _ = try await Self.negotiation(station, bird)
        let isTold = try await eventually {
            try await station.status().counters.dispositions.ineligible == 1
        }
        let status = try await station.status()
        #expect(isTold, "\(status.counters), BIRD says: \(bird.log)")
        #expect(status.state == .established, "nobody is thrown out for it")
        try await station.stop()
    }
}
