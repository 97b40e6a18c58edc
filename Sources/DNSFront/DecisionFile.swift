// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The file that lines are added to.
struct DecisionFile: ~Copyable {
    private var descriptor: CInt = -1
    private var path = ""
    private var hasFailed = false
    /// The last line was cut short, as by a full disk: what follows begins a line of its own.
    private var isInLine = false

    deinit { if self.descriptor >= 0 { Glibc.close(self.descriptor) } }

    mutating func close() {
        self.closeDescriptor()
        self.hasFailed = false
    }

    private mutating func closeDescriptor() {
        if self.descriptor >= 0 { Glibc.close(self.descriptor) }
        self.descriptor = -1
        self.isInLine = false
    }

    /// Adds lines; opens the file, and another where it has been moved away. Nobody is waited for: where
    /// a pipe that isn't read has taken its place, lines are lost.
    ///
    /// - Returns: How many of the lines are there whole, and the first time that not all are, an errno.
    mutating func append(_ lines: [String], to path: String) -> (written: Int, problem: CInt?) {
        guard !lines.isEmpty else { return (0, nil) }
        if path != self.path { self.close() }
        self.path = path
        if !self.isStillThere { self.closeDescriptor() }
        var problem: CInt = 0
        if self.descriptor < 0 {
            // A pipe would have the thread wait for a reader, and the process with it at its end.
            self.descriptor = open(
                path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o640)
            if self.descriptor < 0 { problem = errno }
        }
        let start = self.isInLine ? "\n" : ""
        let bytes = Array((start + lines.map { $0 + "\n" }.joined()).utf8)
        var count = 0
        while self.descriptor >= 0, count < bytes.count {
            let result = bytes[count...].withUnsafeBytes {
                let result = write(self.descriptor, $0.baseAddress, $0.count)
                if result < 0 { problem = errno }
                return result
            }
            if result < 0, problem == EINTR { continue }
            guard result > 0 else { break }
            count += result
        }
        if count > 0 { self.isInLine = bytes[count - 1] != UInt8(ascii: "\n") }
        guard count < bytes.count else {
            self.hasFailed = false
            return (lines.count, nil)
        }
        var written = bytes[..<count].count { $0 == UInt8(ascii: "\n") } - start.utf8.count
        // A line that lacks its end alone has it before the next one.
        if count > start.utf8.count, bytes[count] == UInt8(ascii: "\n") { written += 1 }
        defer { self.hasFailed = true }
        return (max(0, written), self.hasFailed ? nil : problem)
    }

    private var isStillThere: Bool {
        var opened = stat()
        var named = stat()
        return self.descriptor >= 0 && fstat(self.descriptor, &opened) == 0
            && stat(self.path, &named) == 0 && opened.st_ino == named.st_ino
            && opened.st_dev == named.st_dev
    }
}
