// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Finds classes by the hash of their tuples: open addressing over id + 1, at most half full.
///
/// It grows without a long step: a larger table is put beside the one before, and every insertion
/// moves a few entries over. Until all are moved, what the new one lacks is looked for in the old.
struct ClassIndex: ~Copyable {
    private var table: Table
    private var old: Table?
    /// Slots of the old table that were moved.
    private var moved = 0
    private var count = 0

    private struct Table {
        let memory: ReservedMemory
        let slots: UnsafeMutablePointer<UInt32>
        let mask: Int

        init(slots count: Int) throws(TableResourceError) {
            self.memory = try ReservedMemory(bytes: count * 4)
            self.slots = self.memory.base.assumingMemoryBound(to: UInt32.self)
            self.mask = count - 1
        }

        @inline(__always)
        func find(_ hash: Int, _ isIt: (UInt32) -> Bool) -> UInt32? {
            var slot = hash & self.mask
            while self.slots[slot] != 0 {
                let id = self.slots[slot] &- 1
                if isIt(id) { return id }
                slot = (slot &+ 1) & self.mask
            }
            return nil
        }

        @inline(__always)
        func place(_ id: UInt32, _ hash: Int) {
            var slot = hash & self.mask
            while self.slots[slot] != 0 { slot = (slot &+ 1) & self.mask }
            self.slots[slot] = id &+ 1
        }
    }

    /// The new table takes as many insertions as the old one holds entries, in twice as many slots:
    /// more than two slots an insertion have to be moved.
    private static let stride = 8

    init(slots: Int = 1024) throws(TableResourceError) { self.table = try Table(slots: slots) }

    /// The id with a hash that `isIt` knows; nil where there is none.
    @inline(__always)
    func find(_ hash: Int, _ isIt: (UInt32) -> Bool) -> UInt32? {
        if let id = self.table.find(hash, isIt) { return id }
        return self.old?.find(hash, isIt)
    }

    /// Takes an id in that is not there.
    ///
    /// - Parameters:
    ///   - id: The id.
    ///   - hash: Its hash.
    ///   - hashOf: The hash of an id that was taken in before.
    /// - Returns: False where there is no memory left.
    mutating func insert(_ id: UInt32, _ hash: Int, _ hashOf: (UInt32) -> Int) -> Bool {
        if (self.count + 1) * 2 > self.table.mask + 1 {
            guard let larger = try? Table(slots: (self.table.mask + 1) * 2) else { return false }
            self.old = self.table
            self.table = larger
            self.moved = 0
        }
        self.table.place(id, hash)
        self.count += 1
        self.move(hashOf)
        return true
    }

    private mutating func move(_ hashOf: (UInt32) -> Int) {
        guard let old = self.old else { return }
        let end = min(self.moved + Self.stride, old.mask + 1)
        for slot in self.moved..<end where old.slots[slot] != 0 {
            let id = old.slots[slot] - 1
            self.table.place(id, hashOf(id))
        }
        self.moved = end
        if end > old.mask { self.old = nil }
    }

    var byteCount: Int {
        (self.table.mask + 1) * 4 + (self.old.map { ($0.mask + 1) * 4 } ?? 0)
    }
}
