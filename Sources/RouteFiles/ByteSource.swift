// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The bytes of a file from its start to its end, unpacked where it is compressed.
///
/// gzip and bzip2 are recognised by their first bytes, whatever the name says; members that
/// follow one another (`cat a.gz b.gz`, parallel compressors) are read as one. Whatever the file's
/// size, it takes a buffer of 64 KiB and the decompressor's state.
public struct ByteSource: ~Copyable {
    public let path: String
    public let compression: Compression
    /// How many bytes have been read, uncompressed.
    public private(set) var offset = 0

    /// None for bytes in memory.
    private let descriptor: CInt?
    private let input: UnsafeMutableRawBufferPointer
    /// What of `input` hasn't been used.
    private var pending: Range<Int>
    private var isAtEnd: Bool
    private let decompressor: Decompressor?
    /// No byte of the next compressed member has been seen.
    private var isBetweenMembers = true
    private var isFirstMember = true

    private static let bufferSize = 65_536
    /// Bytes that the file has, and how many of them have been read, as they are stored.
    private let storedCount: Int
    private var storedOffset: Int

    /// How much of the file has been read, from 0 to 1; nil where its size can't be told, as of a pipe.
    public var progress: Double? {
        guard self.storedCount > 0 else { return nil }
        return min(1, Double(self.storedOffset - self.pending.count) / Double(self.storedCount))
    }

    /// Opens a file and looks at its first bytes.
    public init(path: String) throws(InputFileError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw InputFileError(path: path, reason: .cannotOpen(errno), offset: 0)
        }
        let input = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.bufferSize, alignment: 16)
        var filled = 0
        var isAtEnd = false
        do throws(InputFileError.Reason) {
            while filled < Signature.byteCount, !isAtEnd {
                let count = try Self.read(descriptor, into: .init(rebasing: input[filled...]))
                filled += count
                isAtEnd = count == 0
            }
            try self.init(
                path: path, descriptor: descriptor, input: input, filled: filled,
                isAtEnd: isAtEnd)
        } catch {
            close(descriptor)
            input.deallocate()
            throw InputFileError(path: path, reason: error, offset: 0)
        }
    }

    /// Reads bytes in memory as if they were a file named `path`.
    public init(bytes: [UInt8], path: String = "(memory)") throws(InputFileError) {
        let input = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(1, bytes.count), alignment: 16)
        input.copyBytes(from: bytes)
        do throws(InputFileError.Reason) {
            try self.init(
                path: path, descriptor: nil, input: input, filled: bytes.count, isAtEnd: true)
        } catch {
            input.deallocate()
            throw InputFileError(path: path, reason: error, offset: 0)
        }
    }

    private init(
        path: String, descriptor: CInt?, input: UnsafeMutableRawBufferPointer, filled: Int,
        isAtEnd: Bool
    ) throws(InputFileError.Reason) {
        let compression = try Signature.recognise(.init(rebasing: input[..<filled]))
        do throws(Decompressor.Failure) {
            switch compression {
            case .plain: self.decompressor = nil
            case .gzip: self.decompressor = try .gzip()
            case .bzip2: self.decompressor = try .bzip2()
            }
        } catch {
            throw .outOfMemory
        }
        self.path = path
        self.compression = compression
        self.descriptor = descriptor
        self.input = input
        self.pending = 0..<filled
        self.isAtEnd = isAtEnd
        self.storedOffset = filled
        var status = stat()
        if let descriptor, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG {
            self.storedCount = Int(status.st_size)
        } else {
            self.storedCount = descriptor == nil ? filled : 0
        }
    }

    deinit {
        if let descriptor = self.descriptor { close(descriptor) }
        self.input.deallocate()
    }

    /// Reads at least one byte, and as many as are at hand.
    ///
    /// - Returns: How many bytes stand in `output` now; 0 at the end of the file.
    /// - Throws: What is wrong after all the bytes before it have been given out.
    public mutating func read(
        into output: UnsafeMutableRawBufferPointer
    ) throws(InputFileError) -> Int {
        guard !output.isEmpty else { return 0 }
        do throws(InputFileError.Reason) {
            let count = try self.unpack(into: output)
            self.offset += count
            return count
        } catch {
            throw InputFileError(path: self.path, reason: error, offset: self.offset)
        }
    }

    private mutating func unpack(
        into output: UnsafeMutableRawBufferPointer
    ) throws(InputFileError.Reason) -> Int {
        while true {
            if self.compression == .plain, self.pending.isEmpty, let descriptor = self.descriptor {
                // Straight to its place.
                let count = try Self.read(descriptor, into: output)
                self.storedOffset += count
                return count
            }
            if self.pending.isEmpty, !self.isAtEnd { try self.refill() }
            guard self.compression != .plain else {
                let count = min(output.count, self.pending.count)
                output.copyMemory(from: .init(rebasing: self.input[self.pending.prefix(count)]))
                self.pending.removeFirst(count)
                return count
            }
            if self.isBetweenMembers, !self.isFirstMember {
                // Tapes and block devices leave zeros after the end.
                while let at = self.pending.first, self.input[at] == 0 {
                    self.pending.removeFirst()
                }
                if self.pending.isEmpty, !self.isAtEnd { continue }
            }
            if self.pending.isEmpty {
                guard self.isBetweenMembers else { throw .truncated(self.compression) }
                return 0
            }
            let produced = try self.step(into: output)
            if produced > 0 { return produced }
        }
    }

    /// Gives the decompressor what is pending, once.
    private mutating func step(
        into output: UnsafeMutableRawBufferPointer
    ) throws(InputFileError.Reason) -> Int {
        do throws(Decompressor.Failure) {
            guard
                let step = try self.decompressor?.step(
                    from: .init(rebasing: self.input[self.pending]), into: output)
            else { return 0 }
            self.pending.removeFirst(step.consumed)
            self.isBetweenMembers = step.isComplete
            if step.isComplete {
                self.isFirstMember = false
                try self.decompressor?.restart()
            }
            return step.produced
        } catch {
            switch error {
            case .outOfMemory: throw .outOfMemory
            case .damaged:
                throw self.isBetweenMembers && !self.isFirstMember
                    ? .trailingGarbage(self.compression) : .damaged(self.compression)
            }
        }
    }

    private mutating func refill() throws(InputFileError.Reason) {
        guard let descriptor = self.descriptor else {
            self.isAtEnd = true
            return
        }
        let count = try Self.read(descriptor, into: self.input)
        self.pending = 0..<count
        self.storedOffset += count
        self.isAtEnd = count == 0
    }

    private static func read(
        _ descriptor: CInt, into buffer: UnsafeMutableRawBufferPointer
    ) throws(InputFileError.Reason) -> Int {
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            guard errno == EINTR else { throw .cannotRead(errno) }
        }
    }
}

