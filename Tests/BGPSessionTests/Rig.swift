// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire

/// A machine that has been brought to a state, and what peers say to it.
struct Rig {
    var machine: SessionMachine

    static let settings = SessionSettings(
        localAS: 65000, peerAS: 65001, identifier: 10, holdTimeSeconds: 90)

    init(_ settings: SessionSettings = Rig.settings, seed: UInt64 = 1) {
        self.machine = SessionMachine(settings: settings, seed: seed)
    }

    /// An OPEN of the peer's, sound unless something is said otherwise.
    static func open(
        asNumber: ASNumber = 65001, holdTime: UInt16 = 30, identifier: UInt32 = 20,
        capabilities: [Capability] = [.multiprotocol(.ipv4), .multiprotocol(.ipv6), .routeRefresh]
    ) -> OpenMessage {
        OpenMessage(
            asNumber: asNumber, holdTimeSeconds: holdTime, identifier: identifier,
            capabilities: capabilities)
    }

    /// The states of RFC 4271 §8.2.2, each by the usual way, on the connection that we opened.
    static func at(
        _ state: SessionState, slot: ConnectionSlot = .outgoing,
        settings: SessionSettings = Rig.settings
    ) -> Rig {
        var rig = Rig(settings)
        guard state != .idle else { return rig }
        rig.take(.start)
        guard state != .connect else { return rig }
        if state == .active {
            rig.take(.connectFailed("refused"))
            return rig
        }
        switch slot {
        case .outgoing: rig.take(.connected)
        case .incoming:
            rig.take(.connectFailed("refused"))
            rig.take(.accepted)
        }
        guard state != .openSent else { return rig }
        rig.take(.received(slot, .open(Self.open())))
        guard state != .openConfirm else { return rig }
        rig.take(.received(slot, .keepalive))
        return rig
    }

    @discardableResult
    mutating func take(_ event: SessionEvent) -> [SessionAction] { self.machine.handle(event) }

    var state: SessionState { self.machine.state }
}

extension [SessionAction] {
    /// The NOTIFICATIONs that are sent.
    var notifications: [Notification] {
        self.compactMap { action in
            switch action {
            case .send(_, .notification(let notification)): notification
            case .refuse(let notification): notification
            default: nil
            }
        }
    }

    var opens: [ConnectionSlot] {
        self.compactMap { if case .send(let slot, .open) = $0 { slot } else { nil } }
    }

    func duration(of timer: SessionTimer) -> Duration? {
        for case .startTimer(timer, let duration) in self { return duration }
        return nil
    }

    func stops(_ timer: SessionTimer) -> Bool { self.contains(.stopTimer(timer)) }

    var end: SessionEnd? {
        for action in self {
            switch action {
            case .down(let end), .failed(let end): return end
            default: continue
            }
        }
        return nil
    }

    var isDown: Bool { self.contains { if case .down = $0 { true } else { false } } }
}
