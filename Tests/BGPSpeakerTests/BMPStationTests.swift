// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import BGPWire
import RouteTable
import Testing

/// Messages of routers that are not recorded: RFC 7854 §4, byte by byte.
enum RouterBytes {
    static func message(_ type: UInt8, _ body: [UInt8]) -> [UInt8] {
        [3] + LoaderFiles.number(UInt32(6 + body.count)) + [type] + body
    }

    /// A router that says its name, `test`.
    static let initiation = Self.message(4, hex("0002 0004 74657374"))

    /// The per-peer header of 192.0.2.`peer`, AS 64999.
    static func header(_ peer: UInt8, flags: UInt8 = 0) -> [UInt8] {
        [0, flags] + [UInt8](repeating: 0, count: 8 + 12) + [192, 0, 2, peer]
            + hex("0000fde7 c0000263 00000000 00000000")
    }

    /// With ADD-PATH for IPv4 from the peer to the router, if so.
    static func peerUp(_ peer: UInt8, addPath: Bool = false, flags: UInt8 = 0) -> [UInt8] {
        func open(_ mode: UInt8) -> [UInt8] {
            var capabilities = [Capability.multiprotocol(.ipv4), .multiprotocol(.ipv6)]
            if addPath { capabilities.append(Capability(.addPath, [0, 1, 1, mode])) }
            return OutgoingMessage.open(
                OpenMessage(
                    asNumber: 64999, holdTimeSeconds: 90, identifier: 1,
                    capabilities: capabilities)
            ).encoded()
        }
        return self.message(
            3,
            self.header(peer, flags: flags) + [UInt8](repeating: 0, count: 20) + open(1) + open(2))
    }

    static func peerDown(_ peer: UInt8) -> [UInt8] { self.message(2, self.header(peer) + [4]) }

    static func routes(_ peer: UInt8, _ update: [UInt8], flags: UInt8 = 0) -> [UInt8] {
        self.message(0, self.header(peer, flags: flags) + update)
    }

    static func announce(_ peer: UInt8, _ prefixes: [String], flags: UInt8 = 0) throws -> [UInt8] {
        self.routes(
            peer, try ScriptedPeer.announce(prefixes, asNumber: peer), flags: flags)
    }

    /// End-of-RIB of both families.
    static func ended(_ peer: UInt8) -> [UInt8] {
        AddressFamily.allCases.flatMap { self.routes(peer, OutgoingMessage.endOfRIB($0).encoded()) }
    }
}

@Suite("The station for BMP", .serialized, .timeLimit(.minutes(2)))
struct BMPStationTests {
    /// A station with one router, that has said who it is.
    private static func connected(
        view: String = "pre", maximumPeers: Int = 1000
    ) async throws -> (MonitoringStation, LoopbackConnection) {
        var settings = try MonitoringStation.router(view: view)
        settings.maximumPeers = maximumPeers
        let station = try await MonitoringStation(MonitoringStation.settings([settings]))
        let router = try await station.connect()
        try await router.send(RouterBytes.initiation)
        return (station, router)
    }

    // MARK: Recorded routers

    @Test("what FRR tells before policy is in the table until the peer is down")
    func frr() async throws {
        typealias FRR = RecordedBMP.FRR
        let (station, router) = try await Self.connected()
        try await router.send(FRR.initiation + FRR.peerUp + FRR.statistics + FRR.mirroring)
        try await router.send(FRR.prePolicy + FRR.postPolicy + FRR.postPolicyIPv6)
        try await station.expect(["198.51.100.0/24 65042 64999"])
        let status = try await station.status()
        #expect(status.systemDescription == "FRRouting 8.4.4" && status.systemName == "vm")
        #expect(status.counters.updates == 1 && status.counters.otherViews == 2)
        #expect(status.peers.map(\.isUp) == [true])
        #expect(status.peers.first?.statistics.count == 7)
        try await router.send(FRR.peerDown)
        try await station.expect([])
        #expect(try await station.status().peers.map(\.isUp) == [false])
        try await station.stop()
        try await router.end()
    }

    @Test("after policy, where the feed asks for that, byte by byte")
    func byteByByte() async throws {
        typealias FRR = RecordedBMP.FRR
        let (station, router) = try await Self.connected(view: "post")
        try await router.sendByteByByte(
            FRR.initiation + FRR.peerUp + FRR.prePolicy + FRR.postPolicy + FRR.postPolicyIPv6)
        try await station.expect([
            "198.51.100.0/24 65042 64999", "2001:db8:abcd::/48 65042 64999",
        ])
        #expect(try await station.status().counters.otherViews == 1)
        try await station.stop()
    }

