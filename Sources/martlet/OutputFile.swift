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
    /// Where it is until it is whole; nil where it can't be another file: standard output, a device.
    private let temporary: String?
    /// What it is to replace.
    private let before: stat?
    private var descriptor: CInt

    static var standardOutput: OutputFile { OutputFile() }

    private init() {
        self.path = "standard output"
        self.temporary = nil
        self.before = nil
        self.descriptor = STDOUT_FILENO
    }

    /// Begins a file beside the one that it is to replace. What a link points to is replaced, and not the
    /// link; what is no plain file, a device or a pipe, is written to.
    init(path name: String) throws {
        var old = stat()
        let isThere = stat(name, &old) == 0
        let path = isThere ? Self.target(of: name) ?? name : name
        self.path = path
        guard !isThere || old.st_mode & S_IFMT == S_IFREG else {
            self.temporary = nil
            self.before = nil
            self.descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY)
            try self.check(self.descriptor >= 0, "open")
            return
        }
        let temporary = "\(path).\(getpid()).new"
        self.temporary = temporary
        self.before = isThere ? old : nil
        self.descriptor = open(
            temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard self.descriptor >= 0 else {
            throw Failure(path: temporary, action: "open", code: errno)
        }
        self.takeRights()
    }

    private static func target(of path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Lets the file be whose the old one was and have its mode, as far as this user may: who reads the
    /// old one can read the new one.
    private func takeRights() {
        guard let before, fchown(self.descriptor, before.st_uid, before.st_gid) == 0 else { return }
        _ = fchmod(self.descriptor, before.st_mode & 0o777)
    }

    deinit {
        guard self.descriptor > STDERR_FILENO else { return }
        close(self.descriptor)
        if let temporary { unlink(temporary) }
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
        var new = stat()
        guard let old = self.before, fstat(self.descriptor, &new) == 0,
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
