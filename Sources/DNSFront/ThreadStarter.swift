// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import RouteTable

/// Starts threads and programs at the process's own priority.
///
/// A thread begins with the priority (nice value) of the one that starts it. Those that bring routes
/// into the table give way to those that answer (``giveWay()``), and without privileges nobody takes
/// that back; a pool's threads have the value of what they are wanted for, whatever the process's is,
/// or that of the thread that happened to want them. So what is to have the process's own is started
/// by a thread that does nothing else.
package final class ThreadStarter: @unchecked Sendable {
    // Sendable: `jobs` is used under the monitor alone.

    private static let shared = ThreadStarter()
    private static let started = Result {
        try startThread(name: "starter") { ThreadStarter.shared.work() }
    }

    private let monitor = Monitor()
    private var jobs: [@Sendable () -> Void] = []

    /// Has the thread started, where it wasn't yet: to be called first by one that has the process's
    /// own priority.
    ///
    /// - Throws: `TableResourceError` where the system refuses.
    package static func start() throws { try self.started.get() }

    /// Runs `body` on the thread; returns when it has ended, with what it gives. Where the system
    /// has no thread for that, `body` runs here. It is not to call this again: jobs come one after
    /// another.
    package static func run<R: Sendable>(_ body: @escaping @Sendable () -> R) -> R {
        guard (try? self.start()) != nil else { return body() }
        return self.shared.perform(body)
    }

    private func perform<R: Sendable>(_ body: @escaping @Sendable () -> R) -> R {
        let answer = Answer<R>()
        return self.monitor.withLock {
            self.jobs.append { answer.value = body() }
            self.monitor.wakeAll()
            while true {
                if let value = answer.value { return value }
                self.monitor.wait()
            }
        }
    }

    /// Written and read under the monitor.
    private final class Answer<R>: @unchecked Sendable { var value: R? }

    private func work() -> Never {
        self.monitor.withLock {
            while true {
                for job in self.jobs { job() }
                self.jobs = []
                self.monitor.wakeAll()
                self.monitor.wait()
            }
        }
    }
}
