// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

@Suite("A damaged checkpoint")
struct CheckpointDamageTests {
    /// A table's checkpoint, and another that is much like it.
    let good: [UInt8]
    let other: [UInt8]

    init() throws {
        self.good = try CheckpointTests().small()
        let table = try CheckpointTests.table(seed: 3)
        table.owner.flushAndWait()
        self.other = try table.owner.checkpoint()
    }

    @Test("is refused, whichever byte is another")
    func flippedBytes() throws {
        #expect(throws: Never.self) { try Checkpoint(bytes: self.good) }
        for file in [self.good, self.other] {
            for position in file.indices {
                for bit in [1, 0x80] as [UInt8] {
                    var bytes = file
                    bytes[position] ^= bit
                    #expect(throws: CheckpointError.self, "byte \(position)") {
                        try Checkpoint(bytes: bytes)
                    }
                }
            }
        }
    }

    @Test("is refused, wherever it ends, and with anything after its end")
    func truncated() throws {
        for length in 0..<self.good.count {
            #expect(throws: CheckpointError.self, "\(length) bytes") {
                try Checkpoint(bytes: Array(self.good[..<length]))
            }
        }
        #expect(throws: CheckpointError.truncated(need: 32, have: 3)) {
            try Checkpoint(bytes: Array(self.good[..<3]))
        }
        #expect(throws: CheckpointError.malformed(part: "end", offset: self.good.count)) {
            try Checkpoint(bytes: self.good + [0])
        }
        // What came before the end, had a file got shorter while it was read.
        #expect(throws: CheckpointError.self) {
            try Checkpoint(byteCount: self.good.count) { buffer, offset in
                let piece = self.good[min(offset, 100)..<min(offset + buffer.count, 100)]
                buffer.copyBytes(from: piece)
                return piece.count
            }
        }
    }

    @Test("of another kind or version says so")
    func foreign() throws {
        #expect(throws: CheckpointError.foreign) { try Checkpoint(bytes: Array("#EXTM3U\n".utf8)) }
        #expect(throws: CheckpointError.foreign) {
            try Checkpoint(bytes: [UInt8](repeating: 0, count: 4096))
        }
        var blocks = CheckpointBlocks(self.good)
        #expect(blocks.sealed == self.good)
        blocks.header[8] = 9
        #expect(throws: CheckpointError.otherVersion(9, known: 2)) {
            try Checkpoint(bytes: blocks.sealed)
        }
        #expect(throws: CheckpointError.tooLarge(bytes: 1 << 40, limit: Checkpoint.maximumBytes)) {
            try Checkpoint(byteCount: 1 << 40) { _, _ in 0 }
        }
    }

    @Test("is refused with blocks lost, doubled or out of place")
    func blocks() throws {
        let blocks = CheckpointBlocks(self.good)
        let bytes = blocks.sealed
        var offsets = [CheckpointFormat.headerBytes]
        for block in blocks.blocks {
            offsets.append(
                offsets[offsets.count - 1] + CheckpointFormat.blockHeaderBytes + block.body.count)
        }
        for number in blocks.blocks.indices {
            let range = offsets[number]..<offsets[number + 1]
            var lost = bytes
            lost.removeSubrange(range)
            #expect(throws: CheckpointError.self) { try Checkpoint(bytes: lost) }
            var doubled = bytes
            doubled.insert(contentsOf: bytes[range], at: range.upperBound)
            #expect(throws: CheckpointError.self) { try Checkpoint(bytes: doubled) }
        }
        // With checksums that are right, too.
        var swapped = blocks
        swapped.blocks.swapAt(1, 2)
        #expect(throws: CheckpointError.self) { try Checkpoint(bytes: swapped.sealed) }
        var nameless = blocks
        nameless.blocks.removeFirst()
        #expect(throws: CheckpointError.self) { try Checkpoint(bytes: nameless.sealed) }
    }

    #if DEBUG
        static let tries = 100
    #else
        static let tries = 1500
    #endif

    /// Takes a file in as far as it goes. What is not refused must leave a table that works.
    @discardableResult
    static func restore(_ bytes: [UInt8]) throws -> CheckpointError? {
        let table = try CheckpointTests().started()
        defer { table.owner.shutdown() }
        do {
            let checkpoint = try Checkpoint(bytes: bytes)
            try table.owner.beginRestore(checkpoint).run()
            return nil
        } catch let error as CheckpointError {
            table.owner.flushAndWait()
            let counts = try table.owner.querySync { $0.counts() }
            #expect(counts.routes == 0 && counts.attributeSets == 0)
            return error
        }
    }

    @Test("with the right checksums and nonsense in them stops nothing, and comes in whole or not")
    func nonsense() throws {
        var random = SplitMix(seed: 11)
        var refused = 0
        let tries = Self.tries
        for _ in 0..<tries {
            var blocks = CheckpointBlocks(self.good)
            for _ in 0..<(1 + random.below(3)) {
                let block = random.below(blocks.blocks.count)
                let count = blocks.blocks[block].body.count
                switch random.below(4) {
                case 0: blocks.blocks[block].body.removeLast(random.below(count + 1))
                case 1:
                    blocks.blocks[block].body.insert(
                        UInt8(random.below(256)), at: random.below(count + 1))
                default:
                    guard count > 0 else { continue }
                    blocks.blocks[block].body[random.below(count)] = UInt8(random.below(256))
                }
            }
            if try Self.restore(blocks.sealed) != nil { refused += 1 }
        }
        #expect(refused > tries / 3, "much nonsense is noticed: \(refused)")
    }

    @Test("has the checksum that XXH64 has elsewhere")
    func checksum() {
        func hash(_ bytes: [UInt8], seed: UInt64 = 0) -> UInt64 {
            bytes.withUnsafeBytes { XXHash64.hash($0, seed: seed) }
        }
        #expect(hash([]) == 0xef46_db37_51d8_e999)
        #expect(hash(Array("abc".utf8)) == 0x44bc_2cf5_ad77_0999)
        // As the reference implementation (python3-xxhash) has them.
        #expect(hash(Array(0...255)) == 0x1fac_be84_06cd_904b)
        #expect(hash(Array(0...100), seed: 7) == 0xe878_e979_1dbc_64fa)
    }
}
