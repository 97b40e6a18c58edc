// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The writer's thread: takes work from the queue, and does the engine's long jobs in slices
/// between.
///
/// Unchecked: `engine` is used by the thread alone until the thread has ended, and after that
/// under `afterwards`, as are `hasEnded` and `thread` at all times.
final class OwnerThread: @unchecked Sendable {
    let queue: OwnerQueue
    private let engine: TableEngine
    private let afterwards = Monitor()
    private var hasEnded = false
    private var thread: pthread_t?

    init(engine: TableEngine, queue: OwnerQueue) {
        self.engine = engine
        self.queue = queue
        engine.queuedBytes = { queue.byteCount }
    }

    func start() throws(TableResourceError) {
        try startThread(name: "table") { [self] in self.run() }
    }

    private func run() {
        self.afterwards.withLock { self.thread = pthread_self() }
        giveWay()
        var barriers: [@Sendable () -> Void] = []
        working: while true {
            switch self.queue.take(self.patience) {
            case .closed: break working
            case .nothing:
                self.noteQueue()
                self.engine.endBatch()
                self.engine.step(isIdle: true, isAwaited: !barriers.isEmpty)
            case .work(let item):
                self.noteQueue()
                switch item.work {
                case .command(let command):
                    self.engine.measured(command.kind) { self.engine.apply(command) }
                case .query(let body): self.engine.measured(.query) { body(self.engine) }
                case .barrier(let body): barriers.append(body)
                }
                self.engine.endBatch()
                for waiter in self.queue.finish(item) { waiter() }
                self.engine.step(isIdle: false, isAwaited: !barriers.isEmpty)
            }
            if !barriers.isEmpty, self.engine.isSettled {
                for barrier in barriers { barrier() }
                barriers = []
            }
        }
        let (left, waiters) = self.queue.close()
        self.afterwards.withLock {
            self.hasEnded = true
            self.afterwards.wakeAll()
            for item in left { if case .query(let body) = item { body(self.engine) } }
        }
        for barrier in barriers { barrier() }
        for item in left { if case .barrier(let body) = item { body() } }
        for waiter in waiters { waiter() }
    }

    private func noteQueue() {
        self.engine.noteQueue(weight: self.queue.currentWeight) { self.queue.feeds(above: $0) }
    }

    /// Memory that readers still see is looked at again soon; else only work wakes the thread.
    private var patience: OwnerQueue.Patience {
        if self.engine.hasWork { return self.engine.waitsForPages ? .milliseconds(1) : .none }
        if self.engine.hasRetired || self.engine.wantsReclaim { return .milliseconds(5) }
        if self.engine.waitsForMemory { return .milliseconds(100) }
        let hasTimer = self.engine.hasGuardTimer || self.engine.hasFlipTimer
        return hasTimer ? .milliseconds(1000) : .endless
    }

    /// Runs a query on the thread, or here once the thread has ended.
    func query(_ body: @escaping @Sendable (TableEngine) -> Void) {
        guard self.queue.add(.query(body)) == .closed else { return }
        self.afterwards.withLock {
            while !self.hasEnded { self.afterwards.wait() }
            body(self.engine)
        }
    }

    var isCurrent: Bool {
        self.afterwards.withLock {
            guard !self.hasEnded, let thread = self.thread else { return false }
            return pthread_equal(thread, pthread_self()) != 0
        }
    }

    /// Ends the thread. What waits is dropped, but queries and barriers are called.
    func shutdown() {
        let (left, waiters) = self.queue.close()
        for waiter in waiters { waiter() }
        guard !self.isCurrent else {
            for item in left { if case .query(let body) = item { body(self.engine) } }
            Self.callBarriers(left)
            return
        }
        self.afterwards.withLock {
            while !self.hasEnded { self.afterwards.wait() }
            for item in left { if case .query(let body) = item { body(self.engine) } }
        }
        Self.callBarriers(left)
    }

    private static func callBarriers(_ left: [OwnerWork]) {
        for item in left { if case .barrier(let body) = item { body() } }
    }
}
