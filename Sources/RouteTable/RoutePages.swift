// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CLinux

/// A feed's route at a prefix, in eight bytes; 0 is none.
///
/// From the lowest bit: the attributes' number (28 bits), the number of the epoch in which it was
/// last announced (4, see ``EpochLedger``), when its attributes came in Unix seconds (32). Where
/// the attributes' number is 0 it is no route, but says where the first of several is: a number
/// in ``PathPool`` (the upper 32).
struct RouteSlot: Hashable {
    var bits: UInt64

    init(bits: UInt64) { self.bits = bits }

    init(attributes: UInt32, epoch: UInt32, time: UInt32) {
        self.bits = UInt64(attributes) | UInt64(epoch & 15) &<< 28 | UInt64(time) &<< 32
    }

    /// In place of the routes of a prefix, when they stand elsewhere.
    init(list: UInt32) { self.bits = UInt64(list) &<< 32 }

    var isEmpty: Bool { self.bits == 0 }
    var isList: Bool { self.attributes == 0 }
    var list: UInt32 { UInt32(truncatingIfNeeded: self.bits &>> 32) }
    var attributes: UInt32 { UInt32(truncatingIfNeeded: self.bits & 0xfff_ffff) }
    var epoch: UInt32 { UInt32(truncatingIfNeeded: self.bits &>> 28 & 15) }
    var time: UInt32 { UInt32(truncatingIfNeeded: self.bits &>> 32) }

    func with(epoch: UInt32) -> RouteSlot {
        RouteSlot(bits: self.bits & ~(15 &<< 28) | UInt64(epoch & 15) &<< 28)
    }
}

/// Where the feeds' routes are kept: pages of 64 slots, shared out to feeds as they need them.
///
/// A feed's directory has an entry for every 64 prefixes of the tree, in the order of their
/// numbers; a feed with a full table fills its pages, one with a few routes has few pages. So
/// memory follows the routes held, not feeds × prefixes. Belongs to the writer's thread.
final class RoutePages {
    static let slotsPerPage = 64

    /// The first number behind a prefix's that is on another page.
    @inline(__always)
    static func pageEnd(after node: Int) -> Int { (node | (self.slotsPerPage - 1)) + 1 }

    /// Bytes that are asked for ahead: of live changes some milliseconds' worth.
    private static let bytesAhead = 1 << 20

    private let memory: ReservedMemory
    private let slots: UnsafeMutablePointer<UInt64>
    private let usedMemory: ReservedMemory
    private let used: UnsafeMutablePointer<UInt8>
    private let capacity: Int
    private let ahead: PagesAhead
    private var highWater = 0
    private var free: [UInt32] = []

    init(capacity: Int) throws(TableResourceError) {
        self.capacity = capacity
        self.memory = try ReservedMemory(bytes: capacity * Self.slotsPerPage * 8)
        self.slots = self.memory.base.assumingMemoryBound(to: UInt64.self)
        self.ahead = PagesAhead(self.memory, page: Self.bytesAhead / 4)
        self.usedMemory = try ReservedMemory(bytes: capacity)
        self.used = self.usedMemory.base.assumingMemoryBound(to: UInt8.self)
    }

    /// Page numbers + 1 by node number / 64; 0 where there is none.
    struct Directory {
        fileprivate(set) var pages: [UInt32] = []

        var pageCount: Int { self.pages.count }

        /// Whether there may be routes at prefixes on the same page as one.
        func hasPage(of node: Int) -> Bool { self.pages[node / RoutePages.slotsPerPage] != 0 }
    }

    @inline(__always)
    func load(_ directory: Directory, _ node: Int32) -> RouteSlot {
        let index = Int(node) &>> 6
        guard index < directory.pages.count, directory.pages[index] != 0 else {
            return RouteSlot(bits: 0)
        }
        return RouteSlot(bits: self.slots[self.position(directory.pages[index], node)])
    }

