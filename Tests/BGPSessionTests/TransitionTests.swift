// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Testing

/// RFC 4271 §8.2.2 as a table: for each event, the state after it from each of the six.
struct Transition: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var event: SessionEvent
    /// From Idle, Connect, Active, OpenSent, OpenConfirm, Established.
    var states: [SessionState]
    /// The NOTIFICATION that goes out from each, if any.
    var notifications: [Notification?]

    init(
        _ name: String, _ event: SessionEvent, _ states: [SessionState],
        _ notifications: [Notification?] = Array(repeating: nil, count: 6)
    ) {
        self.testDescription = name
        self.event = event
        self.states = states
        self.notifications = notifications
    }

    static let unchanged = SessionState.allCases
    static let stop = Notification.cease(.administrativeShutdown, message: "bye")
    static let malformed = Notification.update(.malformedAttributeList)

    static let all: [Transition] = [
        .init(
            "ManualStart", .start,
            [.connect, .connect, .active, .openSent, .openConfirm, .established]),
        .init(
            "ManualStop", .stop(stop), Array(repeating: .idle, count: 6),
            [nil, nil, nil, stop, stop, stop]),
        .init(
            "ConnectRetryTimer_Expires", .expired(.connectRetry),
            [.idle, .connect, .connect, .openSent, .openConfirm, .established]),
        .init(
            "HoldTimer_Expires", .expired(.hold(.outgoing)),
            [.idle, .connect, .active, .idle, .idle, .idle],
            [nil, nil, nil, .holdTimerExpired, .holdTimerExpired, .holdTimerExpired]),
        .init("KeepaliveTimer_Expires", .expired(.keepalive(.outgoing)), unchanged),
        .init("IdleHoldTimer_Expires", .expired(.idleHold), unchanged),
        .init("the session has lasted", .expired(.stability), unchanged),
        .init("SendHoldTimer_Expires, nothing unsent", .expired(.sendHold(.outgoing)), unchanged),
        .init(
            "Tcp_CR_Acked", .connected,
            [.idle, .openSent, .active, .openSent, .openConfirm, .established]),
        .init(
            "TcpConnectionConfirmed", .accepted,
            [.idle, .openSent, .openSent, .openSent, .openConfirm, .established],
            [
                .cease(.connectionRejected), nil, nil, nil, nil, .cease(.collisionResolution),
            ]),
        .init(
            "TcpConnectionFails, dialling", .connectFailed("refused"),
            [.idle, .active, .active, .openSent, .openConfirm, .established]),
        .init(
            "TcpConnectionFails", .closed(.outgoing, nil),
            [.idle, .connect, .active, .active, .active, .active]),
        .init(
            "BGPOpen", .received(.outgoing, .open(Rig.open())),
            [.idle, .connect, .active, .openConfirm, .idle, .idle],
            [
                nil, nil, nil, nil, .state(.inOpenConfirm, on: .open),
                .state(.inEstablished, on: .open),
            ]),
        .init(
            "KeepAliveMsg", .received(.outgoing, .keepalive),
            [.idle, .connect, .active, .idle, .established, .established],
            [nil, nil, nil, .state(.inOpenSent, on: .keepalive), nil, nil]),
        .init(
            "UpdateMsg", .received(.outgoing, .update),
            [.idle, .connect, .active, .idle, .idle, .established],
            [
                nil, nil, nil, .state(.inOpenSent, on: .update),
                .state(.inOpenConfirm, on: .update), nil,
            ]),
        .init(
            "ROUTE-REFRESH", .received(.outgoing, .routeRefresh(RouteRefreshMessage(.ipv4))),
            [.idle, .connect, .active, .idle, .idle, .established],
            [
                nil, nil, nil, .state(.inOpenSent, on: .routeRefresh),
                .state(.inOpenConfirm, on: .routeRefresh), nil,
            ]),
        .init(
            "NotifMsg", .received(.outgoing, .notification(.cease(.administrativeReset))),
            [.idle, .connect, .active, .active, .active, .active]),
        .init(
            "BGPHeaderErr, BGPOpenMsgErr, UpdateMsgErr", .malformed(.outgoing, malformed),
            [.idle, .connect, .active, .idle, .idle, .idle],
            [nil, nil, nil, malformed, malformed, malformed]),
        .init(
            "AutomaticStop, for good", .suspend(stop, restartAfter: nil),
            Array(repeating: .idle, count: 6), [nil, nil, nil, stop, stop, stop]),
        .init(
            "AutomaticStop, for a while", .suspend(stop, restartAfter: .seconds(9)),
            Array(repeating: .idle, count: 6), [nil, nil, nil, stop, stop, stop]),
        .init("DelayOpenTimer_Expires", .expired(.delayOpen(.outgoing)), unchanged),
        .init(
            "BGPOpen with an error", .received(.outgoing, .open(Rig.open(asNumber: 1))),
            [.idle, .connect, .active, .idle, .idle, .idle],
            [
                nil, nil, nil, .open(.badPeerAS), .state(.inOpenConfirm, on: .open),
                .state(.inEstablished, on: .open),
            ]),
        // We have no other version to offer: an end like any other.
        .init(
            "NotifMsgVerErr",
            .received(.outgoing, .notification(.open(.unsupportedVersion, data: [0, 3]))),
            [.idle, .connect, .active, .active, .active, .active]),
        .init(
            "OpenCollisionDump, by the peer",
            .received(.outgoing, .notification(.cease(.collisionResolution))),
            [.idle, .connect, .active, .active, .active, .active]),
        .init("a refresh is wanted", .requestRefresh(.both), unchanged),
        .init("a refresh is overdue", .expired(.refresh(.ipv4)), unchanged),
        .init("all sent has left", .flushed(.outgoing), unchanged),
        // The other connection isn't there: what is said of it is past.
        .init("a message of no connection", .received(.incoming, .keepalive), unchanged),
        .init("the end of no connection", .closed(.incoming, nil), unchanged),
        .init("a hold timer of no connection", .expired(.hold(.incoming)), unchanged),
        .init("nonsense on no connection", .malformed(.incoming, malformed), unchanged),
    ]
}

