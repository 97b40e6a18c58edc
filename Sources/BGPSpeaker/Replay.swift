// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
public import FeedRules
import Glibc
public import RouteFiles
public import RouteTable
import Synchronization

/// Plays MRT files into a table at the pace at which they were recorded, or faster: update archives,
/// the records that `dump` writes, and table dumps before them, which are taken in at once.
///
/// What a recorded session does its feed does: when it is lost its routes are stale, and leave after
/// the feed's stale time, as recorded seconds go; when it comes up, it is complete at End-of-RIB or
/// after some seconds of quiet. A feed whose record begins in the middle of a session is complete from
/// its first message on: it has the routes that were sent since.
///
/// It sends nothing to anybody. Calls block, and belong on a plain thread.
public final class Replay: Sendable {
    /// A feed, whom it reads, and how long its routes outlive a session.
    public struct Feed: Sendable {
        public var id: FeedID
        public var peer: PeerSelector
        public var staleTime: Duration
        public var kept: KeptAttributes
        /// What its rules make of routes; nil: all are taken as they are.
        public var judge: RouteJudge?

        public init(
            id: FeedID, peer: PeerSelector, staleTime: Duration = .seconds(180),
            kept: KeptAttributes = .path, judge: RouteJudge? = nil
        ) {
            self.judge = judge
            self.id = id
            self.peer = peer
            self.staleTime = staleTime
            self.kept = kept
        }
    }

    /// How a feed stands in the recording.
    public struct FeedStatus: Hashable, Sendable {
        public var liveness: FeedLiveness
        /// Recorded Unix seconds.
        public var since: Int64?
        public var messages: Int
        /// Whom it reads, once a record of its was seen.
        public var peer: MRTPeer?
        /// Announcements and withdrawals that were taken in.
        public var announced = 0
        public var withdrawn = 0
        /// UPDATEs whose attributes RFC 7606 doesn't let pass, and the announcements in them, which
        /// were taken for withdrawals.
        public var malformed = 0
        public var treatedAsWithdrawn = 0

        public init(
            liveness: FeedLiveness = .lost, since: Int64? = nil, messages: Int = 0,
            peer: MRTPeer? = nil
        ) {
            self.liveness = liveness
            self.since = since
            self.messages = messages
            self.peer = peer
        }
    }

    public let clock: ReplayClock
    private let owner: TableOwner
    private let feeds: [Feed]
    private let pace: ReplayPace
    private let isCancelled = Atomic<Bool>(false)
    private let statuses: Mutex<[FeedID: FeedStatus]>
    private let changed: @Sendable (FeedID, FeedStatus) -> Void

    /// - Parameters:
    ///   - feeds: They have been added to the table.
    ///   - owner: The table's writer; its time is `clock`'s.
    ///   - clock: Is set to the time of what is being played.
    ///   - pace: How fast.
    ///   - changed: Called when a feed's liveness has changed, on the thread that plays.
    public init(
        feeds: [Feed], into owner: TableOwner, clock: ReplayClock, pace: ReplayPace,
        changed: @escaping @Sendable (FeedID, FeedStatus) -> Void = { _, _ in }
    ) {
        self.feeds = feeds
        self.owner = owner
        self.clock = clock
        self.pace = pace
        self.changed = changed
        self.statuses = Mutex(
            Dictionary(feeds.map { ($0.id, FeedStatus()) }, uniquingKeysWith: { first, _ in first })
        )
    }

    public func status(of feed: FeedID) -> FeedStatus? { self.statuses.withLock { $0[feed] } }

    /// Ends ``play(_:progress:)`` soon.
    public func cancel() { self.isCancelled.store(true, ordering: .relaxed) }

    /// Plays files one after another, to the end or the time that the pace says.
    ///
    /// - Parameters:
    ///   - paths: MRT files, the oldest first.
    ///   - progress: Called now and then with the share of the current file that has been read.
    /// - Returns: What was taken in.
    /// - Throws: ``InputFileError``, ``MRTError`` or ``DumpSelectionError``. What came before the
    ///   fault has been played.
    public func play(
        _ paths: [String], progress: @escaping @Sendable (String, Double) -> Void = { _, _ in }
    ) throws -> DumpLoader.Report {
        let run = ReplayRun(self.feeds, self.owner)
        defer { self.owner.flushAndWait() }
        do {
            for path in paths {
                run.begin(path)
                var reader = try MRTReader(path: path)
                while try reader.next({ record, bytes in
                    try self.play(record, bytes, run)
                }), !run.isOver {
                    if reader.recordNumber & 0xff == 0, let done = reader.progress {
                        progress(path, done)
                    }
                }
                if run.isOver { break }
            }
        } catch {
            run.flush()
            throw error
        }
        run.finish()
        for feed in self.feeds.indices { self.count(feed, run) }
        return run.report
    }

