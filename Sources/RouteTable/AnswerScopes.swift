// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing

/// The indexes of all questions that are kept, for one generation of classes and one state of
/// the world. Readers find it through an ``AnswerScopeBoard``.
package final class AnswerScopeSet: Sendable {
    package let classGeneration: UInt64
    package let worldGeneration: UInt64
    package let marks: ChangeMarks
    package let indexes: [AnswerIndex]
    private let numbers: [Int?]

    /// For readers: the indexes' views, and for each question's slot the view's number + 1, or 0.
    fileprivate nonisolated(unsafe) let views: UnsafeMutablePointer<AnswerIndex.View>
    fileprivate nonisolated(unsafe) let slots: UnsafeMutablePointer<UInt16>
    fileprivate let slotCount: Int

    /// The marks are of a round that began before any of the indexes was begun, in this
    /// generation of classes, and attached ever since. `slots` has for each slot of a question
    /// the number of its index, or nil where there is none.
    package init(
        classGeneration: UInt64, worldGeneration: UInt64, marks: ChangeMarks,
        indexes: [AnswerIndex], slots numbers: [Int?]
    ) {
        precondition(indexes.count < Int(UInt16.max), "an index's number has sixteen bits")
        self.classGeneration = classGeneration
        self.worldGeneration = worldGeneration
        self.marks = marks
        self.indexes = indexes
        self.numbers = numbers
        self.views = .allocate(capacity: max(1, indexes.count))
        for (number, index) in indexes.enumerated() {
            (self.views + number).initialize(to: index.view)
        }
        self.slotCount = numbers.count
        self.slots = .allocate(capacity: max(1, numbers.count))
        for (slot, number) in numbers.enumerated() {
            self.slots[slot] = UInt16(truncatingIfNeeded: number.map { $0 + 1 } ?? 0)
        }
    }

    deinit {
        self.views.deallocate()
        self.slots.deallocate()
    }

    package var byteCount: Int {
        self.indexes.reduce(0) { $0 + $1.byteCount } + self.slotCount * 2 + self.marks.byteCount
    }
}

/// A set of indexes as a reader uses it within one batch: nothing is counted or locked.
///
/// Valid as long as the reader's table is pinned.
package struct AnswerScopes {
    private let views: UnsafePointer<AnswerIndex.View>
    private let slots: UnsafePointer<UInt16>
    private let slotCount: Int
    private let ipv4: ChangeMarks.Bits
    private let ipv6: ChangeMarks.Bits

    init(_ set: AnswerScopeSet) {
        self.views = UnsafePointer(set.views)
        self.slots = UnsafePointer(set.slots)
        self.slotCount = set.slotCount
        self.ipv4 = set.marks.ipv4
        self.ipv6 = set.marks.ipv6
    }

    /// The length of the largest block that is known to get the same answer as an address.
    ///
    /// To be asked after the address was looked up: the marks are to be read after the leaf.
    /// What the lookup has found, `match`, has the scope by class, which is given where the
    /// question's slot has no index or the table has changed since that was made.
    package func scope(slot: Int, of address: IPAddress, _ match: LookupMatch) -> UInt8 {
        guard slot < self.slotCount else { return match.scope }
        let number = Int(self.slots[slot])
        guard number > 0 else { return match.scope }
        let scope = self.views[number &- 1].scope(of: address)
        let marks = address.family == .ipv4 ? self.ipv4 : self.ipv6
        let rootIndex = Int(truncatingIfNeeded: address.high &>> UInt64(64 - LookupBase.rootBits))
        // What has changed inside a block may be outside of a smaller one.
        var length = min(scope, LookupBase.rootBits)
        while marks.isSet(length: length, rootIndex &>> (LookupBase.rootBits &- length)) {
            length &+= 1
            if length > LookupBase.rootBits || length >= Int(match.scope) { return match.scope }
        }
        return UInt8(truncatingIfNeeded: max(scope, length))
    }
}