@Suite("States and events")
struct TransitionTests {
    @Test("every event in every state", arguments: Transition.all)
    func transition(example: Transition) {
        for (index, state) in SessionState.allCases.enumerated() {
            var rig = Rig.at(state)
            #expect(rig.state == state)
            let actions = rig.take(example.event)
            #expect(rig.state == example.states[index], "from \(state.rawValue)")
            #expect(
                actions.notifications == [example.notifications[index]].compactMap { $0 },
                "from \(state.rawValue)")
        }
    }

    @Test("leaving Established says so, once, and why")
    func down() {
        let ends: [(SessionEvent, SessionEnd)] = [
            (.stop(Transition.stop), .stopped(Transition.stop)),
            (.closed(.outgoing, "reset"), .connectionLost("reset")),
            (.expired(.hold(.outgoing)), .sent(.holdTimerExpired)),
            (.malformed(.outgoing, Transition.malformed), .sent(Transition.malformed)),
            (
                .received(.outgoing, .notification(.cease(.hardReset))),
                .received(.cease(.hardReset))
            ),
        ]
        for (event, end) in ends {
            var rig = Rig.at(.established)
            let actions = rig.take(event)
            #expect(actions.filter { $0 == .down(end) }.count == 1)
            #expect(actions.stops(.hold(.outgoing)))
            #expect(actions.stops(.keepalive(.outgoing)))
            #expect(actions.stops(.stability))
        }
    }

    @Test("a peer's NOTIFICATION is never answered")
    func noAnswer() {
        for state in SessionState.allCases {
            var rig = Rig.at(state)
            let actions = rig.take(.received(.outgoing, .notification(.holdTimerExpired)))
            #expect(actions.notifications.isEmpty)
        }
    }

    @Test("the passive side waits, the active one refuses callers")
    func modes() {
        var settings = Rig.settings
        settings.connect = .passive
        var passive = Rig(settings)
        #expect(passive.take(.start).isEmpty)
        #expect(passive.state == .active)
        #expect(passive.take(.accepted).opens == [.incoming])
        settings.connect = .active
        var active = Rig(settings)
        #expect(active.take(.start).contains(.dial))
        #expect(active.take(.accepted) == [.refuse(.cease(.connectionRejected))])
    }

    @Test("after an error that we found, callers are refused until the wait is over")
    func idleHold() {
        var rig = Rig.at(.established)
        let actions = rig.take(.malformed(.outgoing, Transition.malformed))
        #expect(actions.duration(of: .idleHold) != nil)
        #expect(rig.state == .idle)
        let refused = rig.take(.accepted)
        #expect(refused == [.refuse(.cease(.connectionRejected))])
        let restarted = rig.take(.expired(.idleHold))
        #expect(restarted.contains(.dial))
        #expect(rig.state == .connect)
    }

    @Test("after an end that the peer made, it is let in at once")
    func comesBack() {
        var rig = Rig.at(.established)
        let actions = rig.take(.closed(.outgoing, nil))
        #expect(actions.duration(of: .connectRetry) != nil)
        let adopted = rig.take(.accepted)
        #expect(adopted.opens == [.incoming])
    }
}

