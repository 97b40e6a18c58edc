// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Blocks of whole granules of 8 bytes in reserved memory, of whatever sizes outsiders choose.
///
/// A block's number is that of its first granule; it stays where it is until it is released. What
/// was released is a hole, at once joined to the holes before and behind it, and used again in
/// whole or in part before the heap grows; behind the last block there is none. So what was of
/// one size serves any other, and when all is released nothing is left. Whole pages inside holes
/// go back to the system (``PageUse``): what is kept is the pages with something on them.
///
/// Holes are in lists by size: one for each size below ``exactSizes``, above it sixteen for each
/// power of two. Larger blocks are rounded up to the least size of a list, at most by a sixteenth,
/// so that the first hole of the first list that has one fits: no step depends on how many blocks
/// there are, or on the order in which they come and go.
///
/// Of a block in use the heap needs the upper four bits of the second `u32`: bit 31 says that
/// there is a hole before it. Layout of a hole, native order: the hole before it in its list
/// `u32`; the one after it (28 bits), bit 30 set, bit 29 set where it has a single granule; its
/// granules `u32`, which are also its last word. One of a single granule is in no list, and its
/// last word is the one with the bits. Belongs to one thread.
package final class GranuleHeap {
    package static let granuleBytes = 8
    /// Bits of a number.
    static let numberBits = 28
    /// Of the second word of a block, what is its owner's.
    package static let ownBits: UInt32 = 1 << 28 - 1

    private static let followsHole: UInt32 = 1 << 31
    private static let isHole: UInt32 = 1 << 30
    private static let isSingle: UInt32 = 1 << 29

    /// Granules from which on a list has several sizes.
    private static let exactSizes = 128
    private static let listCount = 128 + 16 * (28 - 7)
    /// Holes with fewer granules have no page of their own.
    private static let leastPaged = 515

    /// Where number 0 would be.
    private let base: UnsafeMutableRawPointer
    private let limit: Int
    /// The number behind the last block.
    private var end: Int
    /// The first hole of each list, and a bit for each list that has one.
    private let firstHoles: UnsafeMutablePointer<UInt32>
    private let hasHoles: UnsafeMutablePointer<UInt64>
    private let pages: PageUse

    /// A heap in a part of some memory: the numbers are those of its granules. They begin and end
    /// with pages, and 0 is not among them.
    init(_ memory: ReservedMemory, numbers: Range<Int>) throws(TableResourceError) {
        precondition(numbers.lowerBound > 0 && numbers.upperBound <= 1 << Self.numberBits)
        self.base = memory.base
        self.limit = numbers.upperBound
        self.end = numbers.lowerBound
        self.pages = try PageUse(
            memory,
            pages: Self.page(numbers.lowerBound)..<Self.page(numbers.upperBound))
        self.firstHoles = .allocate(capacity: Self.listCount)
        self.firstHoles.initialize(repeating: 0, count: Self.listCount)
        self.hasHoles = .allocate(capacity: (Self.listCount + 63) / 64)
        self.hasHoles.initialize(repeating: 0, count: (Self.listCount + 63) / 64)
    }

    /// A heap in memory of its own.
    package convenience init(granules: Int) throws(TableResourceError) {
        let last = Self.page(granules + 511) + 1
        try self.init(
            ReservedMemory(bytes: last * 4096), numbers: 512..<last * 512)
    }

    deinit {
        self.firstHoles.deallocate()
        self.hasHoles.deallocate()
    }

    /// Bytes of pages that are in place.
    package var residentBytes: Int { self.pages.residentBytes }
    /// Bytes up to the last block.
    package var spanBytes: Int { (self.end - self.pages.first * 512) * Self.granuleBytes }

    @inline(__always)
    package func address(_ number: UInt32) -> UnsafeMutableRawPointer {
        self.base + Int(number) &* Self.granuleBytes
    }

    // MARK: Blocks

    /// A block of at least so many granules, two or more; nil where the heap is full. Its second
    /// word is 0.
    @inline(__always)
    package func allocate(_ granules: Int) -> UInt32? {
        let size = Self.size(granules)
        let start: Int
        if let list = self.list(from: Self.list(of: size)) {
            start = Int(self.firstHoles[list])
            self.divide(start, size)
        } else {
            start = self.end
            guard start &+ size <= self.limit else { return nil }
            self.end = start &+ size
            let first = Self.page(start &+ 511)
            let last = Self.page(self.end &- 1) &+ 1
            if first < last { self.pages.occupy(first..<last) }
        }
        self.setWord(start, 1, 0)
        return UInt32(truncatingIfNeeded: start)
    }

    /// Releases a block that was allocated with so many granules.
    package func release(_ number: UInt32, granules: Int) {
        let block = Int(number)..<Int(number) &+ Self.size(granules)
        var start = block.lowerBound
        var end = block.upperBound
        if self.word(start, 1) & Self.followsHole != 0 {
            start &-= self.holeSize(endingAt: start)
            self.unlink(start)
        }
        if end == self.end {
            self.end = start
            self.vacateEnd(block, from: start)
        } else {
            let behind = self.word(end, 1)
            if behind & Self.isHole != 0 {
                let next = end
                end &+= self.holeSize(next)
                self.unlink(next)
            } else {
                self.setWord(end, 1, behind | Self.followsHole)
            }
            self.link(start, end &- start)
            self.vacate(block, in: start..<end)
        }
        self.pages.giveBack()
    }

    /// Makes the first granules of a hole a block, and the rest another hole.
    @inline(__always)
    private func divide(_ start: Int, _ size: Int) {
        let end = start &+ self.holeSize(start)
        self.unlink(start)
        let rest = start &+ size
        if rest == end {
            self.setWord(end, 1, self.word(end, 1) & ~Self.followsHole)
        } else {
            self.link(rest, end &- rest)
        }
        guard end &- start >= Self.leastPaged else { return }
        let first = Self.firstPage(ofHole: start)
        let last = min(Self.endPage(ofHole: end), Self.firstPage(ofHole: rest))
        if first < last { self.pages.occupy(first..<last) }
    }

    // MARK: Holes

    @inline(__always)
    private func word(_ number: Int, _ index: Int) -> UInt32 {
        self.base.load(fromByteOffset: number &* 8 &+ index &* 4, as: UInt32.self)
    }

    @inline(__always)
    private func setWord(_ number: Int, _ index: Int, _ word: UInt32) {
        self.base.storeBytes(of: word, toByteOffset: number &* 8 &+ index &* 4, as: UInt32.self)
    }

    @inline(__always)
    private func holeSize(_ hole: Int) -> Int {
        self.word(hole, 1) & Self.isSingle != 0 ? 1 : Int(self.word(hole, 2))
    }

    @inline(__always)
    private func holeSize(endingAt end: Int) -> Int {
        let word = self.word(end, -1)
        return word & Self.isSingle != 0 ? 1 : Int(word)
    }

    private func link(_ hole: Int, _ size: Int) {
        if size == 1 { return self.setWord(hole, 1, Self.isHole | Self.isSingle) }
        let list = Self.list(of: size)
        let next = self.firstHoles[list]
        self.setWord(hole, 0, 0)
        self.setWord(hole, 1, next | Self.isHole)
        self.setWord(hole, 2, UInt32(truncatingIfNeeded: size))
        self.setWord(hole &+ size, -1, UInt32(truncatingIfNeeded: size))
        self.firstHoles[list] = UInt32(truncatingIfNeeded: hole)
        if next == 0 {
            self.hasHoles[list &>> 6] |= 1 &<< UInt64(list & 63)
        } else {
            self.setWord(Int(next), 0, UInt32(truncatingIfNeeded: hole))
        }
    }

    private func unlink(_ hole: Int) {
        let link = self.word(hole, 1)
        if link & Self.isSingle != 0 { return }
        let before = self.word(hole, 0)
        let next = link & Self.ownBits
        if next != 0 { self.setWord(Int(next), 0, before) }
        if before != 0 { return self.setWord(Int(before), 1, link) }
        let list = Self.list(of: Int(self.word(hole, 2)))
        self.firstHoles[list] = next
        if next == 0 { self.hasHoles[list &>> 6] &= ~(1 &<< UInt64(list & 63)) }
    }

    /// The granules of a block: so many that each hole of its list fits.
    @inline(__always)
    private static func size(_ granules: Int) -> Int {
        if granules < self.exactSizes { return granules }
        let step = 1 &<< (Self.log(granules) &- 4)
        return (granules &+ step &- 1) & ~(step &- 1)
    }

    @inline(__always)
    private static func log(_ granules: Int) -> Int { 63 &- granules.leadingZeroBitCount }

    @inline(__always)
    private static func list(of size: Int) -> Int {
        if size < self.exactSizes { return size }
        let log = Self.log(size)
        return self.exactSizes &+ (log &- 7) &* 16 &+ (size &>> (log &- 4)) & 15
    }

    /// The first list with a hole, from one on.
    @inline(__always)
    private func list(from list: Int) -> Int? {
        var word = list &>> 6
        var bits = self.hasHoles[word] & UInt64.max &<< UInt64(list & 63)
        while bits == 0 {
            word &+= 1
            if word == (Self.listCount &+ 63) / 64 { return nil }
            bits = self.hasHoles[word]
        }
        return word &<< 6 | bits.trailingZeroBitCount
    }

    // MARK: Pages

    @inline(__always)
    private static func page(_ number: Int) -> Int { number &>> 9 }

    /// The first page with nothing of a hole's beginning on it.
    @inline(__always)
    private static func firstPage(ofHole start: Int) -> Int { self.page(start &+ 2 &+ 511) }

    /// The first page beyond, with the hole's last word on it.
    @inline(__always)
    private static func endPage(ofHole end: Int) -> Int { self.page(end &- 1) }

    /// A block has become part of a hole: the pages between what the holes beside it had are empty.
    private func vacate(_ block: Range<Int>, in hole: Range<Int>) {
        guard hole.count >= Self.leastPaged else { return }
        let first = max(
            Self.firstPage(ofHole: hole.lowerBound), Self.page(block.lowerBound &- 1))
        let last = min(
            Self.endPage(ofHole: hole.upperBound), Self.page(block.upperBound &+ 1) &+ 1)
        if first < last { self.pages.vacate(first..<last) }
    }

    /// A block was the last one, and what was before it from `start` on was a hole.
    private func vacateEnd(_ block: Range<Int>, from start: Int) {
        let first = Self.page(start &+ 511)
        let last = Self.page(block.upperBound &- 1) &+ 1
        // Of the hole before it, the beginning and the last word were in use.
        let beginning = min(last, Self.firstPage(ofHole: start))
        if first < beginning { self.pages.vacate(first..<beginning) }
        let rest = max(first, Self.page(block.lowerBound &- 1))
        if rest < last { self.pages.vacate(rest..<last) }
    }
}
