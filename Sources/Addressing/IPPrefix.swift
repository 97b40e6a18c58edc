// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A canonical prefix: an address and a length, with no bit set beyond it. A trivial value.
public struct IPPrefix: Hashable, Sendable {
    /// The first address of the block.
    public let address: IPAddress
    @usableFromInline let lengthByte: UInt8

    /// Bits that are fixed: 0 to 32, or 0 to 128.
    @inlinable
    public var length: Int { Int(self.lengthByte) }

    @inlinable
    public var family: AddressFamily { self.address.family }

    /// The block of `length` bits around `address`; what lies beyond is cleared.
    ///
    /// - Precondition: `length` fits the family. Lengths from outside are checked by the caller.
    @inlinable
    public init(masking address: IPAddress, length: Int) {
        precondition(
            length >= 0 && length <= address.family.width, "a prefix length fits its family")
        self.address = address.masked(toLength: length)
        self.lengthByte = UInt8(truncatingIfNeeded: length)
    }

    /// The prefix, where `address` has no bit set beyond `length` and the length fits; else nil.
    @inlinable
    public init?(exactly address: IPAddress, length: Int) {
        guard length >= 0, length <= address.family.width,
            address.masked(toLength: length) == address
        else { return nil }
        self.address = address
        self.lengthByte = UInt8(truncatingIfNeeded: length)
    }

    /// The whole of an address family: `0.0.0.0/0` or `::/0`.
    public static func all(_ family: AddressFamily) -> IPPrefix {
        IPPrefix(masking: IPAddress(family: family, leftAligned: 0), length: 0)
    }

    /// The block of one address.
    @inlinable
    public init(host address: IPAddress) {
        self.address = address
        self.lengthByte = UInt8(address.family.width)
    }

    @inlinable
    public func contains(_ other: IPAddress) -> Bool {
        other.family == self.family && other.masked(toLength: self.length) == self.address
    }

    /// Whether `other` lies inside this block, or is it.
    @inlinable
    public func contains(_ other: IPPrefix) -> Bool {
        other.length >= self.length && self.contains(other.address)
    }

    /// Whether all of its addresses are groups' (RFC 5771, RFC 4291 §2.7): it is `224.0.0.0/4` or
    /// `ff00::/8`, or lies inside.
    @inlinable
    public var isMulticast: Bool {
        switch self.family {
        case .ipv4: self.address.high >> 60 == 0xe && self.lengthByte >= 4
        case .ipv6: self.address.high >> 56 == 0xff && self.lengthByte >= 8
        }
    }

    /// The last address of the block.
    public var last: IPAddress {
        IPAddress(
            family: self.family,
            leftAligned: self.address.leftAligned | ~Self.mask(self.length))
    }

    /// The block of one bit less that holds this one; nil for a whole family.
    @inlinable
    public var parent: IPPrefix? {
        self.length == 0 ? nil : IPPrefix(masking: self.address, length: self.length - 1)
    }

    /// The first `length` of 128 bits.
    @inlinable
    static func mask(_ length: Int) -> UInt128 {
        length == 0 ? 0 : ~0 << UInt128(128 - length)
    }

    /// The fewest prefixes that cover the addresses from `first` to `last` and no others, in order.
    ///
    /// Both ends belong to one family. An empty array where `last` comes before `first`.
    public static func covering(from first: IPAddress, through last: IPAddress) -> [IPPrefix] {
        precondition(first.family == last.family, "a range lies in one address family")
        let width = first.family.width
        let shift = UInt128(128 - width)
        var start = first.leftAligned >> shift
        let end = last.leftAligned >> shift
        var prefixes: [IPPrefix] = []
        while start <= end {
            // The largest block that starts here and doesn't pass the end.
            var bits = start == 0 ? width : min(width, start.trailingZeroBitCount)
            while bits > 0 {
                let size: UInt128 = bits == 128 ? .max : (1 << UInt128(bits)) - 1
                if size <= end - start { break }
                bits -= 1
            }
            prefixes.append(
                IPPrefix(
                    masking: IPAddress(family: first.family, leftAligned: start << shift),
                    length: width - bits))
            let size: UInt128 = bits == 128 ? .max : (1 << UInt128(bits)) - 1
            guard end - start > size else { break }
            start += size + 1
        }
        return prefixes
    }
}

/// Tree order: IPv4 before IPv6, a block before what it holds, then by address.
extension IPPrefix: Comparable {
    @inlinable
    public static func < (a: IPPrefix, b: IPPrefix) -> Bool {
        a.address != b.address ? a.address < b.address : a.lengthByte < b.lengthByte
    }
}
