// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Ctrl-C at a console: it is noted, and ends the program only where nobody looks for it.
enum Interrupt {
    fileprivate static let isNoted = Atomic<Bool>(false)

    /// Has Ctrl-C noted while `body` runs, which looks now and then by ``take()``, in place of what
    /// it did before. Where it `restarts`, a system call that it breaks goes on by itself, but for
    /// a `poll`.
    static func during<Result, Failure: Error>(
        restarts: Bool, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var action = sigaction()
        action.sa_flags = restarts ? SA_RESTART : 0
        action.__sigaction_handler.sa_handler = note
        var before = sigaction()
        sigaction(SIGINT, &action, &before)
        defer { sigaction(SIGINT, &before, nil) }
        return try body()
    }

    /// The next one ends the program, until the innermost ``during(restarts:_:)`` is over.
    static func endNextTime() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = SIG_DFL
        sigaction(SIGINT, &action, nil)
    }

    /// Whether there was one since the last look.
    static func take() -> Bool { self.isNoted.exchange(false, ordering: .relaxed) }
}

private func note(_ signal: CInt) { Interrupt.isNoted.store(true, ordering: .relaxed) }
