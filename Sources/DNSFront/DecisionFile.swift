// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The file that lines are added to.
struct DecisionFile: ~Copyable {
    private var descriptor: CInt = -1
    private var path = ""
    private var hasFailed = false

    deinit { if self.descriptor >= 0 { Glibc.close(self.descriptor) } }

    mutating func close() {
        if self.descriptor >= 0 { Glibc.close(self.descriptor) }
        self.descriptor = -1
        self.hasFailed = false
    }

    /// Adds whole lines; opens the file, and another where it has been moved away.
    ///
    /// - Returns: An errno, the first time that it can't.
    mutating func append(_ text: String, to path: String) -> CInt? {
        guard !text.isEmpty else { return nil }
        if path != self.path || !self.isStillThere { self.close() }
        self.path = path
        if self.descriptor < 0 {
            self.descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
        }
        var bytes = Array(text.utf8)[...]
        while self.descriptor >= 0, !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { write(self.descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes = bytes.dropFirst(count)
        }
        guard !bytes.isEmpty else {
            self.hasFailed = false
            return nil
        }
        let problem = errno
        defer { self.hasFailed = true }
        return self.hasFailed ? nil : problem
    }

    private var isStillThere: Bool {
        var opened = stat()
        var named = stat()
        return self.descriptor >= 0 && fstat(self.descriptor, &opened) == 0
            && stat(self.path, &named) == 0 && opened.st_ino == named.st_ino
            && opened.st_dev == named.st_dev
    }
}
