// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// An autonomous system number of four octets (RFC 6793).
public struct ASNumber: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt32

    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    @inlinable
    public init(_ rawValue: UInt32) { self.rawValue = rawValue }

    /// Stands for an AS number that doesn't fit two octets (RFC 6793 §9).
    public static let trans = ASNumber(23456)

    /// Whether two octets hold it.
    public var isTwoOctet: Bool { self.rawValue <= 0xffff }

    /// `65536` as `1.0`: the high and the low half in decimal (RFC 5396 §2, asdot).
    ///
    /// Numbers of two octets are the same in both notations.
    public var asdot: String {
        self.isTwoOctet
            ? "\(self.rawValue)" : "\(self.rawValue >> 16).\(self.rawValue & 0xffff)"
    }

    /// Reads asplain, asdot or asdot+ (RFC 5396 §2): `65536` or `1.0`.
    public init(parsing text: some StringProtocol) throws(AddressSyntaxError) {
        var text = String(text)
        text.makeContiguousUTF8()
        self = try ASNumber(parsing: text.utf8.span)
    }

    /// Reads asplain, asdot or asdot+ from ASCII bytes, all of them. Allocates nothing.
    public init(parsing bytes: Span<UInt8>) throws(AddressSyntaxError) {
        guard bytes.count > 0 else { throw AddressSyntaxError(.empty, offset: 0) }
        var value: UInt64 = 0
        var high: UInt64?
        var digits = 0
        for position in bytes.indices {
            if let digit = decimalDigit(bytes[position]) {
                value = value * 10 + UInt64(digit)
                digits += 1
                guard value <= (high == nil ? 0xffff_ffff : 0xffff) else {
                    throw AddressSyntaxError(.asNumberTooLarge, offset: 0)
                }
            } else if bytes[position] == UInt8(ascii: "."), high == nil, digits > 0 {
                guard value <= 0xffff else {
                    throw AddressSyntaxError(.asNumberTooLarge, offset: 0)
                }
                high = value
                value = 0
                digits = 0
            } else {
                throw AddressSyntaxError(.unexpectedCharacter(bytes[position]), offset: position)
            }
        }
        guard digits > 0 else { throw AddressSyntaxError(.incomplete, offset: bytes.count) }
        self.init(UInt32((high ?? 0) << 16 | value))
    }
}

extension ASNumber: Comparable {
    @inlinable
    public static func < (a: ASNumber, b: ASNumber) -> Bool { a.rawValue < b.rawValue }
}

extension ASNumber: CustomStringConvertible {
    /// asplain.
    public var description: String { "\(self.rawValue)" }
}

extension ASNumber: ExpressibleByIntegerLiteral {
    public init(integerLiteral value: UInt32) { self.init(value) }
}
