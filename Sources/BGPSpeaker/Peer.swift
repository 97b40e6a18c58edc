// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Logging
import NIOCore
import RouteTable

/// One neighbour: carries out what its state machine says, and feeds the table.
///
/// All of it stays on the speaker's event loop.
final class Peer {
    private(set) var settings: PeerSettings
    unowned let core: SpeakerCore
    /// The feed of the range that it is one of.
    let range: FeedID?
    private(set) var machine: SessionMachine
    private var connections: [ConnectionSlot: ConnectionHandler] = [:]
    /// An accepted connection, while the machine decides about it.
    private var candidate: ConnectionHandler?
    /// Counts dials, so that the outcome of one that was abandoned is known for what it is.
    private var dialNumber = 0
    private(set) lazy var timers = TimerTable<SessionTimer>(loop: self.core.loop) {
        [unowned self] timer in self.expired(timer)
    }
    private(set) var feed: FeedLink
    var journal: PeerJournal
    var limiter = ComplaintLimiter()
    /// Connections that have ended and are still open, the first to end first.
    private var draining: [ConnectionHandler] = []
    /// Why it is kept from having a session.
    private(set) var suspension: PeerSuspension?
    /// Events that came of an action: they wait until all actions of the one before are done.
    private var events: [SessionEvent] = []
    private var isHandling = false
    /// Of the established session, and how its UPDATEs are read.
    private(set) var establishedSlot: ConnectionSlot?
    var context: DecodeContext?
    /// Reading waits for the table.
    private(set) var isPaused = false

    /// A peer in Idle; `feed` is what a predecessor left of the same neighbour's.
    init(
        settings: PeerSettings, core: SpeakerCore, seed: UInt64, range: FeedID? = nil,
        predecessor: Peer? = nil
    ) {
        self.settings = settings
        self.core = core
        self.range = range
        self.machine = SessionMachine(settings: settings.session, seed: seed)
        self.feed = predecessor?.feed ?? FeedLink(settings: settings, core: core)
        self.journal = predecessor?.journal ?? PeerJournal(now: core.now())
        switch predecessor?.suspension {
        // The wait was the predecessor's; the limit, if it is still one, is met again.
        case .limit(_, restartAfter: .some): break
        case .limit where predecessor?.settings.limits != settings.limits: break
        case let suspension: self.suspension = suspension
        }
        self.feed.settings = settings
        self.feed.onCensus = { [unowned self] in self.counted($0) }
    }

    var logger: Logger {
        var logger = self.core.logger
        logger[metadataKey: "peer"] = "\(self.settings.name)"
        logger[metadataKey: "address"] = "\(self.settings.peerAddress)"
        return logger
    }

    // MARK: Beginning and ending

    /// Begins, unless an operator has shut it down or a limit keeps it from it.
    func start() {
        if self.suspension == nil { self.handle(.start) }
    }

    /// Ends the session, if any, with a NOTIFICATION, and dials and accepts no more.
    func stop(_ notification: Notification) { self.handle(.stop(notification)) }

    /// Ends it for good. Its feed's routes are still in the table.
    func retire(_ notification: Notification) {
        self.stop(notification)
        self.timers.stopAll()
        self.feed.onCensus = nil
    }

    /// Takes settings that the session can go on under.
    func adjust(to settings: PeerSettings) -> Bool {
        guard settings.canContinue(from: self.settings),
            let actions = self.machine.adjust(to: settings.session)
        else { return false }
        let hasNewKey = settings.authentication != self.settings.authentication
        let hasNewLimits = settings.limits != self.settings.limits
        self.settings = settings
        self.feed.settings = settings
        if hasNewKey { self.connections.values.forEach { self.changeKey(of: $0) } }
        for action in actions { self.perform(action) }
        // What keeps it down is the limit of before.
        if hasNewLimits, case .limit? = self.suspension { self.resume() }
        return true
    }

    /// Segments are signed by another key from now on; the peer has the session's hold time to do
    /// likewise.
    private func changeKey(of handler: ConnectionHandler) {
        guard let authentication = self.settings.authentication else { return }
        do throws(SocketKeyError) {
            try handler.options?.set(
                authentication, for: IPPrefix(host: self.settings.peerAddress),
                isConnection: true)
            handler.isKeyUnproven = true
        } catch {
            self.logger.error("the key was not changed", metadata: ["reason": "\(error)"])
        }
    }

    // MARK: What an operator or a limit says

    /// Keeps it down until ``resume()``.
    func suspend(_ suspension: PeerSuspension, _ notification: Notification) {
        self.suspension = suspension
        switch suspension {
        case .shutDown: self.handle(.stop(notification))
        case .limit(_, let restartAfter):
            self.handle(.suspend(notification, restartAfter: restartAfter))
        }
        // A session there wasn't: its routes are not to be had either.
        if case .shutDown = suspension, self.feed.liveness != .lost { self.feed.flushRoutes() }
    }

