// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Who reads what: decides when memory that the writer unlinked may be used again.
///
/// A reader announces the epoch it began in, in a cache line of its own; the writer tags what it
/// unlinks with the epoch of that moment and moves the epoch on. Nothing with a tag is used again
/// while a reader's epoch is at or below it.
///
/// Why that is enough: between a reader's pin and all its loads stands a sequentially consistent
/// fence, and between what the writer unlinks and its look at the slots another one. Of two such
/// fences one is first. If the reader's is, the writer sees the pin. Else the reader's loads,
/// however weak their ordering, see the unlinking and can't find what was unlinked. (A sequentially
/// consistent exchange alone doesn't do: on ARM its store may be seen after the loads that follow.)
///
/// Unchecked: the slots are atomics in memory that lives as long as this object.
final class EpochDomain: @unchecked Sendable {
    private static let free: UInt64 = 0
    private static let idle: UInt64 = .max
    /// 128 bytes: the adjacent line is fetched too.
    private static let stride = 16

    private let slots: UnsafeMutablePointer<Atomic<UInt64>>
    private let memory: ReservedMemory
    private let slotCount: Int
    private let epoch = Atomic<UInt64>(1)

    init(slotCount: Int) throws(TableResourceError) {
        self.slotCount = slotCount
        self.memory = try ReservedMemory(bytes: slotCount * Self.stride * 8)
        self.slots = self.memory.base.assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    /// Takes a reader's slot; nil when all are taken.
    func register() -> Int? {
        for slot in 0..<self.slotCount {
            let (won, _) = self.slots[slot * Self.stride].compareExchange(
                expected: Self.free, desired: Self.idle, ordering: .acquiringAndReleasing)
            if won { return slot }
        }
        return nil
    }

    func unregister(_ slot: Int) {
        self.slots[slot * Self.stride].store(Self.free, ordering: .releasing)
    }

    func pin(_ slot: Int) {
        let epoch = self.epoch.load(ordering: .acquiring)
        self.slots[slot * Self.stride].store(epoch, ordering: .relaxed)
        atomicMemoryFence(ordering: .sequentiallyConsistent)
    }

    func unpin(_ slot: Int) {
        self.slots[slot * Self.stride].store(Self.idle, ordering: .releasing)
    }

    // MARK: The writer's side

    /// The tag of what is unlinked now.
    var current: UInt64 { self.epoch.load(ordering: .relaxed) }

    /// Ends the current epoch.
    ///
    /// - Returns: What was tagged below this may be used again.
    func advance() -> UInt64 {
        let next =
            self.epoch.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        var oldest = next
        for slot in 0..<self.slotCount {
            let value = self.slots[slot * Self.stride].load(ordering: .acquiring)
            if value != Self.free, value < oldest { oldest = value }
        }
        return oldest
    }
}
