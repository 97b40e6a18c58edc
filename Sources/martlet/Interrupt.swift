// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Ctrl-C while a reply without an end is shown: breaks the system call that waits, and is noted.
enum Interrupt {
    private static let isNoted = Atomic<Bool>(false)
    private static let before = Mutex(sigaction())

    /// From now on SIGINT doesn't end the program.
    static func begin() {
        self.isNoted.store(false, ordering: .relaxed)
        var action = sigaction()
        // Without SA_RESTART, so that what waits comes back.
        action.__sigaction_handler.sa_handler = { _ in
            Interrupt.isNoted.store(true, ordering: .relaxed)
        }
        self.before.withLock { _ = sigaction(SIGINT, &action, &$0) }
    }

    static func end() {
        self.before.withLock { _ = sigaction(SIGINT, &$0, nil) }
    }

    /// Whether there was one since the last look.
    static func take() -> Bool { self.isNoted.exchange(false, ordering: .relaxed) }
}