extension Range<Int> {
    /// Takes `count` from the front.
    fileprivate mutating func removeFirst(_ count: Int = 1) {
        self = self.lowerBound + count..<self.upperBound
    }
}

/// The first bytes of compressed files.
private enum Signature {
    /// As many as are looked at.
    static let byteCount = 10

    static func recognise(
        _ bytes: UnsafeRawBufferPointer
    ) throws(InputFileError.Reason) -> Compression {
        if bytes.starts(with: [0x1f, 0x8b, 0x08]) { return .gzip }
        // "BZh" and a digit alone might be a table dump's time stamp, in April 2005.
        if bytes.starts(with: Array("BZh".utf8)), bytes.count >= 10 {
            let rest = bytes[4..<10]
            if rest.elementsEqual([0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
                || rest.elementsEqual([0x17, 0x72, 0x45, 0x38, 0x50, 0x90])
            {
                return .bzip2
            }
        }
        if bytes.starts(with: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]) {
            throw .unsupportedCompression("xz")
        }
        if bytes.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) { throw .unsupportedCompression("zstd") }
        return .plain
    }
}

extension InputFileError.Reason: Error {}

extension ByteSource {
    /// A whole file, unpacked, of at most `maximum` bytes.
    public static func readAll(
        path: String, maximum: Int = 1 << 30
    ) throws(InputFileError) -> [UInt8] {
        var source = try ByteSource(path: path)
        var bytes: [UInt8] = []
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { chunk.deallocate() }
        while true {
            let count = try source.read(into: chunk)
            if count == 0 { return bytes }
            guard bytes.count + count <= maximum else {
                throw InputFileError(
                    path: path, reason: .tooLarge(maximum: maximum), offset: bytes.count)
            }
            bytes.append(contentsOf: chunk[..<count])
        }
    }
}
