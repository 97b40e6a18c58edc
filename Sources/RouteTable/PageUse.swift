// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Which pages of 4 KiB of some reserved memory hold something, and which are in place: those that
/// hold nothing go back to the system, a few with each step, once there are more than some. Belongs to
/// one thread.
final class PageUse {
    /// Pages kept for what comes next, so that what comes and goes costs no page each time.
    private static let spare = 64
    /// In one step so many pages are given back at most, in so many pieces.
    private static let pagesAtOnce = 64
    private static let piecesAtOnce = 8

    /// Number of the first page in its memory.
    let first: Int
    private let memory: ReservedMemory
    private let maps: ReservedMemory
    /// A bit for each page, 64 in a word.
    private let occupied: UnsafeMutablePointer<UInt64>
    private let resident: UnsafeMutablePointer<UInt64>
    /// Words with a bit, at most.
    private var wordCount = 0
    /// The word that is looked at next.
    private var position = 0
    private var residentCount = 0
    /// Pages that are in place and hold nothing.
    private var vacantCount = 0
    private var isGivingBack = false

    init(_ memory: ReservedMemory, pages: Range<Int>) throws(TableResourceError) {
        self.first = pages.lowerBound
        self.memory = memory
        let words = (pages.count + 63) / 64
        self.maps = try ReservedMemory(bytes: words * 16)
        self.occupied = self.maps.base.assumingMemoryBound(to: UInt64.self)
        self.resident = self.occupied + words
    }

    var residentBytes: Int { self.residentCount * 4096 }

    /// Notes that pages hold something from now on; some may have done so before.
    @inline(__always)
    func occupy(_ pages: Range<Int>) {
        for page in pages {
            let (word, bit) = self.place(page)
            if self.occupied[word] & bit != 0 { continue }
            self.occupied[word] |= bit
            if self.resident[word] & bit != 0 {
                self.vacantCount &-= 1
            } else {
                self.resident[word] |= bit
                self.residentCount &+= 1
                self.wordCount = max(self.wordCount, word &+ 1)
            }
        }
    }

    /// Notes that pages hold nothing from now on; some may have held nothing before.
    func vacate(_ pages: Range<Int>) {
        for page in pages {
            let (word, bit) = self.place(page)
            if self.occupied[word] & bit == 0 { continue }
            self.occupied[word] &= ~bit
            self.vacantCount &+= 1
        }
    }

    @inline(__always)
    private func place(_ page: Int) -> (word: Int, bit: UInt64) {
        let index = page &- self.first
        return (index &>> 6, 1 &<< UInt64(index & 63))
    }

    /// Gives some of the pages back that hold nothing: more than one block can leave behind.
    @inline(__always)
    func giveBack() {
        if self.isGivingBack || self.vacantCount > Self.spare { self.giveSomeBack() }
    }

    private func giveSomeBack() {
        var pages = Self.pagesAtOnce
        var pieces = Self.piecesAtOnce
        while self.vacantCount > 0, pages > 0, pieces > 0 {
            let bits = self.resident[self.position] & ~self.occupied[self.position]
            guard bits != 0 else {
                self.position += 1
                if self.position >= self.wordCount { self.position = 0 }
                continue
            }
            let start = bits.trailingZeroBitCount
            let count = min((~(bits &>> UInt64(start))).trailingZeroBitCount, pages)
            let page = self.first + self.position * 64 + start
            self.memory.discard(from: page * 4096, bytes: count * 4096)
            self.resident[self.position] &= ~((UInt64.max >> UInt64(64 - count)) << UInt64(start))
            self.residentCount -= count
            self.vacantCount -= count
            pages -= count
            pieces -= 1
        }
        self.isGivingBack = self.vacantCount > 0
    }
}
