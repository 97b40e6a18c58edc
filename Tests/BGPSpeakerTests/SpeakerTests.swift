// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import Dispatch
import Logging
import NIOCore
import NIOPosix
import RouteTable
import Synchronization
import Testing

@Suite("The speaker", .serialized, .timeLimit(.minutes(2)))
struct SpeakerTests {
    static func peer(quietTime: Duration = .seconds(30)) throws -> PeerSettings {
        PeerSettings(
            name: "scripted", feed: Station.feed, localAS: 65000, peerAS: 65001, routerID: 10,
            peerAddress: try IPAddress(parsing: "127.0.0.2"), connect: .passive, holdTime: 30,
            staleTime: .seconds(30), quietTime: quietTime, connectRetry: .milliseconds(50),
            maximumConnectRetry: .milliseconds(200))
    }

    static func listen() throws -> [ListenAddress] {
        [ListenAddress(address: try IPAddress(parsing: "127.0.0.1"), port: 0)]
    }

    /// A speaker that one scripted peer may call.
    static func station(
        limits: TableLimits = TableLimits(), quietTime: Duration = .seconds(30)
    ) async throws -> (Station, UInt16) {
        let station = try await Station(
            SpeakerSettings(
                listen: try Self.listen(), peers: [try Self.peer(quietTime: quietTime)]),
            limits: limits)
        return (station, try #require(station.port))
    }

    static func established() async throws -> (Station, ScriptedPeer) {
        let (station, port) = try await Self.station()
        let peer = try await ScriptedPeer.dial(port: port)
        try await peer.establish()
        return (station, peer)
    }

    @Test("says who it is and what it takes")
    func open() async throws {
        let (station, port) = try await Self.station()
        let peer = try await ScriptedPeer.dial(port: port)
        guard case .message(.open, let body) = try await peer.next() else {
            Issue.record("no OPEN")
            return
        }
        let open = try OpenMessage(body: body.span.bytes)
        #expect(open.asNumber == 65000)
        #expect(open.identifier == 10)
        #expect(open.holdTimeSeconds == 30)
        #expect(open.capabilities.families == .both)
        #expect(open.capabilities.contains(.routeRefresh))
        await peer.close()
        try await station.stop()
    }

    @Test("never sends a route: its only UPDATEs are the End-of-RIB that graceful restart asks for")
    func silence() async throws {
        let (station, port) = try await Self.station()
        let peer = try await ScriptedPeer.dial(port: port)
        try await peer.establish(capabilities: [
            .multiprotocol(.ipv4), .multiprotocol(.ipv6), .routeRefresh,
            Capability(.gracefulRestart, [0, 120, 0, 1, 1, 0, 0, 2, 1, 0]),
        ])
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/8"]))
        for family in AddressFamily.allCases {
            guard case .message(.update, let body) = try await peer.next() else {
                Issue.record("no End-of-RIB")
                return
            }
            let update = UpdateDecoding.decode(
                body.span.bytes, context: DecodeContext(fourOctetAS: true, isInternal: false))
            #expect(update.endOfRIB == family)
        }
        // Asked for its routes, it has none to send: its last words are the next it says.
        try await peer.send(.routeRefresh(.ipv4))
        try await station.expect(["10.0.0.0/8 7"])
        try await station.stop()
        #expect(
            try await peer.notification().description == "Cease/Administrative Shutdown")
        #expect(try await peer.next() == .closed)
    }

    @Test("closes connections of strangers at once, and counts them")
    func strangers() async throws {
        let (station, port) = try await Self.station()
        for count in 1...3 {
            let stranger = try await ScriptedPeer.dial(port: port, from: "127.0.0.77")
            #expect(try await stranger.next() == .closed, "not even an OPEN")
            #expect(await station.speaker.strangers() == count)
        }
        try await station.stop()
    }

