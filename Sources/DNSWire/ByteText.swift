// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Bytes as text, in the ways of master files.
enum ByteText {
    private static let hexadecimalDigits = Array("0123456789abcdef".utf8)
    private static let base64Digits = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            text.append(self.hexadecimalDigits[Int(byte >> 4)])
            text.append(self.hexadecimalDigits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil where there is anything but pairs of digits.
    static func bytes(hexadecimal text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in text {
            guard let value = self.value(ofHexadecimal: digit) else { return nil }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return bytes
    }

    static func value(ofHexadecimal digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46: digit - 0x41 + 10
        case 0x61...0x66: digit - 0x61 + 10
        default: nil
        }
    }

    /// RFC 4648 §4, padded.
    static func base64(_ bytes: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let group = Array(rest.prefix(3))
            rest = rest.dropFirst(3)
            let value = (0..<3).reduce(0) { $0 << 8 | ($1 < group.count ? Int(group[$1]) : 0) }
            for digit in 0..<4 {
                text.append(
                    digit <= group.count
                        ? self.base64Digits[value >> (18 - 6 * digit) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil where it isn't base64, padded, with zeros in the bits that nothing is made of.
    static func bytes(base64 text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        var value = 0
        var count = 0
        var padding = 0
        for digit in text {
            guard digit != UInt8(ascii: "=") else {
                padding += 1
                continue
            }
            guard padding == 0, let bits = self.value(ofBase64: digit) else { return nil }
            value = value << 6 | bits
            count += 1
            guard count % 4 == 0 else { continue }
            bytes += [UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
            value = 0
        }
        switch (count % 4, padding) {
        case (0, 0): return bytes
        case (2, 2) where value & 15 == 0: return bytes + [UInt8(value >> 4 & 255)]
        case (3, 1) where value & 3 == 0:
            return bytes + [UInt8(value >> 10 & 255), UInt8(value >> 2 & 255)]
        default: return nil
        }
    }

    private static func value(ofBase64 digit: UInt8) -> Int? {
        switch digit {
        case 0x41...0x5a: Int(digit) - 0x41
        case 0x61...0x7a: Int(digit) - 0x61 + 26
        case 0x30...0x39: Int(digit) - 0x30 + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }

    /// A text between quotes, with `\"`, `\\` and `\DDD` where a byte can't stand as it is.
    static func quoted(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = [UInt8(ascii: "\"")]
        for byte in bytes { self.append(byte, to: &text, escaping: "\"\\") }
        return String(decoding: text + [UInt8(ascii: "\"")], as: UTF8.self)
    }

    /// Appends a byte as it is where it is printable and not among `escaped`.
    static func append(_ byte: UInt8, to text: inout [UInt8], escaping escaped: StaticString) {
        let isSpecial = escaped.withUTF8Buffer { $0.contains(byte) }
        if (0x20...0x7e).contains(byte) {
            if isSpecial { text.append(UInt8(ascii: "\\")) }
            text.append(byte)
        } else {
            text.append(UInt8(ascii: "\\"))
            text += [0x30 + byte / 100, 0x30 + byte / 10 % 10, 0x30 + byte % 10]
        }
    }

    /// Up to 60 bytes, for a complaint: those that are no printable ASCII as `\DDD`.
    static func shown(_ bytes: ArraySlice<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes.prefix(60) { self.append(byte, to: &text, escaping: "") }
        return String(decoding: text, as: UTF8.self) + (bytes.count > 60 ? "..." : "")
    }

    /// What the backslash at `position` and what follows it stand for, and goes behind them.
    ///
    /// Nil, and the position stays, where neither three digits up to 255 nor another character
    /// follow.
    static func unescape(_ text: ArraySlice<UInt8>, at position: inout Int) -> UInt8? {
        let rest = text[(position + 1)...]
        guard let first = rest.first else { return nil }
        guard (0x30...0x39).contains(first) else {
            position += 2
            return first
        }
        guard rest.count >= 3, let value = self.number(rest.prefix(3), maximum: 255) else {
            return nil
        }
        position += 4
        return UInt8(value)
    }

    /// A number in decimal digits alone, no greater than `maximum`.
    static func number(_ text: some Collection<UInt8>, maximum: Int) -> Int? {
        guard !text.isEmpty, text.count <= 10 else { return nil }
        var value = 0
        for digit in text {
            guard (0x30...0x39).contains(digit) else { return nil }
            value = value * 10 + Int(digit - 0x30)
        }
        return value <= maximum ? value : nil
    }

    /// Seconds: a number, or numbers with units, as `1h30m`. At most 32 bits.
    static func seconds(_ text: some Collection<UInt8>) -> UInt32? {
        var total = 0
        var value: Int?
        var hasUnits = false
        for byte in text {
            if (0x30...0x39).contains(byte) {
                value = (value ?? 0) * 10 + Int(byte - 0x30)
            } else {
                guard let count = value, let unit = self.unit(byte) else { return nil }
                total += count * unit
                value = nil
                hasUnits = true
            }
            guard value ?? 0 <= UInt32.max, total <= UInt32.max else { return nil }
        }
        if let value {
            guard !hasUnits else { return nil }
            total = value
        } else if !hasUnits {
            return nil
        }
        return UInt32(exactly: total)
    }

    private static func unit(_ byte: UInt8) -> Int? {
        switch byte | 0x20 {
        case UInt8(ascii: "s"): 1
        case UInt8(ascii: "m"): 60
        case UInt8(ascii: "h"): 3600
        case UInt8(ascii: "d"): 86_400
        case UInt8(ascii: "w"): 604_800
        default: nil
        }
    }
}
