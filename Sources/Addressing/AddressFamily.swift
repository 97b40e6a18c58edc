// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// An address family (RFC 4760 §3 calls its number AFI).
public enum AddressFamily: UInt8, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    case ipv4 = 1
    case ipv6 = 2

    /// Bits in an address: 32 or 128.
    @inlinable
    public var width: Int { self == .ipv4 ? 32 : 128 }

    /// Bytes in an address: 4 or 16.
    @inlinable
    public var byteCount: Int { self == .ipv4 ? 4 : 16 }

    public var description: String { self == .ipv4 ? "IPv4" : "IPv6" }
}
