// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CLinux

/// A prefix's bits as the leaves of one address family keep them, left-aligned.
protocol PrefixBits: FixedWidthInteger, UnsignedInteger, BitwiseCopyable {}
extension UInt32: PrefixBits {}
extension UInt128: PrefixBits {}

extension PrefixBits {
    @inline(__always)
    init(leftAligned bits: UInt128) {
        self.init(truncatingIfNeeded: bits &>> UInt128(truncatingIfNeeded: 128 &- Self.bitWidth))
    }

    /// Whether a prefix of these bits holds all that begins with `other`.
    @inline(__always)
    func holds(_ other: Self, length: Int) -> Bool {
        (self ^ other).leadingZeroBitCount >= length
    }
}

/// The prefixes of one address family in tree order (a block before what it holds, then by
/// address), in leaves of at most 62 under a ``LeafDirectory``.
///
/// Layout of a leaf, native order: the next leaf `u32`, the one before `u32`, how many prefixes
/// `u32`, (in IPv6 `u32` unused), the lengths of covers as bits, then the prefixes' bits, and
/// after all 62 of those their lengths `u8` with their nodes `u24`. 512 bytes in IPv4, 1,280 in
/// IPv6. 0 is no leaf.
///
/// Covers of a leaf are the prefixes before it that hold its first prefix. There is at most one of
/// each length, and it is found by its bits; so who holds a prefix is known from its own leaf,
/// however far away they are. The shortest prefixes, which would be covers of thousands of leaves,
/// stand in a table by length and bits (``WidePrefixes``) and are covers of none: a default route
/// comes and goes as quickly as any other.
///
/// Invariants: no leaf is empty, but one that is alone; two neighbours have more prefixes than
/// ``mergeBound``. Belongs to the writer's thread, and is sole user of its memory.
final class PrefixLeaves<Bits: PrefixBits> {
    /// Prefixes in a leaf.
    static var size: Int { 62 }
    /// Neighbours that have no more than this together become one.
    static var mergeBound: Int { 46 }

    /// An offset of `count` stands for what comes after the leaf.
    struct Place {
        var leaf: UInt32
        var offset: Int
    }

    private let memory: ReservedMemory
    private let base: UnsafeMutableRawPointer
    private let capacity: Int
    private var highWater: UInt32 = 0
    private var free: UInt32 = 0
    let directory: LeafDirectory<Bits>
    let wide: WidePrefixes<Bits>
    let first: UInt32
    /// Leaves in use.
    private(set) var leafCount = 1
    /// Where the last search ended: the next one is often near.
    private var finger: UInt32

    /// - Parameter capacity: Prefixes at most; address space is reserved for as many.
    /// - Throws: Where the system refuses the address space.
    init(capacity: Int) throws(TableResourceError) {
        self.capacity = capacity / (Self.mergeBound / 2) + 64
        self.memory = try ReservedMemory(bytes: (self.capacity + 1) * Self.stride)
        self.base = self.memory.base
        self.directory = try LeafDirectory(capacity: self.capacity)
        self.wide = try WidePrefixes()
        self.first = 1
        self.finger = 1
        self.highWater = 1
        self.directory.begin(1)
    }

    // MARK: Fields

    @inline(__always)
    private static var headerBytes: Int { MemoryLayout<Bits>.size == 4 ? 16 : 32 }
    @inline(__always)
    private static var stride: Int { MemoryLayout<Bits>.size == 4 ? 512 : 1280 }

    @inline(__always)
    private func at(_ leaf: UInt32) -> UnsafeMutableRawPointer {
        self.base + Int(leaf) &* Self.stride
    }