    @Test("tells of twenty strangers a minute, and counts the others")
    func manyStrangers() async throws {
        let lines = LineCounter()
        let station = try await Station(
            SpeakerSettings(listen: try Self.listen(), peers: [try Self.peer()]),
            log: Logger(label: "test") { _ in lines })
        let port = try #require(station.port)
        for _ in 0..<60 {
            let stranger = try await ScriptedPeer.dial(port: port, from: "127.0.0.77")
            _ = try await stranger.next()
        }
        #expect(await station.speaker.strangers() == 60)
        // A minute may end meanwhile.
        #expect(lines.count(of: "connection of a stranger closed") <= 40)
        try await station.stop()
    }

    @Test("lets a peer wait that calls between bind and run")
    func early() async throws {
        let owner = try TableOwner()
        let speaker = BGPSpeaker(
            settings: SpeakerSettings(listen: try Self.listen(), peers: [try Self.peer()]),
            group: MultiThreadedEventLoopGroup.singleton, owner: owner,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let addresses = try await speaker.bind()
        let port = UInt16(try #require(addresses.first?.port))
        let peer = try await ScriptedPeer.dial(port: port)
        #expect(await speaker.status().map(\.state) == [.idle])
        let running = Task { try await speaker.run() }
        try await peer.establish()
        let isUp = try await eventually {
            await speaker.status().map(\.state) == [.established]
        }
        #expect(isUp)
        #expect(await speaker.strangers() == 0)
        running.cancel()
        try await running.value
        #expect(
            try await peer.notification().description == "Cease/Administrative Shutdown",
            "cancelling ends it as well")
        owner.shutdown()
    }

    @Test("reads messages that come byte by byte, and many in one piece")
    func pieces() async throws {
        let (station, peer) = try await Self.established()
        for byte in try ScriptedPeer.announce(["10.0.0.0/8"]) { try await peer.send([byte]) }
        try await station.expect(["10.0.0.0/8 7"])
        var many: [UInt8] = []
        for index in 0..<200 { many += try ScriptedPeer.announce(["192.0.2.\(index)/32"]) }
        many += try ScriptedPeer.withdraw((1..<200).map { "192.0.2.\($0)/32" })
        try await peer.send(many)
        try await station.expect(["10.0.0.0/8 7", "192.0.2.0/32 7"])
        await peer.close()
        try await station.stop()
    }

    @Test("takes a route with a malformed attribute for withdrawn, and goes on (RFC 7606)")
    func treatAsWithdraw() async throws {
        let (station, peer) = try await Self.established()
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/8", "192.0.2.0/24"]))
        try await station.expect(["10.0.0.0/8 7", "192.0.2.0/24 7"])
        try await peer.send(
            try ScriptedPeer.announce(["10.0.0.0/8"], origin: [0x40, 1, 1, 9]))
        try await station.expect(["192.0.2.0/24 7"])
        try await peer.send(
            try ScriptedPeer.announce(["10.1.0.0/16"], more: [0x40, 6, 1, 0]))
        try await station.expect(["10.1.0.0/16 7", "192.0.2.0/24 7"])
        let status = try await station.status()
        #expect(status.state == .established)
        #expect(status.counters.treatedAsWithdrawn == 1)
        #expect(status.counters.attributesDiscarded == 1)
        await peer.close()
        try await station.stop()
    }

    @Test("ignores multicast prefixes, takes those beside them, and goes on (RFC 4271 §6.3)")
    func multicastPrefixes() async throws {
        let (station, peer) = try await Self.established()
        try await peer.send(
            try ScriptedPeer.announce(["10.0.0.0/8", "224.1.0.0/16", "192.0.2.0/24"]))
        try await station.expect(["10.0.0.0/8 7", "192.0.2.0/24 7"])
        try await peer.send(try ScriptedPeer.withdraw(["224.1.0.0/16", "10.0.0.0/8"]))
        try await station.expect(["192.0.2.0/24 7"])
        let status = try await station.status()
        #expect(status.state == .established)
        #expect(status.counters.announced == 2)
        #expect(status.counters.dispositions.remarked == 1)
        await peer.close()
        try await station.stop()
    }

    @Test(
        "tells of each malformed attribute of an UPDATE, and takes it for one of the lines a minute"
    )
    func everyComplaint() async throws {
        let lines = LineCounter()
        let station = try await Station(
            SpeakerSettings(listen: try Self.listen(), peers: [try Self.peer()]),
            log: Logger(label: "test") { _ in lines })
        let peer = try await ScriptedPeer.dial(port: try #require(station.port))
        try await peer.establish()
        // ORIGIN 9, and an ATOMIC_AGGREGATE and an AGGREGATOR of the wrong length.
        let bad = try ScriptedPeer.announce(
            ["10.0.0.0/8"], origin: [0x40, 1, 1, 9], more: [0x40, 6, 1, 0, 0xc0, 7, 1, 0])
        for _ in 0..<50 { try await peer.send(bad) }
        try await peer.send(try ScriptedPeer.announce(["11.0.0.0/8"]))
        try await station.expect(["11.0.0.0/8 7"])
        func told() -> [String: Int] {
            lines.lines.messages.withLock { messages in
                Dictionary(
                    messages.filter { $0.hasPrefix("malformed attribute: ") }.map { ($0, 1) },
                    uniquingKeysWith: +)
            }
        }
        #expect(told().keys.count == 3, "\(told())")
        for name in ["ORIGIN", "ATOMIC_AGGREGATE", "AGGREGATOR"] {
            #expect(told().keys.contains { $0.contains(" \(name) ") }, "\(told())")
        }
        // A minute may end meanwhile.
        #expect(told().values.allSatisfy { (20...40).contains($0) }, "\(told())")
        await peer.close()
        try await station.stop()
    }

    @Test(
        "answers what can't be read with a NOTIFICATION, and keeps the routes, stale",
        arguments: [
            (
                [UInt8](repeating: 0, count: 19),
                "Message Header Error/Connection Not Synchronized"
            ),
            (
                [UInt8](repeating: 255, count: 16) + [0, 18, 4],
                "Message Header Error/Bad Message Length: 18"
            ),
            (
                [UInt8](repeating: 255, count: 16) + [0, 30, 9],
                "Message Header Error/Bad Message Type: 9"
            ),
            (
                ScriptedPeer.update(announced: [33, 1, 2, 3, 4, 5]),
                "UPDATE Message Error/Invalid Network Field"
            ),
            (
                OutgoingMessage.open(
                    OpenMessage(
                        asNumber: 65001, holdTimeSeconds: 0, identifier: 20, capabilities: [])
                ).encoded(),
                "Finite State Machine Error/Unexpected Message in Established State: OPEN"
            ),
        ])
    func garbage(bytes: [UInt8], words: String) async throws {
        let (station, peer) = try await Self.established()
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/8"]))
        try await station.expect(["10.0.0.0/8 7"])
        try await peer.send(bytes)
        #expect(try await peer.notification().description == words)
        #expect(try await peer.next() == .closed)
        try await station.expect(["*10.0.0.0/8 7"])
        let status = try await station.status()
        #expect(status.lastError?.hasPrefix("we ended it: \(words)") == true)
        #expect(status.counters.resets == 1)
        try await station.stop()
    }

    @Test("random bytes after OPEN end the session, never the process")
    func noise() async throws {
        let (station, port) = try await Self.station()
        var random = Jitter(seed: 0x6e6f_6973)
        for _ in 0..<20 {
            let isFree = try await eventually {
                let state = try await station.status().state
                return state == .active
            }
            #expect(isFree)
            let peer = try await ScriptedPeer.dial(port: port)
            try await peer.establish()
            var update = try ScriptedPeer.announce(["10.0.0.0/8"])
            for _ in 0..<4 {
                update[Int.random(in: 16..<update.count, using: &random)] =
                    .random(in: 0...255, using: &random)
            }
            try await peer.send(update)
            await peer.close()
        }
        try await station.stop()
    }

    @Test("the wrong AS is told so")
    func badPeerAS() async throws {
        let (station, port) = try await Self.station()
        let peer = try await ScriptedPeer.dial(port: port)
        try await peer.establish(asNumber: 65002)
        #expect(try await peer.notification().description == "OPEN Message Error/Bad Peer AS")
        #expect(try await peer.next() == .closed)
        #expect(
            try await station.status().lastError
                == "we ended it: OPEN Message Error/Bad Peer AS: the router says AS 65002, AS 65001 "
                + "is configured")
        try await station.stop()
    }

    @Test("a prefix that can't be is told with its bytes")
    func badPrefix() async throws {
        let (station, peer) = try await Self.established()
        // An UPDATE without attributes that announces 10/33.
        try await peer.send([UInt8](repeating: 0xff, count: 16) + [0, 25, 2, 0, 0, 0, 0, 33, 10])
        #expect(
            try await peer.notification().description
                == "UPDATE Message Error/Invalid Network Field")
        #expect(
            try await station.status().lastError
                == "we ended it: UPDATE Message Error/Invalid Network Field: announced IPv4 prefix "
                + "has length 33, at most 32 is possible, at byte 0 of 2: 210a")
        try await station.stop()
    }

    @Test("what an operator does is a reason of the changes of state that come of it")
    func reasons() async throws {
        let (station, port) = try await Self.station()
        var reasons: [String?] {
            get async throws { try await station.status().history.map(\.reason) }
        }
        let waits = try await eventually { try await station.status().state == .active }
        #expect(waits)
        #expect(await station.speaker.clear(Station.feed) == .done)
        #expect(
            try await reasons.suffix(2) == [
                "stopped here: Cease/Administrative Reset", "started here",
            ])
        #expect(await station.speaker.shutDown(Station.feed, message: "moving") == .done)
        #expect(
            try await reasons.last
                == "stopped here: Cease/Administrative Shutdown: \"moving\"")
        #expect(await station.speaker.resume(Station.feed) == .done)
        #expect(try await reasons.last == "started here")
        let peer = try await ScriptedPeer.dial(port: port)
        try await peer.establish()
        #expect(try await reasons.contains("the peer connected"))
        await peer.close()
        try await station.stop()
    }

    @Test("attempts that come to nothing leave why the last session ended")
    func lastEnd() async throws {
        let (station, peer) = try await Self.established()
        let port = try #require(station.port)
        #expect(try await station.status().lastEnd == nil)
        try await peer.send(
            .notification(.cease(.administrativeShutdown, message: "new line cards")))
        await peer.close()
        let words = "the peer ended it: Cease/Administrative Shutdown: \"new line cards\""
        for _ in 0..<15 {
            let isFree = try await eventually { try await station.status().state == .active }
            #expect(isFree)
            let other = try await ScriptedPeer.dial(port: port)
            _ = try await other.next()
            await other.close()
        }
        let isOver = try await eventually {
            let status = try await station.status()
            return status.state == .active && status.history.last?.state == .active
        }
        #expect(isOver)
        let status = try await station.status()
        #expect(status.lastEnd == words)
        #expect(status.lastError == "the peer closed the connection")
        #expect(status.history.contains { $0.reason == words })
        #expect(status.history.count <= 10)
        #expect(status.history.map(\.times).max() == 14)
        #expect(status.establishedChange == status.lastEndTime)
        try await station.stop()
    }

    @Test("who watches a feed is told when it is taken away")
    func watchEnds() async throws {
        let (station, _) = try await Self.station()
        let watch = MessageWatch(now: { 7 })
        await station.speaker.attach(watch, to: Station.feed)
        let lines = watch.lines { sight in
            if case .end(let seconds) = sight { ["end at \(seconds)"] } else { [] }
        }
        _ = await station.speaker.apply(SpeakerSettings(listen: try Self.listen(), peers: []))
        var seen: [String] = []
        for await line in lines { seen.append(line) }
        #expect(seen == ["end at 7"])
        try await station.stop()
    }

    @Test("a second connection of an established peer's is refused")
    func secondConnection() async throws {
        let (station, peer) = try await Self.established()
        let isUp = try await eventually { try await station.status().state == .established }
        #expect(isUp)
        let second = try await ScriptedPeer.dial(port: try #require(station.port))
        let words = try await second.notification().description
        #expect(words == "Cease/Connection Collision Resolution")
        #expect(try await station.status().state == .established)
        await peer.close()
        try await station.stop()
    }

    @Test("a refresh that begins before End-of-RIB sweeps nothing (RFC 7313 §4)")
    func earlyRefresh() async throws {
        let (station, port) = try await Self.station()
        let capabilities: [Capability] = [
            .multiprotocol(.ipv4), .multiprotocol(.ipv6), .routeRefresh, .enhancedRouteRefresh,
            Capability(.gracefulRestart, [0, 120, 0, 1, 1, 128, 0, 2, 1, 128]),
        ]
        func refresh(_ subtype: UInt8) -> [UInt8] {
            [UInt8](repeating: 0xff, count: 16) + [0, 23, 5, 0, 1, subtype, 1]
        }
        let peer = try await ScriptedPeer.dial(port: port)
        try await peer.establish(capabilities: capabilities)
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/8", "192.0.2.0/24"]))
        try await peer.send(.endOfRIB(.ipv4))
        try await peer.send(.endOfRIB(.ipv6))
        #expect(try await eventually { station.liveness == [.live] })
        await peer.close()
        try await station.expect(["*10.0.0.0/8 7", "*192.0.2.0/24 7"])
        let again = try await ScriptedPeer.dial(port: port)
        try await again.establish(capabilities: capabilities)
        try await again.send(
            refresh(1) + ScriptedPeer.announce(["10.0.0.0/8"]) + refresh(2)
                + ScriptedPeer.announce(["11.0.0.0/8"]))
        try await station.expect(["10.0.0.0/8 7", "11.0.0.0/8 7", "*192.0.2.0/24 7"])
        try await again.send(.endOfRIB(.ipv4))
        try await station.expect(["10.0.0.0/8 7", "11.0.0.0/8 7"])
        // From then on it does.
        try await again.send(refresh(1) + ScriptedPeer.announce(["11.0.0.0/8"]) + refresh(2))
        try await station.expect(["11.0.0.0/8 7"])
        await again.close()
        try await station.stop()
    }

    @Test(
        "a router that has restarted without a close is let in, and its routes stay (RFC 4724)"
    )
    func replacedConnection() async throws {
        let (station, port) = try await Self.station()
        let restarts: [Capability] = [
            .multiprotocol(.ipv4), .multiprotocol(.ipv6),
            Capability(.gracefulRestart, [0, 120, 0, 1, 1, 128, 0, 2, 1, 128]),
        ]
        let peer = try await ScriptedPeer.dial(port: port)
        try await peer.establish(capabilities: restarts)
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/8", "192.0.2.0/24"]))
        try await peer.send(.endOfRIB(.ipv4))
        try await peer.send(.endOfRIB(.ipv6))
        let isLive = try await eventually { station.liveness == [.live] }
        #expect(isLive)
        let again = try await ScriptedPeer.dial(port: port)
        try await again.establish(capabilities: restarts)
        try await again.send(try ScriptedPeer.announce(["192.0.2.0/24"]))
        try await station.expect(["*10.0.0.0/8 7", "192.0.2.0/24 7"])
        try await again.send(.endOfRIB(.ipv4))
        try await again.send(.endOfRIB(.ipv6))
        try await station.expect(["192.0.2.0/24 7"])
        #expect(try await station.status().counters.established == 2)
        #expect(
            try await station.status().lastError
                == "the peer has restarted: it opened a new connection")
        await again.close()
        await peer.close()
        try await station.stop()
    }

    @Test("on shutdown every session gets Cease/Administrative Shutdown with its message")
    func shutdown() async throws {
        let (station, peer) = try await Self.established()
        let isUp = try await eventually { try await station.status().state == .established }
        #expect(isUp)
        try await station.stop(message: "maintenance until 5")
        #expect(
            try await peer.notification().description
                == "Cease/Administrative Shutdown: \"maintenance until 5\"")
        #expect(try await peer.next() == .closed)
    }

    @Test("clear resets with its message, and lets the peer come back")
    func clear() async throws {
        let (station, peer) = try await Self.established()
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/8"]))
        try await station.expect(["10.0.0.0/8 7"])
        await station.speaker.clear(Station.feed, message: "again, please")
        #expect(
            try await peer.notification().description
                == "Cease/Administrative Reset: \"again, please\"")
        try await station.expect(["*10.0.0.0/8 7"])
        let again = try await ScriptedPeer.dial(port: try #require(station.port))
        try await again.establish()
        try await again.send(try ScriptedPeer.announce(["10.0.0.0/8"], asNumber: 8))
        try await station.expect(["10.0.0.0/8 8"])
        await again.close()
        try await station.stop()
    }

    @Test("quiet completes a first transfer where no End-of-RIB is to be expected")
    func quiet() async throws {
        let (station, port) = try await Self.station(quietTime: .milliseconds(200))
        let peer = try await ScriptedPeer.dial(port: port)
        try await peer.establish()
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/8"]))
        let isComplete = try await eventually { try await station.status().isComplete }
        #expect(isComplete)
        #expect(station.liveness == [.live])
        #expect(try await station.status().endOfRIB == [])
        await peer.close()
        try await station.stop()
    }

    @Test("End-of-RIB of all families completes it, of one doesn't; stale routes are swept")
    func endOfRIB() async throws {
        let (station, peer) = try await Self.established()
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/8", "192.0.2.0/24"]))
        try await peer.send(.endOfRIB(.ipv4))
        let hasOne = try await eventually { try await station.status().endOfRIB == .ipv4 }
        #expect(hasOne)
        #expect(try await !station.status().isComplete)
        try await peer.send(.endOfRIB(.ipv6))
        let isComplete = try await eventually { try await station.status().isComplete }
        #expect(isComplete)
        await peer.close()
        try await station.expect(["*10.0.0.0/8 7", "*192.0.2.0/24 7"])
        let again = try await ScriptedPeer.dial(port: try #require(station.port))
        try await again.establish()
        try await again.send(try ScriptedPeer.announce(["192.0.2.0/24"]))
        try await station.expect(["*10.0.0.0/8 7", "192.0.2.0/24 7"])
        try await again.send(.endOfRIB(.ipv4))
        try await again.send(.endOfRIB(.ipv6))
        try await station.expect(["192.0.2.0/24 7"])
        await again.close()
        try await station.stop()
    }

    @Test("a first transfer that breaks off makes a feed neither stale nor, called again, live")
    func brokenFirstTransfer() async throws {
        let (station, peer) = try await Self.established()
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/8"]))
        try await station.expect(["10.0.0.0/8 7"])
        await peer.close()
        try await station.expect(["*10.0.0.0/8 7"])
        let again = try await ScriptedPeer.dial(port: try #require(station.port))
        try await again.establish()
        try await again.send(try ScriptedPeer.announce(["192.0.2.0/24"]))
        try await station.expect(["*10.0.0.0/8 7", "192.0.2.0/24 7"])
        #expect(station.liveness == [], "nothing has come whole yet")
        try await again.send(.endOfRIB(.ipv4))
        try await again.send(.endOfRIB(.ipv6))
        try await station.expect(["192.0.2.0/24 7"])
        #expect(station.liveness == [.live])
        await again.close()
        try await station.stop()
    }

    @Test("a table that is behind stops the reading, and nothing is lost")
    func backPressure() async throws {
        var limits = TableLimits()
        limits.queuedChanges = 64
        let (station, port) = try await Self.station(limits: limits)
        let peer = try await ScriptedPeer.dial(port: port)
        try await peer.establish()
        let gate = Gate()
        async let blocked: Void = station.owner.query { _ in gate.wait() }
        let sending = Task {
            for block in 0..<100 {
                try await peer.send(
                    try ScriptedPeer.announce((0..<250).map { "10.\(block).\($0).0/24" }))
            }
        }
        let isPaused = try await eventually { try await station.status().counters.pauses > 0 }
        #expect(isPaused)
        // What the peer goes on to send waits in the kernel, and `show` says so.
        let isUnread = try await eventually {
            try await station.status().queues?.unreadBytes ?? 0 > 0
        }
        #expect(isUnread)
        gate.open()
        try await blocked
        try await sending.value
        let isThere = try await eventually {
            try await station.owner.query { $0.counts().ipv4Prefixes } == 25_000
        }
        #expect(isThere)
        #expect(try await station.status().state == .established)
        #expect(try await station.status().queues?.unreadBytes == 0)
        await peer.close()
        try await station.stop()
    }

    @Test("a new configuration resets only what it must")
    func apply() async throws {
        let (station, peer) = try await Self.established()
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/8"]))
        try await station.expect(["10.0.0.0/8 7"])
        var settings = SpeakerSettings(listen: try Self.listen(), peers: [try Self.peer()])
        #expect(await station.speaker.apply(settings) == [])
        settings.peers[0].staleTime = .seconds(99)
        settings.peers[0].connectRetry = .seconds(2)
        #expect(await station.speaker.apply(settings) == [])
        #expect(try await station.status().state == .established)
        settings.peers[0].holdTime = 60
        #expect(
            await station.speaker.apply(settings)
                == ["feed scripted: session reset, its settings have changed"])
        #expect(
            try await peer.notification().description == "Cease/Other Configuration Change")
        try await station.expect(["*10.0.0.0/8 7"], "the neighbour is the same: they stay")
        settings.peers = []
        #expect(
            await station.speaker.apply(settings)
                == ["feed scripted: session ended, it is configured no more"])
        await station.owner.flush()
        #expect(try await station.routes() == [])
        try await station.stop()
    }

    @Test("listeners that can't be had are named; those taken away are closed")
    func listeners() async throws {
        let (station, port) = try await Self.station()
        let taken = ListenAddress(address: try IPAddress(parsing: "127.0.0.1"), port: port)
        let report = await station.speaker.apply(
            SpeakerSettings(listen: try Self.listen() + [taken], peers: [try Self.peer()]))
        #expect(
            report == [
                "can't listen for BGP on 127.0.0.1:\(port): Address already in use; it is tried "
                    + "again"
            ])
        _ = await station.speaker.apply(SpeakerSettings(listen: [], peers: [try Self.peer()]))
        await #expect(throws: (any Error).self) { try await ScriptedPeer.dial(port: port) }
        try await station.stop()
    }
}

/// Holds a thread until it is opened, for a bounded time.
private final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    func wait() { _ = self.semaphore.wait(timeout: .now() + 20) }
    func open() { self.semaphore.signal() }
}

/// Counts what is logged.
private struct LineCounter: LogHandler {
    final class Lines: Sendable {
        let messages = Mutex<[String]>([])
    }

    let lines = Lines()
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        self.lines.messages.withLock { $0.append("\(event.message)") }
    }

    func count(of message: String) -> Int {
        self.lines.messages.withLock { $0.count { $0 == message } }
    }
}
