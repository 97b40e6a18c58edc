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
///
/// Once all of it has been looked through it is read again where it is used: nothing is kept of it
/// but the tuples.
struct CheckpointLookup {
    let siteCount: Int
    let ipv4: Family
    let ipv6: Family
    /// Tuple after tuple.
    let distances: [UInt8]
    let tupleCount: Int

    /// One family's boundaries.
    struct Family {
        fileprivate let checkpoint: Checkpoint
        fileprivate let kind: CheckpointFormat.Kind
        fileprivate let unused: Int
        /// Tuples that come before it.
        fileprivate let tuplesBefore: Int
        fileprivate(set) var count = 0
        /// Nodes that the lookup trie can need for the boundaries, at most.
        fileprivate(set) var nodeDemand = 0

        /// From the first boundary on.
        var walk: CheckpointLookupWalk { CheckpointLookupWalk(self) }
    }

    /// - Throws: ``CheckpointError/malformed(part:offset:)``.
    init(_ checkpoint: Checkpoint) throws(CheckpointError) {
        self.siteCount = checkpoint.names.sites.count
        var distances: [UInt8] = []
        var tuples = 0
        self.ipv4 = try Self.look(.ipv4, checkpoint, &tuples, &distances)
        self.ipv6 = try Self.look(.ipv6, checkpoint, &tuples, &distances)
        self.distances = distances
        self.tupleCount = tuples
        guard self.ipv4.count + self.ipv6.count == checkpoint.counts.intervals,
            tuples == checkpoint.counts.classes
        else { throw checkpoint.miscounted }
    }

    /// Looks through a family's records.
    private static func look(
        _ family: AddressFamily, _ checkpoint: Checkpoint, _ tuples: inout Int,
        _ distances: inout [UInt8]
    ) throws(CheckpointError) -> Family {
        var result = Family(
            checkpoint: checkpoint, kind: family == .ipv4 ? .lookupIPv4 : .lookupIPv6,
            unused: 128 - family.width, tuplesBefore: tuples)
        var walk = result.walk
        while let boundary = try walk.next() {
            if let tuple = boundary.newTuple {
                distances.append(contentsOf: tuple)
                tuples += 1
            }
            result.count += 1
            if boundary.start != 0 {
                result.nodeDemand += lookupNodes(
                    forLength: 128 - boundary.start.trailingZeroBitCount)
            }
        }
        return result
    }
}

/// Reads one family's boundaries, ascending.
struct CheckpointLookupWalk {
    struct Boundary {
        var start: UInt128
        var tuple: Int
        /// Where the tuple is new.
        var newTuple: UnsafeRawBufferPointer?
    }

    private let checkpoint: Checkpoint
    private let siteCount: Int
    private let unused: Int
    private var blocks: ArraySlice<CheckpointCursor>
    private var cursor: CheckpointCursor?
    private var start: UInt128 = 0
    private var isFirst = true
    private var tuples: Int

    fileprivate init(_ family: CheckpointLookup.Family) {
        self.checkpoint = family.checkpoint
        self.siteCount = family.checkpoint.names.sites.count
        self.unused = family.unused
        self.tuples = family.tuplesBefore
        self.blocks = family.checkpoint.cursors(family.kind)[...]
        self.cursor = self.blocks.popFirst()
    }

    /// The next boundary; nil at the end.
    ///
    /// - Throws: ``CheckpointError/malformed(part:offset:)``; not where it was looked through
    ///   before.
    mutating func next() throws(CheckpointError) -> Boundary? {
        while self.cursor?.isAtEnd == true { self.cursor = self.blocks.popFirst() }
        guard var cursor = self.cursor else { return nil }
        let zeros = Int(try cursor.byte()) * 8
        let step = try Self.step(&cursor, zeros: zeros)
        let (next, overflow) = self.start.addingReportingOverflow(step)
        guard self.isFirst ? step == 0 : step != 0 && !overflow,
            self.unused == 0 || next << UInt128(128 - self.unused) == 0
        else { throw cursor.malformed }
        self.start = next
        self.isFirst = false
        let tuple = try cursor.count(atMost: self.tuples)
        var newTuple: UnsafeRawBufferPointer?
        if tuple == self.tuples {
            newTuple = try cursor.take(self.siteCount)
            self.tuples += 1
        }
        self.cursor = cursor
        return Boundary(start: next, tuple: tuple, newTuple: newTuple)
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
