// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Finds classes by the hash of their tuples: open addressing over id + 1, at most half full.
///
/// It grows without a long step: a larger table is put beside the one before, and every insertion
/// moves a few entries over. Until all are moved, what the new one lacks is looked for in the old.
///
/// What changes is behind a pointer: as a property that is changed in place it would be guarded
/// against overlapping accesses at each lookup, which costs as much as the lookup.
struct ClassIndex: ~Copyable {
    private let state: UnsafeMutablePointer<State>

    private struct State {
        var table: Table
        var old: Table?
        /// Slots of the old table that were moved.
        var moved = 0
        var count = 0
    }

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

    init(slots: Int = 1024) throws(TableResourceError) {
        let table = try Table(slots: slots)
        self.state = .allocate(capacity: 1)
        self.state.initialize(to: State(table: table))
    }

    deinit {
        self.state.deinitialize(count: 1)
        self.state.deallocate()
    }

    /// The id with a hash that `isIt` knows; nil where there is none.
    @inline(__always)
    func find(_ hash: Int, _ isIt: (UInt32) -> Bool) -> UInt32? {
        if let id = self.state.pointee.table.find(hash, isIt) { return id }
        return self.state.pointee.old?.find(hash, isIt)
    }

    /// Takes an id in that is not there.
    ///
    /// - Parameters:
    ///   - id: The id.
    ///   - hash: Its hash.
    ///   - hashOf: The hash of an id that was taken in before.
    /// - Returns: False where there is no memory left.
    func insert(_ id: UInt32, _ hash: Int, _ hashOf: (UInt32) -> Int) -> Bool {
        if (self.state.pointee.count + 1) * 2 > self.state.pointee.table.mask + 1 {
            guard let larger = try? Table(slots: (self.state.pointee.table.mask + 1) * 2) else {
                return false
            }
            // Its entries fall anywhere: all of its pages are written before long.
            PagesAhead(larger.memory, page: larger.memory.byteCount).has(
                bytes: larger.memory.byteCount)
            self.state.pointee.old = self.state.pointee.table
            self.state.pointee.table = larger
            self.state.pointee.moved = 0
        }
        self.state.pointee.table.place(id, hash)
        self.state.pointee.count += 1
        self.move(hashOf)
        return true
    }

    private func move(_ hashOf: (UInt32) -> Int) {
        guard let old = self.state.pointee.old else { return }
        let end = min(self.state.pointee.moved + Self.stride, old.mask + 1)
        for slot in self.state.pointee.moved..<end where old.slots[slot] != 0 {
            let id = old.slots[slot] - 1
            self.state.pointee.table.place(id, hashOf(id))
        }
        self.state.pointee.moved = end
        if end > old.mask { self.state.pointee.old = nil }
    }

    var mappings: [ReservedMemory] {
        [self.state.pointee.table.memory] + (self.state.pointee.old.map { [$0.memory] } ?? [])
    }

    var byteCount: Int {
        (self.state.pointee.table.mask + 1) * 4
            + (self.state.pointee.old.map { ($0.mask + 1) * 4 } ?? 0)
    }
}
