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
    enum Phase: Sendable, Hashable { case openSent, openConfirm, established }

    struct Connection: Sendable, Hashable {
        var phase = Phase.openSent
        var negotiation: Negotiation?
        /// Something was sent that has not left yet (RFC 9687).
        var isSending = false
    }

    public private(set) var settings: SessionSettings
    private(set) var isStarted = false
    private(set) var isHeld = false
    private(set) var isDialling = false
    /// Tries since the last session that lasted.
    private(set) var failures = 0
    private var connections: [ConnectionSlot: Connection] = [:]
    private var jitter: Jitter
    private var actions: [SessionAction] = []

    /// RFC 4271 §8.2.2 suggests four minutes for a peer to say who it is.
    public static let openHoldTime = Duration.seconds(240)
    /// How long a session lasts before its end counts as the first failure.
    public static let stableTime = Duration.seconds(60)

    public init(settings: SessionSettings, seed: UInt64) {
        self.settings = settings
        self.jitter = Jitter(seed: seed)
    }

    public var state: SessionState {
        switch self.furthest {
        case .established: .established
        case .openConfirm: .openConfirm
        case .openSent: .openSent
        case nil: self.isDialling ? .connect : self.isStarted && !self.isHeld ? .active : .idle
        }
    }

    /// Takes settings that a session needn't end for: how we connect, and how long we wait.
    ///
    /// - Returns: False, and nothing is changed, where what we say in OPEN is another.
    public mutating func adjust(to settings: SessionSettings) -> Bool {
        guard settings.open == self.settings.open, settings.peerAS == self.settings.peerAS else {
            return false
        }
        self.settings = settings
        return true
    }

    /// What the established session may do.
    public var negotiation: Negotiation? {
        self.establishedSlot.flatMap { self.connections[$0]?.negotiation }
    }

    public var establishedSlot: ConnectionSlot? {
        ConnectionSlot.allCases.first { self.connections[$0]?.phase == .established }
    }

    private var furthest: Phase? {
        let phases = self.connections.values.map(\.phase)
        return phases.contains(.established)
            ? .established
            : phases.contains(.openConfirm)
                ? .openConfirm : phases.isEmpty ? nil : .openSent
    }

    /// Takes one event.
    ///
    /// - Returns: What is to be done, in order.
    public mutating func handle(_ event: SessionEvent) -> [SessionAction] {
        switch event {
        case .start: self.start()
        case .stop(let notification): self.stop(notification)
        case .connected: self.connected()
        case .connectFailed(let reason): self.connectFailed(reason)
        case .accepted: self.accepted()
        case .closed(let slot, let reason):
            self.end(slot, .connectionLost(reason))
        case .received(let slot, let message): self.received(message, on: slot)
        case .malformed(let slot, let notification): self.fail(slot, notification)
        case .expired(let timer): self.expired(timer)
        case .flushed(let slot):
            if self.connections[slot]?.isSending == true {
                self.connections[slot]?.isSending = false
                self.actions.append(.stopTimer(.sendHold(slot)))
            }
        }
        defer { self.actions.removeAll(keepingCapacity: false) }
        return self.actions
    }

    // MARK: Beginning

    private mutating func start() {
        guard !self.isStarted else { return }
        self.isStarted = true
        self.failures = 0
        self.begin()
    }

    /// Out of Idle: to Connect where we dial, else to Active.
    private mutating func begin() {
        self.isHeld = false
        if self.settings.connect.dials { self.dial() }
    }

    private mutating func dial() {
        self.isDialling = true
        self.actions.append(.dial)
        self.actions.append(
            .startTimer(
                .connectRetry, self.jitter.applied(to: self.settings.maximumRetry)))
    }

    /// The wait before the next try: it doubles with each failure, up to the bound.
    private mutating func backOff() -> Duration {
        var wait = self.settings.retry
        for _ in 0..<min(self.failures, 16) where wait < self.settings.maximumRetry { wait *= 2 }
        self.failures += 1
        return self.jitter.applied(to: min(wait, self.settings.maximumRetry))
    }

    private mutating func connected() {
        guard self.isDialling else {
            // It was abandoned, but came about.
            if self.connections[.outgoing] == nil { self.actions.append(.close(.outgoing)) }
            return
        }
        self.isDialling = false
        self.actions.append(.stopTimer(.connectRetry))
        self.introduce(.outgoing)
    }

    private mutating func connectFailed(_ reason: String) {
        guard self.isDialling else { return }
        self.isDialling = false
        self.actions.append(.failed(.connectFailed(reason)))
        self.actions.append(.startTimer(.connectRetry, self.backOff()))
    }

    private mutating func accepted() {
        guard self.isStarted, !self.isHeld, self.settings.connect.accepts else {
            self.actions.append(.refuse(.cease(.connectionRejected)))
            return
        }
        guard self.establishedSlot == nil,
            self.connections[.incoming].map({ $0.phase == .openSent }) ?? true
        else {
            self.actions.append(.refuse(.cease(.collisionResolution)))
            return
        }
        if self.connections[.incoming] != nil { self.drop(.incoming) }
        self.actions.append(.adopt)
        self.introduce(.incoming)
    }

    /// Sends OPEN on a new connection.
    private mutating func introduce(_ slot: ConnectionSlot) {
        self.connections[slot] = Connection()
        self.actions.append(.send(slot, .open(self.settings.open)))
        self.actions.append(.startTimer(.hold(slot), Self.openHoldTime))
    }

    // MARK: Messages

    private mutating func received(_ message: ReceivedMessage, on slot: ConnectionSlot) {
        guard let phase = self.connections[slot]?.phase else { return }
        switch (phase, message) {
        case (_, .notification(let notification)):
            self.actions.append(.close(slot))
            self.end(slot, .received(notification))
        case (.openSent, .open(let open)): self.received(open, on: slot)
        case (.openSent, .update), (.openSent, .keepalive), (.openSent, .routeRefresh):
            self.fail(slot, .state(.inOpenSent))
        case (.openConfirm, .keepalive): self.establish(slot)
        case (.openConfirm, .open), (.openConfirm, .update), (.openConfirm, .routeRefresh):
            self.fail(slot, .state(.inOpenConfirm))
        case (.established, .open): self.fail(slot, .state(.inEstablished))
        case (.established, .update), (.established, .keepalive): self.restartHold(slot)
        case (.established, .routeRefresh(let refresh)):
            self.restartHold(slot)
            self.actions.append(.refresh(refresh))
        }
    }

    private mutating func received(_ open: OpenMessage, on slot: ConnectionSlot) {
        if let error = self.error(in: open) {
            self.fail(slot, error)
            return
        }
        guard self.survivesCollision(slot, open) else {
            self.drop(slot)
            return
        }
        let negotiation = Negotiation(sent: self.settings.open, received: open)
        self.connections[slot]?.phase = .openConfirm
        self.connections[slot]?.negotiation = negotiation
        self.actions.append(.send(slot, .keepalive))
        self.restartHold(slot)
        self.startKeepalive(slot)
    }

    /// RFC 4271 §6.2, RFC 6286 §2.2, RFC 7607 §2: what the form of an OPEN doesn't show.
    private func error(in open: OpenMessage) -> Notification? {
        guard open.asNumber == self.settings.peerAS, open.asNumber.rawValue != 0 else {
            return .open(.badPeerAS)
        }
        guard open.identifier != 0,
            !(self.settings.isInternal && open.identifier == self.settings.identifier)
        else { return .open(.badIdentifier) }
        return nil
    }

    /// RFC 4271 §6.8: of two connections the one stays that the speaker with the higher
    /// identifier opened, or, where these are equal, the one with the higher AS number
    /// (RFC 6286 §2.3). An established one always does.
    ///
    /// - Returns: Whether `slot`, on which an OPEN has come, stays. The other is dropped then.
    private mutating func survivesCollision(_ slot: ConnectionSlot, _ open: OpenMessage) -> Bool {
        switch self.connections[slot.other]?.phase {
        case nil, .openSent: return true
        case .established: return false
        case .openConfirm:
            let local = (self.settings.identifier, self.settings.localAS.rawValue)
            let peer = (open.identifier, open.asNumber.rawValue)
            let survivor: ConnectionSlot = local > peer ? .outgoing : .incoming
            if survivor == slot { self.drop(slot.other) }
            return survivor == slot
        }
    }

    private mutating func establish(_ slot: ConnectionSlot) {
        guard let negotiation = self.connections[slot]?.negotiation else { return }
        self.connections[slot]?.phase = .established
        if self.connections[slot.other] != nil { self.drop(slot.other) }
        if self.isDialling {
            self.isDialling = false
            self.actions.append(.abandonDial)
        }
        self.actions.append(.stopTimer(.connectRetry))
        self.restartHold(slot)
        self.actions.append(.startTimer(.stability, Self.stableTime))
        self.actions.append(.established(slot, negotiation))
        guard negotiation.exchangesEndOfRIB else { return }
        for family in negotiation.context.families.families {
            self.send(.endOfRIB(family), on: slot)
        }
    }

    private mutating func send(_ message: OutgoingMessage, on slot: ConnectionSlot) {
        self.actions.append(.send(slot, message))
        guard let connection = self.connections[slot], !connection.isSending,
            let hold = connection.negotiation?.holdTimeSeconds, hold > 0
        else { return }
        self.connections[slot]?.isSending = true
        // RFC 9687 §4.4.
        self.actions.append(.startTimer(.sendHold(slot), .seconds(max(480, 2 * hold))))
    }

    private mutating func restartHold(_ slot: ConnectionSlot) {
        let seconds = self.connections[slot]?.negotiation?.holdTimeSeconds ?? 0
        self.actions.append(
            seconds == 0
                ? .stopTimer(.hold(slot)) : .startTimer(.hold(slot), .seconds(seconds)))
    }

    private mutating func startKeepalive(_ slot: ConnectionSlot) {
        guard let interval = self.connections[slot]?.negotiation?.keepaliveInterval else { return }
        self.actions.append(
            .startTimer(.keepalive(slot), self.jitter.applied(to: interval)))
    }

    // MARK: Timers

    private mutating func expired(_ timer: SessionTimer) {
        switch timer {
        case .connectRetry: self.connectRetryExpired()
        case .idleHold:
            guard self.isStarted, self.isHeld else { return }
            self.begin()
        case .stability: self.failures = 0
        case .hold(let slot): self.fail(slot, .holdTimerExpired)
        case .keepalive(let slot):
            guard let phase = self.connections[slot]?.phase, phase != .openSent else { return }
            self.send(.keepalive, on: slot)
            self.startKeepalive(slot)
        case .sendHold(let slot):
            guard self.connections[slot]?.isSending == true else { return }
            self.fail(slot, Notification(.sendHoldTimerExpired))
        }
    }

    private mutating func connectRetryExpired() {
        guard self.isStarted, !self.isHeld, self.settings.connect.dials,
            self.connections.isEmpty
        else { return }
        if self.isDialling {
            // Nothing has come of it in all that time.
            self.actions.append(.abandonDial)
            self.actions.append(.failed(.connectFailed("no answer")))
        }
        self.dial()
    }

    // MARK: Ending

    private mutating func stop(_ notification: Notification) {
        guard self.isStarted else { return }
        self.isStarted = false
        let wasHeld = self.isHeld
        self.isHeld = false
        if self.isDialling {
            self.isDialling = false
            self.actions.append(.abandonDial)
        }
        let wasEstablished = self.establishedSlot != nil
        for slot in ConnectionSlot.allCases where self.connections[slot] != nil {
            self.actions.append(.send(slot, .notification(notification)))
            self.actions.append(.close(slot))
            self.forget(slot)
        }
        self.actions.append(.stopTimer(.connectRetry))
        if wasHeld { self.actions.append(.stopTimer(.idleHold)) }
        if wasEstablished { self.actions.append(.down(.stopped(notification))) }
    }

    /// Sends a NOTIFICATION for an error of the peer's, and ends the connection.
    private mutating func fail(_ slot: ConnectionSlot, _ notification: Notification) {
        guard self.connections[slot] != nil else { return }
        self.actions.append(.send(slot, .notification(notification)))
        self.actions.append(.close(slot))
        self.end(slot, .sent(notification))
    }

    /// Closes a connection that lost a collision: that is no failure.
    private mutating func drop(_ slot: ConnectionSlot) {
        self.actions.append(.send(slot, .notification(.cease(.collisionResolution))))
        self.actions.append(.close(slot))
        self.forget(slot)
    }

    private mutating func forget(_ slot: ConnectionSlot) {
        guard let connection = self.connections.removeValue(forKey: slot) else { return }
        self.actions.append(.stopTimer(.hold(slot)))
        if connection.phase != .openSent { self.actions.append(.stopTimer(.keepalive(slot))) }
        if connection.isSending { self.actions.append(.stopTimer(.sendHold(slot))) }
        if connection.phase == .established { self.actions.append(.stopTimer(.stability)) }
    }

    /// A connection is over: what comes next depends on whose error it was.
    private mutating func end(_ slot: ConnectionSlot, _ end: SessionEnd) {
        guard let connection = self.connections[slot] else { return }
        self.forget(slot)
        let isElsewhere = !self.connections.isEmpty
        if connection.phase == .established {
            self.actions.append(.down(end))
        } else if !isElsewhere || end != .received(.cease(.collisionResolution)) {
            self.actions.append(.failed(end))
        }
        guard !isElsewhere, !self.isDialling else { return }
        switch end {
        case .sent:
            self.isHeld = true
            self.actions.append(.stopTimer(.connectRetry))
            self.actions.append(.startTimer(.idleHold, self.backOff()))
        case .received, .connectionLost, .connectFailed, .stopped:
            guard self.settings.connect.dials else { return }
            self.actions.append(.startTimer(.connectRetry, self.backOff()))
        }
    }
}
