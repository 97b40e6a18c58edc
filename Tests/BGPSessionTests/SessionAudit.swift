// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire

/// A shell that does nothing but keep the books: which connections are open, which timers run,
/// whether a session is up. It notes each action that makes no sense, and each way in which the
/// machine could hang.
struct SessionAudit {
    private(set) var machine: SessionMachine
    private(set) var problems: [String] = []
    private(set) var open: Set<ConnectionSlot> = []
    /// Those on which our OPEN has gone out.
    private(set) var introduced: Set<ConnectionSlot> = []
    private(set) var isDialling = false
    private(set) var isUp = false
    private(set) var isStopped = true
    private(set) var timers: Set<SessionTimer> = []
    private(set) var refreshing: Set<AddressFamily> = []
    private var isCalling = false
    /// Those on which a NOTIFICATION has gone out.
    private var ended: Set<ConnectionSlot> = []

    init(_ settings: SessionSettings, seed: UInt64) {
        self.machine = SessionMachine(settings: settings, seed: seed)
    }

    /// Whether a shell could report the event now: it dials and accepts only when asked to.
    func isPossible(_ event: SessionEvent) -> Bool {
        switch event {
        case .connected: self.isDialling || !self.open.contains(.outgoing)
        default: true
        }
    }

    @discardableResult
    mutating func take(_ event: SessionEvent) -> [SessionAction] {
        guard self.isPossible(event) else { return [] }
        var isLate = false
        switch event {
        case .start: self.isStopped = false
        case .stop: self.isStopped = true
        case .suspend(_, nil): self.isStopped = true
        case .connected:
            isLate = !self.isDialling
            self.isDialling = false
            self.open.insert(.outgoing)
        case .connectFailed: self.isDialling = false
        case .closed(let slot, _): self.close(slot)
        case .expired(let timer): self.timers.remove(timer)
        case .accepted: self.isCalling = true
        case .received, .malformed, .flushed, .requestRefresh, .suspend: break
        }
        let actions = self.machine.handle(event)
        for action in actions { self.note(action, of: event) }
        if isLate {
            self.expect(!self.open.contains(.outgoing), "a dial that was given up is closed", event)
        }
        self.expect(!self.isCalling, "a caller is taken or refused", event)
        self.isCalling = false
        self.check(event)
        return actions
    }

    mutating func adjust(to settings: SessionSettings) {
        for action in self.machine.adjust(to: settings) ?? [] { self.note(action, of: .start) }
        self.check(.start)
    }

    private mutating func close(_ slot: ConnectionSlot) {
        self.open.remove(slot)
        self.introduced.remove(slot)
        self.ended.remove(slot)
    }

    private mutating func expect(
        _ holds: Bool, _ rule: @autoclosure () -> String, _ event: SessionEvent
    ) {
        if !holds { self.problems.append("\(rule()): \(event) in \(self.machine.state)") }
    }

    // MARK: Actions

    private mutating func note(_ action: SessionAction, of event: SessionEvent) {
        switch action {
        case .dial:
            self.expect(!self.isDialling, "one dial at a time", event)
            self.isDialling = true
        case .abandonDial:
            self.expect(self.isDialling, "only a dial is abandoned", event)
            self.isDialling = false
        case .adopt:
            self.expect(self.isCalling, "only a caller is adopted", event)
            self.expect(!self.open.contains(.incoming), "one caller at a time", event)
            self.isCalling = false
            self.open.insert(.incoming)
        case .refuse(let notification):
            self.expect(self.isCalling, "only a caller is refused", event)
            self.expect(notification.code == .cease, "a refusal is a Cease", event)
            self.isCalling = false
        case .send(let slot, let message): self.note(message, on: slot, of: event)
        case .close(let slot):
            self.expect(self.open.contains(slot), "what is closed was open", event)
            self.close(slot)
        case .startTimer(let timer, let duration):
            self.expect(duration > .zero, "a wait is longer than nothing", event)
            self.expect(duration <= self.bound(timer), "\(timer) has a bound", event)
            if let slot = timer.slot {
                self.expect(self.open.contains(slot), "\(timer) is of a connection", event)
            }
            self.timers.insert(timer)
        case .stopTimer(let timer): self.timers.remove(timer)
        case .established(let slot, let negotiation):
            self.expect(!self.isUp, "a session comes up once", event)
            self.expect(self.introduced.contains(slot), "after an OPEN", event)
            self.expect(!negotiation.context.families.isEmpty, "with a family", event)
            self.isUp = true
        case .down:
            self.expect(self.isUp, "only what is up goes down", event)
            self.isUp = false
            self.refreshing = []
        case .failed: self.expect(!self.isUp, "a session that is up has not failed", event)
        case .refreshRequested: self.expect(self.isUp, "refreshes are of a session", event)
        case .refreshBegan(let family):
            self.expect(self.isUp, "refreshes are of a session", event)
            self.refreshing.insert(family)
        case .refreshEnded(let family, _):
            self.expect(self.refreshing.remove(family) != nil, "what ends has begun", event)
        }
    }

