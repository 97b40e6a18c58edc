// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What waits for the writer.
enum OwnerWork: Sendable {
    case command(PreparedCommand)
    /// Runs between batches.
    case query(@Sendable (TableEngine) -> Void)
    /// Runs once all that came before is visible to readers.
    case barrier(@Sendable () -> Void)

    /// Changes it counts for in the queue's bound.
    var weight: Int {
        switch self {
        case .command(.plain(.routes(let batch))): max(1, batch.count)
        case .command(.plain(.observe(let trips))): max(1, trips.count)
        case .command, .query, .barrier: 1
        }
    }

    /// Memory that it holds.
    var byteCount: Int {
        let own = MemoryLayout<Self>.stride
        guard case .command(let command) = self else { return own }
        return switch command {
        case .plain(.routes(let batch)): own + batch.byteCount
        case .plain(.observe(let trips)), .plain(.setRoundTrips(let trips)):
            own + trips.capacity * MemoryLayout<RoundTrip>.stride
        case .plain(.restoreRoundTrips(let reports)):
            own + reports.capacity * MemoryLayout<RoundTripReport>.stride
        case .plain(.withdrawPaths(_, let ids)): own + ids.capacity * MemoryLayout<UInt32>.stride
        case .pins(let pins): own + pins.byteCount
        case .locations(let locations): own + locations.byteCount
        case .revision(let job):
            own + (job.blocks?.capacity ?? 0) * MemoryLayout<IPPrefix>.stride
        case .plain, .refused: own
        }
    }
}

/// A command as the writer takes it: what is long and needs no table was done by who submitted it.
enum PreparedCommand: Sendable {
    case plain(TableCommand)
    case pins(PinLayer)
    case locations(LocationLayer)
    case revision(RevisionJob)
    /// Counted, and nothing else.
    case refused

    var kind: StepKind {
        if case .plain(.routes) = self { return .batch }
        return .command
    }

    init(_ command: TableCommand, limits: TableLimits) {
        do throws(TableDefinitionError) {
            try command.validate()
            switch command {
            case .setPins(let pins):
                guard pins.count <= limits.ranges else {
                    throw .tooManyRanges(count: pins.count, limit: limits.ranges)
                }
                self = .pins(PinLayer(pins: pins))
            case .setLocations(let set):
                guard set.count <= limits.ranges else {
                    throw .tooManyRanges(count: set.count, limit: limits.ranges)
                }
                self = .locations(LocationLayer(set))
            case .revise(let revision): self = .revision(RevisionJob(revision))
            default: self = .plain(command)
            }
        } catch {
            self = .refused
        }
    }
}

/// The bounded queue between those who submit and the writer.
///
/// Unchecked: every stored property but the monitor is used under its lock.
final class OwnerQueue: @unchecked Sendable {
    private let monitor = Monitor()
    private var waiting: [OwnerWork] = []
    private var weight = 0
    private var bytes = 0
    private var drainWaiters: [@Sendable () -> Void] = []
    private var isClosed = false
    let highMark: Int
    let lowMark: Int

    init(highMark: Int) {
        self.highMark = highMark
        self.lowMark = highMark / 2
    }

    enum Outcome { case accepted, full, closed }

    /// Takes work in, also above the high mark: then the answer is `full`, and the producer stops.
    func add(_ work: OwnerWork) -> Outcome {
        self.monitor.withLock {
            guard !self.isClosed else { return .closed }
            self.append(work)
            return self.weight > self.highMark ? .full : .accepted
        }
    }

    var isFull: Bool { self.monitor.withLock { self.weight > self.highMark } }

    /// Blocks until there is room.
    func addWaiting(_ work: OwnerWork) {
        self.monitor.withLock {
            while self.weight > self.highMark, !self.isClosed { self.monitor.wait() }
            guard !self.isClosed else { return }
            self.append(work)
        }
    }

    private func append(_ work: OwnerWork) {
        self.waiting.append(work)
        self.weight += work.weight
        self.bytes += work.byteCount
        self.monitor.wakeAll()
    }

    /// Registers a body to run below the low mark; false where the queue is there already.
    func addDrainWaiter(_ body: @escaping @Sendable () -> Void) -> Bool {
        self.monitor.withLock {
            guard self.weight > self.lowMark, !self.isClosed else { return false }
            self.drainWaiters.append(body)
            return true
        }
    }

    enum Patience {
        case none
        case milliseconds(Int)
        case endless
    }

    /// All that waits; nothing, once patience is over. Nil once the queue is closed.
    func take(_ patience: Patience) -> [OwnerWork]? {
        self.monitor.withLock {
            switch patience {
            case .none: break
            case .milliseconds(let bound):
                if self.waiting.isEmpty, !self.isClosed {
                    self.monitor.wait(milliseconds: bound)
                }
            case .endless:
                while self.waiting.isEmpty, !self.isClosed { self.monitor.wait() }
            }
            guard !self.isClosed else { return nil }
            let work = self.waiting
            self.waiting = []
            return work
        }
    }

    /// Work has been done: gives its weight back, and whom to tell.
    func finish(_ work: OwnerWork) -> [@Sendable () -> Void] {
        self.monitor.withLock {
            let wasFull = self.weight > self.highMark
            self.weight -= work.weight
            self.bytes -= work.byteCount
            if wasFull, self.weight <= self.highMark { self.monitor.wakeAll() }
            guard self.weight <= self.lowMark, !self.drainWaiters.isEmpty else { return [] }
            let waiters = self.drainWaiters
            self.drainWaiters = []
            return waiters
        }
    }

    /// Changes that wait.
    var currentWeight: Int { self.monitor.withLock { self.weight } }

    /// Memory of what waits, and of what is being done.
    var byteCount: Int { self.monitor.withLock { self.bytes } }

    /// Takes nothing more in.
    ///
    /// - Returns: What was left, and who waits for room.
    func close() -> (left: [OwnerWork], waiters: [@Sendable () -> Void]) {
        self.monitor.withLock {
            self.isClosed = true
            let left = self.waiting
            let waiters = self.drainWaiters
            self.waiting = []
            self.drainWaiters = []
            self.monitor.wakeAll()
            return (left, waiters)
        }
    }
}
