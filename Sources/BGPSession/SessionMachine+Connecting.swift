// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPWire

/// Idle, Connect and Active (RFC 4271 §8.2.2): how connections come about.
extension SessionMachine {
    /// An operator's start ends the wait after an error, too.
    mutating func start() {
        guard !self.isStarted || self.isHeld else { return }
        if self.isHeld { self.actions.append(.stopTimer(.idleHold)) }
        self.isStarted = true
        self.failures = 0
        self.begin()
    }

    /// Out of Idle: to Connect where we dial, else to Active.
    mutating func begin() {
        self.isHeld = false
        if self.settings.connect.dials { self.dial() }
    }

    private mutating func dial() {
        self.isDialling = true
        self.actions.append(.dial)
        self.waitForDial()
    }

    private mutating func waitForDial() {
        self.actions.append(
            .startTimer(
                .connectRetry, self.jitter.applied(to: self.settings.maximumRetry)))
    }

    /// The wait before the next try: it doubles with each failure, up to the bound.
    mutating func backOff() -> Duration {
        var wait = self.settings.retry
        for _ in 0..<min(self.failures, 16) where wait < self.settings.maximumRetry { wait *= 2 }
        self.failures += 1
        return self.jitter.applied(to: min(wait, self.settings.maximumRetry))
    }

    mutating func connectRetryExpired() {
        guard self.isStarted, !self.isHeld, self.settings.connect.dials else { return }
        guard self.connections.isEmpty else {
            // The peer has called meanwhile: what comes of that decides.
            if self.isDialling { self.waitForDial() }
            return
        }
        if self.isDialling {
            // Nothing has come of it in all that time.
            self.actions.append(.abandonDial)
            self.actions.append(.failed(.connectFailed("no answer")))
        }
        self.dial()
    }

    /// The settings may want us to dial who didn't, or not to who did.
    mutating func connectAsSet() {
        guard self.isStarted, !self.isHeld else { return }
        if self.settings.connect.dials {
            if !self.isDialling, self.connections.isEmpty { self.dial() }
        } else if self.isDialling || self.connections.isEmpty {
            if self.isDialling {
                self.isDialling = false
                self.actions.append(.abandonDial)
            }
            self.actions.append(.stopTimer(.connectRetry))
        }
    }

    mutating func connected() {
        guard self.isDialling else {
            // It was abandoned, but came about.
            if self.connections[.outgoing] == nil { self.actions.append(.close(.outgoing)) }
            return
        }
        self.isDialling = false
        self.actions.append(.stopTimer(.connectRetry))
        self.introduce(.outgoing)
    }

    mutating func connectFailed(_ reason: String) {
        guard self.isDialling else { return }
        self.isDialling = false
        self.actions.append(.failed(.connectFailed(reason)))
        self.actions.append(.startTimer(.connectRetry, self.backOff()))
    }

    mutating func accepted() {
        guard self.isStarted, !self.isHeld, self.settings.connect.accepts else {
            self.actions.append(.refuse(.cease(.connectionRejected)))
            return
        }
        if let slot = self.establishedSlot {
            // A peer that helps itself through restarts may have done so without our having
            // seen its connection go (RFC 4724 §4.2). If it opened that too, it surely has; else
            // the two may have crossed on the way, and the new one has to say OPEN first.
            guard self.negotiation?.gracefulRestart != nil else {
                self.actions.append(.refuse(.cease(.collisionResolution)))
                return
            }
            if slot == .incoming { self.replace(.incoming) }
        }
        guard self.connections[.incoming].map({ $0.negotiation == nil }) ?? true else {
            self.actions.append(.refuse(.cease(.collisionResolution)))
            return
        }
        if self.connections[.incoming] != nil { self.drop(.incoming) }
        self.actions.append(.adopt)
        self.introduce(.incoming)
    }

    /// A new connection: OPEN is sent, at once or when the peer has had time to say who it is.
    private mutating func introduce(_ slot: ConnectionSlot) {
        self.connections[slot] = Connection()
        if let delay = self.settings.delayOpen, delay > .zero {
            self.actions.append(.startTimer(.delayOpen(slot), delay))
        } else {
            self.sendOpen(slot)
        }
    }

    mutating func sendOpen(_ slot: ConnectionSlot) {
        let whole = self.settings.open
        let open = self.omitsCapabilities ? OpenMessage(withoutCapabilities: whole) : whole
        self.omitsCapabilities = false
        self.connections[slot]?.phase = .openSent
        self.connections[slot]?.sent = open
        self.actions.append(.send(slot, .open(open)))
        self.actions.append(.startTimer(.hold(slot), Self.openHoldTime))
    }
}
