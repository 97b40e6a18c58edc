// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

// `stdout` is a variable to Swift, though nobody sets it.
@preconcurrency import Glibc

/// What commands print, as far as it has to come through.
enum StandardOutput {
    /// It can't be written, or part of it was lost before.
    struct Failure: Error, Hashable, CustomStringConvertible {
        /// Zero where only that it failed is known.
        var code: CInt

        var description: String {
            let reason = self.code == 0 ? "" : ": \(String(cString: strerror(self.code)))"
            return "standard output can't be written\(reason)"
        }
    }

    /// Hands on all that was printed. A full disk shows here: `print` says nothing of it.
    static func flush() throws(Failure) {
        errno = 0
        guard fflush(stdout) == 0, ferror(stdout) == 0 else { throw Failure(code: errno) }
    }
}
