// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Where the blocks of a checkpoint stand and what is said to be in them, before any is read.
///
/// Only headers and the end are looked at, so a file that isn't what it should be costs no memory,
/// however large it says it is.
struct CheckpointOutline {
    struct Block {
        var rawKind: UInt32
        var checksum: UInt64
        /// Its bytes without the header, as offsets in the file.
        var body: Range<Int>

        var kind: CheckpointFormat.Kind? { CheckpointFormat.Kind(rawValue: self.rawKind) }
        var part: String { self.kind?.words ?? "block" }
        /// Where its header begins.
        var offset: Int { self.body.lowerBound - CheckpointFormat.blockHeaderBytes }
    }

    /// When the file was written, in Unix seconds.
    let written: Int64
    private(set) var blocks: [Block] = []
    private(set) var counts = CheckpointCounts()
    /// What is wrong behind the blocks: to be told where these are as they were written.
    private var problem: CheckpointError?

    /// - Throws: ``CheckpointError``, and what `read` throws.
    init(
        byteCount: Int, read: (UnsafeMutableRawBufferPointer, Int) throws -> Int
    ) throws {
        self.written = try Self.header(
            try Self.bytes(at: 0, min(byteCount, CheckpointFormat.headerBytes), read))
        try self.findBlocks(byteCount, read)
        if self.problem == nil, let end = self.blocks.last { try self.readCounts(end, read) }
    }

