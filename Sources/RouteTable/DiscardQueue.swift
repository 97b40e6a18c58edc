// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Memory that nobody uses any more, on its way back to the system: a large mapping in one go
/// would hold updates up.
struct DiscardQueue {
    private var waiting: [ReservedMemory] = []
    private var offset = 0
    /// What one call of the system gives back: well below a millisecond.
    private static let piece = 4 << 20

    var isEmpty: Bool { self.waiting.isEmpty }

    mutating func add(_ memories: [ReservedMemory]) {
        self.waiting.append(contentsOf: memories)
    }

    /// Gives memory back until the slice ends.
    mutating func step(_ slice: inout WorkSlice) {
        while !slice.isSpent, let memory = self.waiting.last {
            let bytes = min(Self.piece, memory.byteCount - self.offset)
            if bytes > 0 {
                memory.discard(from: self.offset, bytes: bytes)
                self.offset += bytes
            } else {
                self.waiting.removeLast()
                self.offset = 0
            }
            slice.spend(4096)
        }
    }
}
