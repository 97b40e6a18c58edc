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

private final class ThreadBody: Sendable {
    let name: String
    let run: @Sendable () -> Void

    init(name: String, _ run: @escaping @Sendable () -> Void) {
        self.name = name
        self.run = run
    }
}

/// Leaves the processors to threads that answer, where there aren't enough. A system that doesn't
/// allow it has the calling thread work as before.
package func giveWay() { _ = martlet_give_way() }

/// Starts a thread that nobody joins. It takes no signals but those of its own faults.
///
/// - Parameters:
///   - name: As `top -H` shows it; cut to 15 bytes.
///   - body: What it does.
/// - Throws: ``TableResourceError`` where the system refuses.
package func startThread(
    name: String, _ body: @escaping @Sendable () -> Void
) throws(TableResourceError) {
    let box = Unmanaged.passRetained(ThreadBody(name: name, body))
    var thread = pthread_t()
    let status = pthread_create(
        &thread, nil,
        { raw in
            guard let raw else { return nil }
            var signals = sigset_t()
            sigfillset(&signals)
            for fault in [SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS] {
                sigdelset(&signals, fault)
            }
            pthread_sigmask(SIG_SETMASK, &signals, nil)
            let body = Unmanaged<ThreadBody>.fromOpaque(raw).takeRetainedValue()
            _ = martlet_name_thread(body.name)
            body.run()
            return nil
        }, box.toOpaque())
    guard status == 0 else {
        box.release()
        throw .thread(code: status)
    }
    pthread_detach(thread)
}
