// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire

/// RFC 4271's state machine for one peering: events in, actions out, no sockets and no clock.
///
/// A peering may have two connections for a while, one that we opened and one that the peer
/// did; each has its own OpenSent, OpenConfirm and Established, and ``state`` is the furthest of
/// them. Every event is defined in every state, and no sequence of events stops it: what doesn't
/// apply is ignored.
///
/// It departs from the RFC in three points. A try to connect that fails leads to Active, with a
/// wait that doubles, rather than to Idle. A session that the peer ended starts again at once
/// (the RFC's Idle and AutomaticStart in one step), so that a peer that comes back is let in;
/// only after errors that we found ourselves do we refuse connections for a while. And a second
/// connection of the peer's replaces its first as long as that has said nothing.
public struct SessionMachine: Sendable {
    enum Phase: Sendable, Hashable {
        /// DelayOpen: our OPEN waits for the peer's.
        case delayed
        case openSent, openConfirm, established
    }

    struct Connection: Sendable, Hashable {
        var phase = Phase.delayed
        /// Our OPEN, once it is out.
        var sent: OpenMessage?
        /// Once the peer's has come.
        var negotiation: Negotiation?
        /// Something was sent that has not left yet (RFC 9687).
        var isSending = false
    }

    public internal(set) var settings: SessionSettings
    var isStarted = false
    var isHeld = false
    var isDialling = false
    /// The peer refuses optional parameters: the next OPEN has none (RFC 5492 §3).
    var omitsCapabilities = false
    /// Tries since the last session that lasted.
    var failures = 0
    var connections: [ConnectionSlot: Connection] = [:]
    /// Families whose refresh has begun and not ended, of the established session.
    var refreshing: FamilySet = []
    var jitter: Jitter
    var actions: [SessionAction] = []

    /// RFC 4271 §8.2.2 suggests four minutes for a peer to say who it is.
    public static let openHoldTime = Duration.seconds(240)
    /// How long a session lasts before its end counts as the first failure.
    public static let stableTime = Duration.seconds(60)

    public init(settings: SessionSettings, seed: UInt64) {
        self.settings = settings
        self.jitter = Jitter(seed: seed)
    }

    public var state: SessionState {
        let phases = self.connections.values.map(\.phase)
        if phases.contains(.established) { return .established }
        if phases.contains(.openConfirm) { return .openConfirm }
        if phases.contains(.openSent) { return .openSent }
        // While OPEN is delayed, RFC 4271 §8.2.2 stays where the connection came about.
        if self.isDialling || self.connections[.outgoing] != nil { return .connect }
        return self.isStarted && !self.isHeld ? .active : .idle
    }

    /// Takes settings that a session needn't end for: how we connect, and how long we wait.
    ///
    /// - Returns: What is to be done, in order; nil, and nothing is changed, where what we say in
    ///   OPEN is another.
    public mutating func adjust(to settings: SessionSettings) -> [SessionAction]? {
        guard settings.canContinue(from: self.settings) else { return nil }
        self.settings = settings
        self.connectAsSet()
        defer { self.actions.removeAll(keepingCapacity: false) }
        return self.actions
    }

    /// What the established session may do.
    public var negotiation: Negotiation? {
        self.establishedSlot.flatMap { self.connections[$0]?.negotiation }
    }

    public var establishedSlot: ConnectionSlot? {
        ConnectionSlot.allCases.first { self.connections[$0]?.phase == .established }
    }

    /// Takes one event.
    ///
    /// - Returns: What is to be done, in order.
    public mutating func handle(_ event: SessionEvent) -> [SessionAction] {
        switch event {
        case .start: self.start()
        case .stop(let notification): self.stop(notification)
        case .suspend(let notification, let wait): self.suspend(notification, wait)
        case .connected: self.connected()
        case .connectFailed(let reason): self.connectFailed(reason)
        case .accepted: self.accepted()
        case .closed(let slot, let reason): self.end(slot, .connectionLost(reason))
        case .received(let slot, let message): self.received(message, on: slot)
        case .malformed(let slot, let notification): self.fail(slot, notification)
        case .expired(let timer): self.expired(timer)
        case .flushed(let slot):
            if self.connections[slot]?.isSending == true {
                self.connections[slot]?.isSending = false
                self.actions.append(.stopTimer(.sendHold(slot)))
            }
        case .requestRefresh(let families): self.requestRefresh(families)
        }
        defer { self.actions.removeAll(keepingCapacity: false) }
        return self.actions
    }

    private mutating func expired(_ timer: SessionTimer) {
        switch timer {
        case .connectRetry: self.connectRetryExpired()
        case .idleHold:
            guard self.isStarted, self.isHeld else { return }
            self.begin()
        case .stability: if self.establishedSlot != nil { self.failures = 0 }
        case .hold(let slot): self.fail(slot, .holdTimerExpired)
        case .keepalive(let slot):
            guard self.connections[slot]?.negotiation != nil else { return }
            self.send(.keepalive, on: slot)
            self.startKeepalive(slot)
        case .sendHold(let slot):
            guard self.connections[slot]?.isSending == true else { return }
            self.fail(slot, Notification(.sendHoldTimerExpired))
        case .delayOpen(let slot):
            guard self.connections[slot]?.phase == .delayed else { return }
            self.sendOpen(slot)
        case .refresh(let family): self.refreshEnded(family, isOverdue: true)
        }
    }

    mutating func send(_ message: OutgoingMessage, on slot: ConnectionSlot) {
        self.actions.append(.send(slot, message))
        guard let connection = self.connections[slot], !connection.isSending,
            connection.phase == .established,
            let hold = connection.negotiation?.holdTimeSeconds, hold > 0
        else { return }
        self.connections[slot]?.isSending = true
        // RFC 9687 §4.3 and §6.
        self.actions.append(.startTimer(.sendHold(slot), .seconds(max(480, 2 * hold))))
    }

    mutating func restartHold(_ slot: ConnectionSlot) {
        let seconds = self.connections[slot]?.negotiation?.holdTimeSeconds ?? 0
        self.actions.append(
            seconds == 0
                ? .stopTimer(.hold(slot)) : .startTimer(.hold(slot), .seconds(seconds)))
    }

    mutating func startKeepalive(_ slot: ConnectionSlot) {
        guard let interval = self.connections[slot]?.negotiation?.keepaliveInterval else { return }
        self.actions.append(
            .startTimer(.keepalive(slot), self.jitter.applied(to: interval)))
    }
}
