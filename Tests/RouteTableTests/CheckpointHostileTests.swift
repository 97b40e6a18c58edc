// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

/// Files that were made to cost memory: their checksums are right wherever that is cheap.
@Suite("A hostile checkpoint")
struct CheckpointHostileTests {
    let good: CheckpointBlocks

    init() throws { self.good = CheckpointBlocks(try CheckpointTests().small()) }

    static func number(_ value: Int) -> [UInt8] {
        var (bytes, rest): ([UInt8], Int) = ([], value)
        repeat {
            bytes.append(UInt8(rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return bytes
    }

    /// Reads a file of that size, all zeros behind the bytes given for some offsets.
    ///
    /// - Returns: Why it is refused, and how many bytes were read.
    private static func read(
        size: Int, _ pieces: [(offset: Int, bytes: [UInt8])]
    ) throws -> (error: CheckpointError?, bytesRead: Int) {
        var bytesRead = 0
        do {
            _ = try Checkpoint(byteCount: size) { buffer, offset in
                bytesRead += buffer.count
                buffer.initializeMemory(as: UInt8.self, repeating: 0)
                for (position, bytes) in pieces {
                    let first = max(offset, position)
                    let end = min(offset + buffer.count, position + bytes.count)
                    for index in first..<max(first, end) {
                        buffer[index - offset] = bytes[index - position]
                    }
                }
                return buffer.count
            }
            return (nil, bytesRead)
        } catch let error as CheckpointError {
            return (error, bytesRead)
        }
    }

    private static func blockHeader(kind: UInt32, length: Int) -> [UInt8] {
        withUnsafeBytes(of: kind.littleEndian) { Array($0) }
            + withUnsafeBytes(of: UInt32(length).littleEndian) { Array($0) }
            + [UInt8](repeating: 0, count: 8)
    }

    @Test("that is large by its size alone is refused by its first bytes")
    func sparse() throws {
        let size = Checkpoint.maximumBytes
        let empty = try Self.read(size: size, [])
        #expect(empty.error == .foreign && empty.bytesRead < 1024)
        // A header, and nothing behind it.
        let header = Array(self.good.sealed[..<CheckpointFormat.headerBytes])
        let bare = try Self.read(size: size, [(0, header)])
        #expect(bare.error == .damaged(part: "block", offset: CheckpointFormat.headerBytes))
        #expect(bare.bytesRead < 1024)
    }

    @Test("whose blocks are all there, but empty, is refused at the first of them")
    func hollow() throws {
        var names = self.good
        names.blocks = [names.blocks[0]]
        var pieces = [(offset: 0, bytes: names.sealed)]
        var offset = names.sealed.count
        let most = 64 << 20
        while offset + most + 1024 < Checkpoint.maximumBytes {
            pieces.append((offset, Self.blockHeader(kind: 4, length: most)))
            offset += CheckpointFormat.blockHeaderBytes + most
        }
        // The end has its checksum, or counts would be looked at before it.
        let counts = [UInt8](repeating: 0, count: 7)
        let seed = CheckpointFormat.seed(pieces.count, 7, 7)
        let checksum = counts.withUnsafeBytes { XXHash64.hash($0, seed: seed) }
        pieces.append(
            (
                offset,
                Array(Self.blockHeader(kind: 7, length: 7)[..<8])
                    + withUnsafeBytes(of: checksum.littleEndian) { Array($0) } + counts
            ))
        let size = offset + CheckpointFormat.blockHeaderBytes + counts.count
        let (error, bytesRead) = try Self.read(size: size, pieces)
        #expect(error == .damaged(part: "IPv4 routes", offset: names.sealed.count))
        #expect(bytesRead < most + 8192)
        // One byte less, and the sum of the parts is not the file: only headers are looked at
        // before the first block turns out to be none.
        let cut = try Self.read(size: size - 1, pieces)
        #expect(cut.error == .damaged(part: "IPv4 routes", offset: names.sealed.count))
        #expect(cut.bytesRead < most + 8192)
    }

    @Test("that counts more than its parts can hold is refused before they are read")
    func impossibleCounts() throws {
        let file = self.good.sealed
        for field in 0..<7 {
            for value in [1 << 20, 1 << 40] {
                var blocks = self.good
                let end = blocks.blocks.count - 1
                var counts = blocks.blocks[end].body.map { [$0] }
                counts[field] = Self.number(value)
                blocks.blocks[end].body = Array(counts.joined())
                let bytes = blocks.sealed
                let (error, bytesRead) = try Self.read(size: bytes.count, [(0, bytes)])
                let offset =
                    bytes.count - CheckpointFormat.blockHeaderBytes
                    - blocks.blocks[end].body.count
                #expect(error == .malformed(part: "end", offset: offset), "field \(field)")
                #expect(bytesRead < file.count - self.good.blocks[1].body.count)
            }
        }
    }

    @Test("that counts other than what is in it is refused", arguments: 0..<7)
    func wrongCounts(field: Int) throws {
        var blocks = self.good
        let end = blocks.blocks.count - 1
        for value in [blocks.blocks[end].body[field] + 1, blocks.blocks[end].body[field] &- 1] {
            guard value < 128 else { continue }
            blocks.blocks[end].body[field] = value
            #expect(try CheckpointDamageTests.restore(blocks.sealed) != nil, "\(value)")
        }
    }

    @Test("in small pieces is refused")
    func splinters() throws {
        for index in 1..<(self.good.blocks.count - 1) {
            var blocks = self.good
            let (kind, body) = blocks.blocks[index]
            guard body.count > 8 else { continue }
            blocks.blocks[index].body = []
            #expect(throws: CheckpointError.self) { try Checkpoint(bytes: blocks.sealed) }
            blocks = self.good
            blocks.blocks.insert((kind, Array(body.prefix(4))), at: index)
            #expect(throws: CheckpointError.self) { try Checkpoint(bytes: blocks.sealed) }
        }
    }

    /// A lookup of very many boundaries, each of which needs nodes of its own in a trie.
    private func boundaries(_ count: Int) -> CheckpointBlocks {
        var blocks = self.good
        guard let names = blocks.blocks.first, let end = blocks.blocks.last else { return blocks }
        let sites = 2
        var body: [UInt8] = [0, 0, 0] + [UInt8](repeating: 0, count: sites)
        body += [0, 1, 1] + [UInt8](repeating: 4, count: sites)
        for index in 2..<count {
            // In turns 2^64 further, where a long way through the trie begins, and 1.
            body += [index % 2 == 0 ? 8 : 0, 1, UInt8(index % 2)]
        }
        var counts = end.body
        counts[3] = 2
        counts.replaceSubrange(4...4, with: Self.number(count))
        let kept = blocks.blocks.filter { $0.kind == 4 || $0.kind == 5 }
        blocks.blocks = [names, (3, body)] + kept + [(7, counts)]
        return blocks
    }

    @Test("whose lookup the table's limits don't allow leaves readers waiting for the routes")
    func wideLookup() throws {
        let checkpoint = try Checkpoint(bytes: self.boundaries(20_000).sealed)
        func answers(_ limits: TableLimits) throws -> Bool {
            let table = try CheckpointTests().started(limits: limits)
            defer { table.owner.shutdown() }
            let restore = try table.owner.beginRestore(checkpoint)
            #expect(try restore.run() == 6)
            table.owner.flushAndWait()
            #expect(try CheckpointTests().distance(table, 1, CheckpointTests().longer) == 4)
            return restore.isAnswering
        }
        #expect(try answers(TableLimits()))
        #expect(try !answers(TableLimits(prefixes: 4096)), "no such table makes so many boundaries")
        #expect(try answers(TableLimits(memory: 256 << 20)))
        #expect(try !answers(TableLimits(memory: 4 << 20)), "it would take 10 MiB")
    }
}
