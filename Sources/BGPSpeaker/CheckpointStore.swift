// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
public import RouteTable

/// The file that a table's checkpoint is kept in.
///
/// A new one is written beside it, given to the disk, and then takes its name: whenever the
/// machine stops, one of both is there whole. Calls block: they belong on a plain thread.
public struct CheckpointStore: Hashable, Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    /// What was written.
    public struct Saved: Hashable, Sendable {
        public var counts: CheckpointCounts
        public var bytes: Int
    }

    /// Reads and verifies the file.
    ///
    /// - Returns: Nil where there is no such file.
    /// - Throws: ``CheckpointFileError``, `CheckpointError` or `TableResourceError`.
    public func load() throws -> Checkpoint? {
        let descriptor = open(self.path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        if descriptor < 0, errno == ENOENT { return nil }
        try self.check(descriptor >= 0, "open")
        defer { close(descriptor) }
        return try self.load(from: descriptor)
    }

    /// Reads and verifies what an open file holds; ``path`` is its name in errors.
    ///
    /// - Throws: ``CheckpointFileError``, `CheckpointError` or `TableResourceError`.
    public func load(from descriptor: CInt) throws -> Checkpoint {
        var status = stat()
        try self.check(fstat(descriptor, &status) == 0, "look at")
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw CheckpointFileError(path: self.path, action: "read", code: nil)
        }
        return try Checkpoint(byteCount: Int(status.st_size)) { buffer, offset in
            var count = 0
            while count < buffer.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
                let piece = pread(descriptor, rest.baseAddress, rest.count, offset + count)
                if piece < 0, errno == EINTR { continue }
                try self.check(piece >= 0, "read")
                if piece == 0 { break }
                count += piece
            }
            return count
        }
    }

    /// Writes the table in place of what is there.
    ///
    /// - Parameters:
    ///   - owner: The table's writer.
    ///   - time: When that is, in Unix seconds.
    /// - Returns: What was written.
    /// - Throws: ``CheckpointFileError`` or `CheckpointRefusal`; the old file is as it was then.
    public func save(_ owner: TableOwner, time: Int64) throws -> Saved {
        let new = self.path + ".new"
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW
        let descriptor = open(new, flags, 0o640)
        try self.check(descriptor >= 0, "open", new)
        var isOpen = true
        do {
            let saved = try self.save(owner, time: time, to: descriptor, new)
            try self.check(fsync(descriptor) == 0, "sync", new)
            isOpen = false
            try self.check(close(descriptor) == 0, "close", new)
            try self.check(rename(new, self.path) == 0, "rename", new)
            self.syncFolder()
            return saved
        } catch {
            if isOpen { close(descriptor) }
            unlink(new)
            throw error
        }
    }

    /// Writes the table to an open file, whose name in errors is ``path``.
    ///
    /// - Throws: ``CheckpointFileError`` or `CheckpointRefusal`.
    @discardableResult
    public func save(_ owner: TableOwner, time: Int64, to descriptor: CInt) throws -> Saved {
        try self.save(owner, time: time, to: descriptor, self.path)
    }

    private func save(
        _ owner: TableOwner, time: Int64, to descriptor: CInt, _ path: String
    ) throws -> Saved {
        let counts = try owner.writeCheckpoint(time: time) { bytes in
            try self.write(bytes, to: descriptor, path)
        }
        return Saved(counts: counts, bytes: Int(lseek(descriptor, 0, SEEK_CUR)))
    }

    private func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: CInt, _ path: String
    ) throws(CheckpointFileError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            try self.check(count >= 0, "write", path)
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    /// The new name is to last, too. A file system that can't promise that is no reason to fail.
    private func syncFolder() {
        let descriptor = open(self.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    private var folder: String {
        guard let slash = self.path.lastIndex(of: "/") else { return "." }
        return slash == self.path.startIndex ? "/" : String(self.path[..<slash])
    }

    /// Why no checkpoint can be written, as far as one can know beforehand; nil where it can.
    public var problem: CheckpointFileError? {
        access(self.folder, W_OK | X_OK) == 0
            ? nil : CheckpointFileError(path: self.folder, action: "write to", code: errno)
    }

    private func check(
        _ isGood: Bool, _ action: String, _ path: String? = nil
    ) throws(CheckpointFileError) {
        if !isGood {
            throw CheckpointFileError(path: path ?? self.path, action: action, code: errno)
        }
    }
}

/// What the system refused.
public struct CheckpointFileError: Error, Hashable, Sendable {
    public var path: String
    /// What was tried, as a verb.
    public var action: String
    /// An `errno`; nil where the path is no plain file.
    public var code: CInt?

    public init(path: String, action: String, code: CInt?) {
        self.path = path
        self.action = action
        self.code = code
    }
}

extension CheckpointFileError: CustomStringConvertible {
    public var description: String {
        guard let code = self.code else { return "\(self.path) is not a plain file" }
        return "can't \(self.action) \(self.path): \(String(cString: strerror(code)))"
    }
}