    @inline(__always)
    func next(_ leaf: UInt32) -> UInt32 { self.at(leaf).load(as: UInt32.self) }
    @inline(__always)
    func previous(_ leaf: UInt32) -> UInt32 {
        self.at(leaf).load(fromByteOffset: 4, as: UInt32.self)
    }
    @inline(__always)
    func count(_ leaf: UInt32) -> Int {
        Int(self.at(leaf).load(fromByteOffset: 8, as: UInt32.self))
    }
    @inline(__always)
    func covers(_ leaf: UInt32) -> Bits {
        self.at(leaf).load(
            fromByteOffset: Self.headerBytes - MemoryLayout<Bits>.size, as: Bits.self)
    }
    @inline(__always)
    func setCovers(_ leaf: UInt32, _ covers: Bits) {
        self.at(leaf).storeBytes(
            of: covers, toByteOffset: Self.headerBytes - MemoryLayout<Bits>.size, as: Bits.self)
    }
    @inline(__always)
    private func setNext(_ leaf: UInt32, _ next: UInt32) {
        self.at(leaf).storeBytes(of: next, as: UInt32.self)
    }
    @inline(__always)
    private func setPrevious(_ leaf: UInt32, _ previous: UInt32) {
        self.at(leaf).storeBytes(of: previous, toByteOffset: 4, as: UInt32.self)
    }
    @inline(__always)
    func setCount(_ leaf: UInt32, _ count: Int) {
        self.at(leaf).storeBytes(
            of: UInt32(truncatingIfNeeded: count), toByteOffset: 8, as: UInt32.self)
    }

    @inline(__always)
    func bits(_ leaf: UInt32) -> UnsafeMutablePointer<Bits> {
        (self.at(leaf) + Self.headerBytes).assumingMemoryBound(to: Bits.self)
    }

    /// Lengths in the upper 8 bits, nodes in the lower 24.
    @inline(__always)
    func tails(_ leaf: UInt32) -> UnsafeMutablePointer<UInt32> {
        (self.at(leaf) + (Self.headerBytes + Self.size * MemoryLayout<Bits>.size))
            .assumingMemoryBound(to: UInt32.self)
    }

    @inline(__always)
    static func length(_ tail: UInt32) -> Int { Int(tail &>> 24) }
    @inline(__always)
    static func node(_ tail: UInt32) -> Int32 { Int32(bitPattern: tail & 0xff_ffff) }

    // MARK: Finding

    /// The first place that is not before a prefix.
    @inline(__always)
    func lowerBound(_ bits: Bits, _ length: Int) -> Place {
        var leaf = self.start(bits)
        while true {
            let count = self.count(leaf)
            let own = self.bits(leaf)
            let tails = self.tails(leaf)
            var offset = sortedPosition(of: bits, in: own, count)
            while offset < count, own[offset] == bits, Self.length(tails[offset]) < length {
                offset &+= 1
            }
            let next = self.next(leaf)
            guard offset == count, next != 0, self.begins(next, notAfter: bits, length) else {
                self.finger = leaf
                return Place(leaf: leaf, offset: offset)
            }
            leaf = next
        }
    }

    @inline(__always)
    private func begins(_ leaf: UInt32, notAfter bits: Bits, _ length: Int) -> Bool {
        let own = self.bits(leaf)[0]
        return own != bits ? own < bits : Self.length(self.tails(leaf)[0]) <= length
    }

    /// The last leaf that begins before all prefixes of these bits; the first, if none does.
    @inline(__always)
    private func start(_ bits: Bits) -> UInt32 {
        let leaf = self.finger
        if self.count(leaf) > 0, self.bits(leaf)[0] < bits {
            let next = self.next(leaf)
            if next == 0 || self.bits(next)[0] >= bits { return leaf }
        }
        return self.directory.leaf(before: bits)
    }

    /// Has the leaf where a search for these bits begins brought near: in IPv4 all of it, in IPv6
    /// where the first steps look.
    @inline(__always)
    func fetch(_ bits: Bits) {
        let leaf = self.at(self.directory.leaf(before: bits))
        for offset in Swift.stride(
            from: 0, to: Self.stride, by: MemoryLayout<Bits>.size == 4 ? 64 : 192)
        {
            martlet_prefetch(leaf + offset)
        }
    }

    /// The node of exactly this prefix, or 0.
    func find(_ bits: Bits, _ length: Int) -> Int32 {
        let place = self.lowerBound(bits, length)
        return self.node(at: place, ifExactly: bits, length)
    }

    @inline(__always)
    func node(at place: Place, ifExactly bits: Bits, _ length: Int) -> Int32 {
        guard place.offset < self.count(place.leaf),
            self.bits(place.leaf)[place.offset] == bits
        else { return 0 }
        let tail = self.tails(place.leaf)[place.offset]
        return Self.length(tail) == length ? Self.node(tail) : 0
    }

    /// Whether a node stands at a place, which may be out of date.
    @inline(__always)
    func holds(_ node: Int32, at place: Place) -> Bool {
        place.offset < self.count(place.leaf)
            && Self.node(self.tails(place.leaf)[place.offset]) == node
    }

