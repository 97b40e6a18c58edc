// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire

/// How connections end, and what comes after.
extension SessionMachine {
    /// ManualStop: to Idle, until the next start.
    mutating func stop(_ notification: Notification) {
        self.halt(notification, as: .stopped(notification))
    }

    private mutating func halt(_ notification: Notification, as end: SessionEnd) {
        guard self.isStarted else { return }
        self.isStarted = false
        let wasHeld = self.isHeld
        self.isHeld = false
        if self.isDialling {
            self.isDialling = false
            self.actions.append(.abandonDial)
        }
        let wasEstablished = self.establishedSlot != nil
        for slot in ConnectionSlot.allCases {
            guard let connection = self.connections[slot] else { continue }
            // What we don't come back from must not look like a restart (RFC 8538 §3).
            let isHard =
                connection.negotiation?.survivesNotifications == true && notification.isFinal
            self.actions.append(
                .send(slot, .notification(isHard ? notification.hardened : notification)))
            self.actions.append(.close(slot))
            self.forget(slot)
        }
        self.omitsCapabilities = false
        self.actions.append(.stopTimer(.connectRetry))
        if wasHeld { self.actions.append(.stopTimer(.idleHold)) }
        if wasEstablished { self.actions.append(.down(end)) }
    }

    /// AutomaticStop: to Idle, for a while or until the next start.
    mutating func suspend(_ notification: Notification, _ wait: Duration?) {
        guard self.isStarted else { return }
        self.halt(notification, as: .sent(notification))
        guard let wait else { return }
        self.isStarted = true
        self.isHeld = true
        self.actions.append(.startTimer(.idleHold, wait))
    }

    /// Sends a NOTIFICATION for an error of the peer's, and ends the connection.
    mutating func fail(_ slot: ConnectionSlot, _ notification: Notification) {
        guard self.connections[slot] != nil else { return }
        self.actions.append(.send(slot, .notification(notification)))
        self.actions.append(.close(slot))
        self.end(slot, .sent(notification))
    }

    /// Closes a connection that lost a collision: that is no failure.
    mutating func drop(_ slot: ConnectionSlot) {
        self.actions.append(.send(slot, .notification(.cease(.collisionResolution))))
        self.actions.append(.close(slot))
        self.forget(slot)
    }

    /// The peer has restarted, and knows nothing of the connection any more: nothing is said on
    /// it (RFC 4724 §4.2).
    mutating func replace(_ slot: ConnectionSlot) {
        self.actions.append(.close(slot))
        self.forget(slot)
        self.actions.append(.down(.replaced))
    }

    private mutating func forget(_ slot: ConnectionSlot) {
        guard let connection = self.connections.removeValue(forKey: slot) else { return }
        if connection.phase == .delayed { self.actions.append(.stopTimer(.delayOpen(slot))) }
        self.actions.append(.stopTimer(.hold(slot)))
        if connection.negotiation != nil { self.actions.append(.stopTimer(.keepalive(slot))) }
        if connection.isSending { self.actions.append(.stopTimer(.sendHold(slot))) }
        guard connection.phase == .established else { return }
        self.actions.append(.stopTimer(.stability))
        for family in self.refreshing.families {
            self.actions.append(.stopTimer(.refresh(family)))
        }
        self.refreshing = []
    }

    /// A connection is over: what comes next depends on whose error it was.
    mutating func end(_ slot: ConnectionSlot, _ end: SessionEnd) {
        guard let connection = self.connections[slot] else { return }
        self.forget(slot)
        let isElsewhere = !self.connections.isEmpty
        if connection.phase == .established {
            self.actions.append(.down(end))
        } else if self.establishedSlot == nil,
            !isElsewhere || end != .received(.cease(.collisionResolution))
        {
            self.actions.append(.failed(end))
        }
        guard !isElsewhere else { return }
        if case .sent = end, self.settings.dampPeerOscillations {
            if self.isDialling {
                self.isDialling = false
                self.actions.append(.abandonDial)
            }
            self.isHeld = true
            self.actions.append(.stopTimer(.connectRetry))
            self.actions.append(.startTimer(.idleHold, self.backOff()))
        } else if !self.isDialling, self.settings.connect.dials {
            self.actions.append(.startTimer(.connectRetry, self.backOff()))
        }
    }
}

extension Notification {
    /// Whether the session is not meant to come back soon.
    fileprivate var isFinal: Bool {
        self.code == .cease
            && (self.subcode == CeaseSubcode.administrativeShutdown.rawValue
                || self.subcode == CeaseSubcode.peerDeconfigured.rawValue)
    }
}
