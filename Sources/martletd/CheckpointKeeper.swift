// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSpeaker
import Configuration
import Console
import Logging
import NIOPosix
import RouteTable
import Synchronization

/// What the table has from before the start.
struct Restored: Sendable {
    /// The feeds whose routes come back.
    var feeds: [FeedID] = []
    /// Those of them that are neighbours, and routers, of ranges.
    var neighbours: [RangeMember] = []
    var routers: [RangeMember] = []
    /// Readers see what it had already.
    var isAnswering = false
}

/// The table's file: read at the start, written while the daemon runs and when it ends.
///
/// Restoring and writing block, so they have a thread of their own, one after another.
final class CheckpointKeeper: Sendable {
    let thread = NIOThreadPool(numberOfThreads: 1)
    private let owner: TableOwner
    private let logger: Logger
    private let now: @Sendable () -> Int64
    private let state: Mutex<State>

    private struct State {
        var options: Configuration.CheckpointOptions?
        var report: CheckpointReport?
        /// What is left to do of the restore.
        var restore: CheckpointRestore?
        /// Feeds of the checkpoint that their ranges have no numbers for.
        var surplus: Set<String> = []
        var lastTry: ContinuousClock.Instant
    }

    init(
        _ options: Configuration.CheckpointOptions?, owner: TableOwner, logger: Logger,
        now: @escaping @Sendable () -> Int64
    ) {
        self.owner = owner
        self.logger = logger
        self.now = now
        self.state = Mutex(
            State(
                options: options, report: options.map(CheckpointReport.init),
                lastTry: ContinuousClock().now))
    }

    var report: CheckpointReport? { self.state.withLock { $0.report } }

    private var store: CheckpointStore? {
        self.state.withLock { $0.options.map { CheckpointStore(path: $0.file) } }
    }

    /// Takes what a reload says.
    func apply(_ options: Configuration.CheckpointOptions?) {
        self.state.withLock { state in
            guard options != state.options else { return }
            let old = state.report
            state.options = options
            state.report = options.map(CheckpointReport.init)
            if let old { state.report?.reading = old.reading }
            if let old, old.file == options?.file { state.report?.writing = old.writing }
        }
    }

    private static func milliseconds(since start: ContinuousClock.Instant) -> Int {
        let (seconds, attoseconds) = (ContinuousClock().now - start).components
        return Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
    }

    // MARK: At the start

    /// Says that no checkpoint can be written, once Martlet is the user that writes it: root can
    /// write everywhere.
    func warnOfProblem() {
        guard let problem = self.store?.problem else { return }
        self.logger.warning("no checkpoint can be written", metadata: ["error": "\(problem)"])
    }

    /// Begins to restore what the process before this one has written for it: sites, feeds, pins and
    /// locations are defined.
    ///
    /// - Throws: Where it can't be used.
    func beginRestore(from table: CInt, _ plan: Plan) throws -> Restored {
        let start = ContinuousClock().now
        let checkpoint = try CheckpointStore(path: "the table").load(from: table)
        let (restored, _) = try self.begin(checkpoint, plan, since: start)
        self.logger.notice(
            "restoring the other process's table",
            metadata: ["routes": "\(checkpoint.counts.routes)"])
        return restored
    }

    /// Begins to restore, where there is a file: sites, feeds, pins and locations are defined.
    func beginRestore(_ plan: Plan) -> Restored {
        guard let store = self.store else { return Restored() }
        let start = ContinuousClock().now
        do {
            guard let checkpoint = try store.load() else {
                self.logger.info("there is no checkpoint yet", metadata: ["file": "\(store.path)"])
                return Restored()
            }
            let (restored, event) = try self.begin(checkpoint, plan, since: start)
            self.logger.notice(
                restored.isAnswering
                    ? "answering from the checkpoint" : "restoring the checkpoint first",
                metadata: [
                    "file": "\(store.path)", "routes": "\(checkpoint.counts.routes)",
                    "age": "\(max(0, self.now() - checkpoint.written)) s",
                    "time": "\(event.milliseconds ?? 0) ms",
                ])
            return restored
        } catch {
            self.refuse(error, store.path)
            return Restored()
        }
    }

    /// The neighbours and routers of ranges, which no configuration names, are feeds before their
    /// routes come back.
    private func begin(
        _ checkpoint: Checkpoint, _ plan: Plan, since start: ContinuousClock.Instant
    ) throws -> (Restored, CheckpointReport.Event) {
        let neighbours = plan.speaker.members(named: checkpoint.feedNames)
        let routers = plan.bmp.members(named: checkpoint.feedNames)
        let members = neighbours.members + routers.members
        for member in members { self.owner.submit(.addFeed(member.definition)) }
        let restore: CheckpointRestore
        do {
            restore = try self.owner.beginRestore(checkpoint)
        } catch {
            for member in members { self.owner.submit(.removeFeed(member.definition.id)) }
            throw error
        }
        let event = CheckpointReport.Event(
            state: "restoring", time: checkpoint.written, bytes: checkpoint.byteCount,
            counts: checkpoint.counts, milliseconds: Self.milliseconds(since: start))
        self.state.withLock { state in
            state.report?.reading = event
            state.restore = restore
            state.surplus = Set(neighbours.surplus + routers.surplus)
        }
        let restored = Restored(
            feeds: restore.feeds, neighbours: neighbours.members, routers: routers.members,
            isAnswering: restore.isAnswering)
        return (restored, event)
    }

