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
    private let memory: ReservedMemory
    private let blocks: [CheckpointOutline.Block]

    /// No larger file is read: some fifty times as much as eight full tables take.
    public static let maximumBytes = 4 << 30

    /// Reads and verifies a file.
    ///
    /// First where its parts stand, by their headers, and what the end says is in them: they must
    /// fill the file, and what is counted must fit in them. Then block by block; memory is taken
    /// as blocks come, and none after one that isn't as it was written.
    ///
    /// - Parameters:
    ///   - byteCount: The file's size.
    ///   - read: Fills the buffer from an offset in the file on, and tells how many bytes there
    ///     were; fewer are all.
    /// - Throws: ``CheckpointError``, ``TableResourceError`` where the system has no room for it,
    ///   and what `read` throws.
    public init(
        byteCount: Int, read: (UnsafeMutableRawBufferPointer, Int) throws -> Int
    ) throws {
        guard byteCount <= Self.maximumBytes else {
            throw CheckpointError.tooLarge(bytes: byteCount, limit: Self.maximumBytes)
        }
        let outline = try CheckpointOutline(byteCount: max(0, byteCount), read: read)
        let memory = try ReservedMemory(bytes: outline.bytesToRead)
        try outline.readBlocks(into: memory.base, read: read)
        self.written = outline.written
        self.blocks = outline.blocks
        self.names = try CheckpointNames(Self.cursor(memory, .names, outline.blocks[0]))
        self.counts = outline.counts
        self.byteCount = byteCount
        self.memory = memory
    }

    /// As ``init(byteCount:read:)``, from bytes that are in memory already.
    public convenience init(bytes: [UInt8]) throws {
        try self.init(byteCount: bytes.count) { buffer, offset in
            let piece = bytes[min(offset, bytes.count)...].prefix(buffer.count)
            buffer.copyBytes(from: piece)
            return piece.count
        }
    }

    /// The names of the feeds whose routes it has.
    public var feedNames: [String] { self.names.feeds.map(\.name) }

    /// The blocks of a part. Whoever reads them keeps the checkpoint alive.
    func cursors(_ kind: CheckpointFormat.Kind) -> [CheckpointCursor] {
        self.blocks.filter { $0.kind == kind }.map { Self.cursor(self.memory, kind, $0) }
    }

    /// Why it is refused where its parts hold something else than its end counts.
    var miscounted: CheckpointError {
        .malformed(
            part: CheckpointFormat.Kind.end.words, offset: self.blocks[self.blocks.count - 1].offset
        )
    }

    private static func cursor(
        _ memory: ReservedMemory, _ kind: CheckpointFormat.Kind, _ block: CheckpointOutline.Block
    ) -> CheckpointCursor {
        CheckpointCursor(
            UnsafeRawBufferPointer(
                start: memory.base + block.body.lowerBound, count: block.body.count),
            part: kind, fileOffset: block.body.lowerBound)
    }
}
