// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Writes to a lookup trie: intervals of addresses, each leaf replaced by what `change` says.
///
/// Every change a reader can see is one aligned store: a leaf, or a link to a node that is
/// complete. A paint ends where its slice does; what is painted then is whole leaves. Belongs to
/// the writer's thread.
struct TriePainter {
    enum Change {
        /// One byte of the tuples, whatever the others are.
        case byte(offset: Int, stored: UInt8)
        /// The class outright: the trie is being built.
        case whole(UInt32)
    }

    let trie: LookupTrie
    let classes: ClassTable
    var change: Change
    /// Where nodes that fall out of use go; nil for a trie that no reader has.
    let epochs: EpochDomain?
    /// No class or no node was left: the last paint stopped for that.
    private(set) var isFull = false
    private let base: LookupBase
    private var lastOld: UInt32 = .max
    private var lastNew: UInt32 = 0
    private var stop: UInt128?
    /// Nodes there are at least.
    private var nodesLeft: Int

    /// To find a class takes as long as to look at so many leaves.
    private static let unitsOfIntern = 64

    /// Nodes that a paint can need at most: the ways to its two ends.
    private static let mostNodes = 2 * (128 - LookupBase.rootBits) / 4

    /// Root entries between the first and the last changed one before their blocks' bits follow:
    /// a slice that ends leaves little behind to do.
    private static let mostChanged = 4096

    init(trie: LookupTrie, classes: ClassTable, change: Change, epochs: EpochDomain?) {
        self.trie = trie
        self.base = trie.base
        self.classes = classes
        self.change = change
        self.epochs = epochs
        self.nodesLeft = trie.nodesLeft
    }

    /// What a leaf becomes; nil where the classes are full.
    @inline(__always)
    private mutating func replaced(_ id: UInt32, _ slice: inout WorkSlice) -> UInt32? {
        switch self.change {
        case .whole(let new): return new
        case .byte(let offset, let stored):
            if id != self.lastOld {
                slice.spend(Self.unitsOfIntern)
                guard let new = self.classes.intern(id, replacing: offset, by: stored) else {
                    self.isFull = true
                    return nil
                }
                self.lastOld = id
                self.lastNew = new
            }
            return self.lastNew
        }
    }

    /// Does what ``paint(_:_:_:)`` does, and goes on for a little where the slice ends before: of an
    /// area that took the whole slice to find more than one leaf is painted.
    ///
    /// - Returns: The first address that is not painted; nil when all are.
    mutating func paintFound(
        _ first: UInt128, _ last: UInt128, _ slice: inout WorkSlice
    ) -> UInt128? {
        var position = first
        if !slice.isSpent {
            guard let stop = self.paint(first, last, &slice) else { return nil }
            if self.isFull { return stop }
            position = stop
        }
        var rest = slice.rest
        return self.paint(position, last, &rest)
    }

    /// Changes all leaves between two addresses, both included, left-aligned in 128 bits, or some
    /// from the first on where the slice ends before: at least one, unless ``isFull``.
    ///
    /// - Returns: The first address that is not painted; nil when all are.
    mutating func paint(
        _ first: UInt128, _ last: UInt128, _ slice: inout WorkSlice
    ) -> UInt128? {
        guard self.hasNodes() else {
            self.isFull = true
            return first
        }
        self.stop = nil
        self.trie.beginChange()
        defer { self.trie.endChange() }
        let shift = UInt128(128 - LookupBase.rootBits)
        let firstIndex = Int(truncatingIfNeeded: first &>> shift)
        let lastIndex = Int(truncatingIfNeeded: last &>> shift)
        var changed: ClosedRange<Int>?
        for index in firstIndex...lastIndex {
            if let range = changed, range.count >= Self.mostChanged {
                self.updateMixed(range, &slice)
                changed = nil
            }
            let slotFirst = UInt128(truncatingIfNeeded: index) &<< shift
            if slice.isSpent, index > firstIndex {
                self.stop = slotFirst
                break
            }
            slice.spend(1)
            let entry = self.base.root + index
            let old = entry.pointee.load(ordering: .relaxed)
            if index > firstIndex, index < lastIndex, old < LookupBase.nodeFlag {
                // Wholly inside: most of what a wide prefix paints.
                guard let new = self.replaced(old, &slice) else {
                    self.stop = slotFirst
                    break
                }
                if new == old { continue }
                self.trie.marks.note(rootIndex: index)
                entry.pointee.store(new, ordering: .releasing)
                changed = (changed?.lowerBound ?? index)...index
                continue
            }
            self.paint(
                entry, depth: LookupBase.rootBits, slotFirst,
                slotFirst | PrefixTree.hostBits(LookupBase.rootBits), first, last, &slice)
            if entry.pointee.load(ordering: .relaxed) != old {
                changed = (changed?.lowerBound ?? index)...index
            }
            if self.stop != nil { break }
        }
        if let changed { self.updateMixed(changed, &slice) }
        return self.stop
    }

