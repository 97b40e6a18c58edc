// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing

/// A `nearest` as programs write it: in small letters, with single blanks. All else is left to the
/// grammar, which understands it too.
package struct QuickQuestion: Sendable {
    package var client: IPAddress
    /// Where the name stands in the octets that were read; empty without one.
    package var name: Range<Int>
    /// Where the octets that were read go on after the line and its end.
    package var end = 0

    /// The question that is a line, whose end has been taken off.
    package init?(_ line: Span<UInt8>) {
        let question = line.withUnsafeBytes { bytes -> QuickQuestion? in
            var position = 0
            guard let question = QuickQuestion(reading: bytes, at: &position),
                position == bytes.count
            else { return nil }
            return question
        }
        guard let question else { return nil }
        self = question
    }

    /// Reads lines that are quick questions, each with its end, from the start of `bytes`.
    ///
    /// - Parameters:
    ///   - bytes: What has arrived, from the start of a line on.
    ///   - longest: A longer line is left to the decoder.
    ///   - target: Receives the questions.
    ///   - capacity: How many `target` has room for.
    /// - Returns: The number of questions.
    package static func read(
        _ bytes: UnsafeRawBufferPointer, longest: Int,
        into target: UnsafeMutablePointer<QuickQuestion>, capacity: Int
    ) -> Int {
        var (count, used) = (0, 0)
        while count < capacity {
            var position = used
            guard var question = QuickQuestion(reading: bytes, at: &position),
                position &- used <= longest, position < bytes.count
            else { break }
            if bytes[position] == 0x0d {
                // CR LF; a CR that nothing follows yet is left to the decoder.
                position &+= 1
                guard position < bytes.count else { break }
            }
            guard bytes[position] == 0x0a else { break }
            used = position &+ 1
            question.end = used
            target[count] = question
            count &+= 1
        }
        return count
    }

    /// Reads a question up to the end of its line or of `bytes`.
    @inline(__always)
    private init?(reading bytes: UnsafeRawBufferPointer, at position: inout Int) {
        guard bytes.count &- position > 8,
            bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self) == Self.verb
        else { return nil }
        position &+= 8
        if let address = Self.readIPv4(bytes, at: &position) {
            self.client = IPAddress(ipv4: address)
        } else if let address = Self.readAny(bytes, at: &position) {
            self.client = address
        } else {
            return nil
        }
        self.name = 0..<0
        guard position < bytes.count, bytes[position] == 0x20 else { return }
        guard bytes.count &- position > 5,
            bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self) == Self.preposition,
            bytes[position &+ 4] == 0x20
        else { return nil }
        let start = position &+ 5
        position = start
        while position < bytes.count, !Self.isEnd(bytes[position]) {
            // Blanks, what telnet knows, and '?' are the grammar's.
            if bytes[position] <= 0x20 || bytes[position] == 0x3f || bytes[position] == 0xff {
                return nil
            }
            position &+= 1
        }
        guard position > start else { return nil }
        self.name = start..<position
    }

    /// "nearest " and " for".
    private static let verb = UInt64(littleEndian: 0x2074_7365_7261_656e)
    private static let preposition = UInt32(littleEndian: 0x726f_6620)

    @inline(__always)
    private static func isEnd(_ byte: UInt8) -> Bool { byte == 0x0a || byte == 0x0d }

    /// Reads an IPv4 address that a blank, an end of line or the end of `bytes` follows; else
    /// `position` has not moved.
    @inline(__always)
    private static func readIPv4(
        _ bytes: UnsafeRawBufferPointer, at position: inout Int
    ) -> UInt32? {
        var at = position
        var value: UInt32 = 0
        var dots = 0
        while true {
            guard at < bytes.count else { return nil }
            var number = UInt32(bytes[at] &- 0x30)
            guard number <= 9 else { return nil }
            at &+= 1
            var digits = 1
            while at < bytes.count, digits < 4 {
                let digit = UInt32(bytes[at] &- 0x30)
                guard digit <= 9 else { break }
                // A leading zero is an error that the grammar words.
                guard number != 0 else { return nil }
                number = number &* 10 &+ digit
                digits &+= 1
                at &+= 1
            }
            guard number <= 255 else { return nil }
            value = value << 8 | number
            if dots == 3 { break }
            guard at < bytes.count, bytes[at] == 0x2e else { return nil }
            dots &+= 1
            at &+= 1
        }
        guard at == bytes.count || bytes[at] == 0x20 || Self.isEnd(bytes[at]) else { return nil }
        position = at
        return value
    }

    /// Reads an address of either family, by the parser that all others use.
    private static func readAny(
        _ bytes: UnsafeRawBufferPointer, at position: inout Int
    ) -> IPAddress? {
        var end = position
        // No address is longer.
        let limit = min(bytes.count, position &+ 46)
        while end < limit, bytes[end] != 0x20, !Self.isEnd(bytes[end]) { end &+= 1 }
        let text = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
        let address = text.withMemoryRebound(to: UInt8.self) {
            try? IPAddress(parsing: $0.span)
        }
        guard let address else { return nil }
        position = end
        return address.unmapped
    }
}
