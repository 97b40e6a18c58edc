// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// An IPv4 or IPv6 address: a trivial value of 17 bytes, without a zone.
///
/// The bits stand left-aligned in 128: an IPv4 address fills the first 32 and the rest is zero,
/// so that prefixes of both families are compared, masked and walked by the same code.
public struct IPAddress: Hashable, Sendable {
    /// The first 64 bits, the network's end first. IPv4 fills the upper half.
    public let high: UInt64
    /// The last 64 bits. Zero in an IPv4 address.
    public let low: UInt64
    public let family: AddressFamily

    @inlinable
    init(family: AddressFamily, high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
        self.family = family
    }

    @inlinable
    public init(ipv4 value: UInt32) {
        self.init(family: .ipv4, high: UInt64(value) << 32, low: 0)
    }

    @inlinable
    public init(ipv6High high: UInt64, low: UInt64) {
        self.init(family: .ipv6, high: high, low: low)
    }

    /// The address whose bits, left-aligned, are `bits`; what lies beyond the family's width
    /// is dropped.
    @inlinable
    public init(family: AddressFamily, leftAligned bits: UInt128) {
        let high = UInt64(truncatingIfNeeded: bits >> 64)
        switch family {
        case .ipv4: self.init(family: .ipv4, high: high & 0xffff_ffff_0000_0000, low: 0)
        case .ipv6:
            self.init(family: .ipv6, high: high, low: UInt64(truncatingIfNeeded: bits))
        }
    }

    /// The address in network byte order: 4 bytes or 16, no other count.
    public init?(bytes: some Collection<UInt8>) {
        var bits: UInt128 = 0
        for byte in bytes { bits = bits << 8 | UInt128(byte) }
        switch bytes.count {
        case 4: self.init(ipv4: UInt32(truncatingIfNeeded: bits))
        case 16: self.init(family: .ipv6, leftAligned: bits)
        default: return nil
        }
    }

    /// The value of an IPv4 address; of an IPv6 address, its first 32 bits.
    @inlinable
    public var ipv4Value: UInt32 { UInt32(truncatingIfNeeded: self.high >> 32) }

    /// All bits, left-aligned in 128.
    @inlinable
    public var leftAligned: UInt128 { UInt128(self.high) << 64 | UInt128(self.low) }

    /// The address in network byte order, 4 or 16 bytes.
    public var bytes: [UInt8] {
        (0..<self.family.byteCount).map { self.byte(at: $0) }
    }

    /// One byte in network order.
    @inlinable
    public func byte(at index: Int) -> UInt8 {
        let word = index < 8 ? self.high : self.low
        return UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * (index & 7)))
    }

    /// The IPv4 address inside an IPv4-mapped IPv6 address (`::ffff:0:0/96`, RFC 4291 §2.5.5.2),
    /// as a socket that serves both families reports its IPv4 peers; else the address itself.
    public var unmapped: IPAddress {
        guard self.family == .ipv6, self.high == 0, self.low >> 32 == 0xffff else { return self }
        return IPAddress(ipv4: UInt32(truncatingIfNeeded: self.low))
    }

    /// The address with all but its first `length` bits cleared.
    @inlinable
    public func masked(toLength length: Int) -> IPAddress {
        IPAddress(
            family: self.family, high: self.high & Self.highMask(length),
            low: self.low & Self.lowMask(length))
    }

    @inlinable
    static func highMask(_ length: Int) -> UInt64 {
        length <= 0 ? 0 : length >= 64 ? .max : ~0 << UInt64(64 - length)
    }

    @inlinable
    static func lowMask(_ length: Int) -> UInt64 {
        length <= 64 ? 0 : length >= 128 ? .max : ~0 << UInt64(128 - length)
    }

    /// How many leading bits two addresses of one family share, at most the family's width.
    @inlinable
    public func commonPrefixLength(with other: IPAddress) -> Int {
        let high = self.high ^ other.high
        if high != 0 { return high.leadingZeroBitCount }
        return Swift.min(
            self.family.width, 64 + (self.low ^ other.low).leadingZeroBitCount)
    }
}

/// IPv4 before IPv6, then by value.
extension IPAddress: Comparable {
    @inlinable
    public static func < (a: IPAddress, b: IPAddress) -> Bool {
        if a.family != b.family { return a.family == .ipv4 }
        return a.high != b.high ? a.high < b.high : a.low < b.low
    }
}
