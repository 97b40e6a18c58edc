// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What the system refused while a record was written.
public struct DumpFileError: Error, Hashable, Sendable, CustomStringConvertible {
    public var path: String
    /// What was tried, as a verb.
    public var action: String
    /// An `errno`.
    public var code: CInt

    public var description: String {
        "can't \(self.action) \(self.path): \(String(cString: strerror(self.code)))"
    }
}

/// The files of one feed's record, one after another.
///
/// The file that is being written is called `NAME.part`; it takes its name when it is complete: when it
/// is large or old enough, and at the end. A name that is taken gets a number behind it. Blocks, and belongs to
/// one thread at a time.
struct DumpFile {
    /// How long nothing is tried after a failure, in seconds.
    static let pause: Int64 = 10

    let settings: DumpSettings
    private var descriptor: CInt = -1
    /// The name that the open file will have.
    private(set) var path: String?
    private(set) var size = 0
    /// The start of the time that the open file is for, in Unix seconds.
    private var period: Int64 = 0
    private var pausedUntil: Int64 = 0

    init(settings: DumpSettings) { self.settings = settings }

    /// Whether writing is worth a try.
    func isPaused(at now: Int64) -> Bool { now < self.pausedUntil }

    /// Writes whole records, and begins another file where the size asks for it.
    ///
    /// - Throws: What the system refuses. What had been written of `bytes` is taken back, the file is
    ///   completed, and the next call begins another one, after a pause.
    mutating func write(_ bytes: [UInt8], at now: Int64) throws(DumpFileError) {
        try self.rotateIfOld(at: now)
        var rest = bytes[...]
        while !rest.isEmpty {
            let room = self.settings.rotateSize.map { max(0, $0 - self.size) } ?? .max
            let piece = Self.records(of: rest, room: room, isFirst: self.size == 0)
            if piece.isEmpty {
                try self.complete()
                continue
            }
            do throws(DumpFileError) {
                if self.descriptor < 0 { try self.open(at: now) }
                try self.append(piece)
            } catch {
                self.pausedUntil = now + Self.pause
                self.giveUp()
                throw error
            }
            rest = rest[piece.endIndex...]
        }
    }

    /// As many whole records as there is room for; one at least in an empty file.
    private static func records(
        of bytes: ArraySlice<UInt8>, room: Int, isFirst: Bool
    ) -> ArraySlice<UInt8> {
        if bytes.count <= room { return bytes }
        var end = bytes.startIndex
        while end + 12 <= bytes.endIndex {
            let length = bytes[end + 8..<end + 12].reduce(0) { $0 << 8 | Int($1) }
            let next = min(bytes.endIndex, end + 12 + length)
            if next - bytes.startIndex > room, !(isFirst && end == bytes.startIndex) { break }
            end = next
        }
        return bytes[..<end]
    }

    private mutating func open(at now: Int64) throws(DumpFileError) {
        let wanted = self.settings.path(at: now)
        var path = wanted
        var number = 0
        while access(path, F_OK) == 0 || access(path + ".part", F_OK) == 0 {
            number += 1
            path = "\(wanted).\(number)"
        }
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let descriptor = Glibc.open(path + ".part", flags, 0o640)
        guard descriptor >= 0 else {
            throw DumpFileError(path: path + ".part", action: "open", code: errno)
        }
        self.descriptor = descriptor
        self.path = path
        self.size = 0
        self.period = self.period(at: now)
    }

    private mutating func append(_ bytes: ArraySlice<UInt8>) throws(DumpFileError) {
        var written = 0
        var code: CInt = 0
        bytes.withUnsafeBytes { bytes in
            while written < bytes.count, code == 0 {
                let count = Glibc.write(
                    self.descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
                if count >= 0 { written += count } else if errno != EINTR { code = errno }
            }
        }
        guard code == 0 else {
            // A record that is cut short would make the rest of the file unreadable.
            if written > 0 { ftruncate(self.descriptor, off_t(self.size)) }
            throw DumpFileError(path: (self.path ?? "") + ".part", action: "write", code: code)
        }
        self.size += bytes.count
    }

    private func period(at now: Int64) -> Int64 {
        guard let every = self.settings.rotateEvery?.components.seconds, every > 0 else { return 0 }
        return now - now % every
    }

    /// Completes a file whose time is over.
    mutating func rotateIfOld(at now: Int64) throws(DumpFileError) {
        if self.descriptor >= 0, self.period(at: now) != self.period { try self.complete() }
    }

    /// Gives the open file its name. One without records leaves nothing.
    mutating func complete() throws(DumpFileError) {
        guard self.descriptor >= 0, let path = self.path else { return }
        let isEmpty = self.size == 0
        close(self.descriptor)
        self.descriptor = -1
        self.path = nil
        self.size = 0
        if isEmpty {
            unlink(path + ".part")
        } else if rename(path + ".part", path) != 0 {
            throw DumpFileError(path: path, action: "name", code: errno)
        }
        self.removeOld()
    }

    private mutating func giveUp() {
        // What can't be named now stays as `NAME.part`.
        try? self.complete()
    }

    /// Removes the oldest files beyond those that are kept: of names that the pattern makes, and
    /// no others.
    private func removeOld() {
        guard let keep = self.settings.keep, let folder = opendir(self.settings.folder) else {
            return
        }
        defer { closedir(folder) }
        var found: [(time: timespec, path: String)] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard self.settings.makes(name) else { continue }
            let path = self.settings.folder + "/" + name
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            found.append((status.st_mtim, path))
        }
        found.sort {
            ($0.time.tv_sec, $0.time.tv_nsec, $0.path) < ($1.time.tv_sec, $1.time.tv_nsec, $1.path)
        }
        for old in found.dropLast(keep) { unlink(old.path) }
    }
}
