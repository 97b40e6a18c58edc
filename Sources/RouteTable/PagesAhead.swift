// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Takes memory from the system before it is needed, on another thread: a page that is written for
/// the first time is found and made zero first. One of 2 MiB may take as long as all that the
/// writer does in one go; and so may one of 4 KiB on a virtual machine whose host has to find
/// memory for it first.
///
/// Unchecked: `asked` belongs to the writer's thread; the rest is an atomic, and memory whose
/// content stays as it is.
final class PagesAhead: @unchecked Sendable {
    private let memory: ReservedMemory
    private let page: Int
    /// Pages that are there, from the first one on.
    private let taken = Atomic<Int>(0)
    /// Pages that were asked for.
    private var asked = 0

    /// - Parameters:
    ///   - memory: Where they are.
    ///   - page: Bytes that are taken at once, whole pages of the system.
    init(_ memory: ReservedMemory, page: Int = ReservedMemory.hugePage) {
        self.memory = memory
        self.page = page
    }

    /// Whether the first bytes are there. If not, they are on their way when it returns.
    @discardableResult
    func has(bytes: Int) -> Bool {
        let wanted = (min(bytes, self.memory.byteCount) + self.page - 1) / self.page
        let taken = self.taken.load(ordering: .acquiring)
        if wanted <= taken { return true }
        if self.asked > taken { return false }
        self.asked = wanted
        do {
            try startThread(name: "pages") { [self] in self.take(taken..<wanted) }
            return false
        } catch {
            self.take(taken..<wanted)
            return true
        }
    }

    /// Bytes of the pages that are there.
    var takenBytes: Int {
        min(self.taken.load(ordering: .acquiring) * self.page, self.memory.byteCount)
    }

    private func take(_ pages: Range<Int>) {
        for page in pages {
            let start = page * self.page
            self.memory.populate(
                from: start, bytes: min(self.page, self.memory.byteCount - start))
            self.taken.store(page + 1, ordering: .releasing)
        }
    }
}
