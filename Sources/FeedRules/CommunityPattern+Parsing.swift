// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension CommunityPattern {
    /// RFC 1997's well-known communities by name (IANA, BGP Well-known Communities).
    public static let wellKnown: [(name: String, value: UInt32)] = [
        ("graceful-shutdown", 0xffff_0000), ("accept-own", 0xffff_0001),
        ("llgr-stale", 0xffff_0006), ("no-llgr", 0xffff_0007), ("blackhole", 0xffff_029a),
        ("no-export", 0xffff_ff01), ("no-advertise", 0xffff_ff02), ("local-as", 0xffff_ff03),
        ("no-export-subconfed", 0xffff_ff03), ("no-peer", 0xffff_ff04),
    ]

    /// Reads a pattern in any of its forms.
    public init(parsing text: some StringProtocol) throws(RuleSyntaxError) {
        let small = text.lowercased()
        if let known = Self.wellKnown.first(where: { $0.name == small }) {
            let high = known.value >> 16
            let low = known.value & 0xffff
            self.init(text: String(text), kind: .standard(high...high, low...low))
            return
        }
        if small.hasPrefix("0x") {
            let digits = small.dropFirst(2)
            guard digits.utf8.count == 16, let value = UInt64(digits, radix: 16) else {
                throw RuleSyntaxError(
                    "an extended community in hexadecimal has sixteen digits", offset: 2)
            }
            self.init(text: String(text), kind: .exactly(value))
            return
        }
        let parts = small.split(separator: ":", omittingEmptySubsequences: false)
        var offsets: [Int] = []
        for part in parts { offsets.append((offsets.last ?? -1) + 1 + part.utf8.count) }
        func start(_ index: Int) -> Int { index == 0 ? 0 : offsets[index - 1] + 1 }
        switch (parts.count, parts[0]) {
        case (3, "rt"), (3, "ro"), (3, "soo"):
            self.init(
                text: String(text),
                kind: try Self.extended(
                    subtype: parts[0] == "rt" ? 2 : 3, parts[1], parts[2], start(1), start(2)))
        case (2, _):
            self.init(
                text: String(text),
                kind: .standard(
                    try Self.range(parts[0], 0xffff, start(0)),
                    try Self.range(parts[1], 0xffff, start(1))))
        case (3, _):
            self.init(
                text: String(text),
                kind: .large(
                    try Self.range(parts[0], .max, start(0)),
                    try Self.range(parts[1], .max, start(1)),
                    try Self.range(parts[2], .max, start(2))))
        default:
            throw RuleSyntaxError(
                "a community is written 65000:666, 65000:1:2 (large), rt:65000:1 or ro:65000:1 "
                    + "(extended), or by its name: "
                    + Self.wellKnown.map(\.name).joined(separator: ", "))
        }
    }

    private static func extended(
        subtype: UInt8, _ administrator: Substring, _ value: Substring, _ first: Int,
        _ second: Int
    ) throws(RuleSyntaxError) -> Kind {
        // Which lengths the two numbers have is known only by the community.
        let values = try Self.range(value, .max, second)
        if administrator == "*" {
            return .extended(
                subtype: subtype, number: nil, address: nil, isAny: true, values)
        }
        if let address = try? IPAddress(parsing: administrator), address.family == .ipv4 {
            return .extended(
                subtype: subtype, number: nil, address: address.ipv4Value, isAny: false, values)
        }
        return .extended(
            subtype: subtype, number: try Self.range(administrator, .max, first), address: nil,
            isAny: false, values)
    }

    /// `*`, a number, or a range.
    private static func range(
        _ text: Substring, _ maximum: UInt32, _ offset: Int
    ) throws(RuleSyntaxError) -> ClosedRange<UInt32> {
        if text == "*" { return 0...maximum }
        guard let first = text.utf8.first, (0x30...0x39).contains(first) else {
            throw RuleSyntaxError("a number, a range (100-199) or * is wanted", offset: offset)
        }
        do throws(RuleSyntaxError) {
            return try NumberSet(parsing: text, maximum: maximum).ranges[0]
        } catch {
            throw RuleSyntaxError(error.words, offset: offset + error.offset)
        }
    }
}
