// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// SipHash-2-4 (Aumasson and Bernstein, 2012): a hash of a few words that nobody foresees who
/// doesn't have the key. RFC 9018 makes server cookies with it.
public struct SipHash: Sendable {
    /// Sixteen bytes, as two words with the first byte lowest.
    public struct Key: Hashable, Sendable {
        public var first: UInt64
        public var second: UInt64

        @inlinable
        public init(first: UInt64, second: UInt64) {
            self.first = first
            self.second = second
        }

        /// Nobody else's key.
        public static func random() -> Key {
            Key(first: .random(in: 0 ... .max), second: .random(in: 0 ... .max))
        }
    }

    @usableFromInline var v0: UInt64
    @usableFromInline var v1: UInt64
    @usableFromInline var v2: UInt64
    @usableFromInline var v3: UInt64

    @inlinable @inline(__always)
    public init(key: Key) {
        self.v0 = key.first ^ 0x736f_6d65_7073_6575
        self.v1 = key.second ^ 0x646f_7261_6e64_6f6d
        self.v2 = key.first ^ 0x6c79_6765_6e65_7261
        self.v3 = key.second ^ 0x7465_6462_7974_6573
    }

    /// Takes eight bytes in, the first lowest.
    @inlinable @inline(__always)
    public mutating func append(_ word: UInt64) {
        self.v3 ^= word
        self.round()
        self.round()
        self.v0 ^= word
    }

    /// The hash of what was taken in and of a last part of less than eight bytes: `rest`, its first
    /// byte lowest and zeros above. `byteCount` is how many bytes that makes in all.
    @inlinable @inline(__always)
    public consuming func finish(_ rest: UInt64 = 0, byteCount: Int) -> UInt64 {
        self.append(UInt64(truncatingIfNeeded: byteCount) << 56 | rest)
        self.v2 ^= 0xff
        self.round()
        self.round()
        self.round()
        self.round()
        return self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    @inlinable @inline(__always)
    mutating func round() {
        self.v0 = self.v0 &+ self.v1
        self.v1 = Self.rotated(self.v1, 13) ^ self.v0
        self.v0 = Self.rotated(self.v0, 32)
        self.v2 = self.v2 &+ self.v3
        self.v3 = Self.rotated(self.v3, 16) ^ self.v2
        self.v0 = self.v0 &+ self.v3
        self.v3 = Self.rotated(self.v3, 21) ^ self.v0
        self.v2 = self.v2 &+ self.v1
        self.v1 = Self.rotated(self.v1, 17) ^ self.v2
        self.v2 = Self.rotated(self.v2, 32)
    }

    @inlinable @inline(__always)
    static func rotated(_ word: UInt64, _ bits: UInt64) -> UInt64 {
        word << bits | word >> (64 - bits)
    }
}