    private static func bytes(
        at offset: Int, _ count: Int,
        _ read: (UnsafeMutableRawBufferPointer, Int) throws -> Int
    ) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let have = try bytes.withUnsafeMutableBytes { try read($0, offset) }
        guard have >= count else {
            throw CheckpointError.truncated(need: offset + count, have: offset + max(0, have))
        }
        return bytes
    }

    private static func number<T: FixedWidthInteger>(
        _ bytes: [UInt8], _ offset: Int, as _: T.Type = T.self
    ) -> T {
        bytes.withUnsafeBytes {
            T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
    }

    // MARK: The header

    private static func header(_ header: [UInt8]) throws(CheckpointError) -> Int64 {
        let magic = CheckpointFormat.magic
        guard header.prefix(magic.count).elementsEqual(magic.prefix(header.count)) else {
            throw .foreign
        }
        guard header.count == CheckpointFormat.headerBytes else {
            throw .truncated(need: CheckpointFormat.headerBytes, have: header.count)
        }
        let checksum = header.withUnsafeBytes {
            XXHash64.hash(UnsafeRawBufferPointer(rebasing: $0[..<24]), seed: 0)
        }
        guard self.number(header, 24) == checksum else {
            throw .damaged(part: "header", offset: 0)
        }
        let version: UInt32 = self.number(header, 8)
        guard (CheckpointFormat.oldestVersion...CheckpointFormat.version).contains(version) else {
            throw .otherVersion(version, known: CheckpointFormat.version)
        }
        return self.number(header, 16)
    }

    // MARK: The blocks

    /// Follows the headers to the end, or to the first that can't be one.
    private mutating func findBlocks(
        _ byteCount: Int, _ read: (UnsafeMutableRawBufferPointer, Int) throws -> Int
    ) throws {
        var offset = CheckpointFormat.headerBytes
        while self.problem == nil, self.blocks.last?.kind != .end {
            let start = offset + CheckpointFormat.blockHeaderBytes
            guard start <= byteCount else {
                self.problem = .truncated(need: start, have: byteCount)
                return
            }
            let header = try Self.bytes(at: offset, CheckpointFormat.blockHeaderBytes, read)
            let length: UInt32 = Self.number(header, 4)
            let block = Block(
                rawKind: Self.number(header, 0), checksum: Self.number(header, 8),
                body: start..<start + Int(length))
            // A length that is wrong would point anywhere: it is the header that is damaged then.
            guard length > 0, length <= CheckpointFormat.maximumBlock else {
                self.problem = .damaged(part: block.part, offset: offset)
                return
            }
            guard block.body.upperBound <= byteCount else {
                self.problem = .truncated(need: block.body.upperBound, have: byteCount)
                return
            }
            if !self.mayFollow(block) {
                self.problem = .malformed(part: block.part, offset: offset)
            }
            self.blocks.append(block)
            offset = block.body.upperBound
        }
        if self.problem == nil, offset != byteCount {
            self.problem = .malformed(part: "end", offset: offset)
        }
    }

    /// Parts come in their order, and all blocks of a part but its last are full: so there are
    /// few of them.
    private func mayFollow(_ block: Block) -> Bool {
        guard let kind = block.kind else { return false }
        guard let before = self.blocks.last else { return kind == .names }
        return kind != .names && before.rawKind <= block.rawKind
            && (before.rawKind < block.rawKind || before.body.count >= CheckpointFormat.blockSize)
    }

    // MARK: What is in them

    private mutating func readCounts(
        _ end: Block, _ read: (UnsafeMutableRawBufferPointer, Int) throws -> Int
    ) throws {
        guard end.body.count <= CheckpointCounts.maximumBytes else {
            throw CheckpointError.malformed(part: end.part, offset: end.offset)
        }
        let bytes = try Self.bytes(at: end.body.lowerBound, end.body.count, read)
        self.counts = try bytes.withUnsafeBytes { bytes throws(CheckpointError) in
            try self.verify(self.blocks.count - 1, bytes)
            return try CheckpointCounts(
                CheckpointCursor(bytes, part: .end, fileOffset: end.body.lowerBound))
        }
        guard self.counts.fit(in: self.byteCount) else {
            throw CheckpointError.malformed(part: end.part, offset: end.offset)
        }
    }

    /// Bytes of a part.
    private func byteCount(_ kind: CheckpointFormat.Kind) -> Int {
        self.blocks.reduce(0) { $0 + ($1.kind == kind ? $1.body.count : 0) }
    }

    private func verify(
        _ number: Int, _ bytes: UnsafeRawBufferPointer
    ) throws(CheckpointError) {
        let block = self.blocks[number]
        let seed = CheckpointFormat.seed(number, block.rawKind, UInt32(block.body.count))
        guard block.checksum == XXHash64.hash(bytes, seed: seed) else {
            throw .damaged(part: block.part, offset: block.offset)
        }
    }

    /// Room that ``readBlocks(into:read:)`` needs: where something is wrong, that of one block.
    var bytesToRead: Int {
        guard self.problem == nil else { return self.blocks.map(\.body.count).max() ?? 0 }
        return self.blocks.last?.body.upperBound ?? 0
    }

    /// Reads the blocks to where they stand in the file, one after the other.
    ///
    /// - Throws: ``CheckpointError`` for the first that isn't as it was written, or for what comes
    ///   after them; nothing more has been read then.
    func readBlocks(
        into memory: UnsafeMutableRawPointer,
        read: (UnsafeMutableRawBufferPointer, Int) throws -> Int
    ) throws {
        for (number, block) in self.blocks.enumerated() {
            let room = UnsafeMutableRawBufferPointer(
                start: self.problem == nil ? memory + block.body.lowerBound : memory,
                count: block.body.count)
            let have = try read(room, block.body.lowerBound)
            guard have >= room.count else {
                throw CheckpointError.truncated(
                    need: block.body.upperBound, have: block.body.lowerBound + max(0, have))
            }
            try self.verify(number, UnsafeRawBufferPointer(room))
        }
        if let problem = self.problem { throw problem }
    }
}

extension CheckpointCounts {
    /// Seven numbers of at most ten bytes.
    fileprivate static let maximumBytes = 10 * Self.fields.count

    fileprivate init(_ block: CheckpointCursor) throws(CheckpointError) {
        self.init()
        var cursor = block
        for field in Self.fields { self[keyPath: field] = try cursor.count(atMost: 1 << 48) }
        guard cursor.isAtEnd else { throw cursor.malformed }
    }

    /// Whether parts of these sizes can hold so much, each record as short as can be.
    fileprivate func fit(in bytes: (CheckpointFormat.Kind) -> Int) -> Bool {
        let prefixes = self.ipv4Prefixes + self.ipv6Prefixes
        return self.classes <= self.intervals
            && 3 * self.intervals <= bytes(.lookupIPv4) + bytes(.lookupIPv6)
            && 4 * self.ipv4Prefixes <= bytes(.routesIPv4)
            && 4 * self.ipv6Prefixes <= bytes(.routesIPv6) && prefixes <= self.routes
            && 3 * prefixes + self.routes + 3 * self.attributeSets
                <= bytes(.routesIPv4) + bytes(.routesIPv6)
            && CheckpointRoundTrips.leastBytes * self.roundTrips <= bytes(.roundTrips)
    }
}
