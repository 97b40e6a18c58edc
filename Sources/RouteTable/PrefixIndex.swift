// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Finds a prefix's node without a walk: open addressing over node numbers, at most half full.
///
/// The keys are in the nodes. Removal moves what follows back, so no tombstones gather.
struct PrefixIndex: ~Copyable {
    private var slots: UnsafeMutablePointer<Int32>
    private var mask: Int
    private var count = 0

    init() {
        self.mask = 1023
        self.slots = .allocate(capacity: 1024)
        self.slots.initialize(repeating: 0, count: 1024)
    }

    deinit { self.slots.deallocate() }

    @inline(__always)
    private static func hash(_ key: UInt128, _ length: Int) -> Int {
        let high = UInt64(truncatingIfNeeded: key &>> 64)
        let low = UInt64(truncatingIfNeeded: key)
        let mixed = (high ^ 0x9e37_79b9_7f4a_7c15 &* UInt64(truncatingIfNeeded: length &+ 1))
            .multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
        let more = (mixed.high ^ mixed.low ^ low)
            .multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
        return Int(truncatingIfNeeded: more.high ^ more.low)
    }

    func find(in tree: PrefixTree, key: UInt128, length: Int) -> Int32 {
        var slot = Self.hash(key, length) & self.mask
        while true {
            let node = self.slots[slot]
            if node == 0 { return 0 }
            if tree.key(node) == key, tree.length(node) == length { return node }
            slot = (slot + 1) & self.mask
        }
    }

    mutating func insert(_ node: Int32, in tree: PrefixTree) {
        if (self.count + 1) * 2 > self.mask { self.grow(tree) }
        self.place(node, tree)
        self.count += 1
    }

    private func place(_ node: Int32, _ tree: PrefixTree) {
        var slot = Self.hash(tree.key(node), tree.length(node)) & self.mask
        while self.slots[slot] != 0 { slot = (slot + 1) & self.mask }
        self.slots[slot] = node
    }

    private mutating func grow(_ tree: PrefixTree) {
        let old = self.slots
        let oldSize = self.mask + 1
        self.mask = oldSize * 2 - 1
        self.slots = .allocate(capacity: oldSize * 2)
        self.slots.initialize(repeating: 0, count: oldSize * 2)
        for slot in 0..<oldSize where old[slot] != 0 { self.place(old[slot], tree) }
        old.deallocate()
    }

    mutating func remove(_ node: Int32, in tree: PrefixTree) {
        var hole = Self.hash(tree.key(node), tree.length(node)) & self.mask
        while self.slots[hole] != node {
            precondition(self.slots[hole] != 0, "every prefix of the tree is in the index")
            hole = (hole + 1) & self.mask
        }
        var slot = (hole + 1) & self.mask
        while self.slots[slot] != 0 {
            let other = self.slots[slot]
            let home = Self.hash(tree.key(other), tree.length(other)) & self.mask
            // It may move back unless its home lies after the hole.
            if (slot - home) & self.mask >= (slot - hole) & self.mask {
                self.slots[hole] = other
                hole = slot
            }
            slot = (slot + 1) & self.mask
        }
        self.slots[hole] = 0
        self.count -= 1
    }

    var byteCount: Int { (self.mask + 1) * 4 }
}
