// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The table and its one writer: a thread that takes commands from a bounded queue.
///
/// The queue has a lane for each feed, and the writer takes from them in turn: a feed's commands are
/// carried out in the order they came, and wait for no other feed's but for a turn of each.
///
/// Everything that changes the table goes through ``submit(_:)``; everything that reads routes
/// goes through ``query(_:)``; lookups take neither, but readers of ``lookup``.
public final class TableOwner: Sendable {
    /// Where readers come from.
    public let lookup: LookupTable
    public let limits: TableLimits
    private let thread: OwnerThread
    private let gauge: TableGauge
    private let alarms: FeedAlarms

    /// Starts the writer. `now` is the time in Unix seconds that routes are stamped with.
    ///
    /// - Throws: Where the system refuses address space or the thread.
    public convenience init(
        limits: TableLimits = TableLimits(),
        now: @escaping @Sendable () -> Int64 = { TableOwner.systemTime() }
    ) throws(TableResourceError) {
        try self.init(limits: limits, steps: StepPolicy(), now: now)
    }

    /// The same, with another division of the writer's work.
    package init(
        limits: TableLimits = TableLimits(), steps: StepPolicy,
        now: @escaping @Sendable () -> Int64 = { TableOwner.systemTime() }
    ) throws(TableResourceError) {
        let engine = try TableEngine(limits: limits, steps: steps, now: now)
        self.gauge = engine.gauge
        self.alarms = engine.alarms
        self.lookup = engine.lookup
        self.limits = limits
        self.thread = OwnerThread(
            engine: engine, queue: OwnerQueue(highMark: limits.queuedChanges))
        try self.thread.start()
    }

    deinit { self.thread.shutdown() }

    /// The system's clock in Unix seconds.
    public static func systemTime() -> Int64 { Int64(time(nil)) }

    /// Whether as many prefixes have round trips as may: only those can be observed further. It
    /// takes a moment until what was submitted counts.
    public var roundTripsAreFull: Bool {
        self.gauge.roundTripPrefixes >= self.limits.roundTripPrefixes
    }

    /// Whether ``TableLimits/classes`` is reached, and observations are refused: as of the writer's
    /// last step. To know without waiting for it, so what is submitted next may still fare otherwise.
    public var classesAreFull: Bool { self.gauge.classesAreFull }

    /// Has news of feeds' guards brought to `body`, on the writer's thread, which it must not hold
    /// up. There is one listener; another takes its place.
    public func onFeedAlarm(_ body: @escaping @Sendable (FeedAlarm) -> Void) {
        self.alarms.listen(body)
    }

    /// Hands a command to the writer. Never blocks, never refuses for lack of room.
    ///
    /// - Returns: False where more waits than may, of the command's feed, or of what concerns no
    ///   feed: the command is taken, but its producer stops until ``whenDrained(of:_:)`` calls.
    ///   False, too, after ``shutdown()``.
    @discardableResult
    public func submit(_ command: TableCommand) -> Bool {
        let prepared = PreparedCommand(command, limits: self.limits)
        return self.thread.queue.add(.command(prepared)) == .accepted
    }

    /// Checks a command before it is submitted, so that who defined it hears of a mistake.
    public func submitChecked(_ command: TableCommand) throws(TableDefinitionError) {
        try command.validate()
        self.submit(command)
    }

    /// Whether more waits than may of what concerns no feed, such as observations.
    public var isFull: Bool { self.thread.queue.isLaneFull(OwnerQueue.others) }

    /// Calls once most that waits of a feed is done, or without a feed most of what concerns none:
    /// on the writer's thread, or at once if it is.
    public func whenDrained(of feed: FeedID? = nil, _ body: @escaping @Sendable () -> Void) {
        let lane = feed.map(OwnerQueue.lane(of:)) ?? OwnerQueue.others
        if !self.thread.queue.addDrainWaiter(lane, body) { body() }
    }

    /// Hands a command to the writer, and blocks until there is room. For loaders with a thread
    /// of their own; not for event loops, nor for queries.
    public func submitAndWait(_ command: TableCommand) {
        self.thread.queue.addWaiting(
            .command(PreparedCommand(command, limits: self.limits)))
    }

    /// Returns once all that was submitted before is applied and visible to readers.
    public func flush() async {
        await withCheckedContinuation { continuation in
            let outcome = self.thread.queue.add(.barrier { continuation.resume() })
            if outcome == .closed { continuation.resume() }
        }
    }

    /// ``flush()`` for a plain thread.
    public func flushAndWait() {
        let gate = Gate<Bool>()
        let outcome = self.thread.queue.add(.barrier { gate.open(.success(true)) })
        if outcome == .closed { return }
        _ = gate.wait()
    }

    /// Runs `body` on the writer's thread, after all that was submitted before, and maybe some of
    /// what was later, between two batches. Keep it to a bounded slice of the table: it holds updates up.
    public func query<T: Sendable>(
        _ body: @escaping @Sendable (borrowing RIB) throws -> T
    ) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            self.thread.query { engine in
                continuation.resume(with: Result { try body(RIB(engine: engine)) })
            }
        }
    }

    /// ``query(_:)`` for a plain thread; not for the writer's own.
    public func querySync<T: Sendable>(
        _ body: @escaping @Sendable (borrowing RIB) throws -> T
    ) throws -> T {
        try self.withEngine { try body(RIB(engine: $0)) }
    }

    /// Runs `body` on the writer's thread, between two batches, and waits for it.
    func withEngine<T: Sendable>(
        _ body: @escaping @Sendable (TableEngine) throws -> T
    ) throws -> T {
        precondition(!self.thread.isCurrent, "the writer doesn't wait for itself")
        let gate = Gate<T>()
        self.thread.query { engine in gate.open(Result { try body(engine) }) }
        return try gate.wait().get()
    }

    /// Ends the writer. Readers and queries go on with the table as it stands.
    public func shutdown() { self.thread.shutdown() }
}

/// A result that one thread waits for. Unchecked: `result` is used under the lock.
private final class Gate<T: Sendable>: @unchecked Sendable {
    private let monitor = Monitor()
    private var result: Result<T, any Error>?

    func open(_ result: Result<T, any Error>) {
        self.monitor.withLock {
            self.result = result
            self.monitor.wakeAll()
        }
    }

    func wait() -> Result<T, any Error> {
        self.monitor.withLock {
            while true {
                if let result = self.result { return result }
                self.monitor.wait()
            }
        }
    }
}
