// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A stretch of address space, zero at first, whose pages cost memory only once they are written.
///
/// It never moves, so pointers into it stay good while readers hold them, and growing copies
/// nothing. Unchecked: it is an address and a size; who may touch the bytes when is the owner's
/// rule (``LookupTrie``, ``ClassTable``, ``PrefixTree``).
final class ReservedMemory: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let byteCount: Int
    private let mapping: UnsafeMutableRawPointer
    private let mappedBytes: Int

    static let hugePage = 2 << 20

    /// - Parameters:
    ///   - bytes: The size, rounded up to whole pages.
    ///   - hugePages: Ask for pages of 2 MiB: fewer misses of the TLB for large tables.
    /// - Throws: Where the system refuses the space: a limit of the process, or of the machine.
    init(bytes: Int, hugePages: Bool = false) throws(TableResourceError) {
        let page = hugePages ? Self.hugePage : 4096
        self.byteCount = (max(bytes, 1) + page - 1) / page * page
        self.mappedBytes = self.byteCount + (hugePages ? page : 0)
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard
            let mapping = mmap(nil, self.mappedBytes, PROT_READ | PROT_WRITE, flags, -1, 0),
            mapping != UnsafeMutableRawPointer(bitPattern: -1)
        else {
            throw .addressSpace(bytes: self.mappedBytes, code: errno)
        }
        self.mapping = mapping
        self.base = mapping.alignedUp(toMultipleOf: page)
        if hugePages { madvise(self.base, self.byteCount, MADV_HUGEPAGE) }
    }

    /// Gives whole pages back to the system, which read as zero then.
    func discard(from offset: Int, bytes: Int) {
        madvise(self.base + offset, bytes, MADV_DONTNEED)
    }

    /// Has whole pages put in place as if they were written; what is written in them stays, and
    /// other threads may write there meanwhile. Before Linux 5.14 nothing happens: pages come as
    /// they are written.
    func populate(from offset: Int, bytes: Int) {
        madvise(self.base + offset, bytes, MADV_POPULATE_WRITE)
    }

    /// Bytes in RAM of the first `bytes`: of pages that were never written there are none.
    func residentBytes(first bytes: Int) -> Int {
        let pages = (min(bytes, self.byteCount) + 4095) / 4096
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: max(pages, 1)) { flags in
            guard let start = flags.baseAddress, mincore(self.base, pages * 4096, start) == 0
            else { return bytes }
            return flags[..<pages].reduce(0) { $0 + Int($1 & 1) } * 4096
        }
    }

    deinit { munmap(self.mapping, self.mappedBytes) }
}