    private func play(_ record: MRTRecord, _ bytes: RawSpan, _ run: ReplayRun) throws {
        let time = Int64(record.timestamp) * 1_000_000 + Int64(record.microseconds ?? 0)
        if let until = self.pace.until, time >= (until + 1) * 1_000_000 {
            self.pass(to: until * 1_000_000, run)
            run.isOver = true
            return
        }
        self.pass(to: time, run)
        if self.isCancelled.load(ordering: .relaxed) {
            run.isOver = true
            return
        }
        switch record.content {
        case .peerIndexTable, .notRead: try run.read(record, bytes)
        case .rib:
            for feed in run.indexedFeeds { self.begin(feed, midSession: true, time, run) }
            try run.read(record, bytes)
        case .tableDump(let family):
            if let entry = try? TableDumpEntry(parsing: bytes, family: family) {
                for feed in try run.feeds(of: entry.peer) {
                    run.states[feed].peer = entry.peer
                    self.begin(feed, midSession: true, time, run)
                }
            }
            try run.read(record, bytes)
        case .message(let form):
            let message: BGP4MPMessage
            do {
                message = try BGP4MPMessage(parsing: bytes, form: form)
            } catch {
                throw record.error(error, path: run.path)
            }
            guard !form.isLocal else { return }
            for feed in try run.feeds(of: message.peer) {
                self.note(message, in: bytes, feed, time, run)
            }
            try run.read(record, bytes)
        case .stateChange(let fourOctetAS):
            let change: BGP4MPStateChange
            do {
                change = try BGP4MPStateChange(parsing: bytes, fourOctetAS: fourOctetAS)
            } catch {
                throw record.error(error, path: run.path)
            }
            for feed in try run.feeds(of: change.peer) {
                run.states[feed].peer = change.peer
                if change.newState == BGP4MPStateChange.established {
                    self.begin(feed, midSession: false, time, run)
                } else if change.oldState == BGP4MPStateChange.established {
                    self.end(feed, time, run)
                }
            }
        }
    }

    /// Looks at a message of a feed's peer before its routes are taken in.
    private func note(
        _ message: BGP4MPMessage, in bytes: RawSpan, _ feed: Int, _ time: Int64,
        _ run: ReplayRun
    ) {
        run.states[feed].peer = message.peer
        run.states[feed].messages += 1
        self.count(feed, run)
        switch message.messageType {
        case 1:
            // A new session; its change of state may have been recorded or not.
            self.end(feed, time, run)
        case 2:
            if !run.states[feed].isUp {
                self.begin(feed, midSession: run.states[feed].wasNeverUp, time, run)
            }
            if run.states[feed].completeAt != nil {
                let isEnd = Self.isEndOfRIB(bytes.extracting(message.body), message.context)
                run.states[feed].completeAt = time + (isEnd ? 1_000_000 : Self.quietTime)
            }
        case 3: self.end(feed, time, run)
        case 4 where !run.states[feed].isUp && run.states[feed].wasNeverUp:
            // Keepalives are all that a peer without news sends.
            self.begin(feed, midSession: true, time, run)
        default: break
        }
    }

    /// Tells what has been taken in of a feed.
    private func count(_ feed: Int, _ run: ReplayRun) {
        let id = self.feeds[feed].id
        self.statuses.withLock { run.count(feed, in: &$0[id, default: FeedStatus()]) }
    }

    /// Without End-of-RIB a first transfer is over after so many microseconds of quiet.
    private static let quietTime: Int64 = 10_000_000

    private static func isEndOfRIB(_ body: RawSpan, _ context: DecodeContext) -> Bool {
        // The two forms have 4 bytes, and 10 or 11.
        body.byteCount <= 11 && UpdateDecoding.decode(body, context: context).endOfRIB != nil
    }

    // MARK: Sessions

    private func begin(_ feed: Int, midSession: Bool, _ time: Int64, _ run: ReplayRun) {
        guard !run.states[feed].isUp else { return }
        run.flush()
        run.states[feed].isUp = true
        run.states[feed].wasNeverUp = false
        run.states[feed].staleUntil = nil
        self.owner.submitAndWait(.feedUp(self.feeds[feed].id))
        if midSession {
            self.owner.submitAndWait(.feedComplete(self.feeds[feed].id))
            self.set(.live, feed, time, run)
        } else {
            run.states[feed].completeAt = time + Self.quietTime
        }
    }

    private func end(_ feed: Int, _ time: Int64, _ run: ReplayRun) {
        guard run.states[feed].isUp else { return }
        run.flush()
        run.states[feed].isUp = false
        run.states[feed].completeAt = nil
        self.owner.submitAndWait(.feedDown(self.feeds[feed].id))
        run.states[feed].staleUntil =
            time + Int64(self.feeds[feed].staleTime / .microseconds(1))
        self.set(.stale, feed, time, run)
    }