    @Test("what GoBGP has chosen, without a Peer Up of its own")
    func locRIB() async throws {
        typealias GoBGP = RecordedBMP.GoBGP
        let (station, router) = try await Self.connected(view: "loc-rib")
        try await router.send(
            GoBGP.initiation + GoBGP.peerUp + GoBGP.prePolicy + GoBGP.postPolicy + GoBGP.locRIB)
        try await station.expect(["198.51.100.0/24 64999"])
        #expect(try await station.status().counters.otherViews == 2)
        try await station.stop()
    }

    /// No router at hand sends what RFC 8671 defines: these are FRR's messages with the O flag of
    /// the per-peer header set (§4), before policy and after it, and the Peer Up that all views of
    /// a peer share (§5.1: its O flag is not looked at).
    @Test(
        "what a router sends to its peer (RFC 8671) is a route only for a feed that asks for that",
        arguments: ["pre", "post", "out-pre", "out-post", "loc-rib"])
    func adjRIBOut(view: String) async throws {
        typealias FRR = RecordedBMP.FRR
        func out(_ message: [UInt8], _ flags: UInt8) -> [UInt8] {
            var message = message
            message[7] = flags
            return message
        }
        let (station, router) = try await Self.connected(view: view)
        try await router.send(FRR.initiation + out(FRR.peerUp, 0x10))
        try await router.send(out(FRR.prePolicy, 0x10) + out(FRR.postPolicyIPv6, 0x50))
        let routes = [
            "out-pre": ["198.51.100.0/24 65042 64999"],
            "out-post": ["2001:db8:abcd::/48 65042 64999"],
        ]
        try await station.expect {
            $0.counters.updates + $0.counters.otherViews == 2
        }
        try await station.expect(routes[view] ?? [])
        #expect(
            try await station.status().counters.otherViews == (routes[view] == nil ? 2 : 1))
        try await station.stop()
    }

    // MARK: Peers and sessions

    @Test("the shortest path of several peers counts; one that is down takes its routes with it")
    func peers() async throws {
        let (station, router) = try await Self.connected()
        try await router.send(RouterBytes.peerUp(1) + RouterBytes.peerUp(2))
        try await router.send(
            RouterBytes.announce(1, ["10.0.0.0/8", "192.0.2.0/24"])
                + RouterBytes.announce(2, ["10.0.0.0/8"]))
        try await station.expect(["10.0.0.0/8 1", "10.0.0.0/8 2", "192.0.2.0/24 1"])
        try await router.send(RouterBytes.peerDown(1))
        try await station.expect(["10.0.0.0/8 2"])
        // It comes up again, as another peer would.
        try await router.send(RouterBytes.peerUp(1) + RouterBytes.announce(1, ["11.0.0.0/8"]))
        try await station.expect(["10.0.0.0/8 2", "11.0.0.0/8 1"])
        try await station.stop()
    }

    @Test("seventy peers may have one prefix: the shortest path counts, and then the next")
    func seventy() async throws {
        let (station, router) = try await Self.connected()
        let prefix = try ScriptedPeer.encoded("10.0.0.0/8")
        func announce(_ peer: UInt8, hops: Int) -> [UInt8] {
            let path = [2, UInt8(hops)] + Array(repeating: [0, 0, 0, peer], count: hops).joined()
            return RouterBytes.routes(
                peer,
                ScriptedPeer.update(
                    attributes: hex("40010100 4002") + [UInt8(path.count)] + path
                        + hex("400304c0000201"), announced: prefix))
        }
        for peer in 1...70 as ClosedRange<UInt8> {
            try await router.send(
                RouterBytes.peerUp(peer) + announce(peer, hops: peer == 70 ? 1 : 5)
                    + RouterBytes.ended(peer))
        }
        try await station.expect { $0.isComplete }
        let address = try IPAddress(parsing: "10.1.2.3")
        func state() async throws -> [Int] {
            try await station.owner.query { rib in
                [rib.routes(covering: address).first?.distance ?? -1]
                    + rib.feedSummaries().flatMap { [$0.furtherPaths + 1, $0.refused] }
            }
        }
        #expect(try await eventually { try await state() == [1, 70, 0] })
        try await router.send(RouterBytes.peerDown(70))
        #expect(try await eventually { try await state() == [5, 69, 0] })
        try await station.stop()
    }

    @Test("a router that is lost leaves its routes stale; what it doesn't tell again leaves")
    func lostRouter() async throws {
        let (station, router) = try await Self.connected()
        try await router.send(
            RouterBytes.peerUp(1) + RouterBytes.announce(1, ["10.0.0.0/8", "11.0.0.0/8"])
                + RouterBytes.ended(1))
        try await station.expect { $0.isComplete }
        #expect(try await eventually { station.events == ["1 live"] })
        await router.close()
        try await station.expect(["*10.0.0.0/8 1", "*11.0.0.0/8 1"])
        #expect(try await eventually { station.events == ["1 live", "1 stale"] })
        let again = try await station.connect()
        try await again.send(
            RouterBytes.initiation + RouterBytes.peerUp(1)
                + RouterBytes.announce(1, ["11.0.0.0/8"]))
        try await station.expect(["*10.0.0.0/8 1", "11.0.0.0/8 1"])
        try await again.send(RouterBytes.ended(1))
        try await station.expect(["11.0.0.0/8 1"])
        try await station.stop()
    }

    @Test("path identifiers of a peer that is down are another's, and no route is mistaken")
    func reusedPaths() async throws {
        let (station, router) = try await Self.connected(maximumPeers: 1)
        func path(_ peer: UInt8, _ id: UInt8, withdrawn: Bool = false) throws -> [UInt8] {
            let prefix = try [0, 0, 0, id] + ScriptedPeer.encoded("10.0.0.0/8")
            return RouterBytes.routes(
                peer,
                withdrawn
                    ? ScriptedPeer.update(withdrawn: prefix)
                    : ScriptedPeer.update(
                        attributes: hex("40010100 4002060201 000000") + [peer]
                            + hex("400304c0000201"), announced: prefix))
        }
        for peer in 1...40 as ClosedRange<UInt8> {
            try await router.send(
                RouterBytes.peerUp(peer, addPath: true) + path(peer, 1) + path(peer, 2)
                    + path(peer, 2, withdrawn: true) + path(peer, 3, withdrawn: true))
            try await station.expect(["10.0.0.0/8 \(peer)"])
            try await router.send(RouterBytes.peerDown(peer))
            try await station.expect([])
        }
        let status = try await station.status()
        #expect(status.peers.count == 1, "the last one")
        #expect(status.counters.peersRefused == 0 && status.counters.pathsRefused == 0)
        try await router.send(RouterBytes.peerUp(40) + RouterBytes.peerUp(41))
        try await station.expect { $0.counters.peersRefused == 1 }
        try await station.stop()
    }

    // MARK: Ranges

    @Test("what a reload says of a range holds for its routers that are there")
    func rangeOverReload() async throws {
        let station = try await MonitoringStation(
            MonitoringStation.settings([MonitoringStation.range()]))
        let router = try await station.connect()
        try await router.send(
            RouterBytes.initiation + RouterBytes.peerUp(1)
                + RouterBytes.announce(1, ["10.0.0.0/8"]))
        try await station.expect(["10.0.0.0/8 1"])
        #expect(try await eventually { station.events == ["edges@127.0.0.2 at site 0"] })
        let report = await station.station.apply(
            try MonitoringStation.settings([MonitoringStation.range(site: 1)]))
        #expect(report == [])
        #expect(station.events.last == "edges@127.0.0.2 at site 1")
        let sites = try await station.owner.query { rib in rib.feedSummaries().map(\.site) }
        #expect(sites == [SiteID(1)], "its routes count for the new site")
        try await station.expect("edges@127.0.0.2") { $0.isConnected }
        try await station.stop()
    }

    @Test("a router of a range whose address a feed names is that feed's from then on")
    func namedOutOfRange() async throws {
        let range = try MonitoringStation.range()
        let station = try await MonitoringStation(MonitoringStation.settings([range]))
        let router = try await station.connect()
        try await router.send(RouterBytes.initiation)
        try await station.expect("edges@127.0.0.2") { $0.isConnected }
        var named = try MonitoringStation.router()
        named.name = "named"
        named.feed = FeedID(2)
        station.owner.submit(
            .addFeed(FeedDefinition(id: named.feed, name: named.name, site: SiteID(0), order: 0)))
        let report = await station.station.apply(
            try MonitoringStation.settings([range, named]))
        #expect(report == ["feed edges@127.0.0.2: session ended, it is configured no more"])
        #expect(station.events.last == "edges@127.0.0.2 gone")
        try await router.end()
        let again = try await station.connect()
        try await again.send(RouterBytes.initiation)
        try await station.expect("named") { $0.isConnected }
        #expect(await station.station.status().map(\.name) == ["named"])
        try await station.stop()
    }

    // MARK: Who can't be trusted

    @Test(
        "a router that talks nonsense is left, and another one's routes stay",
        arguments: [
            (Array("GET / HTTP/1.1\r\n\r\n".utf8), "BMP version 71"),
            (hex("03 ffffffff 00"), "a message of 4294967295 bytes"),
            (hex("03 00000005 04"), "a message of 5 bytes"),
            (RouterBytes.peerUp(1), "Peer Up before an Initiation"),
            (RouterBytes.initiation + hex("02"), "BMP version 2"),
        ])
    func nonsense(bytes: [UInt8], reason: String) async throws {
        var other = try MonitoringStation.router(address: "127.0.0.3")
        other.name = "bad"
        other.feed = FeedID(2)
        let station = try await MonitoringStation(
            MonitoringStation.settings([MonitoringStation.router(), other]))
        let router = try await station.connect()
        try await router.send(
            RouterBytes.initiation + RouterBytes.peerUp(1)
                + RouterBytes.announce(1, ["10.0.0.0/8"]))
        let bad = try await station.connect(from: "127.0.0.3")
        try await bad.send(bytes)
        try await bad.end()
        try await station.expect("bad") { $0.lastError?.contains(reason) == true }
        try await station.expect(["10.0.0.0/8 1"])
        #expect(try await station.status().isConnected)
        let stranger = try await station.connect(from: "127.0.0.9")
        try await stranger.end()
        #expect(await station.station.strangers() == 1)
        try await station.stop()
    }

    @Test("what is malformed in one message is counted, and the next one is read")
    func malformed() async throws {
        let (station, router) = try await Self.connected()
        try await router.send(
            RouterBytes.message(0, [1, 2, 3, 4]) + RouterBytes.message(99, [1])
                + RouterBytes.announce(7, ["12.0.0.0/8"]) + RouterBytes.peerUp(1)
                + RouterBytes.announce(1, ["10.0.0.0/8"]))
        try await station.expect(["10.0.0.0/8 1"])
        let counters = try await station.status().counters
        #expect(counters.malformed == 1 && counters.unknown == 1 && counters.unknownPeers == 1)
        try await station.stop()
    }

    @Test("one that sends without end and never says a whole message harms nobody")
    func endless() async throws {
        var other = try MonitoringStation.router(address: "127.0.0.3")
        other.name = "bad"
        other.feed = FeedID(2)
        let station = try await MonitoringStation(
            MonitoringStation.settings([MonitoringStation.router(), other]))
        // The longest message, all of it but its last byte; and a flood of messages of no known
        // type.
        let bad = try await station.connect(from: "127.0.0.3")
        let longest = hex("03 00020000 63") + [UInt8](repeating: 0, count: 0x20000 - 7)
        try await bad.send(RouterBytes.initiation + longest)
        let router = try await station.connect()
        try await router.send(
            RouterBytes.initiation + RouterBytes.peerUp(1)
                + RouterBytes.announce(1, ["10.0.0.0/8"]))
        try await station.expect(["10.0.0.0/8 1"])
        #expect(try await station.status("bad").counters.unknown == 0)
        let flood = Task {
            try await bad.send([0])
            let message = RouterBytes.message(99, [UInt8](repeating: 0, count: 4000))
            while !Task.isCancelled { try await bad.send(message) }
        }
        try await station.expect("bad") { $0.counters.unknown > 100 }
        for number in 1...20 {
            try await router.send(RouterBytes.announce(1, ["11.\(number).0.0/16"]))
            try await within {
                try await station.expect { $0.counters.announced == number + 1 }
            }
        }
        try await station.expect("bad") { $0.counters.unknown > 1000 && $0.isConnected }
        flood.cancel()
        _ = try? await flood.value
        try await station.stop()
        try await router.end()
    }

    @Test("one that connects again replaces its old connection, whatever that was about to say")
    func again() async throws {
        let (station, router) = try await Self.connected()
        try await router.send(
            RouterBytes.peerUp(1) + RouterBytes.announce(1, ["10.0.0.0/8"]) + [3, 0])
        try await station.expect(["10.0.0.0/8 1"])
        let silent = try await station.connect()
        let second = try await station.connect()
        try await second.send(RouterBytes.initiation + RouterBytes.peerUp(1))
        try await router.end()
        try await silent.end()
        try await station.expect { $0.isConnected && $0.counters.sessions == 2 }
        try await station.expect(["*10.0.0.0/8 1"])
        try await station.stop()
    }
}
