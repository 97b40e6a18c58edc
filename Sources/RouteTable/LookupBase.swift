// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Synchronization

/// The bytes that readers walk for one address family.
///
/// A direct root of 2^20 entries, then nodes of 16 entries, one cache line each: 20 + 3 × 4 = 32
/// bits for IPv4, 20 + 27 × 4 = 128 for IPv6. An entry is a class id, or ``nodeFlag`` and the
/// number of a node. A node whose 16 entries are one leaf never stands: it is folded into its
/// parent, which saves memory and makes scopes exact.
///
/// `mixed` holds a bit for every aligned block of root entries, in heap order (level L, index i
/// at 2^L + i, levels 0 to 19): set where the block is not one leaf.
///
/// Invariants for readers without locks: memory never moves; an entry at depth d leads only to
/// nodes of depth d; a new node is filled before a releasing store links it; an unlinked node
/// keeps its entries until no reader that could have seen it is pinned.
///
/// A class is one word; a class and its scope are made of several, so `changes` counts the
/// writer's changes, and is odd while one is made. The writer stores the odd number, then
/// entries and bits (releasing), then the even number (releasing); a reader loads the number, the
/// words (acquiring), and the number again. Where it is the same even number, all words are of
/// one state.
@usableFromInline
struct LookupBase {
    @usableFromInline let root: UnsafeMutablePointer<Atomic<UInt32>>
    @usableFromInline let nodes: UnsafeMutablePointer<Atomic<UInt32>>
    @usableFromInline let mixed: UnsafeMutablePointer<Atomic<UInt64>>
    @usableFromInline let changes: UnsafeMutablePointer<Atomic<UInt64>>

    @usableFromInline static let nodeFlag: UInt32 = 1 << 31
    @usableFromInline static let rootBits = 20

    init(
        root: UnsafeMutablePointer<Atomic<UInt32>>, nodes: UnsafeMutablePointer<Atomic<UInt32>>,
        mixed: UnsafeMutablePointer<Atomic<UInt64>>,
        changes: UnsafeMutablePointer<Atomic<UInt64>>
    ) {
        self.root = root
        self.nodes = nodes
        self.mixed = mixed
        self.changes = changes
    }

    /// The class at an address, both words left-aligned.
    @inlinable @inline(__always)
    func classID(high: UInt64, low: UInt64) -> UInt32 {
        var entry = self.root[Int(truncatingIfNeeded: high &>> 44)].load(ordering: .acquiring)
        if entry < Self.nodeFlag { return entry }
        // Bits 20 to 83: sixteen levels below the root, more than IPv4 has. (A first step without
        // a branch was slower: a right guess lets the next address begin early.)
        var word = high &<< 20 | low &>> 44
        var levels = 16
        while true {
            let node = Int(truncatingIfNeeded: entry & ~Self.nodeFlag) &<< 4
            entry = self.nodes[node | Int(truncatingIfNeeded: word &>> 60)]
                .load(ordering: .acquiring)
            if entry < Self.nodeFlag { return entry }
            levels &-= 1
            word = levels == 0 ? low &<< 20 : word &<< 4
        }
    }

    /// The class at an address and the length of the widest block around it in that class: both
    /// of one state of the table.
    @inlinable @inline(__always)
    func lookup(high: UInt64, low: UInt64) -> LookupMatch {
        let before = self.changes.pointee.load(ordering: .acquiring)
        let match = self.scan(high: high, low: low)
        if before & 1 == 0, self.changes.pointee.load(ordering: .relaxed) == before {
            return match
        }
        return self.lookupAgain(high: high, low: low)
    }

    /// Tries again while the writer is at work. Where that doesn't pause, the scope is the block
    /// of the entry that holds the class: it is narrower, and one word.
    @usableFromInline @inline(never)
    func lookupAgain(high: UInt64, low: UInt64) -> LookupMatch {
        for _ in 0..<8 {
            let before = self.changes.pointee.load(ordering: .acquiring)
            guard before & 1 == 0 else { continue }
            let match = self.scan(high: high, low: low)
            if self.changes.pointee.load(ordering: .relaxed) == before { return match }
        }
        var entry = self.root[Int(truncatingIfNeeded: high &>> 44)].load(ordering: .acquiring)
        let address = UInt128(high) << 64 | UInt128(low)
        var depth = Self.rootBits
        while entry >= Self.nodeFlag {
            let node = Int(truncatingIfNeeded: entry & ~Self.nodeFlag) &<< 4
            let slot = Int(truncatingIfNeeded: address &>> UInt128(124 - depth)) & 15
            entry = self.nodes[node | slot].load(ordering: .acquiring)
            depth += 4
        }
        return LookupMatch(classID: entry, scope: UInt8(truncatingIfNeeded: depth))
    }

    /// The class and the scope, if nothing is changed meanwhile.
    @inlinable @inline(__always)
    func scan(high: UInt64, low: UInt64) -> LookupMatch {
        let index = Int(truncatingIfNeeded: high &>> 44)
        var entry = self.root[index].load(ordering: .acquiring)
        if entry < Self.nodeFlag {
            var level = Self.rootBits
            var block = index | 1 &<< Self.rootBits
            while level > 0 {
                block &>>= 1
                let bits = self.mixed[block &>> 6].load(ordering: .acquiring)
                if bits &>> UInt64(truncatingIfNeeded: block & 63) & 1 != 0 { break }
                level &-= 1
            }
            return LookupMatch(classID: entry, scope: UInt8(truncatingIfNeeded: level))
        }
        var word = high
        var shift: UInt64 = 40
        var depth = Self.rootBits
        while true {
            let node = Int(truncatingIfNeeded: entry & ~Self.nodeFlag) &<< 4
            let position = Int(truncatingIfNeeded: (word &>> shift) & 15)
            entry = self.nodes[node | position].load(ordering: .acquiring)
            depth &+= 4
            if entry < Self.nodeFlag {
                // Widen by doubling; sixteen equal leaves would have been folded.
                var size = 1
                while size < 16 {
                    let buddy = (position & ~(size &- 1)) ^ size
                    var other = 0
                    while other < size {
                        if self.nodes[node | buddy | other].load(ordering: .acquiring) != entry {
                            return LookupMatch(
                                classID: entry, scope: UInt8(truncatingIfNeeded: depth))
                        }
                        other &+= 1
                    }
                    size &<<= 1
                    depth &-= 1
                }
                return LookupMatch(classID: entry, scope: UInt8(truncatingIfNeeded: depth))
            }
            if shift == 0 {
                word = low
                shift = 60
            } else {
                shift &-= 4
            }
        }
    }
}
