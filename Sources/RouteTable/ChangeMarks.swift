// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Which blocks of the lookup have changed since a moment, the round's beginning.
///
/// For each family a bit for every aligned block of up to 20 bits, in heap order (the block of
/// `length` bits and number i at 2^length + i): set before a leaf in the block is stored anew,
/// and never cleared. All bits of a change are set before its leaf is stored, the smallest block's
/// first: where the writer finds one set, so are those of the blocks around it.
///
/// What a clean bit proves. A round begins on the writer's thread, and what is derived from the
/// lookup is read after that. The writer sets a bit, then stores the leaf (releasing). So
/// - who read a leaf that was stored after the round began (acquiring) finds the bit set, and
///   so does everyone to whom he published (releasing) what he made of it;
/// - a bit that is found clean *after* a leaf was read says that no leaf of the block had been
///   stored anew by then.
/// What was derived, and the leaf, and every other leaf of the block are therefore of one state.
///
/// Unchecked: the bits are atomics in memory that lives as long as this object; one thread, the
/// table's writer, sets them.
package final class ChangeMarks: @unchecked Sendable {
    /// One family's bits.
    struct Bits {
        let words: UnsafeMutablePointer<Atomic<UInt64>>

        /// Notes that a root entry, or something below it, is about to change.
        ///
        /// - Returns: Whether it is the first of the round.
        @inline(__always)
        func set(rootIndex: Int) -> Bool {
            var block = 1 &<< LookupBase.rootBits | rootIndex
            while block > 0 {
                let word = self.words + block &>> 6
                let mask: UInt64 = 1 &<< UInt64(truncatingIfNeeded: block & 63)
                let old = word.pointee.load(ordering: .relaxed)
                if old & mask != 0 { return false }
                word.pointee.store(old | mask, ordering: .relaxed)
                block &>>= 1
            }
            return true
        }

        /// Whether something has changed in a block of at most 20 bits.
        @inline(__always)
        func isSet(length: Int, _ number: Int) -> Bool {
            let block = 1 &<< length | number
            let word = self.words[block &>> 6].load(ordering: .acquiring)
            return word &>> UInt64(truncatingIfNeeded: block & 63) & 1 != 0
        }
    }

    let ipv4: Bits
    let ipv6: Bits
    /// Told of the first change.
    private let signal: ChangeSignal?
    /// 2^21 bits.
    private static let wordCount = 2 << LookupBase.rootBits / 64

    /// Nil where the system has no memory.
    package init?(signal: ChangeSignal? = nil) {
        // Pages that no change reaches cost nothing.
        guard let memory = calloc(2 * Self.wordCount, 8) else { return nil }
        let words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: 2 * Self.wordCount)
        self.ipv4 = Bits(words: words)
        self.ipv6 = Bits(words: words + Self.wordCount)
        self.signal = signal
    }

    deinit { free(self.ipv4.words) }

    func signalFirstChange() { self.signal?.wake(.tableChanged) }

    /// Whether anything has changed at all.
    package var isEmpty: Bool {
        !self.ipv4.isSet(length: 0, 0) && !self.ipv6.isSet(length: 0, 0)
    }

    package var byteCount: Int { 2 * Self.wordCount * 8 }
}

/// The marks that a trie's writer sets: those of the index in use, and of the next one while it
/// is built.
///
/// Belongs to the writer's thread. What every painted leaf looks at stands behind a pointer, which
/// needs no check of exclusive access.
final class AttachedMarks {
    private var attached: [(marks: ChangeMarks, bits: ChangeMarks.Bits)] = []
    private let current: UnsafeMutablePointer<Current>

    private struct Current {
        var first: ChangeMarks.Bits?
        var second: ChangeMarks.Bits?
    }

    init() {
        self.current = .allocate(capacity: 1)
        self.current.initialize(to: Current())
    }

    deinit { self.current.deallocate() }

    var hasRoom: Bool { self.attached.count < 2 }

    func attach(_ marks: ChangeMarks, _ bits: ChangeMarks.Bits) {
        precondition(self.hasRoom, "one index in use, one that is built")
        self.attached.append((marks, bits))
        self.list()
    }

    func keep(where isNeeded: (ChangeMarks) -> Bool) {
        self.attached.removeAll { !isNeeded($0.marks) }
        self.list()
    }

    private func list() {
        self.current.pointee.first = self.attached.first?.bits
        self.current.pointee.second = self.attached.count > 1 ? self.attached[1].bits : nil
    }

    /// Before anything at or below a root entry is stored in a place that readers see.
    @inline(__always)
    func note(rootIndex: Int) {
        guard let first = self.current.pointee.first else { return }
        if first.set(rootIndex: rootIndex) { self.signal(0) }
        guard let second = self.current.pointee.second else { return }
        if second.set(rootIndex: rootIndex) { self.signal(1) }
    }

    @inline(never)
    private func signal(_ index: Int) { self.attached[index].marks.signalFirstChange() }
}