@Suite("OPEN on a session")
struct OpenTests {
    @Test("what both said is negotiated")
    func negotiation() throws {
        var rig = Rig.at(.openSent)
        let actions = rig.take(
            .received(
                .outgoing, .open(Rig.open(holdTime: 30, capabilities: [.multiprotocol(.ipv6)]))))
        #expect(actions.contains(.send(.outgoing, .keepalive)))
        #expect(actions.duration(of: .hold(.outgoing)) == .seconds(30))
        let keepalive = try #require(actions.duration(of: .keepalive(.outgoing)))
        #expect(keepalive >= .seconds(7.5) && keepalive <= .seconds(10))
        let established = rig.take(.received(.outgoing, .keepalive))
        let negotiation = try #require(rig.machine.negotiation)
        #expect(established.contains(.established(.outgoing, negotiation)))
        #expect(negotiation.context.families == .ipv6)
        #expect(negotiation.context.fourOctetAS)
        #expect(!negotiation.context.isInternal)
        #expect(negotiation.context.addPath == [], "we never asked for it")
        #expect(!negotiation.canRefresh)
        #expect(negotiation.peerIdentifier == 20)
    }

    @Test("a hold time of zero: no limit to silence, no keepalives")
    func noHoldTime() {
        var rig = Rig.at(.openSent)
        let open = rig.take(.received(.outgoing, .open(Rig.open(holdTime: 0))))
        #expect(open.stops(.hold(.outgoing)))
        #expect(open.duration(of: .keepalive(.outgoing)) == nil)
        let established = rig.take(.received(.outgoing, .keepalive))
        #expect(established.duration(of: .hold(.outgoing)) == nil)
        #expect(rig.state == .established)
    }

    @Test("a peer without capabilities speaks IPv4 with two octets")
    func plainPeer() throws {
        var plain = Rig.open()
        plain.capabilities = Capabilities()
        plain.twoOctetAS = 65001
        var rig = Rig.at(.openSent)
        rig.take(.received(.outgoing, .open(plain)))
        let negotiation = rig.machineNegotiationAfterKeepalive()
        let context = try #require(negotiation).context
        #expect(context.families == .ipv4)
        #expect(!context.fourOctetAS)
    }