    func resume() {
        self.suspension = nil
        if self.core.isRunning { self.handle(.start) }
    }

    /// Ends the session, and begins anew: also one that a limit keeps down.
    func clear(_ notification: Notification) {
        if case .shutDown? = self.suspension { return }
        self.stop(notification)
        self.resume()
    }

    /// Asks for the routes of some families again, where that was agreed (RFC 2918).
    func requestRefresh(_ families: FamilySet) {
        guard let negotiation = self.machine.negotiation, negotiation.canRefresh else { return }
        // Before what comes of it.
        if families.isSuperset(of: negotiation.context.families) {
            self.feed.routesRequested()
        }
        self.journal.refreshRequestTime = self.core.now()
        self.handle(.requestRefresh(families))
    }

    // MARK: Events

    func accepted(_ handler: ConnectionHandler) {
        // A router that ends its session for a new key says so by the old one, which nobody
        // hears. That it calls by the new one says enough.
        for (slot, old) in self.connections where old.isKeyUnproven {
            old.end()
            self.lost(old, at: slot, "the peer begins anew with a new key")
        }
        self.candidate = handler
        self.handle(.accepted)
    }

    func lost(_ handler: ConnectionHandler, _ reason: String?) {
        guard self.connections[handler.slot] === handler else { return }
        self.lost(handler, at: handler.slot, reason)
    }

    private func lost(
        _ handler: ConnectionHandler, at slot: ConnectionSlot, _ reason: String?
    ) {
        self.connections[slot] = nil
        self.handle(.closed(slot, reason))
    }

    /// What was sent has left. A connection that is refused isn't the session's: its slot is
    /// another's.
    func flushed(_ handler: ConnectionHandler) {
        guard self.connections[handler.slot] === handler else { return }
        self.handle(.flushed(handler.slot))
    }

    func handle(_ event: SessionEvent) {
        self.events.append(event)
        guard !self.isHandling else { return }
        self.isHandling = true
        while !self.events.isEmpty { self.carryOut(self.events.removeFirst()) }
        self.isHandling = false
    }

    private func carryOut(_ event: SessionEvent) {
        let before = self.machine.state
        let actions = self.machine.handle(event)
        for action in actions { self.perform(action) }
        let state = self.machine.state
        if case .limit? = self.suspension, state > .idle { self.suspension = nil }
        guard state != before else { return }
        let reason = self.journal.note(
            state, from: before, after: event, actions: actions, now: self.core.now())
        let level: Logger.Level =
            before == .established || state == .established ? .notice : .debug
        self.logger.log(
            level: level, "session is \(state.rawValue)",
            metadata: reason.map { ["reason": "\($0)"] } ?? [:])
        for tap in self.taps {
            tap.changed(from: before, to: state, reason: reason, of: self.tapped)
        }
        self.core.changed(self)
    }

    private func expired(_ timer: SessionTimer) {
        // Who doesn't listen can't say that the peer was silent.
        if case .hold = timer, self.isPaused, let hold = self.machine.negotiation?.holdTimeSeconds {
            self.timers.start(timer, .seconds(hold))
            return
        }
        self.handle(.expired(timer))
    }

    // MARK: Actions

    private func perform(_ action: SessionAction) {
        switch action {
        case .dial: self.dial()
        case .abandonDial: self.dialNumber += 1
        case .adopt:
            guard let candidate = self.candidate else { return }
            self.connections[.incoming] = candidate
            self.candidate = nil
        case .refuse(let notification): self.refuse(notification)
        case .send(let slot, let message):
            self.journal.counters.sent[message.type] += 1
            self.connections[slot]?.send(message)
        case .close(let slot): self.connections.removeValue(forKey: slot)?.end()
        case .startTimer(let timer, let duration): self.timers.start(timer, duration)
        case .stopTimer(let timer): self.timers.stop(timer)
        case .established(let slot, let negotiation):
            self.establishedSlot = slot
            self.established(negotiation)
        case .down(let end): self.down(end)
        case .failed(let end):
            self.journal.fail(end, wasEstablished: false, now: self.core.now())
            self.logger.info("no session", metadata: ["reason": "\(end)"])
        case .refreshRequested(let refresh):
            // We have no routes to send again.
            self.logger.debug(
                "the peer asks for our routes again",
                metadata: ["subtype": "\(refresh.subtype.rawValue)"])
        case .refreshBegan(let family):
            guard !self.feed.refreshBegan(family),
                let suppressed = self.limiter.admit(at: self.core.now())
            else { return }
            self.logger.warning(
                "a route refresh that began before End-of-RIB is ignored",
                metadata: ["family": "\(family)", "suppressed": "\(suppressed)"])
        case .refreshEnded(let family, let isOverdue):
            if isOverdue, self.feed.life.refreshed.contains(family) {
                self.logger.warning(
                    "a route refresh has taken too long: what did not come again is gone",
                    metadata: ["family": "\(family)"])
            }
            self.feed.refreshEnded(family)
        }
    }