    /// What follows from time alone: first transfers that are over, and stale routes that leave.
    private func expire(at time: Int64, _ run: ReplayRun) {
        for feed in self.feeds.indices {
            if let complete = run.states[feed].completeAt, complete <= time {
                run.states[feed].completeAt = nil
                run.flush()
                self.owner.submitAndWait(.feedComplete(self.feeds[feed].id))
                self.set(.live, feed, complete, run)
            }
            if let stale = run.states[feed].staleUntil, stale <= time {
                run.states[feed].staleUntil = nil
                run.flush()
                self.owner.submitAndWait(.feedFlush(self.feeds[feed].id))
                self.set(.lost, feed, stale, run)
            }
        }
    }

    private func set(_ liveness: FeedLiveness, _ feed: Int, _ time: Int64, _ run: ReplayRun) {
        let id = self.feeds[feed].id
        var status = FeedStatus(
            liveness: liveness, since: time / 1_000_000, peer: run.states[feed].peer)
        run.count(feed, in: &status)
        self.statuses.withLock { $0[id] = status }
        self.changed(id, status)
    }

    // MARK: Time

    /// Lets time pass up to that of the next record.
    private func pass(to time: Int64, _ run: ReplayRun) {
        guard let start = run.start else {
            run.start = (time, ContinuousClock.now)
            self.clock.advance(to: time)
            return
        }
        if let factor = self.pace.factor, time >= (self.pace.from ?? 0) * 1_000_000 {
            if let from = self.pace.from, start.recorded < from * 1_000_000 {
                // From here on at the pace.
                run.start = (max(run.last, from * 1_000_000), ContinuousClock.now)
            }
            self.wait(until: time, factor, run)
        }
        self.expire(at: time, run)
        run.last = max(run.last, time)
        self.clock.advance(to: time)
    }

    private func wait(until time: Int64, _ factor: Double, _ run: ReplayRun) {
        guard let start = run.start else { return }
        while !self.isCancelled.load(ordering: .relaxed) {
            let elapsed = (ContinuousClock.now - start.real) / .microseconds(1)
            let recorded = start.recorded + Int64(Double(elapsed) * factor)
            let left = Double(time - recorded) / factor
            guard left > 1000 else { return }
            // Who asks meanwhile is to see what has been played.
            run.flush()
            self.expire(at: recorded, run)
            self.clock.advance(to: recorded)
            usleep(UInt32(min(left, 100_000)))
        }
    }
}

/// What one playing has in hand; it belongs to the thread that plays.
private final class ReplayRun {
    struct FeedState {
        var isUp = false
        var wasNeverUp = true
        /// When the first transfer is over, or stale routes leave: recorded microseconds.
        var completeAt: Int64?
        var staleUntil: Int64?
        var messages = 0
        var peer: MRTPeer?
    }

    private var pass: DumpPass
    var states: [FeedState]
    var isOver = false
    /// The time of the first record, and when it was played.
    var start: (recorded: Int64, real: ContinuousClock.Instant)?
    var last: Int64 = 0

    init(_ feeds: [Replay.Feed], _ owner: TableOwner) {
        var loader = DumpLoader(path: "", feeds: feeds.map { ($0.id, $0.peer) })
        loader.kept = Dictionary(
            feeds.map { ($0.id, $0.kept) }, uniquingKeysWith: { first, _ in first })
        for feed in feeds { loader.judges[feed.id] = feed.judge }
        self.pass = DumpPass(loader, owner: owner)
        self.states = feeds.map { _ in FeedState() }
    }

    var path: String { self.pass.path }

    /// What has been taken in so far.
    var report: DumpLoader.Report { self.pass.reportSoFar }

    func begin(_ path: String) { self.pass.begin(path) }

    func feeds(of peer: MRTPeer) throws(DumpSelectionError) -> [Int] {
        try self.pass.feeds(of: peer)
    }

    /// Those whose peers the last peer index table has.
    var indexedFeeds: [Int] { self.pass.indexedFeeds }

    func read(_ record: MRTRecord, _ bytes: RawSpan) throws { try self.pass.read(record, bytes) }

    func flush() { self.pass.flush() }

    func count(_ feed: Int, in status: inout Replay.FeedStatus) {
        let loaded = self.pass.loaded(feed)
        status.messages = self.states[feed].messages
        status.announced = loaded.announced
        status.withdrawn = loaded.withdrawn
        status.malformed = loaded.malformed
        status.treatedAsWithdrawn = loaded.treatedAsWithdrawn
    }

    func finish() { self.pass.finish() }
}
