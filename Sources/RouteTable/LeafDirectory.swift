// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The way to a leaf of ``PrefixLeaves``: the first prefix's bits of each leaf, in order, in
/// groups, and of each group.
///
/// Leaves that begin with the same bits (and prefixes of other lengths) stand side by side.
/// Groups have room for 128; a full one is cut in two, so that one more leaf costs a move of a
/// few hundred bytes. Belongs to the writer's thread.
final class LeafDirectory<Bits: PrefixBits> {
    private static var size: Int { 128 }

    private let memory: ReservedMemory
    private let base: UnsafeMutableRawPointer
    private var highWater: UInt32 = 0
    private var free: [UInt32] = []
    /// The groups in order: what each begins with, its number and how many leaves it has.
    private var starts: UnsafeMutablePointer<Bits>
    private var groups: UnsafeMutablePointer<UInt32>
    private var counts: UnsafeMutablePointer<UInt32>
    private var groupCount = 0
    private var room = 64

    /// A leaf's place: the group's in order, and the leaf's in the group.
    struct Place {
        var group: Int
        var offset: Int
    }

    /// - Parameter capacity: Leaves at most.
    /// - Throws: Where the system refuses the address space.
    init(capacity: Int) throws(TableResourceError) {
        // A group that has been cut has at least half of what it can hold; one that lost leaves
        // is given back when it is empty, and leaves come before groups.
        self.memory = try ReservedMemory(bytes: (capacity + 2) * Self.stride)
        self.base = self.memory.base
        self.starts = .allocate(capacity: self.room)
        self.groups = .allocate(capacity: self.room)
        self.counts = .allocate(capacity: self.room)
    }

    deinit {
        self.starts.deallocate()
        self.groups.deallocate()
        self.counts.deallocate()
    }

    private static var stride: Int { self.size * (MemoryLayout<Bits>.size + 4) }

    @inline(__always)
    private func bits(_ group: Int) -> UnsafeMutablePointer<Bits> {
        (self.base + Int(self.groups[group]) &* Self.stride).assumingMemoryBound(to: Bits.self)
    }

    @inline(__always)
    private func leaves(_ group: Int) -> UnsafeMutablePointer<UInt32> {
        (self.base
            + (Int(self.groups[group]) &* Self.stride
                &+ Self.size &* MemoryLayout<Bits>.size))
            .assumingMemoryBound(to: UInt32.self)
    }

    /// Puts the only leaf in.
    func begin(_ leaf: UInt32) {
        self.groups[0] = self.makeGroup()
        self.groupCount = 1
        self.counts[0] = 1
        self.starts[0] = 0
        self.bits(0)[0] = 0
        self.leaves(0)[0] = leaf
    }

    private func makeGroup() -> UInt32 {
        if let group = self.free.popLast() { return group }
        self.highWater += 1
        return self.highWater
    }

    // MARK: Finding

    /// The last leaf that begins before these bits, else the first one.
    @inline(__always)
    func leaf(before bits: Bits) -> UInt32 {
        let place = self.place(before: bits)
        return self.leaves(place.group)[place.offset]
    }

    @inline(__always)
    private func place(before bits: Bits) -> Place {
        let group = max(0, sortedPosition(of: bits, in: self.starts, self.groupCount) &- 1)
        let offset = sortedPosition(of: bits, in: self.bits(group), Int(self.counts[group]))
        return Place(group: group, offset: max(0, offset &- 1))
    }

    /// Where a leaf stands that begins with these bits.
    func place(of leaf: UInt32, _ bits: Bits) -> Place {
        var place = self.place(before: bits)
        while self.leaves(place.group)[place.offset] != leaf {
            place.offset += 1
            if place.offset == Int(self.counts[place.group]) {
                place = Place(group: place.group + 1, offset: 0)
                precondition(place.group < self.groupCount, "every leaf is in the directory")
            }
        }
        return place
    }

