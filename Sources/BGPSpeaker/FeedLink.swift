// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import NIOCore
import RouteTable

/// One peer's side of the table: batches, the first transfer, and what becomes of the routes
/// when the session goes.
///
/// All of it stays on the speaker's event loop.
final class FeedLink {
    var settings: PeerSettings {
        didSet {
            self.sink.kept = self.settings.kept
            guard self.settings.judge != oldValue.judge else { return }
            // What has come is judged by the rules that held then.
            self.submitBatch()
            self.sink.judge = self.settings.judge
        }
    }
    private unowned let core: SpeakerCore
    private var sink: UpdateSink
    private var transfer: TransferProgress?
    private var began = NIODeadline.now()
    private var transferTimer: Scheduled<Void>?
    private var staleTimer: Scheduled<Void>?
    /// When what is stale goes, unless it has come again whole: set by the first loss, and kept
    /// while sessions come and go that end before their transfer does.
    private var staleDeadline: NIODeadline?
    /// The peer's restart time, where graceful restart was agreed (RFC 4724).
    private var restartTime: Duration?
    private(set) var liveness = FeedLiveness.lost
    /// UPDATEs have come since the last flush.
    private(set) var hasNews = false

    var announced: Int { self.sink.announced }
    var withdrawn: Int { self.sink.withdrawn }
    var isComplete: Bool { self.transfer?.isComplete ?? false }
    var endOfRIBFamilies: FamilySet { self.transfer?.ended ?? [] }

    init(settings: PeerSettings, core: SpeakerCore) {
        self.settings = settings
        self.core = core
        self.sink = UpdateSink(
            feed: settings.feed, keeping: settings.kept, judge: settings.judge)
    }

    /// The table has routes from before the start: they are stale until a session comes, and go
    /// when none does in time.
    func restored() {
        guard self.liveness == .lost, self.transfer == nil else { return }
        self.become(.stale)
        self.expireLater(after: self.settings.staleTime)
    }

    /// What was restored turned out bad, and has gone.
    func unrestored() {
        if self.transfer == nil, self.liveness == .stale { self.flushFeed() }
    }

    // MARK: The session

    func up(_ negotiation: Negotiation) {
        self.staleTimer?.cancel()
        self.staleTimer = nil
        self.restartTime = negotiation.gracefulRestart.map { .seconds($0.restartSeconds) }
        self.began = self.core.loop.now
        self.transfer = TransferProgress(
            families: negotiation.context.families,
            sendsEndOfRIB: negotiation.exchangesEndOfRIB, quietTime: self.settings.quietTime)
        self.submit(.feedUp(self.settings.feed))
        if self.liveness == .stale { self.become(.live) }
        self.lookLater()
    }

    func down(_ end: SessionEnd) {
        self.submitBatch()
        self.hasNews = false
        self.transfer = nil
        self.transferTimer?.cancel()
        self.transferTimer = nil
        self.submit(.feedDown(self.settings.feed))
        if Self.isHard(end) {
            self.flushFeed()
            return
        }
        // What never came whole was never shown: there is nothing to be stale.
        if self.liveness != .lost { self.become(.stale) }
        self.expireLater(after: self.restartTime ?? self.settings.staleTime)
    }

    /// Stale routes go after a time, counted from when they first lost their session.
    private func expireLater(after time: Duration) {
        let now = self.core.loop.now
        let deadline = self.staleDeadline ?? now + time.timeAmount
        self.staleDeadline = deadline
        guard deadline > now else {
            self.flushFeed()
            return
        }
        self.staleTimer = self.core.loop.assumeIsolated().scheduleTask(deadline: deadline) {
            [weak self] in self?.flushFeed()
        }
    }

    /// Whether the routes are not to outlive the session: a Hard Reset (RFC 8538), a shutdown by
    /// our own operator, or the feed's end.
    private static func isHard(_ end: SessionEnd) -> Bool {
        func has(_ notification: Notification, _ subcodes: [Notification.CeaseSubcode]) -> Bool {
            notification.code == .cease
                && subcodes.contains { $0.rawValue == notification.subcode }
        }
        return switch end {
        case .received(let notification): has(notification, [.hardReset])
        case .stopped(let notification):
            has(notification, [.hardReset, .administrativeShutdown, .peerDeconfigured])
        case .sent, .connectionLost, .connectFailed, .replaced: false
        }
    }

    /// The peer is taken out of the configuration.
    func remove() {
        self.transferTimer?.cancel()
        if self.liveness != .lost || self.staleTimer != nil { self.flushFeed() }
    }

    private func flushFeed() {
        self.staleTimer?.cancel()
        self.staleTimer = nil
        self.staleDeadline = nil
        self.submit(.feedFlush(self.settings.feed))
        self.become(.lost)
    }

    private func become(_ liveness: FeedLiveness) {
        guard liveness != self.liveness else { return }
        self.liveness = liveness
        self.core.onFeedState(self.settings.feed, liveness)
    }

    // MARK: Routes

    func add(_ update: UpdateDecoding, body: RawSpan, context: DecodeContext) {
        self.hasNews = true
        self.sink.add(update, body: body, context: context)
        if self.sink.isFull { self.submitBatch() }
    }

    /// Hands on what has been gathered.
    func flush() {
        self.hasNews = false
        self.transfer?.update(at: self.elapsed)
        self.submitBatch()
    }

    private func submitBatch() {
        if !self.sink.isEmpty { self.submit(.routes(self.sink.take())) }
    }

    private func submit(_ command: TableCommand) {
        self.core.submit(command, for: self.settings.feed)
    }

    // MARK: The first transfer

    private var elapsed: Duration {
        .nanoseconds((self.core.loop.now - self.began).nanoseconds)
    }

    func endOfRIB(_ family: AddressFamily) {
        if self.transfer?.endOfRIB(family) == true { self.completed() }
    }

    private func completed() {
        self.transferTimer?.cancel()
        self.transferTimer = nil
        self.staleDeadline = nil
        self.submitBatch()
        self.submit(.feedComplete(self.settings.feed))
        self.become(.live)
    }

    private func lookLater() {
        guard let look = self.transfer?.nextLook else { return }
        self.transferTimer = self.core.loop.assumeIsolated().scheduleTask(
            deadline: self.began + look.timeAmount
        ) { [weak self] in
            guard let self else { return }
            if self.transfer?.look(at: self.elapsed) == true {
                self.completed()
            } else {
                self.lookLater()
            }
        }
    }
}