    /// The place itself, or the first one of the next leaf; nil at the end.
    @inline(__always)
    func settled(_ place: Place) -> Place? {
        if place.offset < self.count(place.leaf) { return place }
        let next = self.next(place.leaf)
        return next == 0 ? nil : Place(leaf: next, offset: 0)
    }

    /// Calls `body` with the node of each prefix that holds the one at a place, or that would
    /// hold these bits there; the longest first, until it answers true.
    func forEachCover(
        of bits: Bits, shorterThan length: Int, at place: Place, _ body: (Int32) -> Bool
    ) {
        let own = self.bits(place.leaf)
        let tails = self.tails(place.leaf)
        var offset = place.offset
        var shortest = length
        while offset > 0 {
            offset &-= 1
            if own[offset].holds(bits, length: Self.length(tails[offset])) {
                if body(Self.node(tails[offset])) { return }
                shortest = Self.length(tails[offset])
            }
        }
        guard self.count(place.leaf) > 0 else { return }
        var lengths = self.covers(place.leaf) & Self.lengths(upTo: own[0], bits)
        while lengths != 0 {
            let length = Bits.bitWidth - 1 - lengths.leadingZeroBitCount
            if body(self.find(bits & Self.mask(length), length)) { return }
            lengths ^= 1 &<< Bits(truncatingIfNeeded: length)
        }
        // Before the leaf stand those that are shorter than all of them in it.
        self.wide.forEach(holding: bits, shorterThan: shortest, body)
    }

    /// The first bits of this number. At most all but the last.
    @inline(__always)
    static func mask(_ length: Int) -> Bits {
        length == 0 ? 0 : ~0 &<< Bits(truncatingIfNeeded: Bits.bitWidth &- length)
    }

    /// As bits the lengths of prefixes that hold one address's bits and then hold the other's too.
    @inline(__always)
    static func lengths(upTo bits: Bits, _ other: Bits) -> Bits {
        let common = (bits ^ other).leadingZeroBitCount
        return common >= Bits.bitWidth - 1
            ? ~0 : (1 &<< Bits(truncatingIfNeeded: common &+ 1)) &- 1
    }

    // MARK: Leaves

    /// An empty leaf behind another; nil where the reserved space is used up.
    func makeLeaf(after leaf: UInt32) -> UInt32? {
        let new: UInt32
        if self.free != 0 {
            new = self.free
            self.free = self.next(new)
        } else {
            guard Int(self.highWater) < self.capacity else { return nil }
            self.highWater += 1
            new = self.highWater
        }
        self.leafCount += 1
        let next = self.next(leaf)
        self.setNext(new, next)
        self.setPrevious(new, leaf)
        self.setCount(new, 0)
        self.setNext(leaf, new)
        if next != 0 { self.setPrevious(next, new) }
        return new
    }

    /// Takes a leaf out of the sequence. The first is never taken out.
    func freeLeaf(_ leaf: UInt32) {
        let (next, previous) = (self.next(leaf), self.previous(leaf))
        self.setNext(previous, next)
        if next != 0 { self.setPrevious(next, previous) }
        self.leafCount -= 1
        self.setCount(leaf, 0)
        self.setNext(leaf, self.free)
        self.free = leaf
        if self.finger == leaf { self.finger = previous }
    }

    /// Bytes of leaves out of use.
    var freeBytes: Int { (Int(self.highWater) - self.leafCount) * Self.stride }

    /// Bytes touched.
    var byteCount: Int {
        Int(self.highWater + 1) * Self.stride + self.directory.byteCount + self.wide.byteCount
    }
}

/// How many of sorted bits come before these.
@inline(__always)
func sortedPosition<Bits: PrefixBits>(
    of bits: Bits, in sorted: UnsafePointer<Bits>, _ count: Int
) -> Int {
    var low = 0
    var left = count
    while left > 0 {
        let half = left &>> 1
        let isBefore = sorted[low &+ half] < bits
        low = isBefore ? low &+ half &+ 1 : low
        left = isBefore ? left &- half &- 1 : half
    }
    return low
}

@inline(__always)
func sortedPosition<Bits: PrefixBits>(
    of bits: Bits, in sorted: UnsafeMutablePointer<Bits>, _ count: Int
) -> Int {
    sortedPosition(of: bits, in: UnsafePointer(sorted), count)
}
