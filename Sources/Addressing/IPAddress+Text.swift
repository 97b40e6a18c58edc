// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension IPAddress {
    /// Reads an address: IPv4 in dotted decimal, IPv6 in any form of RFC 4291 §2.2.
    ///
    /// IPv4 octets have no leading zeros and are always four. A zone (`%eth0`) is refused.
    public init(parsing text: some StringProtocol) throws(AddressSyntaxError) {
        var text = String(text)
        text.makeContiguousUTF8()
        self = try IPAddress(parsing: text.utf8.span)
    }

    /// Reads an address from ASCII bytes, all of them. Allocates nothing.
    public init(parsing bytes: Span<UInt8>) throws(AddressSyntaxError) {
        guard bytes.count > 0 else { throw AddressSyntaxError(.empty, offset: 0) }
        for index in bytes.indices where bytes[index] == UInt8(ascii: ":") {
            self = try Self.parseIPv6(bytes)
            return
        }
        var position = 0
        let value = try Self.parseIPv4(bytes, at: &position)
        self = IPAddress(ipv4: value)
    }

    /// Reads four octets from `position` to the end of `bytes`.
    private static func parseIPv4(
        _ bytes: Span<UInt8>, at position: inout Int
    ) throws(AddressSyntaxError) -> UInt32 {
        var value: UInt32 = 0
        for octet in 0..<4 {
            let start = position
            var number = 0
            while position < bytes.count, let digit = decimalDigit(bytes[position]) {
                guard position == start || number != 0 else {
                    throw AddressSyntaxError(.leadingZero, offset: start)
                }
                number = number * 10 + digit
                guard number <= 255 else {
                    throw AddressSyntaxError(.octetTooLarge(number), offset: start)
                }
                position += 1
            }
            guard position > start else {
                guard position < bytes.count else {
                    throw AddressSyntaxError(.incomplete, offset: position)
                }
                throw unexpected(bytes, position)
            }
            value = value << 8 | UInt32(number)
            guard octet < 3 else { break }
            guard position < bytes.count else {
                throw AddressSyntaxError(.incomplete, offset: position)
            }
            guard bytes[position] == UInt8(ascii: ".") else { throw unexpected(bytes, position) }
            position += 1
        }
        guard position == bytes.count else { throw unexpected(bytes, position) }
        return value
    }

    private static func parseIPv6(_ bytes: Span<UInt8>) throws(AddressSyntaxError) -> IPAddress {
        // Groups before '::' gather in `head`, those after it in `tail`, each low end first in.
        var head: UInt128 = 0
        var tail: UInt128 = 0
        var headCount = 0
        var tailCount = 0
        var compressed = false
        var position = 0
        let colon = UInt8(ascii: ":")

        if bytes[0] == colon {
            guard bytes.count > 1 else { throw AddressSyntaxError(.incomplete, offset: 1) }
            guard bytes[1] == colon else { throw unexpected(bytes, 0) }
            compressed = true
            position = 2
        }
        while position < bytes.count {
            let start = position
            guard headCount + tailCount < 8 else {
                throw AddressSyntaxError(.tooManyGroups, offset: start)
            }
            var group: UInt128 = 0
            while position < bytes.count, let digit = hexadecimalDigit(bytes[position]) {
                guard position - start < 4 else {
                    throw AddressSyntaxError(.groupTooLong, offset: start)
                }
                group = group << 4 | UInt128(digit)
                position += 1
            }
            var width = 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "."), position > start {
                // An IPv4 address in the last 32 bits (RFC 4291 §2.2, third form).
                position = start
                guard headCount + tailCount <= 6 else {
                    throw AddressSyntaxError(.tooManyGroups, offset: start)
                }
                group = UInt128(try self.parseIPv4(bytes, at: &position))
                width = 2
            }
            guard position > start else { throw unexpected(bytes, position) }
            if compressed {
                tail = tail << UInt128(16 * width) | group
                tailCount += width
            } else {
                head = head << UInt128(16 * width) | group
                headCount += width
            }
            guard position < bytes.count else { break }
            guard bytes[position] == colon else { throw unexpected(bytes, position) }
            position += 1
            guard position < bytes.count else {
                throw AddressSyntaxError(.incomplete, offset: position)
            }
            if bytes[position] == colon {
                guard !compressed else {
                    throw AddressSyntaxError(.secondCompression, offset: position - 1)
                }
                compressed = true
                position += 1
            }
        }
        let count = headCount + tailCount
        if compressed {
            guard count < 8 else { throw AddressSyntaxError(.tooManyGroups, offset: bytes.count) }
        } else {
            guard count == 8 else { throw AddressSyntaxError(.tooFewGroups, offset: bytes.count) }
        }
        let bits = headCount == 0 ? tail : head << UInt128(128 - 16 * headCount) | tail
        return IPAddress(family: .ipv6, leftAligned: bits)
    }

    private static func unexpected(_ bytes: Span<UInt8>, _ position: Int) -> AddressSyntaxError {
        bytes[position] == UInt8(ascii: "%")
            ? AddressSyntaxError(.zoneIdentifier, offset: position)
            : AddressSyntaxError(.unexpectedCharacter(bytes[position]), offset: position)
    }
}

extension IPAddress: LosslessStringConvertible {
    public init?(_ description: String) {
        guard let address = try? IPAddress(parsing: description) else { return nil }
        self = address
    }

    /// Dotted decimal, or the canonical text of RFC 5952.
    public var description: String {
        var text = ""
        text.reserveCapacity(39)
        self.write(to: &text)
        return text
    }

    public func write(to target: inout some TextOutputStream) {
        if self.family == .ipv4 {
            Self.writeIPv4(self.ipv4Value, to: &target)
            return
        }
        // RFC 5952 §5: the mixed form where the prefix says that an IPv4 address is inside.
        if self.high == 0, self.low >> 32 == 0xffff {
            target.write("::ffff:")
            Self.writeIPv4(UInt32(truncatingIfNeeded: self.low), to: &target)
            return
        }
        let zeros = self.longestZeroRun()
        var group = 0
        while group < 8 {
            if group == zeros.lowerBound, !zeros.isEmpty {
                target.write("::")
                group = zeros.upperBound
                continue
            }
            if group > 0, group != zeros.upperBound || zeros.isEmpty { target.write(":") }
            target.write(String(self.group(group), radix: 16))
            group += 1
        }
    }

    private static func writeIPv4(_ value: UInt32, to target: inout some TextOutputStream) {
        target.write("\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)")
    }

    private func group(_ index: Int) -> UInt16 {
        let word = index < 4 ? self.high : self.low
        return UInt16(truncatingIfNeeded: word >> UInt64(48 - 16 * (index & 3)))
    }

    /// The longest run of at least two zero groups, the first of equals (RFC 5952 §4.2).
    private func longestZeroRun() -> Range<Int> {
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, self.group(end) == 0 { end += 1 }
            if end - start >= 2, end - start > best.count { best = start..<end }
            start = end + 1
        }
        return best
    }
}

@inline(__always)
func decimalDigit(_ byte: UInt8) -> Int? {
    let value = Int(byte) - 0x30
    return (0..<10).contains(value) ? value : nil
}

@inline(__always)
func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
}