    @Test("the wrong AS, and identifiers that can't be (RFC 6286, RFC 7607)")
    func refused() {
        var internalPeer = Rig.settings
        internalPeer.peerAS = internalPeer.localAS
        let cases: [(SessionSettings, OpenMessage, Notification?)] = [
            (Rig.settings, Rig.open(asNumber: 65002), .open(.badPeerAS)),
            (Rig.settings, Rig.open(asNumber: 0), .open(.badPeerAS)),
            (Rig.settings, Rig.open(identifier: 0), .open(.badIdentifier)),
            (Rig.settings, Rig.open(identifier: 10), nil),
            (internalPeer, Rig.open(asNumber: 65000, identifier: 10), .open(.badIdentifier)),
            (internalPeer, Rig.open(asNumber: 65000, identifier: 11), nil),
        ]
        for (settings, open, notification) in cases {
            var rig = Rig.at(.openSent, settings: settings)
            let actions = rig.take(.received(.outgoing, .open(open)))
            #expect(actions.notifications == [notification].compactMap { $0 })
            #expect(rig.state == (notification == nil ? .openConfirm : .idle))
        }
    }

    @Test("End-of-RIB goes out only where graceful restart asks for it (RFC 4724)")
    func endOfRIB() {
        func sent(_ capabilities: [Capability]) -> [OutgoingMessage] {
            var rig = Rig.at(.openSent)
            rig.take(.received(.outgoing, .open(Rig.open(capabilities: capabilities))))
            return rig.take(.received(.outgoing, .keepalive)).compactMap {
                if case .send(_, let message) = $0 { message } else { nil }
            }
        }
        #expect(sent([.multiprotocol(.ipv4), .multiprotocol(.ipv6)]).isEmpty)
        #expect(
            sent([.multiprotocol(.ipv6), Capability(.gracefulRestart, [0, 120])])
                == [.endOfRIB(.ipv6)])
    }

    @Test("graceful restart is agreed where the peer names families")
    func gracefulRestart() throws {
        var rig = Rig.at(.openSent)
        rig.take(
            .received(
                .outgoing,
                .open(
                    Rig.open(capabilities: [
                        .multiprotocol(.ipv4),
                        Capability(.gracefulRestart, [0x00, 120, 0, 1, 1, 0]),
                    ]))))
        let agreed = rig.machineNegotiationAfterKeepalive()
        let negotiation = try #require(agreed)
        #expect(negotiation.gracefulRestart?.restartSeconds == 120)
        #expect(negotiation.exchangesEndOfRIB)
    }

    @Test("what needs no new OPEN is adjusted, the rest isn't")
    func adjust() {
        var rig = Rig.at(.established)
        var settings = Rig.settings
        settings.retry = .seconds(1)
        settings.connect = .passive
        let actions = rig.machine.adjust(to: settings)
        #expect(actions == [])
        #expect(rig.machine.settings == settings)
        settings.holdTimeSeconds = 30
        let more = rig.machine.adjust(to: settings)
        #expect(more == nil)
        #expect(rig.machine.settings.holdTimeSeconds == 90)
    }

    @Test("who is to dial from now does so at once, who isn't stops")
    func adjustMode() {
        var settings = Rig.settings
        settings.connect = .passive
        var rig = Rig(settings)
        rig.take(.start)
        settings.connect = .both
        let dialling = rig.machine.adjust(to: settings)
        #expect(dialling?.contains(.dial) == true)
        #expect(rig.state == .connect)
        settings.connect = .passive
        var called = rig
        let waiting = rig.machine.adjust(to: settings)
        #expect(waiting?.contains(.abandonDial) == true)
        #expect(rig.state == .active)
        // A dial ends although a caller is there; else nothing would ever give it up.
        called.take(.accepted)
        let besides = called.machine.adjust(to: settings)
        #expect(besides?.contains(.abandonDial) == true)
        #expect(called.state == .openSent)
    }
}

extension Rig {
    mutating func machineNegotiationAfterKeepalive() -> Negotiation? {
        self.take(.received(.outgoing, .keepalive))
        return self.machine.negotiation
    }
}
