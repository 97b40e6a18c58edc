// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A file that takes its name only when it is whole; until then what was there stays.
final class OutputFile {
    /// What the system refused.
    struct Failure: Error, CustomStringConvertible {
        var path: String
        /// What was tried, as a verb.
        var action: String
        /// An `errno`.
        var code: CInt

        var description: String {
            "can't \(self.action) \(self.path): \(String(cString: strerror(self.code)))"
        }
    }

    private let path: String
    /// Where it is until it is whole; nil for standard output.
    private let temporary: String?
    private var descriptor: CInt

    static var standardOutput: OutputFile { OutputFile() }

    private init() {
        self.path = "standard output"
        self.temporary = nil
        self.descriptor = STDOUT_FILENO
    }

    /// Begins a file beside the one that it is to replace.
    init(path: String) throws {
        self.path = path
        let temporary = "\(path).\(getpid()).new"
        self.temporary = temporary
        self.descriptor = open(
            temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard self.descriptor >= 0 else {
            throw Failure(path: temporary, action: "open", code: errno)
        }
    }

    deinit {
        guard let temporary, self.descriptor >= 0 else { return }
        close(self.descriptor)
        unlink(temporary)
    }

    func write(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { bytes in
            var rest = bytes
            while !rest.isEmpty {
                let count = Glibc.write(self.descriptor, rest.baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                try self.check(count >= 0, "write")
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }

    /// The file is whole.
    func commit() throws {
        guard let temporary else { return }
        try self.check(fsync(self.descriptor) == 0, "sync")
        self.outdate()
        let descriptor = self.descriptor
        self.descriptor = -1
        if close(descriptor) != 0 || rename(temporary, self.path) != 0 {
            let code = errno
            unlink(temporary)
            throw Failure(path: self.path, action: "write", code: code)
        }
    }

    /// Lets the file be at least a second younger than the one that it replaces: who watches it
    /// may look at whole seconds alone, as gdnsd does, and not see a second change within one.
    private func outdate() {
        var old = stat()
        var new = stat()
        guard stat(self.path, &old) == 0, fstat(self.descriptor, &new) == 0,
            new.st_mtim.tv_sec <= old.st_mtim.tv_sec
        else { return }
        let later = timespec(tv_sec: old.st_mtim.tv_sec + 1, tv_nsec: 0)
        // Where the file system has no such time, the file is good all the same.
        _ = [later, later].withUnsafeBufferPointer {
            futimens(self.descriptor, $0.baseAddress)
        }
    }

    private func check(_ isGood: Bool, _ action: String) throws {
        if !isGood { throw Failure(path: self.path, action: action, code: errno) }
    }
}