    private mutating func note(
        _ message: OutgoingMessage, on slot: ConnectionSlot, of event: SessionEvent
    ) {
        self.expect(self.open.contains(slot), "nothing is sent where nobody is", event)
        self.expect(!self.ended.contains(slot), "nothing is sent after a NOTIFICATION", event)
        switch message {
        case .open:
            self.expect(!self.introduced.contains(slot), "one OPEN a connection", event)
            self.introduced.insert(slot)
        case .keepalive:
            self.expect(self.introduced.contains(slot), "KEEPALIVE after OPEN", event)
        case .notification: self.ended.insert(slot)
        case .routeRefresh:
            self.expect(
                self.isUp && self.machine.negotiation?.canRefresh == true,
                "ROUTE-REFRESH where it was agreed", event)
        case .endOfRIB:
            self.expect(
                self.isUp && self.machine.negotiation?.exchangesEndOfRIB == true,
                "End-of-RIB where it was agreed", event)
        }
        // Whatever it is: bytes of an UPDATE are those of an End-of-RIB.
        let bytes = message.encoded()
        if bytes[18] == MessageType.update.rawValue {
            let body = Array(bytes.dropFirst(MessageFrame.headerLength))
            let update = UpdateDecoding.decode(
                body.span.bytes, context: DecodeContext(fourOctetAS: true, isInternal: false))
            self.expect(
                update.endOfRIB != nil && !update.announcesPrefixes, "no route is sent", event)
        }
    }

    private func bound(_ timer: SessionTimer) -> Duration {
        switch timer {
        case .connectRetry:
            max(self.machine.settings.maximumRetry, self.machine.settings.retry)
        case .idleHold: .seconds(100_000)
        case .stability: SessionMachine.stableTime
        case .hold: .seconds(65535)
        case .keepalive: .seconds(65535 / 3 + 1)
        case .sendHold: .seconds(2 * 65535)
        case .delayOpen: self.machine.settings.delayOpen ?? .zero
        case .refresh: self.machine.settings.refreshLimit
        }
    }

    // MARK: What must hold after any event

    private mutating func check(_ event: SessionEvent) {
        let state = self.machine.state
        self.expect(self.isUp == (state == .established), "up means Established", event)
        self.expect(
            self.isUp == (self.machine.establishedSlot != nil), "and has a connection", event)
        self.expect(self.isUp == (self.machine.negotiation != nil), "and an agreement", event)
        switch state {
        case .idle:
            self.expect(self.open.isEmpty && !self.isDialling, "Idle does nothing", event)
            self.expect(
                self.isStopped != self.timers.contains(.idleHold),
                "Idle waits for an operator, or for a while", event)
        case .connect:
            self.expect(self.isDialling || self.open.contains(.outgoing), "Connect dials", event)
            self.expect(self.introduced.isEmpty, "Connect says nothing", event)
        case .active:
            self.expect(!self.isDialling, "Active waits", event)
            self.expect(self.introduced.isEmpty, "Active says nothing", event)
            self.expect(
                !self.machine.settings.connect.dials || self.timers.contains(.connectRetry)
                    || self.open.contains(.incoming), "Active tries again some day", event)
        case .openSent, .openConfirm, .established:
            self.expect(!self.introduced.isEmpty, "\(state) has said OPEN", event)
        }
        if self.isDialling {
            self.expect(self.timers.contains(.connectRetry), "a dial ends", event)
        }
        for timer in self.timers {
            if let slot = timer.slot {
                self.expect(self.open.contains(slot), "\(timer) is stopped", event)
            }
            switch timer {
            case .stability, .refresh: self.expect(self.isUp, "\(timer) is stopped", event)
            case .idleHold: self.expect(state == .idle, "\(timer) is stopped", event)
            case .connectRetry:
                self.expect(state != .idle && !self.isUp, "\(timer) is stopped", event)
            default: break
            }
        }
        for slot in self.open {
            // Nobody who is silent is waited for without end, unless both wished it so.
            self.expect(!self.ended.contains(slot), "last words are followed by the end", event)
            self.expect(
                self.timers.contains(.hold(slot)) || self.timers.contains(.delayOpen(slot))
                    || self.mayBeSilent, "\(slot) is watched", event)
        }
    }

    /// A hold time of zero may have been agreed.
    var mayBeSilent = false
}

extension SessionTimer {
    fileprivate var slot: ConnectionSlot? {
        switch self {
        case .hold(let slot), .keepalive(let slot), .sendHold(let slot), .delayOpen(let slot): slot
        case .connectRetry, .idleHold, .stability, .refresh: nil
        }
    }
}
