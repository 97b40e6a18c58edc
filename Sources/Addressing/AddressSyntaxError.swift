// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Why a text is not an address, a prefix or an AS number, and where in it.
public struct AddressSyntaxError: Error, Hashable, Sendable {
    public enum Reason: Hashable, Sendable {
        case empty
        /// A byte that can't stand here.
        case unexpectedCharacter(UInt8)
        /// The text ends where more is wanted.
        case incomplete
        /// `01` in an IPv4 address: some programs read it as octal, so none is right.
        case leadingZero
        case octetTooLarge(Int)
        case groupTooLong
        case tooManyGroups
        case tooFewGroups
        case secondCompression
        /// `fe80::1%eth0`: a zone means nothing to another machine (RFC 4007 §6).
        case zoneIdentifier
        /// A prefix without `/length`.
        case missingLength
        case lengthOutOfRange(maximum: Int)
        /// Bits are set beyond the length; the prefix meant is probably `canonical`.
        case hostBitsSet(canonical: IPPrefix)
        case asNumberTooLarge
    }

    public let reason: Reason
    /// Bytes from the start of the text to what is wrong.
    public let offset: Int

    public init(_ reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}

extension AddressSyntaxError: CustomStringConvertible {
    public var description: String {
        switch self.reason {
        case .empty: "nothing where an address was expected"
        case .unexpectedCharacter(let byte): "unexpected \(Self.quoted(byte))"
        case .incomplete: "the text ends too early"
        case .leadingZero: "leading zeros are not allowed in an IPv4 address"
        case .octetTooLarge(let value): "\(value) is more than 255"
        case .groupTooLong: "a group has more than four hexadecimal digits"
        case .tooManyGroups: "too many groups for an IPv6 address"
        case .tooFewGroups: "too few groups for an IPv6 address"
        case .secondCompression: "'::' stands twice"
        case .zoneIdentifier: "a zone ('%') is not allowed"
        case .missingLength: "'/length' is missing"
        case .lengthOutOfRange(let maximum): "the prefix length must be 0 to \(maximum)"
        case .hostBitsSet(let canonical):
            "bits are set beyond the prefix length; did you mean \(canonical)?"
        case .asNumberTooLarge: "an AS number is at most 4294967295 (asdot: 65535.65535)"
        }
    }

    private static func quoted(_ byte: UInt8) -> String {
        guard (0x20..<0x7f).contains(byte) else {
            let digits = String(byte, radix: 16)
            return "byte 0x" + (digits.count < 2 ? "0" : "") + digits
        }
        return "'\(Character(UnicodeScalar(byte)))'"
    }
}
