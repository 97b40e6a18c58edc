// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// XXH64, a checksum at the speed of memory: what `xxhsum -H1` prints.
///
/// Against damage, not against malice.
package enum XXHash64 {
    private static let prime1: UInt64 = 0x9e37_79b1_85eb_ca87
    private static let prime2: UInt64 = 0xc2b2_ae3d_27d4_eb4f
    private static let prime3: UInt64 = 0x1656_67b1_9e37_79f9
    private static let prime4: UInt64 = 0x85eb_ca77_c2b2_ae63
    private static let prime5: UInt64 = 0x27d4_eb2f_1656_67c5

    @inline(__always)
    private static func rotated(_ value: UInt64, _ bits: UInt64) -> UInt64 {
        value &<< bits | value &>> (64 &- bits)
    }

    @inline(__always)
    private static func round(_ state: UInt64, _ word: UInt64) -> UInt64 {
        self.rotated(state &+ word &* self.prime2, 31) &* self.prime1
    }

    @inline(__always)
    private static func merged(_ hash: UInt64, _ state: UInt64) -> UInt64 {
        (hash ^ self.round(0, state)) &* self.prime1 &+ self.prime4
    }

    /// The checksum of some bytes.
    ///
    /// - Complexity: O(n), about eight bytes in half a nanosecond.
    package static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        func word(_ offset: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        var offset = 0
        var hash: UInt64
        if bytes.count >= 32 {
            var a = seed &+ self.prime1 &+ self.prime2
            var b = seed &+ self.prime2
            var c = seed
            var d = seed &- self.prime1
            while offset &+ 32 <= bytes.count {
                a = self.round(a, word(offset))
                b = self.round(b, word(offset &+ 8))
                c = self.round(c, word(offset &+ 16))
                d = self.round(d, word(offset &+ 24))
                offset &+= 32
            }
            hash =
                self.rotated(a, 1) &+ self.rotated(b, 7) &+ self.rotated(c, 12)
                &+ self.rotated(d, 18)
            hash = self.merged(hash, a)
            hash = self.merged(hash, b)
            hash = self.merged(hash, c)
            hash = self.merged(hash, d)
        } else {
            hash = seed &+ self.prime5
        }
        hash &+= UInt64(bytes.count)
        while offset + 8 <= bytes.count {
            hash ^= self.round(0, word(offset))
            hash = self.rotated(hash, 27) &* self.prime1 &+ self.prime4
            offset += 8
        }
        if offset + 4 <= bytes.count {
            let half = UInt32(
                littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            hash ^= UInt64(half) &* self.prime1
            hash = self.rotated(hash, 23) &* self.prime2 &+ self.prime3
            offset += 4
        }
        while offset < bytes.count {
            hash ^= UInt64(bytes[offset]) &* self.prime5
            hash = self.rotated(hash, 11) &* self.prime1
            offset += 1
        }
        hash = (hash ^ hash &>> 33) &* self.prime2
        hash = (hash ^ hash &>> 29) &* self.prime3
        return hash ^ hash &>> 32
    }
}
