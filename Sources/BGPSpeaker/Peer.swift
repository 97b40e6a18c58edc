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
    private var machine: SessionMachine
    private var connections: [ConnectionSlot: ConnectionHandler] = [:]
    /// An accepted connection, while the machine decides about it.
    private var candidate: ConnectionHandler?
    /// Counts dials, so that the outcome of one that was abandoned is known for what it is.
    private var dialNumber = 0
    private lazy var timers = TimerTable(loop: self.core.loop) { [unowned self] in
        self.expired($0)
    }
    private(set) var feed: FeedLink
    private(set) var journal: PeerJournal
    private var limiter = ComplaintLimiter()
    /// Events that came of an action: they wait until all actions of the one before are done.
    private var events: [SessionEvent] = []
    private var isHandling = false
    /// Of the established session, and how its UPDATEs are read.
    private var establishedSlot: ConnectionSlot?
    private var context: DecodeContext?
    /// Reading waits for the table.
    private(set) var isPaused = false

    /// A peer in Idle; `feed` is what a predecessor left of the same neighbour's.
    init(settings: PeerSettings, core: SpeakerCore, seed: UInt64, feed: FeedLink? = nil) {
        self.settings = settings
        self.core = core
        self.machine = SessionMachine(settings: settings.session, seed: seed)
        self.feed = feed ?? FeedLink(settings: settings, core: core)
        self.feed.settings = settings
        self.journal = PeerJournal(now: core.now())
    }

    private var logger: Logger {
        var logger = self.core.logger
        logger[metadataKey: "peer"] = "\(self.settings.name)"
        logger[metadataKey: "address"] = "\(self.settings.peerAddress)"
        return logger
    }

    // MARK: Beginning and ending

    func start() { self.handle(.start) }

    /// Ends the session, if any, with a NOTIFICATION, and dials and accepts no more.
    func stop(_ notification: Notification) { self.handle(.stop(notification)) }

    /// Ends it for good.
    ///
    /// - Returns: The feed's side, whose routes are still in the table.
    func retire(_ notification: Notification) -> FeedLink {
        self.stop(notification)
        self.timers.stopAll()
        return self.feed
    }

    /// Takes settings that the session can go on under.
    func adjust(to settings: PeerSettings) -> Bool {
        guard settings.canContinue(from: self.settings),
            let actions = self.machine.adjust(to: settings.session)
        else { return false }
        self.settings = settings
        self.feed.settings = settings
        for action in actions { self.perform(action) }
        return true
    }

    // MARK: Events

    func accepted(_ handler: ConnectionHandler) {
        self.candidate = handler
        self.handle(.accepted)
    }

    func lost(_ handler: ConnectionHandler, _ reason: String?) {
        guard self.connections[handler.slot] === handler else { return }
        self.connections[handler.slot] = nil
        self.handle(.closed(handler.slot, reason))
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
        guard state != before else { return }
        let reason = self.journal.note(state, actions: actions, now: self.core.now())
        let level: Logger.Level =
            before == .established || state == .established ? .notice : .debug
        self.logger.log(
            level: level, "session is \(state.rawValue)",
            metadata: reason.map { ["reason": "\($0)"] } ?? [:])
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
        case .refuse(let notification):
            guard let candidate = self.candidate else { return }
            self.logger.debug(
                "connection refused", metadata: ["notification": "\(notification)"])
            candidate.send(.notification(notification))
            candidate.end()
            self.candidate = nil
        case .send(let slot, let message):
            self.journal.counters.messagesOut += 1
            self.connections[slot]?.send(message)
        case .close(let slot): self.connections.removeValue(forKey: slot)?.end()
        case .startTimer(let timer, let duration): self.timers.start(timer, duration)
        case .stopTimer(let timer): self.timers.stop(timer)
        case .established(let slot, let negotiation):
            self.establishedSlot = slot
            self.established(negotiation)
        case .down(let end): self.down(end)
        case .failed(let end):
            self.journal.fail(end, now: self.core.now())
            self.logger.info("no session", metadata: ["reason": "\(end)"])
        case .refreshRequested(let refresh):
            // We have no routes to send again.
            self.logger.debug(
                "route refresh", metadata: ["subtype": "\(refresh.subtype.rawValue)"])
        case .refreshBegan(let family):
            self.logger.debug("refresh begins", metadata: ["family": "\(family)"])
        case .refreshEnded(let family, let isOverdue):
            self.logger.debug(
                "refresh is over", metadata: ["family": "\(family)", "overdue": "\(isOverdue)"])
        }
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
            case .failure(let error): self.handle(.connectFailed(error.inWords))
            }
        }
    }

    private func established(_ negotiation: Negotiation) {
        self.context = negotiation.context
        self.context?.keepsCommunities = self.settings.kept == .communities
        self.journal.counters.established += 1
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
        self.journal.fail(end, now: self.core.now())
        self.feed.down(end)
        self.logger.warning("session down", metadata: ["reason": "\(end)"])
    }

    // MARK: Messages

    func extendedMessages(on slot: ConnectionSlot) -> Bool {
        self.establishedSlot == slot && self.context?.extendedMessages == true
    }

    /// One message, its header taken off.
    func received(
        _ type: MessageType, _ body: RawSpan, on slot: ConnectionSlot
    ) throws(Notification) {
        self.journal.counters.messagesIn += 1
        switch type {
        case .update:
            guard let context = self.context, self.establishedSlot == slot else {
                self.handle(.received(slot, .update))
                return
            }
            try self.received(update: body, context)
        case .keepalive: self.handle(.received(slot, .keepalive))
        case .open: self.handle(.received(slot, .open(try OpenMessage(body: body))))
        case .notification:
            // Its length was checked with the frame.
            guard let notification = Notification(body: body) else { return }
            self.handle(.received(slot, .notification(notification)))
        case .routeRefresh:
            self.handle(.received(slot, .routeRefresh(try RouteRefreshMessage(body: body))))
        }
    }

    private func received(
        update body: RawSpan, _ context: DecodeContext
    ) throws(Notification) {
        self.journal.counters.updatesIn += 1
        let update = UpdateDecoding.decode(body, context: context)
        if update.disposition != .accept || update.attributes.complaintCount > 0 {
            self.complain(update)
        }
        if case .resetSession(let notification) = update.disposition { throw notification }
        self.feed.add(update, body: body, context: context)
        if let family = update.endOfRIB { self.endOfRIB(family) }
    }

    private func endOfRIB(_ family: AddressFamily) {
        self.logger.info("End-of-RIB", metadata: ["family": "\(family)"])
        self.feed.endOfRIB(family)
    }

    /// Once for all that came in one turn of the loop.
    func readCompleted(on slot: ConnectionSlot) {
        guard self.establishedSlot == slot else { return }
        if self.feed.hasNews {
            self.feed.flush()
            self.handle(.received(slot, .update))
        }
    }

    /// The table has enough to do: nothing is read until it has caught up.
    func pause() {
        guard !self.isPaused else { return }
        self.isPaused = true
        self.journal.counters.pauses += 1
        self.core.whenTableDrained { [weak self] in
            guard let self else { return }
            self.isPaused = false
            for handler in self.connections.values { handler.resumeReading() }
        }
    }

    private func complain(_ update: UpdateDecoding) {
        switch update.disposition {
        case .accept: break
        case .discardAttribute: self.journal.counters.attributesDiscarded += 1
        case .ineligible: self.journal.counters.leaked += 1
        case .treatAsWithdraw: self.journal.counters.treatedAsWithdrawn += 1
        case .resetSession: break
        }
        // Attributes that are merely not expected are counted; errors are told.
        guard
            let complaint = update.attributes.complaints.first(where: {
                $0.problem != .notExpectedHere
            }), let suppressed = self.limiter.admit(at: self.core.now())
        else { return }
        self.logger.warning(
            "malformed attribute: \(complaint)",
            metadata: [
                "attribute": "\(complaint.type)", "bytes": "\(complaint.hexadecimal)",
                "disposition": "\(update.disposition)",
                "complaints": "\(update.attributes.complaintCount)",
                "suppressed": "\(suppressed)",
            ])
    }

    // MARK: Report

    var status: PeerStatus {
        var counters = self.journal.counters
        counters.announced = self.feed.announced
        counters.withdrawn = self.feed.withdrawn
        return PeerStatus(
            name: self.settings.name, feed: self.settings.feed,
            peerAddress: self.settings.peerAddress, peerAS: self.settings.peerAS,
            localAS: self.settings.localAS, state: self.machine.state,
            since: self.journal.since, liveness: self.feed.liveness, counters: counters,
            lastError: self.journal.lastError, lastErrorTime: self.journal.lastErrorTime,
            negotiation: self.machine.negotiation, endOfRIB: self.feed.endOfRIBFamilies,
            isComplete: self.feed.isComplete, history: self.journal.history)
    }
}