    private mutating func paint(
        _ entry: UnsafeMutablePointer<Atomic<UInt32>>, depth: Int, _ slotFirst: UInt128,
        _ slotLast: UInt128, _ first: UInt128, _ last: UInt128, _ slice: inout WorkSlice
    ) {
        let old = entry.pointee.load(ordering: .relaxed)
        guard old < LookupBase.nodeFlag else {
            let node = old & ~LookupBase.nodeFlag
            self.paintNode(node, depth: depth, slotFirst, slotLast, first, last, &slice)
            if let leaf = self.uniformLeaf(node) {
                entry.pointee.store(leaf, ordering: .releasing)
                self.trie.retireNode(node, epoch: self.epochs?.current)
            }
            return
        }
        guard let new = self.replaced(old, &slice) else {
            self.stop = max(first, slotFirst)
            return
        }
        if new == old { return }
        self.trie.marks.note(
            rootIndex: Int(truncatingIfNeeded: slotFirst &>> UInt128(128 - LookupBase.rootBits)))
        if first <= slotFirst, slotLast <= last {
            entry.pointee.store(new, ordering: .releasing)
            return
        }
        let node = self.allocateNode()
        let entries = self.base.nodes + Int(node) &* 16
        for slot in 0..<16 { entries[slot].store(old, ordering: .relaxed) }
        self.paintNode(node, depth: depth, slotFirst, slotLast, first, last, &slice)
        if self.stop != nil, self.uniformLeaf(node) != nil {
            // The slice ended before the first leaf of it.
            self.trie.retireNode(node, epoch: nil)
            return
        }
        entry.pointee.store(LookupBase.nodeFlag | node, ordering: .releasing)
    }

    private mutating func paintNode(
        _ node: UInt32, depth: Int, _ slotFirst: UInt128, _ slotLast: UInt128,
        _ first: UInt128, _ last: UInt128, _ slice: inout WorkSlice
    ) {
        let shift = UInt128(truncatingIfNeeded: 124 &- depth)
        let from = first <= slotFirst ? 0 : Int(truncatingIfNeeded: first &>> shift) & 15
        let through = last >= slotLast ? 15 : Int(truncatingIfNeeded: last &>> shift) & 15
        let size = (1 as UInt128) &<< shift
        let entries = self.base.nodes + Int(node) &* 16
        slice.spend(8)
        for slot in from...through {
            let childFirst = slotFirst | UInt128(truncatingIfNeeded: slot) &<< shift
            if slice.isSpent, childFirst > first {
                self.stop = childFirst
                return
            }
            slice.spend(1)
            self.paint(
                entries + slot, depth: depth &+ 4, childFirst, childFirst | (size &- 1), first,
                last, &slice)
            if self.stop != nil { return }
        }
    }

    /// The class of a node that is one leaf sixteen times.
    private func uniformLeaf(_ node: UInt32) -> UInt32? {
        let entries = self.base.nodes + Int(node) &* 16
        let leaf = entries[0].load(ordering: .relaxed)
        guard leaf < LookupBase.nodeFlag else { return nil }
        for slot in 1..<16 where entries[slot].load(ordering: .relaxed) != leaf { return nil }
        return leaf
    }

    /// Whether there is room for whatever one paint adds.
    private mutating func hasNodes() -> Bool {
        if self.nodesLeft >= Self.mostNodes { return true }
        if let epochs = self.epochs { self.trie.reclaim(before: epochs.advance()) }
        self.nodesLeft = self.trie.nodesLeft
        return self.nodesLeft >= Self.mostNodes
    }

    private mutating func allocateNode() -> UInt32 {
        self.nodesLeft -= 1
        guard let node = self.trie.allocateNode() else {
            preconditionFailure("a paint makes sure of its nodes before it begins")
        }
        return node
    }

    /// Brings the bits of all blocks that hold changed root entries up to date.
    private func updateMixed(_ changed: ClosedRange<Int>, _ slice: inout WorkSlice) {
        var (low, high) = (changed.lowerBound, changed.upperBound)
        slice.spend(2 &* changed.count)
        var level = LookupBase.rootBits - 1
        while level >= 0 {
            low &>>= 1
            high &>>= 1
            var anyChange = false
            for block in low...high {
                let isMixed = self.isMixed(level: level, block)
                let bit = 1 &<< level | block
                let word = self.base.mixed + bit &>> 6
                let mask: UInt64 = 1 &<< UInt64(truncatingIfNeeded: bit & 63)
                let old = word.pointee.load(ordering: .relaxed)
                if (old & mask != 0) != isMixed {
                    word.pointee.store(old ^ mask, ordering: .releasing)
                    anyChange = true
                } else if !isMixed {
                    // Still uniform, but maybe in another class: what lies above has to look.
                    anyChange = true
                }
            }
            if low == high, !anyChange { return }
            level -= 1
        }
    }

    private func isMixed(level: Int, _ block: Int) -> Bool {
        if level < LookupBase.rootBits - 1 {
            let children = (1 &<< level | block) &<< 1
            let word = self.base.mixed[children &>> 6].load(ordering: .relaxed)
            if word &>> UInt64(truncatingIfNeeded: children & 63) & 3 != 0 { return true }
        }
        let shift = LookupBase.rootBits - 1 - level
        let left = self.base.root[(2 &* block) &<< shift].load(ordering: .relaxed)
        let right = self.base.root[(2 &* block &+ 1) &<< shift].load(ordering: .relaxed)
        return left != right || left >= LookupBase.nodeFlag
    }
}
