// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension IPPrefix {
    /// Reads `address/length`; an error where bits are set beyond the length.
    public init(parsing text: some StringProtocol) throws(AddressSyntaxError) {
        var text = String(text)
        text.makeContiguousUTF8()
        self = try IPPrefix(parsing: text.utf8.span)
    }

    /// Reads `address/length` from ASCII bytes, all of them; an error, which shows the canonical
    /// form, where bits are set beyond the length. Allocates nothing.
    public init(parsing bytes: Span<UInt8>) throws(AddressSyntaxError) {
        let (address, length) = try Self.parse(bytes)
        guard let prefix = IPPrefix(exactly: address, length: length) else {
            throw AddressSyntaxError(
                .hostBitsSet(canonical: IPPrefix(masking: address, length: length)), offset: 0)
        }
        self = prefix
    }

    /// Reads `address/length` and clears the bits beyond the length: for input files that others
    /// wrote. Allocates nothing.
    ///
    /// - Returns: The prefix, and whether bits were cleared.
    public static func lenient(
        parsing bytes: Span<UInt8>
    ) throws(AddressSyntaxError) -> (prefix: IPPrefix, wasMasked: Bool) {
        let (address, length) = try Self.parse(bytes)
        let prefix = IPPrefix(masking: address, length: length)
        return (prefix, prefix.address != address)
    }

    private static func parse(
        _ bytes: Span<UInt8>
    ) throws(AddressSyntaxError) -> (IPAddress, Int) {
        var slash = 0
        while slash < bytes.count, bytes[slash] != UInt8(ascii: "/") { slash += 1 }
        let address = try IPAddress(parsing: bytes.extracting(0..<slash))
        guard slash < bytes.count else {
            throw AddressSyntaxError(.missingLength, offset: bytes.count)
        }
        let maximum = address.family.width
        var length = 0
        var position = slash + 1
        guard position < bytes.count else {
            throw AddressSyntaxError(.missingLength, offset: position)
        }
        while position < bytes.count {
            guard let digit = decimalDigit(bytes[position]) else {
                throw AddressSyntaxError(
                    .unexpectedCharacter(bytes[position]), offset: position)
            }
            length = length * 10 + digit
            guard length <= maximum else {
                throw AddressSyntaxError(.lengthOutOfRange(maximum: maximum), offset: slash + 1)
            }
            position += 1
        }
        return (address, length)
    }
}

extension IPPrefix: LosslessStringConvertible {
    public init?(_ description: String) {
        guard let prefix = try? IPPrefix(parsing: description) else { return nil }
        self = prefix
    }

    public var description: String { "\(self.address)/\(self.length)" }
}
