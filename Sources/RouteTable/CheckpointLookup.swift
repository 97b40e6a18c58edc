// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The sites' distances over the whole address space, as readers saw them: where they change, and
/// to what. Pins and locations are not in it: their own files are newer.
///
/// A record: how many whole bytes of zeros the distance to the start before ends with `u8`, that
/// distance without them, and the number of the tuple; where that number is new, the next one,
/// the tuple follows, a byte a site (distance + 1, or 0). The first record starts at 0. Tuples
/// are numbered through both families. Addresses are left-aligned in 128 bits.
struct CheckpointLookup {
    /// Ascending; where the distances change.
    struct Family {
        var starts: [UInt128] = []
        var tuples: [UInt32] = []
    }

    let siteCount: Int
    private(set) var ipv4 = Family()
    private(set) var ipv6 = Family()
    /// Tuple after tuple.
    private(set) var distances: [UInt8] = []
    private(set) var tupleCount = 0

    /// - Throws: ``CheckpointError/malformed(part:offset:)``.
    init(_ checkpoint: Checkpoint) throws(CheckpointError) {
        self.siteCount = checkpoint.names.sites.count
        self.ipv4 = try self.read(.ipv4, checkpoint.cursors(.lookupIPv4))
        self.ipv6 = try self.read(.ipv6, checkpoint.cursors(.lookupIPv6))
    }

    private mutating func read(
        _ family: AddressFamily, _ blocks: [CheckpointCursor]
    ) throws(CheckpointError) -> Family {
        var result = Family()
        let unused = 128 - family.width
        var start: UInt128 = 0
        for block in blocks {
            var cursor = block
            while !cursor.isAtEnd {
                let zeros = Int(try cursor.byte()) * 8
                let isFirst = result.starts.isEmpty
                let step = try Self.step(&cursor, zeros: zeros)
                let (next, overflow) = start.addingReportingOverflow(step)
                guard isFirst ? step == 0 : step != 0 && !overflow,
                    unused == 0 || next << UInt128(128 - unused) == 0
                else { throw cursor.malformed }
                start = next
                let tuple = try cursor.count(atMost: self.tupleCount)
                if tuple == self.tupleCount {
                    self.distances.append(contentsOf: try cursor.take(self.siteCount))
                    self.tupleCount += 1
                }
                result.starts.append(start)
                result.tuples.append(UInt32(tuple))
            }
        }
        return result
    }

    @inline(__always)
    private static func step(
        _ cursor: inout CheckpointCursor, zeros: Int
    ) throws(CheckpointError) -> UInt128 {
        // What is longer than a word is rare, and slow to take apart.
        if zeros >= 64 {
            let bits: UInt64 = try cursor.number()
            let step = UInt128(bits) << UInt128(zeros)
            guard zeros < 128, step >> UInt128(zeros) == bits else { throw cursor.malformed }
            return step
        }
        let bits: UInt128 = try cursor.number()
        let step = bits << UInt128(zeros)
        guard step >> UInt128(zeros) == bits else { throw cursor.malformed }
        return step
    }
}

/// Writes the records of ``CheckpointLookup``.
struct CheckpointLookupWriter {
    private var numbers: [[UInt8]: UInt32] = [:]
    private var lastStart: UInt128 = 0
    private(set) var intervals = 0

    var tupleCount: Int { self.numbers.count }

    mutating func beginFamily() { self.lastStart = 0 }

    /// Adds the distances, a byte a site, that hold from an address on: above the one before, 0
    /// for the first of a family.
    mutating func add(
        _ tuple: [UInt8], from start: UInt128, to blocks: inout CheckpointBlockWriter
    ) throws {
        let step = start - self.lastStart
        let zeros = step == 0 ? 0 : step.trailingZeroBitCount / 8
        let known = self.numbers[tuple]
        let number = known ?? UInt32(self.numbers.count)
        if known == nil { self.numbers[tuple] = number }
        try blocks.record { block in
            block.append(UInt8(zeros))
            block.appendNumber(step >> UInt128(zeros * 8))
            block.appendNumber(number)
            if known == nil { block.append(contentsOf: tuple) }
        }
        self.lastStart = start
        self.intervals += 1
    }
}
