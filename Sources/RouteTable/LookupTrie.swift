// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CLinux
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
    /// Nodes out of use. Behind a pointer: as a property that is changed in place it would be
    /// guarded against overlapping accesses at each node.
    private let stock: UnsafeMutablePointer<NodeStock>
    /// Who is to hear of changes to a lookup that readers have.
    let marks = AttachedMarks()
    /// Where it is of huge pages.
    private let rootAhead: PagesAhead?
    private let nodesAhead: PagesAhead?

    /// Nodes whose memory is asked for before they are needed: far more than a slice of building
    /// takes, and about as many as are taken while the system finds a page. (With 8,192 a slice
    /// reached the next huge page now and then, and waited milliseconds for it to be cleared.)
    private static let nodesAhead = 24576

    /// - Parameters:
    ///   - nodeCapacity: Nodes at most; address space is reserved for as many.
    ///   - large: Use huge pages.
    /// - Throws: Where the system refuses the address space.
    init(nodeCapacity: Int, large: Bool) throws(TableResourceError) {
        self.nodeCapacity = min(nodeCapacity, 1 << 30)
        self.rootMemory = try ReservedMemory(
            bytes: 4 << LookupBase.rootBits, hugePages: large)
        self.nodeMemory = try ReservedMemory(
            bytes: self.nodeCapacity * 64, hugePages: large)
        self.rootAhead = large ? PagesAhead(self.rootMemory) : nil
        self.nodesAhead = large ? PagesAhead(self.nodeMemory) : nil
        // The count of changes stands in a page of its own, behind the bits.
        self.mixedMemory = try ReservedMemory(bytes: Self.mixedBytes + 64)
        self.base = LookupBase(
            root: self.rootMemory.base.assumingMemoryBound(to: Atomic<UInt32>.self),
            nodes: self.nodeMemory.base.assumingMemoryBound(to: Atomic<UInt32>.self),
            mixed: self.mixedMemory.base.assumingMemoryBound(to: Atomic<UInt64>.self),
            changes: (self.mixedMemory.base + Self.mixedBytes)
                .assumingMemoryBound(to: Atomic<UInt64>.self))
        self.stock = .allocate(capacity: 1)
        self.stock.initialize(to: NodeStock())
    }

    deinit {
        self.stock.deinitialize(count: 1)
        self.stock.deallocate()
    }

    var mappings: [ReservedMemory] { [self.rootMemory, self.nodeMemory, self.mixedMemory] }

    /// Whether the memory is there that a slice of building can need. If not, it is asked for.
    func isReady() -> Bool {
        let hasRoot = self.rootAhead?.has(bytes: self.rootMemory.byteCount) ?? true
        return self.hasNodesAhead() && hasRoot
    }

    @discardableResult
    private func hasNodesAhead() -> Bool {
        self.nodesAhead?.has(bytes: (self.nodeHighWater + Self.nodesAhead) * 64) ?? true
    }

    /// Has the root's entry for an address, left-aligned in 128 bits, brought near.
    @inline(__always)
    func fetchRoot(_ address: UInt128) {
        martlet_prefetch(
            self.base.root
                + Int(truncatingIfNeeded: address &>> UInt128(128 - LookupBase.rootBits)))
    }

    /// The same of the nodes below it on the way to the address, by going there.
    @inline(__always)
    func fetchLeaf(_ address: UInt128) {
        _ = self.base.classID(
            high: UInt64(truncatingIfNeeded: address &>> 64),
            low: UInt64(truncatingIfNeeded: address))
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
        if let node = self.stock.pointee.popFree() { return node }
        guard self.nodeHighWater < self.nodeCapacity else { return nil }
        self.nodeHighWater += 1
        if self.nodeHighWater % (Self.nodesAhead / 4) == 0 { self.hasNodesAhead() }
        return UInt32(truncatingIfNeeded: self.nodeHighWater - 1)
    }

    /// Nodes that can be handed out now.
    var nodesLeft: Int { self.stock.pointee.freeCount + self.nodeCapacity - self.nodeHighWater }

    /// Takes a node out of use: for good after its epoch, or at once where there are no readers.
    func retireNode(_ node: UInt32, epoch: UInt64?) {
        if let epoch {
            self.stock.pointee.retire(node, epoch: epoch)
        } else {
            self.stock.pointee.addFree(node)
        }
    }

    var hasRetiredNodes: Bool { self.stock.pointee.retiredCount > 0 }

    /// Takes back some of what was retired before an epoch.
    func reclaim(before epoch: UInt64) { self.stock.pointee.reclaim(before: epoch) }

    /// Bytes that were written at one time or another: root, nodes, also those whose memory was
    /// only asked for, and bits.
    var byteCount: Int {
        let nodeBytes = max(self.nodeHighWater * 64, self.nodesAhead?.takenBytes ?? 0)
        return self.rootMemory.residentBytes(first: 4 << LookupBase.rootBits)
            + self.nodeMemory.residentBytes(first: nodeBytes)
            + self.mixedMemory.residentBytes(first: self.mixedMemory.byteCount)
    }

    /// Those of nodes out of use.
    var freeBytes: Int { self.stock.pointee.freeCount * 64 }

    private static var mixedBytes: Int { 1 << LookupBase.rootBits / 8 }

    var retiredBytes: Int { self.stock.pointee.retiredCount * 64 }

    var nodesInUse: Int {
        self.nodeHighWater - self.stock.pointee.freeCount - self.stock.pointee.retiredCount
    }
}
