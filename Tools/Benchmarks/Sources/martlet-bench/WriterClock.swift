// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import RouteTable
import Synchronization

/// Times the writer's steps from the inside: the table asks for the time of day once for each
/// batch, on the writer's thread, and what passes between two such questions is a step with all
/// that belongs to it.
///
/// Unchecked: `steps` is the writer's between ``record(upTo:)`` and ``taken()``, which are called
/// while it is held or has nothing to do; the rest is atomic or under the lock.
final class WriterClock: @unchecked Sendable {
    private let isRecording = Atomic<Bool>(false)
    private let isHeld = Mutex(false)
    private let isStopped = Atomic<Bool>(false)
    private var steps: [Double] = []

    /// What the table asks.
    func tick() -> Int64 {
        while self.isHeld.withLock({ $0 }) {
            self.isStopped.store(true, ordering: .releasing)
            usleep(200)
        }
        self.isStopped.store(false, ordering: .releasing)
        if self.isRecording.load(ordering: .acquiring) { self.steps.append(Clock.thread()) }
        return 1_700_000_000
    }

    /// Stops the writer at its next batch, and waits until it stands there. That batch has to be
    /// submitted before.
    func hold(with submit: () -> Void) {
        self.isHeld.withLock { $0 = true }
        submit()
        while !self.isStopped.load(ordering: .acquiring) { usleep(100) }
    }

    func record(upTo count: Int) {
        self.steps.removeAll(keepingCapacity: true)
        self.steps.reserveCapacity(count)
        self.isRecording.store(true, ordering: .releasing)
    }

    func release() { self.isHeld.withLock { $0 = false } }

    /// CPU seconds at the beginning of each batch since ``record(upTo:)``.
    func taken() -> [Double] {
        self.isRecording.store(false, ordering: .releasing)
        return self.steps
    }
}
