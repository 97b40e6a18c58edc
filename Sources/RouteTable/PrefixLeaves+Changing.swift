// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Prefixes that come and go.
///
/// A new prefix goes to the end of a leaf rather than to the beginning of the next, so that only
/// removals change what a leaf begins with, but in the first one, which has no covers.
extension PrefixLeaves {
    /// Puts a prefix in that isn't there; false where the reserved space is used up.
    func insert(_ bits: Bits, _ length: Int, node: Int32, last: Bits) -> Bool {
        var place = self.lowerBound(bits, length)
        let count = self.count(place.leaf)
        if count == Self.size {
            // What comes in order fills its leaves. What comes the other way round would get a
            // leaf for each prefix: so not before a leaf that has little.
            let next = self.next(place.leaf)
            let fills =
                place.offset == count && (next == 0 || self.count(next) > Self.mergeBound / 2)
            let kept = fills ? count : count / 2
            guard let new = self.cut(place.leaf, at: kept, first: bits) else { return false }
            if place.offset > kept || kept == count {
                place = Place(leaf: new, offset: place.offset - kept)
            }
        }
        self.write(bits, length, node, at: place)
        if place.offset == 0, place.leaf == self.first {
            self.directory.setStart(LeafDirectory.Place(group: 0, offset: 0), bits)
        }
        if length <= WidePrefixes<Bits>.longest {
            self.wide.set(node, bits, length)
        } else if length < Bits.bitWidth {
            let cover: Bits = 1 &<< Bits(truncatingIfNeeded: length)
            self.forEachLeaf(behind: place.leaf, upTo: last) { $0 | cover }
        }
        return true
    }

    private func write(_ bits: Bits, _ length: Int, _ node: Int32, at place: Place) {
        let count = self.count(place.leaf)
        let own = self.bits(place.leaf) + place.offset
        let tails = self.tails(place.leaf) + place.offset
        (own + 1).update(from: own, count: count - place.offset)
        (tails + 1).update(from: tails, count: count - place.offset)
        own.pointee = bits
        tails.pointee = UInt32(truncatingIfNeeded: length) &<< 24 | UInt32(bitPattern: node)
        self.setCount(place.leaf, count + 1)
    }

    /// Changes the covers of all leaves behind one that begin no later than `last`.
    private func forEachLeaf(
        behind leaf: UInt32, upTo last: Bits, _ change: (Bits) -> Bits
    ) {
        let next = self.next(leaf)
        guard next != 0, self.bits(next)[0] <= last else { return }
        let place = self.directory.place(of: leaf, self.bits(leaf)[0])
        self.directory.forEachLeaf(behind: place, upTo: last) {
            self.setCovers($0, change(self.covers($0)))
        }
    }

    /// Moves what stands from an offset on to a new leaf behind; nothing where there is nothing,
    /// and then the new leaf is to begin with `first`.
    private func cut(_ leaf: UInt32, at offset: Int, first: Bits) -> UInt32? {
        let count = self.count(leaf)
        let place = self.directory.place(of: leaf, self.bits(leaf)[0])
        guard let new = self.makeLeaf(after: leaf) else { return nil }
        let own = self.bits(leaf)
        let tails = self.tails(leaf)
        let start = offset < count ? own[offset] : first
        var covers = self.covers(leaf) & Self.lengths(upTo: own[0], start)
        for before in 0..<offset {
            let length = Self.length(tails[before])
            if length > WidePrefixes<Bits>.longest, length < Bits.bitWidth,
                own[before].holds(start, length: length)
            {
                covers |= 1 &<< Bits(truncatingIfNeeded: length)
            }
        }
        self.setCovers(new, covers)
        self.bits(new).update(from: own + offset, count: count - offset)
        self.tails(new).update(from: tails + offset, count: count - offset)
        self.setCount(new, count - offset)
        self.setCount(leaf, offset)
        self.directory.insert(new, start, behind: place)
        return new
    }

    /// Takes a prefix out that is there.
    func remove(_ bits: Bits, _ length: Int, last: Bits) {
        let place = self.lowerBound(bits, length)
        precondition(
            self.node(at: place, ifExactly: bits, length) != 0, "every prefix is in a leaf")
        let leaf = place.leaf
        if length <= WidePrefixes<Bits>.longest {
            self.wide.set(0, bits, length)
        } else if length < Bits.bitWidth {
            let cover: Bits = 1 &<< Bits(truncatingIfNeeded: length)
            self.forEachLeaf(behind: leaf, upTo: last) { $0 & ~cover }
        }
        let own = self.bits(leaf)
        let tails = self.tails(leaf)
        let start = own[0]
        let count = self.count(leaf) - 1
        (own + place.offset).update(from: own + place.offset + 1, count: count - place.offset)
        (tails + place.offset).update(from: tails + place.offset + 1, count: count - place.offset)
        self.setCount(leaf, count)
        if place.offset == 0, count > 0 {
            // Who is before the leaf and holds its new first prefix held the old one too.
            self.setCovers(leaf, self.covers(leaf) & Self.lengths(upTo: start, own[0]))
            self.directory.setStart(self.directory.place(of: leaf, start), own[0])
        }
        if count <= Self.mergeBound / 2 { self.merge(leaf, start: count > 0 ? own[0] : start) }
    }

    /// Makes one leaf of two, or of three, where they have little; `start` is what the directory
    /// knows the leaf by.
    private func merge(_ leaf: UInt32, start: Bits) {
        let count = self.count(leaf)
        let (next, previous) = (self.next(leaf), self.previous(leaf))
        if next != 0, self.count(next) + count <= Self.mergeBound || count == 0 && previous == 0 {
            if count == 0 {
                self.setCovers(leaf, self.covers(next))
                self.directory.setStart(self.directory.place(of: leaf, start), self.bits(next)[0])
            }
            self.directory.remove(self.directory.place(of: next, self.bits(next)[0]))
            self.move(next, to: leaf)
        }
        let now = self.count(leaf)
        if previous != 0, self.count(previous) + now <= Self.mergeBound || now == 0 {
            self.directory.remove(
                self.directory.place(of: leaf, now > 0 ? self.bits(leaf)[0] : start))
            self.move(leaf, to: previous)
        }
    }

    private func move(_ leaf: UInt32, to other: UInt32) {
        let (count, more) = (self.count(other), self.count(leaf))
        (self.bits(other) + count).update(from: self.bits(leaf), count: more)
        (self.tails(other) + count).update(from: self.tails(leaf), count: more)
        self.setCount(other, count + more)
        self.freeLeaf(leaf)
    }
}
