// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension LookupBase {
    /// Calls `body` with the class of every leaf from an address on, in order.
    ///
    /// Each leaf is read by one load: it is of a state that was, also while the writer works.
    ///
    /// - Parameters:
    ///   - start: The beginning of a leaf, or any address; left-aligned in 128 bits.
    ///   - limit: Leaves at most.
    ///   - body: Called with where the leaf begins, or `start` where that lies within it.
    /// - Returns: Where to go on; nil at the end of the address space.
    func walkLeaves(
        from start: UInt128, limit: Int, _ body: (UInt128, UInt32) -> Void
    ) -> UInt128? {
        var position = start
        for _ in 0..<limit {
            let (id, depth) = self.leaf(at: position)
            body(position, id)
            let last = position | PrefixTree.hostBits(depth)
            if last == .max { return nil }
            position = last + 1
        }
        return position
    }

    /// The class at an address and the length of the block that its leaf stands for.
    private func leaf(at address: UInt128) -> (id: UInt32, depth: Int) {
        let shift = UInt128(128 - Self.rootBits)
        var depth = Self.rootBits
        var entry = self.root[Int(truncatingIfNeeded: address &>> shift)].load(
            ordering: .acquiring)
        while entry >= Self.nodeFlag {
            let slot = Int(truncatingIfNeeded: entry & ~Self.nodeFlag) &<< 4
            depth &+= 4
            let nibble =
                Int(
                    truncatingIfNeeded: address &>> UInt128(truncatingIfNeeded: 128 &- depth)) & 15
            entry = self.nodes[slot | nibble].load(ordering: .acquiring)
        }
        return (entry, depth)
    }
}
