// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Ctrl-C at a console: it is noted, and ends the program only where nobody looks for it.
enum Interrupt {
    fileprivate static let isNoted = Atomic<Bool>(false)

    /// Has Ctrl-C noted while `body` runs, which looks now and then by ``take()``, in place of what
    /// it did before. A system call that it breaks goes on by itself, but for a `poll`.
    static func during<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var action = sigaction()
        action.sa_flags = SA_RESTART
        action.__sigaction_handler.sa_handler = note
        var before = sigaction()
        sigaction(SIGINT, &action, &before)
        defer { sigaction(SIGINT, &before, nil) }
        return try body()
    }

    /// The next one ends the program, until the innermost ``during(_:)`` is over.
    static func endNextTime() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = SIG_DFL
        sigaction(SIGINT, &action, nil)
    }

    /// Waits until there is something to read, or the end of it. The waits are short: a Ctrl-C may
    /// come just before one.
    ///
    /// - Returns: False where a Ctrl-C came first.
    static func waitToRead(_ descriptor: CInt) -> Bool {
        while !self.take() {
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&request, 1, 200) > 0 { return true }
        }
        return false
    }

    /// Whether there was one since the last look.
    static func take() -> Bool { self.isNoted.exchange(false, ordering: .relaxed) }
}

private func note(_ signal: CInt) { Interrupt.isNoted.store(true, ordering: .relaxed) }
