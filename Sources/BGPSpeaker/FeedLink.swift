// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import NIOCore
import RouteTable

/// One peer's side of the table: carries out what ``FeedLife`` decides, and gathers routes.
///
/// All of it stays on the speaker's event loop.
final class FeedLink {
    var settings: PeerSettings {
        didSet {
            self.sink.kept = self.settings.kept
            self.life.staleTime = self.settings.staleTime
            self.life.quietTime = self.settings.quietTime
            if self.settings.judge != oldValue.judge {
                // What has come is judged by the rules that held then.
                self.submitBatch()
                self.sink.judge = self.settings.judge
            }
            if self.settings.limits != oldValue.limits {
                self.census.limits = self.settings.limits
                // They hold for what is there, too.
                self.submitBatch()
                self.countIfDue()
            }
        }
    }
    private unowned let core: SpeakerCore
    private var sink: UpdateSink
    private(set) var life: FeedLife
    private var census: PrefixCensus
    private lazy var timers = TimerTable<FeedLife.Timer>(loop: self.core.loop) {
        [unowned self] timer in self.handle(.expired(timer))
    }
    /// UPDATEs have come since the last flush.
    private(set) var hasNews = false
    /// Sessions that have been: an answer to one is none to the next.
    private var sessions = 0
    /// Called with what a count of prefixes has shown.
    var onCensus: ((PrefixCensus.Finding) -> Void)?

    var liveness: FeedLiveness { self.life.liveness }
    var announced: Int { self.sink.announced }
    var withdrawn: Int { self.sink.withdrawn }
    /// Of this session.
    var reflected: Int { self.sink.reflected }

    init(settings: PeerSettings, core: SpeakerCore) {
        self.settings = settings
        self.core = core
        self.sink = UpdateSink(
            feed: settings.feed, keeping: settings.kept, judge: settings.judge,
            validator: core.validator)
        self.life = FeedLife(staleTime: settings.staleTime, quietTime: settings.quietTime)
        self.census = PrefixCensus(limits: settings.limits)
    }

    // MARK: Life

    /// The table has routes from before the start: they are stale until a session comes, and go
    /// when none does in time.
    func restored() { self.handle(.restored) }

    /// What was restored turned out bad, and has gone.
    func unrestored() { self.handle(.unrestored) }

    func up(_ negotiation: Negotiation) {
        self.sessions += 1
        self.census.begin()
        self.sink.reflected = 0
        self.handle(
            .up(
                FeedLife.Terms(
                    negotiation, longest: self.settings.options.longLivedStaleTime)))
    }

    func down(_ end: SessionEnd) {
        self.hasNews = false
        self.handle(.down(FeedLife.Loss(end)))
    }

    func endOfRIB(_ family: AddressFamily) { self.handle(.endOfRIB(family)) }

    /// - Returns: Whether it counts.
    func refreshBegan(_ family: AddressFamily) -> Bool {
        self.handle(.refreshBegan(family))
        return self.life.refreshed.contains(family)
    }

    func refreshEnded(_ family: AddressFamily) { self.handle(.refreshEnded(family)) }

    /// All that the peer has is asked for: what comes from now on is another try.
    func routesRequested() {
        self.submitBatch()
        self.submit(.routesRequested(self.settings.feed))
    }

    /// The routes go, whether the session is there or not.
    func flushRoutes() { self.handle(.flush) }

    /// The peer is taken out of the configuration.
    func remove() {
        self.handle(.flush)
        self.timers.stopAll()
    }

    /// Seconds until what is stale goes; nil where nothing is.
    var secondsUntilFlush: Int? {
        self.life.deadline.map { max(0, Int(($0 - self.time).components.seconds)) }
    }

    private var time: Duration { .nanoseconds(self.core.loop.now.uptimeNanoseconds) }

    private func handle(_ event: FeedLife.Event) {
        // What came before the event comes before its consequences.
        if event != .news { self.submitBatch() }
        for step in self.life.handle(event, at: self.time) { self.carryOut(step) }
    }

    private func carryOut(_ step: FeedLife.Step) {
        switch step {
        case .table(let order): self.submit(order.command(for: self.settings.feed))
        case .startTimer(let timer, let time):
            self.timers.start(timer, at: .uptimeNanoseconds(0) + time.timeAmount)
        case .stopTimer(let timer): self.timers.stop(timer)
        case .become(let liveness): self.core.feed(self.settings.feed, became: liveness)
        }
    }

    // MARK: Routes

    func add(_ update: UpdateDecoding, body: RawSpan, context: DecodeContext) {
        self.hasNews = true
        let before = self.sink.announcedByFamily
        self.sink.add(update, body: body, context: context)
        if self.census.limits != nil {
            let after = self.sink.announcedByFamily
            self.census.announced(after.ipv4 - before.ipv4, .ipv4)
            self.census.announced(after.ipv6 - before.ipv6, .ipv6)
        }
        if self.sink.isFull { self.submitBatch() }
    }

    /// Hands on what has been gathered.
    func flush() {
        self.hasNews = false
        self.submitBatch()
        self.handle(.news)
        self.countIfDue()
    }

    private func submitBatch() {
        if !self.sink.isEmpty { self.submit(.routes(self.sink.take())) }
    }

    private func submit(_ command: TableCommand) {
        self.core.submit(command, for: self.settings.feed)
    }

    private func countIfDue() {
        guard self.life.transfer != nil, self.census.wantsCount() else { return }
        let session = self.sessions
        self.core.countPrefixes(of: self.settings.feed) { [weak self] counts in
            guard let self, self.sessions == session else { return }
            guard let counts, self.life.transfer != nil else {
                self.census.abandonCount()
                return
            }
            for finding in self.census.counted(ipv4: counts.ipv4, ipv6: counts.ipv6) {
                self.onCensus?(finding)
            }
        }
    }
}

extension FeedLife.Terms {
    /// What both said; `longest` is the most that an operator lets stale routes live beyond the
    /// restart time.
    init(_ negotiation: Negotiation, longest: Duration?) {
        self.init(
            families: negotiation.context.families,
            sendsEndOfRIB: negotiation.exchangesEndOfRIB,
            restartTime: negotiation.gracefulRestart.map { .seconds($0.restartSeconds) },
            coversNotifications: negotiation.survivesNotifications)
        for entry in negotiation.longLived {
            self.longLived[entry.family] = min(.seconds(entry.staleSeconds), longest ?? .zero)
        }
    }
}

extension FeedLife.Loss {
    /// What an end means for the routes: a Hard Reset (RFC 8538), a shutdown by our own operator
    /// and the feed's end leave none.
    init(_ end: SessionEnd) {
        switch end {
        case .received(let notification): self = notification.isHardReset ? .hard : .notified
        case .stopped(let notification):
            let cause = notification.cause
            let isFinal = [
                Notification.CeaseSubcode.administrativeShutdown, .peerDeconfigured,
            ].contains { cause.code == .cease && cause.subcode == $0.rawValue }
            self = isFinal || notification.isHardReset ? .hard : .notified
        case .sent: self = .notified
        case .connectionLost, .connectFailed, .replaced: self = .silent
        }
    }
}
