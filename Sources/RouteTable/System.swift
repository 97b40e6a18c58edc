// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// Lets other threads run.
func yieldProcessor() { sched_yield() }

/// A clock for how long something took, in microseconds.
package func monotonicMicroseconds() -> UInt64 {
    microseconds(CLOCK_MONOTONIC)
}

/// The processor time that the calling thread has used, in microseconds.
package func threadMicroseconds() -> UInt64 {
    microseconds(CLOCK_THREAD_CPUTIME_ID)
}

private func microseconds(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
}

/// What this thread had of the processor, in microseconds.
func processorMicroseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Leaves the processors to threads that answer, where there aren't enough. A system that doesn't
/// allow it has the calling thread work as before.
package func giveWay() { _ = martlet_give_way() }

/// Starts a thread that takes no signals and that nobody joins.
package func startThread(_ body: @escaping @Sendable () -> Void) throws(TableResourceError) {
    let box = Unmanaged.passRetained(ThreadBody(body))
    var thread = pthread_t()
    let status = pthread_create(
        &thread, nil,
        { raw in
            guard let raw else { return nil }
            var signals = sigset_t()
            sigfillset(&signals)
            pthread_sigmask(SIG_BLOCK, &signals, nil)
            Unmanaged<ThreadBody>.fromOpaque(raw).takeRetainedValue().run()
            return nil
        }, box.toOpaque())
    guard status == 0 else {
        box.release()
        throw .thread(code: status)
    }
    pthread_detach(thread)
}
