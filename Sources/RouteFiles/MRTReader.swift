// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPWire

/// Takes an MRT file apart into records (RFC 6396 §2): a header of time `u32`, type `u16`,
/// subtype `u16` and length `u32`, big-endian, and the body.
///
/// The file is streamed: what is in memory is one record and a buffer, however long the file.
/// Records are given out as they come, so that all before a damaged place have been seen when the
/// error is thrown, and the caller decides what they are worth.
public struct MRTReader: ~Copyable {
    /// The number of the last record that was given out, from 1.
    public private(set) var recordNumber = 0
    /// Bytes of the uncompressed stream before the next record.
    public private(set) var offset = 0
    public var path: String { self.source.path }
    public var compression: Compression { self.source.compression }
    /// How much of the file has been read, from 0 to 1; nil where that can't be told.
    public var progress: Double? { self.source.progress }

    private var source: ByteSource
    private var buffer: UnsafeMutableRawBufferPointer
    /// What of the buffer hasn't been given out.
    private var pending = 0..<0
    private var failure: MRTError?
    private let maximumRecordLength: Int

    /// More than any record that RFC 6396 has a use for: 60,000 peers' entries for one prefix.
    public static let defaultMaximumRecordLength = 1 << 24
    private static let headerLength = 12

    public init(
        path: String, maximumRecordLength: Int = Self.defaultMaximumRecordLength
    ) throws(InputFileError) {
        self.init(try ByteSource(path: path), maximumRecordLength: maximumRecordLength)
    }

    /// Reads records from a source; it is at the start of one.
    public init(
        _ source: consuming ByteSource,
        maximumRecordLength: Int = Self.defaultMaximumRecordLength
    ) {
        self.source = source
        self.maximumRecordLength = maximumRecordLength
        self.buffer = .allocate(byteCount: 1 << 18, alignment: 16)
    }

    deinit { self.buffer.deallocate() }

    /// Gives the next record to `body`: its header, and its body without the microseconds that
    /// extended types have. The bytes stay where they are until `body` returns.
    ///
    /// - Returns: False at the end of the file.
    /// - Throws: ``MRTError`` where the file is cut short or damaged, again at each further call; or
    ///   what `body` throws, and then the next call gives the next record.
    public mutating func next(
        _ body: (_ record: MRTRecord, _ bytes: RawSpan) throws -> Void
    ) throws -> Bool {
        guard let (record, range) = try self.frame() else { return false }
        let bytes = UnsafeRawBufferPointer(rebasing: self.buffer[range])
        try body(record, bytes.bytes)
        return true
    }

    /// Gives all further records to `body`, as ``next(_:)`` does.
    public mutating func forEachRecord(
        _ body: (_ record: MRTRecord, _ bytes: RawSpan) throws -> Void
    ) throws {
        while try self.next(body) {}
    }

    /// Finds the next record and moves past it.
    private mutating func frame() throws(MRTError) -> (MRTRecord, Range<Int>)? {
        if let failure = self.failure { throw failure }
        guard try self.fill(Self.headerLength) else {
            guard self.pending.isEmpty else {
                throw self.fail(.truncatedHeader(have: self.pending.count))
            }
            return nil
        }
        let header = UnsafeRawBufferPointer(rebasing: self.buffer[self.pending]).bytes
        guard let timestamp = header.uint32(at: 0), let type = header.uint16(at: 4),
            let subtype = header.uint16(at: 6), let length = header.uint32(at: 8)
        else { throw self.fail(.truncatedHeader(have: self.pending.count)) }
        guard length <= self.maximumRecordLength else {
            throw self.fail(
                .recordTooLong(length: Int(length), maximum: self.maximumRecordLength))
        }
        let whole = Self.headerLength + Int(length)
        guard try self.fill(whole) else {
            throw self.fail(
                .truncatedRecord(
                    need: Int(length), have: self.pending.count - Self.headerLength))
        }
        var record = MRTRecord(
            number: self.recordNumber + 1, offset: self.offset, timestamp: timestamp,
            microseconds: nil, type: MRTType(rawValue: type), subtype: subtype,
            headerLength: Self.headerLength)
        if record.type.hasMicroseconds {
            let body = self.pending.lowerBound + Self.headerLength
            let bytes = UnsafeRawBufferPointer(
                rebasing: self.buffer[body..<body + Int(length)])
            guard let microseconds = bytes.bytes.uint32(at: 0) else {
                throw self.fail(.malformed(.truncated))
            }
            record.microseconds = microseconds
            record.headerLength += 4
        }
        let start = self.pending.lowerBound
        self.pending = start + whole..<self.pending.upperBound
        self.recordNumber += 1
        self.offset += whole
        return (record, start + record.headerLength..<start + whole)
    }

    /// Sees to it that `count` bytes are pending.
    ///
    /// - Returns: False where the file has fewer left.
    private mutating func fill(_ count: Int) throws(MRTError) -> Bool {
        guard self.pending.count < count else { return true }
        if self.buffer.count - self.pending.lowerBound < count {
            self.makeRoom(count)
        }
        while self.pending.count < count {
            do throws(InputFileError) {
                let room = UnsafeMutableRawBufferPointer(
                    rebasing: self.buffer[self.pending.upperBound...])
                let read = try self.source.read(into: room)
                if read == 0 { return false }
                self.pending = self.pending.lowerBound..<self.pending.upperBound + read
            } catch {
                throw self.fail(.input(error.reason))
            }
        }
        return true
    }

    /// Moves what is pending to the front, of a larger buffer if need be.
    private mutating func makeRoom(_ count: Int) {
        let pending = UnsafeRawBufferPointer(rebasing: self.buffer[self.pending])
        if self.buffer.count < count {
            let larger = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(count, 2 * self.buffer.count), alignment: 16)
            larger.copyMemory(from: pending)
            self.buffer.deallocate()
            self.buffer = larger
        } else {
            // Overlaps are allowed.
            self.buffer.copyMemory(from: pending)
        }
        self.pending = 0..<self.pending.count
    }

    private mutating func fail(_ reason: MRTError.Reason) -> MRTError {
        let error = MRTError(
            path: self.source.path, record: self.recordNumber + 1, offset: self.offset,
            reason: reason)
        self.failure = error
        return error
    }
}
