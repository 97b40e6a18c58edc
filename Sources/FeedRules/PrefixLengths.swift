// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A set of prefix lengths, 0 to 128. A trivial value.
public struct PrefixLengths: Hashable, Sendable {
    /// Bit n for length n.
    @usableFromInline var low: UInt128
    @usableFromInline var has128: Bool

    public init() {
        self.low = 0
        self.has128 = false
    }

    /// The lengths of a range; those beyond 128 there aren't.
    public init(_ range: ClosedRange<Int>) {
        self.init()
        for length in range.clamped(to: 0...128) { self.insert(length) }
    }

    public var isEmpty: Bool { self.low == 0 && !self.has128 }

    @inlinable
    public func contains(_ length: Int) -> Bool {
        length < 128 ? self.low >> UInt128(length) & 1 != 0 : self.has128
    }

    public mutating func insert(_ length: Int) {
        if length < 128 { self.low |= 1 << UInt128(length) } else { self.has128 = true }
    }

    public mutating func remove(_ length: Int) {
        if length < 128 { self.low &= ~(1 << UInt128(length)) } else { self.has128 = false }
    }

    public mutating func formUnion(_ other: PrefixLengths) {
        self.low |= other.low
        self.has128 = self.has128 || other.has128
    }
}
