// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Memory whose bytes are zero at first, and whose pages are taken when they are written: for large
/// tables of which little may be used.
///
/// Unchecked: it is an address and a size; its owner says what stands there, and who touches it when.
struct ZeroedMemory: ~Copyable {
    let base: UnsafeMutableRawPointer
    private let byteCount: Int

    /// - Precondition: the process may have as much memory, as with any other allocation.
    init(byteCount: Int) {
        self.byteCount = max(1, byteCount)
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let mapping = mmap(nil, self.byteCount, PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let mapping, mapping != UnsafeMutableRawPointer(bitPattern: -1) else {
            preconditionFailure("there is no address space for \(byteCount) bytes")
        }
        self.base = mapping
    }

    deinit { munmap(self.base, self.byteCount) }
}