    private func refuse(_ error: any Error, _ path: String) {
        self.logger.error(
            "the checkpoint is refused; the table begins empty",
            metadata: ["file": "\(path)", "error": "\(error)"])
        self.state.withLock { state in
            let event = state.report?.reading
            state.report?.reading = .init(
                state: "refused", time: event?.time, bytes: event?.bytes, error: "\(error)")
        }
    }

    /// Does the rest of the restore, and returns when readers see all of it.
    ///
    /// - Returns: False where the file turned out bad after all.
    func finishRestore() async -> Bool {
        let restore = self.state.withLock { state in
            defer { state.restore = nil }
            return state.restore
        }
        guard let restore else { return true }
        let start = ContinuousClock().now
        do {
            let routes = try await self.thread.runIfActive { try restore.run() }
            await self.owner.flush()
            self.state.withLock { $0.report?.reading.state = "restored" }
            self.logger.info(
                "restored the checkpoint's routes",
                metadata: [
                    "routes": "\(routes)", "time": "\(Self.milliseconds(since: start)) ms",
                ])
            self.tell(leftOut: restore.leftOut)
            return true
        } catch {
            self.refuse(error, self.store?.path ?? "")
            return false
        }
    }

    /// Says which feeds' routes don't come back, and why.
    private func tell(leftOut: [(feed: String, routes: Int)]) {
        guard !leftOut.isEmpty else { return }
        let surplus = self.state.withLock { state in
            let routes = leftOut.reduce(0) { $0 + $1.routes }
            state.report?.reading.error =
                "\(routes) routes of \(leftOut.count == 1 ? "a feed" : "\(leftOut.count) feeds") "
                + "were left out"
            return state.surplus
        }
        let reasons = [
            ("no feed of that name is configured", leftOut.filter { !surplus.contains($0.feed) }),
            ("their ranges have no room for more", leftOut.filter { surplus.contains($0.feed) }),
        ]
        for (reason, feeds) in reasons where !feeds.isEmpty {
            self.logger.warning(
                "routes of the checkpoint are left out",
                metadata: [
                    "routes": "\(feeds.reduce(0) { $0 + $1.routes })", "reason": "\(reason)",
                    "feeds": "\(feeds.map { "\($0.feed) (\($0.routes))" }.joined(separator: ", "))",
                ])
        }
    }

    // MARK: Afterwards

    /// How long the file may be left alone from now; nil where it is not written by the clock.
    var timeLeft: Duration? {
        self.state.withLock { state in
            guard let every = state.options?.every, every > .zero else { return nil }
            return every - (ContinuousClock().now - state.lastTry)
        }
    }

    /// Writes the table for another process.
    func save(to descriptor: CInt) async throws -> CheckpointStore.Saved {
        let (owner, time) = (self.owner, self.now())
        return try await self.thread.runIfActive {
            try CheckpointStore(path: "the table").save(owner, time: time, to: descriptor)
        }
    }

    /// The file is another process's from here on.
    func retire() async {
        self.apply(nil)
        // What is being written is there before the other writes.
        try? await self.thread.runIfActive {}
    }

    /// Writes the table, after what is under way.
    func save() async -> Result<CheckpointReport, CommandFailure> {
        self.state.withLock { $0.lastTry = ContinuousClock().now }
        guard let store = self.store else {
            return .failure(CommandFailure(.noSuchThing, "no checkpoint is configured"))
        }
        let (owner, time, start) = (self.owner, self.now(), ContinuousClock().now)
        do {
            let saved = try await self.thread.runIfActive { try store.save(owner, time: time) }
            let event = CheckpointReport.Event(
                state: "written", time: time, bytes: saved.bytes, counts: saved.counts,
                milliseconds: Self.milliseconds(since: start))
            self.logger.info(
                "wrote a checkpoint",
                metadata: [
                    "file": "\(store.path)", "routes": "\(saved.counts.routes)",
                    "bytes": "\(saved.bytes)", "time": "\(event.milliseconds ?? 0) ms",
                ])
            return .success(self.note(event, store))
        } catch let refusal as CheckpointRefusal {
            self.logger.info("no checkpoint is written", metadata: ["reason": "\(refusal)"])
            return .failure(CommandFailure(.notReady, "no checkpoint is written: \(refusal)"))
        } catch {
            self.logger.error(
                "the checkpoint can't be written; the one before stays",
                metadata: ["error": "\(error)"])
            _ = self.note(.init(state: "failed", error: "\(error)"), store)
            return .failure(
                CommandFailure(.ourFault, "the checkpoint can't be written: \(error)"))
        }
    }

    private func note(_ event: CheckpointReport.Event, _ store: CheckpointStore) -> CheckpointReport
    {
        self.state.withLock { state in
            if state.report?.file == store.path {
                var event = event
                // A failure doesn't take away what is there.
                if event.time == nil {
                    let old = state.report?.writing
                    (event.time, event.bytes) = (old?.time, old?.bytes)
                    (event.counts, event.milliseconds) = (old?.counts, old?.milliseconds)
                }
                state.report?.writing = event
            }
            return state.report ?? CheckpointReport(file: store.path, every: 0)
        }
    }
}

extension CheckpointReport {
    fileprivate init(_ options: Configuration.CheckpointOptions) {
        self.init(file: options.file, every: Int(options.every.components.seconds))
    }
}
