// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A checkpoint in memory, whose every byte has been checked.
///
/// Unchecked: the bytes are written in `init` alone, and freed at the end of its life.
public final class Checkpoint: @unchecked Sendable {
    /// When it was written, in Unix seconds.
    public let written: Int64
    public let counts: CheckpointCounts
    public let byteCount: Int
    let names: CheckpointNames
    private let bytes: UnsafeMutableRawBufferPointer
    private let blocks: [Block]

    struct Block {
        var kind: CheckpointFormat.Kind
        var range: Range<Int>
    }

    /// No larger file is read: some fifty times as much as eight full tables take.
    public static let maximumBytes = 4 << 30

    /// Reads and verifies a file.
    ///
    /// - Parameters:
    ///   - byteCount: The file's size.
    ///   - read: Fills the buffer and tells how many bytes there were; fewer are all.
    /// - Throws: ``CheckpointError``, and what `read` throws.
    public init(
        byteCount: Int, read: (UnsafeMutableRawBufferPointer) throws -> Int
    ) throws {
        guard byteCount <= Self.maximumBytes else {
            throw CheckpointError.tooLarge(bytes: byteCount, limit: Self.maximumBytes)
        }
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(1, byteCount), alignment: 8)
        do {
            let whole = UnsafeMutableRawBufferPointer(rebasing: memory[..<max(0, byteCount)])
            let have = try read(whole)
            let bytes = UnsafeRawBufferPointer(rebasing: memory[..<max(0, min(have, byteCount))])
            (self.written, self.blocks) = try Self.verified(bytes)
            self.names = try CheckpointNames(Self.cursor(bytes, self.blocks[0]))
            self.counts = try Self.counts(Self.cursor(bytes, self.blocks[self.blocks.count - 1]))
            self.byteCount = bytes.count
            self.bytes = memory
        } catch {
            memory.deallocate()
            throw error
        }
    }

    /// As ``init(byteCount:read:)``, from bytes that are in memory already.
    public convenience init(bytes: [UInt8]) throws {
        try self.init(byteCount: bytes.count) { buffer in
            buffer.copyBytes(from: bytes)
            return bytes.count
        }
    }

    deinit { self.bytes.deallocate() }

    /// The names of the feeds whose routes it has.
    public var feedNames: [String] { self.names.feeds.map(\.name) }

    func cursors(_ kind: CheckpointFormat.Kind) -> [CheckpointCursor] {
        self.blocks.filter { $0.kind == kind }.map {
            Self.cursor(UnsafeRawBufferPointer(self.bytes), $0)
        }
    }

    private static func cursor(
        _ bytes: UnsafeRawBufferPointer, _ block: Block
    ) -> CheckpointCursor {
        CheckpointCursor(
            UnsafeRawBufferPointer(rebasing: bytes[block.range]), part: block.kind,
            fileOffset: block.range.lowerBound)
    }

    // MARK: Verifying

    private static func verified(
        _ bytes: UnsafeRawBufferPointer
    ) throws(CheckpointError) -> (written: Int64, blocks: [Block]) {
        func number<T: FixedWidthInteger>(_ offset: Int, as _: T.Type = T.self) -> T {
            T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
        let magic = CheckpointFormat.magic
        guard bytes.prefix(magic.count).elementsEqual(magic.prefix(bytes.count)) else {
            throw .foreign
        }
        guard bytes.count >= CheckpointFormat.headerBytes else {
            throw .truncated(need: CheckpointFormat.headerBytes, have: bytes.count)
        }
        let header = UnsafeRawBufferPointer(rebasing: bytes[..<24])
        guard number(24) == XXHash64.hash(header, seed: 0) else {
            throw .damaged(part: "header", offset: 0)
        }
        let version: UInt32 = number(8)
        guard (CheckpointFormat.oldestVersion...CheckpointFormat.version).contains(version) else {
            throw .otherVersion(version, known: CheckpointFormat.version)
        }
        var blocks: [Block] = []
        var offset = CheckpointFormat.headerBytes
        while blocks.last?.kind != .end {
            let start = offset + CheckpointFormat.blockHeaderBytes
            guard start <= bytes.count else { throw .truncated(need: start, have: bytes.count) }
            let (raw, length): (UInt32, UInt32) = (number(offset), number(offset + 4))
            let kind = CheckpointFormat.Kind(rawValue: raw)
            let part = kind?.words ?? "block"
            let end = start + Int(length)
            // A length that is wrong would point anywhere: it is the header that is damaged then.
            guard length <= CheckpointFormat.maximumBlock else {
                throw .damaged(part: part, offset: offset)
            }
            guard end <= bytes.count else { throw .truncated(need: end, have: bytes.count) }
            let body = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
            let seed = CheckpointFormat.seed(blocks.count, raw, length)
            guard number(offset + 8) == XXHash64.hash(body, seed: seed) else {
                throw .damaged(part: part, offset: offset)
            }
            let before = blocks.last?.kind
            guard let kind, before.map({ $0.rawValue <= raw }) ?? (kind == .names),
                kind != .names || before == nil
            else { throw .malformed(part: part, offset: offset) }
            blocks.append(Block(kind: kind, range: start..<end))
            offset = end
        }
        guard offset == bytes.count else { throw .malformed(part: "end", offset: offset) }
        return (number(16), blocks)
    }

    private static func counts(
        _ cursor: consuming CheckpointCursor
    ) throws(CheckpointError) -> CheckpointCounts {
        var counts = CheckpointCounts()
        for field in CheckpointCounts.fields {
            counts[keyPath: field] = try cursor.count(atMost: 1 << 48)
        }
        guard cursor.isAtEnd else { throw cursor.malformed }
        return counts
    }
}
