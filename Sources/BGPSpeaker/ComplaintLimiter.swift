// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Keeps a peer that sends nothing but nonsense from filling the log: so many lines a minute,
/// and then how many were left out.
package struct ComplaintLimiter {
    package static let linesAMinute = 20

    private var minute: Int64 = .min
    private var lines = 0
    private var suppressed = 0

    package init() {}

    /// - Returns: Nil where the line is to be left out, else how many were since the last one.
    package mutating func admit(at seconds: Int64) -> Int? {
        if seconds / 60 != self.minute {
            self.minute = seconds / 60
            self.lines = 0
        }
        guard self.lines < Self.linesAMinute else {
            self.suppressed += 1
            return nil
        }
        self.lines += 1
        defer { self.suppressed = 0 }
        return self.suppressed
    }
}
