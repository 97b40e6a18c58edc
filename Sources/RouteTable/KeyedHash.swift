// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A hash of what outsiders have a say in, under a key that each process draws for itself: nobody
/// who sends routes can choose them so that all fall into one chain.
///
/// A word of 64 bits at a time: the state is multiplied by a secret number, and the halves of the
/// product are folded. Equal bytes have equal hashes within a process, and nowhere else: nothing of
/// it may be kept in a file.
package struct KeyedHash: Sendable {
    /// The key of this process.
    package static let ofProcess: KeyedHash = {
        var generator = SystemRandomNumberGenerator()
        return KeyedHash(using: &generator)
    }()

    private let start: UInt64
    private let factor: UInt64

    /// Draws a key.
    package init(using generator: inout some RandomNumberGenerator) {
        self.start = generator.next()
        // Odd, so that the lower half of a product loses nothing; large, so that the upper has all.
        self.factor = generator.next() | 1 | 1 &<< 63
    }

    /// The hash of some bytes under the key of this process.
    ///
    /// - Complexity: O(n), eight bytes at a time.
    package static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        self.ofProcess.hash(bytes)
    }

    package func hash(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var hash = self.begin(byteCount: bytes.count)
        var offset = 0
        while offset &+ 8 <= bytes.count {
            hash = self.mix(
                hash, bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset &+= 8
        }
        var rest: UInt64 = 0
        while offset < bytes.count {
            rest = rest &<< 8 | UInt64(bytes[offset])
            offset &+= 1
        }
        hash = self.mix(hash, rest)
        return UInt32(truncatingIfNeeded: hash ^ hash &>> 32)
    }

    /// The state before the first word of so many bytes.
    @inline(__always)
    func begin(byteCount: Int) -> UInt64 { self.start ^ UInt64(truncatingIfNeeded: byteCount) }

    /// The state after another word.
    @inline(__always)
    func mix(_ state: UInt64, _ word: UInt64) -> UInt64 {
        let product = (state ^ word).multipliedFullWidth(by: self.factor)
        return (product.high ^ product.low) &+ 0x632b_e59b_d9b4_e019
    }
}
