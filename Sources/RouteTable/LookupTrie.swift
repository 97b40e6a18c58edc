// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Owner of one family's ``LookupBase``, and of the nodes' accounts, which are the writer's.
///
/// Unchecked: readers only use `base`, by atomics; the rest belongs to the writer's thread.
final class LookupTrie: @unchecked Sendable {
    let base: LookupBase
    let nodeCapacity: Int
    private let rootMemory: ReservedMemory
    private let nodeMemory: ReservedMemory
    private let mixedMemory: ReservedMemory
    /// Nodes handed out at one time or another.
    private(set) var nodeHighWater = 0
    private var freeNodes: [UInt32] = []
    /// Who is to hear of changes to a lookup that readers have.
    let marks = AttachedMarks()
    private var retiredNodes: [(epoch: UInt64, node: UInt32)] = []
    private var retiredStart = 0
    private let usesHugePages: Bool
    private var rootPagesTaken = 0
    private var nodePagesTaken = 0

    /// Nodes that a slice of building takes: far fewer than these.
    private static let nodesOfSlice = 8192

    /// - Parameters:
    ///   - nodeCapacity: Nodes at most; address space is reserved for as many.
    ///   - large: Use huge pages.
    /// - Throws: Where the system refuses the address space.
    init(nodeCapacity: Int, large: Bool) throws(TableResourceError) {
        self.nodeCapacity = min(nodeCapacity, 1 << 30)
        self.usesHugePages = large
        self.rootMemory = try ReservedMemory(
            bytes: 4 << LookupBase.rootBits, hugePages: large)
        self.nodeMemory = try ReservedMemory(
            bytes: self.nodeCapacity * 64, hugePages: large)
        // The count of changes stands in a page of its own, behind the bits.
        self.mixedMemory = try ReservedMemory(bytes: Self.mixedBytes + 64)
        self.base = LookupBase(
            root: self.rootMemory.base.assumingMemoryBound(to: Atomic<UInt32>.self),
            nodes: self.nodeMemory.base.assumingMemoryBound(to: Atomic<UInt32>.self),
            mixed: self.mixedMemory.base.assumingMemoryBound(to: Atomic<UInt64>.self),
            changes: (self.mixedMemory.base + Self.mixedBytes)
                .assumingMemoryBound(to: Atomic<UInt64>.self))
    }

    var mappings: [ReservedMemory] { [self.rootMemory, self.nodeMemory, self.mixedMemory] }

    /// Takes one more huge page from the system before a slice of building needs it: all of it is
    /// made zero then, which takes about as long as a slice.
    ///
    /// - Returns: False where everything is there that a slice can need.
    func takeAhead() -> Bool {
        guard self.usesHugePages else { return false }
        if self.rootPagesTaken * ReservedMemory.hugePage < self.rootMemory.byteCount {
            self.rootMemory.touch(at: self.rootPagesTaken * ReservedMemory.hugePage)
            self.rootPagesTaken += 1
            return true
        }
        let taken = self.nodePagesTaken * ReservedMemory.hugePage
        guard taken < (self.nodeHighWater + Self.nodesOfSlice) * 64,
            taken < self.nodeMemory.byteCount
        else { return false }
        self.nodeMemory.touch(at: taken)
        self.nodePagesTaken += 1
        return true
    }

    /// Before and after entries and bits are stored.
    @inline(__always)
    func beginChange() {
        let changes = self.base.changes
        let count = changes.pointee.load(ordering: .relaxed)
        changes.pointee.store(count | 1, ordering: .relaxed)
    }

    @inline(__always)
    func endChange() {
        let changes = self.base.changes
        let count = changes.pointee.load(ordering: .relaxed)
        changes.pointee.store(count &+ 1, ordering: .releasing)
    }

    /// A node that no reader sees; nil when the reserved space is used up.
    func allocateNode() -> UInt32? {
        if let node = self.freeNodes.popLast() { return node }
        guard self.nodeHighWater < self.nodeCapacity else { return nil }
        self.nodeHighWater += 1
        return UInt32(truncatingIfNeeded: self.nodeHighWater - 1)
    }

    /// Nodes that can be handed out now.
    var nodesLeft: Int { self.freeNodes.count + self.nodeCapacity - self.nodeHighWater }

    /// Takes a node out of use: for good after its epoch, or at once where there are no readers.
    func retireNode(_ node: UInt32, epoch: UInt64?) {
        if let epoch {
            self.retiredNodes.append((epoch, node))
        } else {
            self.freeNodes.append(node)
        }
    }

    var hasRetiredNodes: Bool { self.retiredStart < self.retiredNodes.count }

    /// Takes back what was retired before an epoch.
    func reclaim(before epoch: UInt64) {
        while self.retiredStart < self.retiredNodes.count,
            self.retiredNodes[self.retiredStart].epoch < epoch
        {
            self.freeNodes.append(self.retiredNodes[self.retiredStart].node)
            self.retiredStart += 1
        }
        if self.retiredStart > 1024, self.retiredStart * 2 > self.retiredNodes.count {
            self.retiredNodes.removeFirst(self.retiredStart)
            self.retiredStart = 0
        }
    }

    /// Bytes that were written at one time or another: root, nodes and bits.
    var byteCount: Int {
        self.rootMemory.residentBytes(first: 4 << LookupBase.rootBits)
            + self.nodeMemory.residentBytes(first: self.nodeHighWater * 64)
            + self.mixedMemory.residentBytes(first: self.mixedMemory.byteCount)
    }

    private static var mixedBytes: Int { 1 << LookupBase.rootBits / 8 }

    var retiredBytes: Int { (self.retiredNodes.count - self.retiredStart) * 64 }

    var nodesInUse: Int {
        self.nodeHighWater - self.freeNodes.count - (self.retiredNodes.count - self.retiredStart)
    }
}
