// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
public import RouteTable

/// Keeps the scopes of answers wide, on a thread of its own.
///
/// Without it every answer has the scope of its client's class. With it, answers to questions
/// that are asked get the largest block in which all clients get the same; after a change of the
/// table, of the sites or of their state, the blocks concerned have the narrower scope until the
/// keeper has been round again. At rest it sleeps.
public final class ScopeKeeper: @unchecked Sendable {
    // Sendable: `indexer` is used under the lock, and `state` under the monitor's.

    /// How often the table is walked.
    public struct Pace: Hashable, Sendable {
        /// The share of one processor that goes into following changes of the table.
        public var refreshShare: Double
        /// The share after other changes: most clients' scopes are narrower until it is done.
        public var urgentShare: Double
        /// Milliseconds between two walks at least.
        public var refreshInterval: Int
        public var urgentInterval: Int

        public init(
            refreshShare: Double = 0.03, urgentShare: Double = 0.25,
            refreshInterval: Int = 1000, urgentInterval: Int = 20
        ) {
            self.refreshShare = refreshShare
            self.urgentShare = urgentShare
            self.refreshInterval = refreshInterval
            self.urgentInterval = urgentInterval
        }
    }

    private enum Need: Int, Comparable {
        case none, refresh, urgent
        static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    private enum State { case idle, running, stopping, stopped }

    private let oracle: Oracle
    private let pace: Pace
    private let lock = Monitor()
    private let indexer: ScopeIndexer
    private let monitor = Monitor()
    private var state = State.idle

    /// Microseconds after which a question that nobody asks is given up.
    private static let agingInterval: UInt64 = 600_000_000
    /// Milliseconds between two looks for readers that still hold what was replaced.
    private static let reclaimInterval = 20

    /// - Parameters:
    ///   - owner: The table that the oracle looks up.
    ///   - oracle: Whose answers' scopes to keep.
    ///   - pace: How much of a processor to use.
    ///   - memoryLimit: Bytes for the indexes; questions beyond have the scope of the class.
    /// - Throws: ``TableReaderError`` where the table has no place for another reader.
    public init(
        owner: TableOwner, oracle: Oracle, pace: Pace = Pace(), memoryLimit: Int = 64 << 20
    ) throws {
        precondition(owner.lookup === oracle.lookup, "an oracle over the owner's table")
        self.oracle = oracle
        self.pace = pace
        self.indexer = try ScopeIndexer(owner: owner, oracle: oracle, memoryLimit: memoryLimit)
    }

    /// Starts the thread, once; not after ``stop()``.
    ///
    /// - Returns: Whether it was started.
    /// - Throws: `TableResourceError` where the system refuses.
    @discardableResult
    public func start() throws -> Bool {
        try self.monitor.withLock {
            guard self.state == .idle else { return false }
            try startThread(name: "scopes") { [self] in self.run() }
            self.state = .running
            return true
        }
    }

    /// Ends the thread, and returns when it has ended. Scopes are by class from then on.
    public func stop() {
        let hasThread = self.monitor.withLock {
            defer { if self.state == .idle { self.state = .stopped } }
            guard self.state == .running else { return self.state == .stopping }
            self.state = .stopping
            return true
        }
        guard hasThread else { return }
        self.oracle.signal.wake(.stopped)
        self.monitor.withLock { while self.state != .stopped { self.monitor.wait() } }
    }

    /// Brings the scopes up to date on this thread: for programs that answer and end, and tests.
    public func refresh() {
        self.lock.withLock {
            for _ in 0..<100 {
                switch self.indexer.build(shouldStop: { false }) {
                case .done, .stopped: return
                case .incomplete, .outdated: continue
                case .busy: usleep(1000)
                }
            }
        }
    }

    /// Begins to bring them up to date, and gives up at once: as ``stop()`` may in the middle.
    package func beginAndWithdraw() {
        self.lock.withLock {
            _ = self.indexer.build(shouldStop: { true })
            self.indexer.withdraw()
        }
    }

    /// Keeps the scopes of those questions that a change of the world leaves as they were.
    ///
    /// - Returns: Whether there is an index for all that are asked.
    package func carryOver() -> Bool { self.lock.withLock { self.indexer.carryOver() } }

    private var isStopping: Bool { self.monitor.withLock { self.state == .stopping } }

    private func run() {
        giveWay()
        self.oracle.lookup.watch(self.oracle.signal)
        var need = Need.urgent
        var hasRetired = false
        var finished: UInt64 = 0
        var cost: UInt64 = 0
        var aged = monotonicMicroseconds()
        while !self.isStopping {
            let now = monotonicMicroseconds()
            let due = finished + self.pause(need, after: cost)
            var patience = need == .none ? nil : due > now ? Int((due - now + 999) / 1000) : 0
            if hasRetired { patience = min(patience ?? .max, Self.reclaimInterval) }
            let reasons = self.oracle.signal.wait(milliseconds: patience)
            if self.isStopping { break }
            need = max(need, self.lock.withLock { self.need(for: reasons) })
            if hasRetired { hasRetired = self.lock.withLock { self.indexer.reclaim() } }
            let current = monotonicMicroseconds()
            guard need != .none, current >= finished + self.pause(need, after: cost) else {
                continue
            }
            if current - aged > Self.agingInterval {
                aged = current
                self.lock.withLock { self.indexer.age() }
            }
            let started = threadMicroseconds()
            let outcome = self.lock.withLock { self.indexer.build { self.isStopping } }
            cost = threadMicroseconds() - started
            finished = monotonicMicroseconds()
            hasRetired = true
            need = outcome == .done || outcome == .stopped ? .none : .urgent
        }
        self.oracle.lookup.unwatch(self.oracle.signal)
        self.lock.withLock { self.indexer.withdraw() }
        self.monitor.withLock {
            self.state = .stopped
            self.monitor.wakeAll()
        }
    }

    /// Microseconds to rest after a walk.
    private func pause(_ need: Need, after cost: UInt64) -> UInt64 {
        let (share, interval) =
            need == .urgent
            ? (self.pace.urgentShare, self.pace.urgentInterval)
            : (self.pace.refreshShare, self.pace.refreshInterval)
        let rest = Double(cost) * (1 / min(max(share, 0.001), 1) - 1)
        return max(UInt64(max(0, interval)) * 1000, UInt64(rest))
    }

    private func need(for reasons: ChangeReasons) -> Need {
        if reasons.contains(.worldChanged), !self.indexer.carryOver() { return .urgent }
        if reasons.contains(.questionAsked) { return .urgent }
        if reasons.contains(.imageReplaced), self.indexer.isOutdated() { return .urgent }
        return reasons.contains(.tableChanged) ? .refresh : .none
    }
}
