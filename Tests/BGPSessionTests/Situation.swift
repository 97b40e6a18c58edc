// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Testing

/// A state, and the way there: on the connection that we opened or on the peer's, with OPEN
/// delayed, held after an error.
struct Situation: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var state: SessionState
    var settings: SessionSettings
    var events: [SessionEvent]

    static let capabilities: [Capability] = [
        .multiprotocol(.ipv4), .multiprotocol(.ipv6), .routeRefresh, .enhancedRouteRefresh,
        Capability(.gracefulRestart, [0x40, 120, 0, 1, 1, 0x80]),
    ]
    static let open = SessionEvent.received(
        .outgoing, .open(Rig.open(capabilities: Self.capabilities)))

    init(
        _ name: String, _ state: SessionState, _ events: [SessionEvent],
        _ change: (inout SessionSettings) -> Void = { _ in }
    ) {
        self.testDescription = name
        self.state = state
        self.events = events
        self.settings = Rig.settings
        change(&self.settings)
    }

    /// Each state by each way.
    static let all: [Situation] =
        [
            .init("Idle", .idle, []),
            .init("Idle, stopped", .idle, [.start, .stop(.cease(.administrativeShutdown))]),
            .init(
                "Idle, held", .idle,
                [.start, .connected, .malformed(.outgoing, .open(.badPeerAS))]),
            .init(
                "Idle, suspended", .idle,
                [.start, .suspend(.cease(.maximumPrefixes), restartAfter: .seconds(60))]),
            .init("Connect", .connect, [.start]),
            .init("Connect, OPEN delayed", .connect, [.start, .connected]) {
                $0.delayOpen = .seconds(5)
            },
            .init("Active", .active, [.start, .connectFailed("refused")]),
            .init("Active, passive", .active, [.start]) { $0.connect = .passive },
            .init("Active, OPEN delayed", .active, [.start, .accepted]) {
                $0.connect = .passive
                $0.delayOpen = .seconds(5)
            },
        ] + ConnectionSlot.allCases.flatMap { Self.further(on: $0) } + [
            .init(
                "OpenSent, twice", .openSent, [.start, .connected, .accepted]),
            .init(
                "OpenConfirm, and OpenSent", .openConfirm,
                [.start, .connected, .accepted, Self.open]),
            .init(
                "Established, refreshing", .established,
                [
                    .start, .connected, Self.open, .received(.outgoing, .keepalive),
                    .received(
                        .outgoing, .routeRefresh(RouteRefreshMessage(.ipv4, subtype: .beginning))),
                ]),
            .init(
                "Established, and the peer calls again", .established,
                [
                    .start, .connected, Self.open, .received(.outgoing, .keepalive), .accepted,
                ]),
        ]

    private static func further(on slot: ConnectionSlot) -> [Situation] {
        let begin: [SessionEvent] =
            slot == .outgoing
            ? [.start, .connected] : [.start, .connectFailed("refused"), .accepted]
        let open = SessionEvent.received(slot, .open(Rig.open(capabilities: Self.capabilities)))
        let name = slot == .outgoing ? "ours" : "the peer's"
        return [
            .init("OpenSent, \(name)", .openSent, begin),
            .init("OpenConfirm, \(name)", .openConfirm, begin + [open]),
            .init(
                "Established, \(name)", .established,
                begin + [open, .received(slot, .keepalive)]),
        ]
    }

    /// The books of a machine that has been brought there.
    var audit: SessionAudit {
        var audit = SessionAudit(self.settings, seed: 1)
        for event in self.events { audit.take(event) }
        return audit
    }
}

extension SessionEvent {
    /// Every kind of event, with every timer, on both connections, and messages good and bad.
    static let samples: [SessionEvent] =
        [
            .start, .stop(.cease(.administrativeShutdown, message: "bye")),
            .suspend(.maximumPrefixes(.ipv4, bound: 10), restartAfter: nil),
            .suspend(.maximumPrefixes(.ipv4, bound: 10), restartAfter: .seconds(30)),
            .connected, .connectFailed("refused"), .accepted,
            .expired(.connectRetry), .expired(.idleHold), .expired(.stability),
            .expired(.refresh(.ipv4)), .expired(.refresh(.ipv6)), .requestRefresh(.both),
        ]
        + ConnectionSlot.allCases.flatMap { slot -> [SessionEvent] in
            [
                .closed(slot, nil), .closed(slot, "connection reset"), .flushed(slot),
                .malformed(slot, .header(.notSynchronized)),
                .malformed(slot, .open(.unsupportedVersion, data: [0, 4])),
                .malformed(slot, .update(.malformedAttributeList)),
                .expired(.hold(slot)), .expired(.keepalive(slot)), .expired(.sendHold(slot)),
                .expired(.delayOpen(slot)),
            ] + ReceivedMessage.samples.map { .received(slot, $0) }
        }

    /// The kind, and the event's number in RFC 4271 §8.1, RFC 9687 §4.2, if it has one.
    var kind: String {
        switch self {
        case .start: "start (1, 3 to 7)"
        case .stop: "stop (2)"
        case .suspend: "suspend (8)"
        case .connected: "connected (16)"
        case .connectFailed: "connectFailed (18)"
        case .accepted: "accepted (17)"
        case .closed: "closed (18)"
        case .received(_, .open): "open (19, 20, 23)"
        case .received(_, .update): "update (27)"
        case .received(_, .keepalive): "keepalive (26)"
        case .received(_, .notification): "notification (24, 25)"
        case .received(_, .routeRefresh): "routeRefresh"
        case .malformed: "malformed (21, 22, 28)"
        case .expired(.connectRetry): "connectRetry (9)"
        case .expired(.hold): "hold (10)"
        case .expired(.keepalive): "keepalive (11)"
        case .expired(.delayOpen): "delayOpen (12)"
        case .expired(.idleHold): "idleHold (13)"
        case .expired(.sendHold): "sendHold (29)"
        case .expired(.stability): "stability"
        case .expired(.refresh): "refresh"
        case .flushed: "flushed"
        case .requestRefresh: "requestRefresh"
        }
    }
}

extension ReceivedMessage {
    static let samples: [ReceivedMessage] = [
        .open(Rig.open()), .open(Rig.open(capabilities: Situation.capabilities)),
        .open(Rig.open(asNumber: 65002)), .open(Rig.open(identifier: 0)),
        .open(Rig.open(capabilities: [Capability(.multiprotocol, [0, 1, 0, 128])])),
        .update, .keepalive, .notification(.cease(.administrativeReset)),
        .notification(.cease(.collisionResolution)),
        .notification(.open(.unsupportedVersion, data: [0, 3])),
        .notification(.open(.unsupportedParameter)),
        .routeRefresh(RouteRefreshMessage(.ipv4)),
        .routeRefresh(RouteRefreshMessage(.ipv4, subtype: .beginning)),
        .routeRefresh(RouteRefreshMessage(.ipv4, subtype: .end)),
    ]
}