    /// Has a slot brought near.
    @inline(__always)
    func fetch(_ directory: Directory, _ node: Int32) {
        let index = Int(node) &>> 6
        guard index < directory.pages.count, directory.pages[index] != 0 else { return }
        martlet_prefetch(self.slots + self.position(directory.pages[index], node))
    }

    @inline(__always)
    private func position(_ page: UInt32, _ node: Int32) -> Int {
        (Int(page) &- 1) &<< 6 | Int(node) & 63
    }

    /// Writes a route where there is one already.
    func replace(_ directory: Directory, _ node: Int32, by slot: RouteSlot) {
        self.slots[self.position(directory.pages[Int(node) >> 6], node)] = slot.bits
    }

    /// Writes a route where there is none; false where the reserved space is used up.
    func add(_ directory: inout Directory, _ node: Int32, _ slot: RouteSlot) -> Bool {
        let index = Int(node) >> 6
        if index >= directory.pages.count {
            let more = index + 1 - directory.pages.count
            directory.pages.append(contentsOf: repeatElement(0, count: more))
        }
        if directory.pages[index] == 0 {
            if let page = self.free.popLast() {
                directory.pages[index] = page
            } else if self.highWater < self.capacity {
                self.highWater += 1
                directory.pages[index] = UInt32(self.highWater)
                if self.highWater & 255 == 0 {
                    self.ahead.has(bytes: self.slotBytes + Self.bytesAhead)
                }
            } else {
                return false
            }
        }
        let page = directory.pages[index]
        self.slots[self.position(page, node)] = slot.bits
        self.used[Int(page) - 1] += 1
        return true
    }

    func remove(_ directory: inout Directory, _ node: Int32) {
        let index = Int(node) >> 6
        let page = directory.pages[index]
        self.slots[self.position(page, node)] = 0
        self.used[Int(page) - 1] -= 1
        if self.used[Int(page) - 1] == 0 {
            directory.pages[index] = 0
            self.free.append(page)
        }
    }

    /// Gives the routes on some pages the numbers of other epochs: the new ones are in the four bits
    /// at the places of the old.
    ///
    /// - Returns: How many of each number got another.
    func renumber(
        _ directory: Directory, pages: Range<Int>, by numbers: UInt64, _ pool: PathPool
    ) -> InlineArray<16, Int> {
        var moved = InlineArray<16, Int>(repeating: 0)
        func renumbered(_ slot: RouteSlot) -> RouteSlot? {
            let old = slot.epoch
            let new = UInt32(truncatingIfNeeded: numbers &>> UInt64(4 &* old) & 15)
            guard new != old else { return nil }
            moved[Int(old)] &+= 1
            return slot.with(epoch: new)
        }
        for page in directory.pages[pages] where page != 0 {
            let slots = self.slots + (Int(page) - 1) * Self.slotsPerPage
            for index in 0..<Self.slotsPerPage where slots[index] != 0 {
                let slot = RouteSlot(bits: slots[index])
                guard slot.isList else {
                    if let new = renumbered(slot) { slots[index] = new.bits }
                    continue
                }
                var record = slot.list
                while record != 0 {
                    if let new = renumbered(pool.slot(record)) { pool.set(new, record) }
                    record = pool.next(record)
                }
            }
        }
        return moved
    }

    private var slotBytes: Int { self.highWater * Self.slotsPerPage * 8 }

    /// Bytes touched, by the writer or ahead of it.
    var byteCount: Int { max(self.slotBytes, self.ahead.takenBytes) + self.highWater }

    /// Those of pages out of use.
    var freeBytes: Int { self.free.count * Self.slotsPerPage * 8 }

    func byteCount(of directory: Directory) -> Int {
        directory.pages.reduce(0) { $0 + ($1 == 0 ? 0 : Self.slotsPerPage * 8) }
            + directory.pages.capacity * 4
    }
}
