// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Takes the huge pages of a lookup's memory from the system before they are needed, on another
/// thread: one that is written for the first time is made zero first, all 2 MiB of it, which may
/// take as long as all that the writer does in one go.
///
/// A page has to be written for that, not read: a page that is read first is zero without memory of
/// its own, and no huge one any more. What is written changes nothing, even where the writer was
/// quicker: zero in the place of zero, by an atomic exchange.
///
/// Unchecked: `asked` belongs to the writer's thread; the rest is an atomic and the memory, whose
/// words are atomics.
final class PagesAhead: @unchecked Sendable {
    private let memory: ReservedMemory
    /// Pages that are there, from the first one on.
    private let taken = Atomic<Int>(0)
    /// Pages that were asked for.
    private var asked = 0

    init(_ memory: ReservedMemory) { self.memory = memory }

    /// Whether the first bytes are there. If not, they are on their way when it returns.
    func has(bytes: Int) -> Bool {
        let page = ReservedMemory.hugePage
        let wanted = (min(bytes, self.memory.byteCount) + page - 1) / page
        let taken = self.taken.load(ordering: .acquiring)
        if wanted <= taken { return true }
        if self.asked > taken { return false }
        self.asked = wanted
        do {
            try startThread { [self] in self.take(taken..<wanted) }
            return false
        } catch {
            self.take(taken..<wanted)
            return true
        }
    }

    /// Bytes of the pages that are there.
    var takenBytes: Int { self.taken.load(ordering: .acquiring) * ReservedMemory.hugePage }

    private func take(_ pages: Range<Int>) {
        for page in pages {
            let word = (self.memory.base + page * ReservedMemory.hugePage)
                .assumingMemoryBound(to: Atomic<UInt32>.self)
            _ = word.pointee.compareExchange(expected: 0, desired: 0, ordering: .relaxed)
            self.taken.store(page + 1, ordering: .releasing)
        }
    }
}
