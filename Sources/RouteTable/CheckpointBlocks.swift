// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Puts records together to blocks and hands these on.
struct CheckpointBlockWriter {
    /// Where the bytes go.
    private let sink: (UnsafeRawBufferPointer) throws -> Void
    private var kind = CheckpointFormat.Kind.names
    private var number = 0
    private var buffer: [UInt8] = []
    private(set) var byteCount = 0

    /// Writes the header.
    init(time: Int64, sink: @escaping (UnsafeRawBufferPointer) throws -> Void) throws {
        self.sink = sink
        var header = CheckpointFormat.magic
        header.appendLittleEndian(CheckpointFormat.version)
        header.appendLittleEndian(UInt32(0))
        header.appendLittleEndian(UInt64(bitPattern: time))
        header.appendLittleEndian(header.withUnsafeBytes { XXHash64.hash($0, seed: 0) })
        try self.hand(header)
        self.buffer.reserveCapacity(CheckpointFormat.blockSize + (64 << 10))
    }

    private mutating func hand(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes(self.sink)
        self.byteCount += bytes.count
    }

    /// Begins a part; what came before is handed on.
    mutating func begin(_ kind: CheckpointFormat.Kind) throws {
        try self.flush()
        self.kind = kind
    }

    /// Adds one record, whole.
    mutating func record(_ body: (inout [UInt8]) -> Void) throws {
        body(&self.buffer)
        if self.buffer.count >= CheckpointFormat.blockSize { try self.flush() }
    }

    mutating func flush() throws {
        guard !self.buffer.isEmpty else { return }
        let (kind, length) = (self.kind.rawValue, UInt32(self.buffer.count))
        let seed = CheckpointFormat.seed(self.number, kind, length)
        var header: [UInt8] = []
        header.appendLittleEndian(kind)
        header.appendLittleEndian(length)
        header.appendLittleEndian(self.buffer.withUnsafeBytes { XXHash64.hash($0, seed: seed) })
        try self.hand(header)
        try self.hand(self.buffer)
        self.buffer.removeAll(keepingCapacity: true)
        self.number += 1
    }
}

extension [UInt8] {
    mutating func appendLittleEndian<T: FixedWidthInteger>(_ value: T) {
        Swift.withUnsafeBytes(of: value.littleEndian) { self.append(contentsOf: $0) }
    }

    /// Seven bits a byte, the lowest first; the top bit says that more follow.
    @inline(__always)
    mutating func appendNumber<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
        var rest = value
        while rest > 0x7f {
            self.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest &>>= 7
        }
        self.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func appendNumber(_ value: Int) { self.appendNumber(UInt64(value)) }

    /// A count of bytes and the bytes.
    mutating func appendBytes(_ bytes: some Collection<UInt8>) {
        self.appendNumber(bytes.count)
        self.append(contentsOf: bytes)
    }
}

/// Reads records from a block, never beyond its end.
///
/// The bytes belong to a ``Checkpoint``, which whoever holds a cursor keeps alive.
struct CheckpointCursor {
    /// Where the bytes stand in the file, for complaints.
    private let fileOffset: Int
    private let part: CheckpointFormat.Kind
    private let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer, part: CheckpointFormat.Kind, fileOffset: Int) {
        self.bytes = bytes
        self.part = part
        self.fileOffset = fileOffset
    }

    var isAtEnd: Bool { self.position >= self.bytes.count }

    var malformed: CheckpointError {
        .malformed(part: self.part.words, offset: self.fileOffset + self.position)
    }

    @inline(__always)
    mutating func byte() throws(CheckpointError) -> UInt8 {
        guard self.position < self.bytes.count else { throw self.malformed }
        let byte = self.bytes.load(fromByteOffset: self.position, as: UInt8.self)
        self.position &+= 1
        return byte
    }

    /// A number that fits the type.
    @inline(__always)
    mutating func number<T: FixedWidthInteger & UnsignedInteger>(
        as _: T.Type = T.self
    ) throws(CheckpointError) -> T {
        let first = try self.byte()
        if first < 0x80 { return T(truncatingIfNeeded: first) }
        return try self.longNumber(T(truncatingIfNeeded: first & 0x7f))
    }

    private mutating func longNumber<T: FixedWidthInteger & UnsignedInteger>(
        _ low: T
    ) throws(CheckpointError) -> T {
        var value = low
        var shift = 7
        while true {
            let byte = try self.byte()
            let bits = T(truncatingIfNeeded: byte & 0x7f)
            guard shift < T.bitWidth, (bits << shift) >> shift == bits else {
                throw self.malformed
            }
            value |= bits << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    /// A number below or at a bound.
    mutating func count(atMost limit: Int) throws(CheckpointError) -> Int {
        let value: UInt64 = try self.number()
        guard value <= UInt64(limit) else { throw self.malformed }
        return Int(value)
    }

    mutating func take(_ count: Int) throws(CheckpointError) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= self.bytes.count - self.position else { throw self.malformed }
        defer { self.position += count }
        return UnsafeRawBufferPointer(
            rebasing: self.bytes[self.position..<self.position + count])
    }

    mutating func takeCounted() throws(CheckpointError) -> UnsafeRawBufferPointer {
        try self.take(try self.count(atMost: self.bytes.count))
    }
}
