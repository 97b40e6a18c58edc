// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A line on a terminal's standard error that says how far a long job is; nothing elsewhere.
final class ProgressBar: Sendable {
    private struct State {
        var last: ContinuousClock.Instant?
        var words = ""
    }

    private let isOn: Bool
    private let state = Mutex(State())
    private static let width = 30
    private static let interval = Duration.milliseconds(100)

    init(isOn: Bool) { self.isOn = isOn && Self.isTerminal }

    private static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Shows a share from 0 to 1 and what is being done, ten times a second at most.
    func show(_ share: Double, _ words: String) {
        guard self.isOn else { return }
        let isDue = self.state.withLock { state in
            let now = ContinuousClock.now
            if let last = state.last, now - last < Self.interval, state.words == words {
                return false
            }
            state.last = now
            state.words = words
            return true
        }
        guard isDue else { return }
        let share = max(0, min(1, share))
        let filled = Int(share * Double(Self.width))
        let bar =
            String(repeating: "#", count: filled)
            + String(repeating: ".", count: Self.width - filled)
        let percent = "\(Int(share * 100))%"
        let shown = words.prefix(40).map { $0.isASCII && $0 >= " " ? $0 : "?" }
        Printer.complain("\r[\(bar)] \(percent) \(String(shown))\u{1b}[K", end: "")
    }

    /// Takes the line away.
    func finish() { if self.isOn { Self.clear() } }

    static func clear() { if self.isTerminal { Printer.complain("\r\u{1b}[K", end: "") } }
}