    /// A connection of the peer's address was closed before a byte of it was read. That may be
    /// anybody's: it is told so many times a minute.
    func turnedAway(_ reason: String) {
        self.journal.counters.refused += 1
        if self.machine.state != .established {
            self.journal.refuse(reason, now: self.core.now())
        }
        guard let suppressed = self.limiter.admit(at: self.core.now()) else { return }
        self.logger.warning(
            "connection closed",
            metadata: ["reason": "\(reason)", "suppressed": "\(suppressed)"])
    }

    /// So many connections of one peer's address wait at a time for it to read our last words.
    static let mostDraining = 8

    /// A connection has ended, and stays open for a while. Where there are too many, the one that
    /// has had most of its time is closed: who connects again and again takes no more sockets.
    func drains(_ handler: ConnectionHandler) {
        self.draining.append(handler)
        if self.draining.count > Self.mostDraining { self.draining.removeFirst().closeNow() }
    }

    func drained(_ handler: ConnectionHandler) { self.draining.removeAll { $0 === handler } }

    private func refuse(_ notification: Notification) {
        guard let candidate = self.candidate else { return }
        self.candidate = nil
        self.journal.counters.refused += 1
        self.logger.debug("connection refused", metadata: ["notification": "\(notification)"])
        candidate.send(.notification(notification))
        candidate.end()
    }

    private func dial() {
        self.dialNumber += 1
        let number = self.dialNumber
        self.core.dial(self.settings, for: self) { [weak self] result in
            guard let self, self.dialNumber == number else {
                if case .success(let handler) = result { handler.end() }
                return
            }
            switch result {
            case .success(let handler):
                self.connections[.outgoing] = handler
                self.handle(.connected)
            case .failure(let error):
                self.handle(.connectFailed(self.settings.words(dialling: error)))
            }
        }
    }

    private func established(_ negotiation: Negotiation) {
        self.context = negotiation.context
        self.context?.keepsCommunities = self.settings.kept == .communities
        self.journal.counters.established += 1
        self.core.listener.feed(self.settings.feed, identified: negotiation.peerIdentifier)
        self.feed.up(negotiation)
        self.logger.notice(
            "session established",
            metadata: [
                "as": "\(negotiation.peerAS)", "families": "\(negotiation.context.families)",
                "hold-time": "\(negotiation.holdTimeSeconds)",
                "capabilities": "\(negotiation.peerCapabilities)",
            ])
        if negotiation.context.families != self.settings.families {
            self.logger.warning(
                "the peer does not offer all families that were asked of it",
                metadata: [
                    "wanted": "\(self.settings.families)",
                    "negotiated": "\(negotiation.context.families)",
                ])
        }
    }

    private func down(_ end: SessionEnd) {
        self.establishedSlot = nil
        self.context = nil
        if case .sent = end { self.journal.counters.resets += 1 }
        self.journal.fail(end, wasEstablished: true, now: self.core.now())
        self.feed.down(end)
        self.logger.warning("session down", metadata: ["reason": "\(end)"])
    }

    // MARK: Reading

    /// The table has enough to do: nothing is read until it has caught up.
    func pause() {
        guard !self.isPaused else { return }
        self.isPaused = true
        self.journal.counters.pauses += 1
        self.core.whenTableDrained(of: self.settings.feed) { [weak self] in
            guard let self else { return }
            self.isPaused = false
            for handler in self.connections.values { handler.resumeReading() }
        }
    }

    /// The connection that counts: of the established session, else any.
    var connection: ConnectionHandler? {
        self.establishedSlot.flatMap { self.connections[$0] } ?? self.connections.values.first
    }

    /// Nothing of it is under way, and nothing of it is left in the table.
    var isGone: Bool {
        self.connections.isEmpty && self.candidate == nil && self.suspension == nil
            && self.machine.state == .active && self.feed.liveness == .lost
    }
}

/// Why a peer is kept from having a session.
public enum PeerSuspension: Sendable, Hashable {
    /// An operator's word, with what the peer was told.
    case shutDown(message: String?)
    /// Too many prefixes of a family: in words; until an operator clears it, or so long.
    case limit(String, restartAfter: Duration?)
}