    /// Calls `body` with the leaves behind one in order, as long as they begin with bits up to
    /// `last`.
    @inline(__always)
    func forEachLeaf(behind place: Place, upTo last: Bits, _ body: (UInt32) -> Void) {
        var group = place.group
        var offset = place.offset + 1
        while group < self.groupCount {
            let bits = self.bits(group)
            let leaves = self.leaves(group)
            let count = Int(self.counts[group])
            while offset < count {
                guard bits[offset] <= last else { return }
                body(leaves[offset])
                offset += 1
            }
            group += 1
            offset = 0
        }
    }

    // MARK: Changing

    /// The leaf at a place begins with other bits now; its order is the same.
    func setStart(_ place: Place, _ bits: Bits) {
        self.bits(place.group)[place.offset] = bits
        if place.offset == 0 { self.starts[place.group] = bits }
    }

    /// Puts a leaf in behind another one.
    func insert(_ leaf: UInt32, _ bits: Bits, behind place: Place) {
        var place = Place(group: place.group, offset: place.offset + 1)
        let count = Int(self.counts[place.group])
        if count == Self.size {
            // What comes in order fills its groups.
            let kept = place.offset == count ? count : count / 2
            self.cut(place.group, at: kept)
            if place.offset >= kept {
                place = Place(group: place.group + 1, offset: place.offset - kept)
            }
        }
        let own = self.bits(place.group)
        let leaves = self.leaves(place.group)
        let behind = Int(self.counts[place.group]) - place.offset
        (own + place.offset + 1).update(from: own + place.offset, count: behind)
        (leaves + place.offset + 1).update(from: leaves + place.offset, count: behind)
        leaves[place.offset] = leaf
        self.counts[place.group] += 1
        self.setStart(place, bits)
    }

    private func cut(_ group: Int, at offset: Int) {
        if self.groupCount == self.room { self.grow() }
        let behind = self.groupCount - group - 1
        (self.starts + group + 2).update(from: self.starts + group + 1, count: behind)
        (self.groups + group + 2).update(from: self.groups + group + 1, count: behind)
        (self.counts + group + 2).update(from: self.counts + group + 1, count: behind)
        self.groups[group + 1] = self.makeGroup()
        self.groupCount += 1
        let moved = Int(self.counts[group]) - offset
        self.bits(group + 1).update(from: self.bits(group) + offset, count: moved)
        self.leaves(group + 1).update(from: self.leaves(group) + offset, count: moved)
        self.counts[group + 1] = UInt32(moved)
        self.counts[group] = UInt32(offset)
        if moved > 0 { self.starts[group + 1] = self.bits(group + 1)[0] }
    }

    private func grow() {
        func larger<T: BitwiseCopyable>(
            _ old: UnsafeMutablePointer<T>
        ) -> UnsafeMutablePointer<T> {
            let new = UnsafeMutablePointer<T>.allocate(capacity: 2 * self.room)
            new.initialize(from: old, count: self.room)
            old.deallocate()
            return new
        }
        self.starts = larger(self.starts)
        self.groups = larger(self.groups)
        self.counts = larger(self.counts)
        self.room *= 2
    }

    /// Takes a leaf out; not the only one.
    func remove(_ place: Place) {
        let own = self.bits(place.group)
        let leaves = self.leaves(place.group)
        let behind = Int(self.counts[place.group]) - place.offset - 1
        (own + place.offset).update(from: own + place.offset + 1, count: behind)
        (leaves + place.offset).update(from: leaves + place.offset + 1, count: behind)
        self.counts[place.group] -= 1
        if self.counts[place.group] > 0 {
            self.starts[place.group] = own[0]
            return
        }
        self.free.append(self.groups[place.group])
        let groupsBehind = self.groupCount - place.group - 1
        (self.starts + place.group).update(from: self.starts + place.group + 1, count: groupsBehind)
        (self.groups + place.group).update(from: self.groups + place.group + 1, count: groupsBehind)
        (self.counts + place.group).update(from: self.counts + place.group + 1, count: groupsBehind)
        self.groupCount -= 1
    }

    /// Bytes touched.
    var byteCount: Int {
        Int(self.highWater) * Self.stride + self.room * (MemoryLayout<Bits>.size + 8)
    }
}
