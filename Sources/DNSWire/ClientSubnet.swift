// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Why a Client Subnet option is refused with FORMERR (RFC 7871 §6, §7.2.1).
public enum ClientSubnetError: Error, Hashable, Sendable {
    case truncated(need: Int, have: Int)
    case unknownFamily(UInt16)
    case sourceTooLong(UInt8)
    /// A query's scope is zero.
    case scopeInQuery(UInt8)
    /// The address has as many bytes as its bits need, no more and no fewer.
    case wrongAddressLength(need: Int, have: Int)
    case bitsBeyondSource
}

/// The Client Subnet option of a query (RFC 7871 §6).
public struct ClientSubnet: Hashable, Sendable {
    /// As on the wire: 1 for IPv4, 2 for IPv6. 0 is let pass where the source is 0, as resolvers
    /// send it that withhold the client's address.
    public var family: UInt16
    /// Bits that the querier gives of the client's address.
    public var sourceLength: UInt8
    /// Those bits, with zeros behind; nil where there are none, and the querier's own address is
    /// what is left to go by.
    public var address: IPAddress?

    /// The bytes of the address on the wire.
    @inlinable
    public var addressByteCount: Int { (Int(self.sourceLength) + 7) / 8 }

    /// Bytes of the whole option on the wire, its code and length included.
    @inlinable
    public var optionByteCount: Int { 8 + self.addressByteCount }

    /// The subnet of `prefix`.
    public init(_ prefix: IPPrefix) {
        self.family = UInt16(prefix.family.rawValue)
        self.sourceLength = UInt8(prefix.length)
        self.address = prefix.length == 0 ? nil : prefix.address
    }

    @usableFromInline
    init(family: UInt16, sourceLength: UInt8, address: IPAddress?) {
        self.family = family
        self.sourceLength = sourceLength
        self.address = address
    }

    /// Reads a query's option data, all of `range`. Allocates nothing.
    ///
    /// Layout: family `u16`, source length `u8`, scope length `u8`, then the address bytes.
    public init(
        reading bytes: RawSpan, in range: Range<Int>
    ) throws(ClientSubnetError) {
        guard range.count >= 4 else { throw .truncated(need: 4, have: range.count) }
        let family = bytes.bigEndian16(at: range.lowerBound)
        let source = bytes.byte(at: range.lowerBound + 2)
        let scope = bytes.byte(at: range.lowerBound + 3)
        let width: UInt8
        switch family {
        case 1: width = 32
        case 2: width = 128
        case 0 where source == 0: width = 0
        default: throw .unknownFamily(family)
        }
        guard source <= width else { throw .sourceTooLong(source) }
        guard scope == 0 else { throw .scopeInQuery(scope) }
        let count = (Int(source) + 7) / 8
        guard range.count == 4 + count else {
            throw .wrongAddressLength(need: count, have: range.count - 4)
        }
        guard source > 0 else {
            self.init(family: family, sourceLength: 0, address: nil)
            return
        }
        let first = range.lowerBound + 4
        // The bits of the last byte that the source doesn't reach are zero.
        let beyond = (1 &<< (8 &* count &- Int(source))) &- 1
        guard Int(bytes.byte(at: first + count - 1)) & beyond == 0 else {
            throw .bitsBeyondSource
        }
        var high: UInt64 = 0
        for index in 0..<min(count, 8) {
            high |= UInt64(bytes.byte(at: first + index)) &<< UInt64(56 &- 8 &* index)
        }
        var low: UInt64 = 0
        if count > 8 {
            for index in 8..<count {
                low |= UInt64(bytes.byte(at: first + index)) &<< UInt64(120 &- 8 &* index)
            }
        }
        let address =
            family == 1
            ? IPAddress(ipv4: UInt32(truncatingIfNeeded: high >> 32))
            : IPAddress(ipv6High: high, low: low)
        self.init(family: family, sourceLength: source, address: address)
    }
}
