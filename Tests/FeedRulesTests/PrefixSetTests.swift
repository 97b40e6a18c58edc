// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import FeedRules
import Testing

@Suite("Prefix patterns")
struct PrefixSetTests {
    @Test(
        "are read in BIRD's way and in that of IOS",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8", 8...8), ("10.0.0.0/8+", "10.0.0.0/8", 8...32),
            ("10.0.0.0/8-", "10.0.0.0/8", 0...8), ("10.0.0.0/8{16,24}", "10.0.0.0/8", 16...24),
            ("10.0.0.0/8{ 4, 24}", "10.0.0.0/8", 4...24),
            ("10.0.0.0/8 ge 16 le 24", "10.0.0.0/8", 16...24),
            ("10.0.0.0/8 le 24", "10.0.0.0/8", 8...24),
            ("10.0.0.0/8 ge 16", "10.0.0.0/8", 16...32),
            ("2001:db8::/32+", "2001:db8::/32", 32...128),
            ("::/0{16,48}", "::/0", 16...48), ("0.0.0.0/0 le 32", "0.0.0.0/0", 0...32),
        ])
    func reading(text: String, prefix: String, lengths: ClosedRange<Int>) throws {
        let pattern = try PrefixPattern(parsing: text)
        #expect(pattern == PrefixPattern(try IPPrefix(parsing: prefix), lengths: lengths))
        #expect(
            try PrefixPattern(parsing: pattern.description) == pattern, "it reads its own words")
    }

    @Test(
        "errors say where",
        arguments: [
            ("10.0.0.0", 8, "'/length' is missing"), ("10.0.0.1/8", 0, "did you mean 10.0.0.0/8"),
            ("10.0.0.0/33+", 9, "0 to 32"), ("10.0.0.0/8{16}", 10, "two lengths"),
            ("10.0.0.0/8{24,16}", 10, "end before"), ("10.0.0.0/8{16,33}", 10, "at most 32"),
            ("10.0.0.0/8 eq 16", 10, "ge 16 le 24"), ("10.0.0.0/8 ge", 10, "ge 16 le 24"),
            ("10.0.0.0/8 le 16 ge 8", 10, "ge 16 le 24"), ("10.0.0.0/8++", 10, "after a prefix"),
            ("10.0.0.0/8 ge 16 ge 17", 10, "after a prefix"), ("", 0, "nothing where"),
            ("10.0.0.0/8{1,2,3}", 10, "two lengths"), ("10.0.0.0/8 ge -1", 10, "after a prefix"),
        ])
    func errors(text: String, offset: Int, words: String) {
        do throws(RuleSyntaxError) {
            _ = try PrefixPattern(parsing: text)
            Issue.record("'\(text)' was read")
        } catch {
            #expect(error.offset == offset, "\(text): \(error)")
            #expect(error.words.contains(words), "\(text): \(error)")
        }
    }

    /// All prefixes of the first five bits.
    static func prefixes(_ family: AddressFamily, to length: Int) -> [IPPrefix] {
        (0...length).flatMap { length in
            (0..<(1 << length)).map { bits in
                IPPrefix(
                    masking: IPAddress(
                        family: family,
                        leftAligned: length == 0 ? 0 : UInt128(bits) << UInt128(128 - length)),
                    length: length)
            }
        }
    }

    @Test("a set of one or two patterns holds what they match, all of them at four bits")
    func exhaustive() {
        let prefixes = Self.prefixes(.ipv4, to: 4)
        var patterns: [PrefixPattern] = []
        for prefix in Self.prefixes(.ipv4, to: 2) {
            for low in 0...4 {
                for high in low...4 { patterns.append(PrefixPattern(prefix, lengths: low...high)) }
            }
        }
        for (index, first) in patterns.enumerated() {
            for second in patterns[index...] {
                let set = PrefixSet([first, second])
                for prefix in prefixes
                where set.contains(prefix) != (first.matches(prefix) || second.matches(prefix)) {
                    Issue.record("\(prefix) in \(first), \(second)")
                }
            }
        }
    }

    @Test("random sets of both families hold what a linear search finds")
    func random() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SplitMix(state: seed)
        func prefix(_ family: AddressFamily) -> IPPrefix {
            let length = Int.random(in: 0...family.width, using: &generator)
            // Few different bits, so that blocks lie in one another, up to the very end.
            let bits = UInt128.random(in: 0 ... .max, using: &generator)
            let mask: UInt128 =
                Bool.random(using: &generator)
                ? 0 : Bool.random(using: &generator) ? .max : .max << 120
            return IPPrefix(
                masking: IPAddress(
                    family: family,
                    leftAligned: Bool.random(using: &generator) ? bits & mask : bits | ~mask),
                length: length)
        }
        for _ in 0..<300 {
            let patterns = (0..<Int.random(in: 0...20, using: &generator)).map { _ in
                let prefix = prefix(Bool.random(using: &generator) ? .ipv4 : .ipv6)
                let low = Int.random(in: 0...prefix.family.width, using: &generator)
                let high = Int.random(in: low...prefix.family.width, using: &generator)
                return PrefixPattern(prefix, lengths: low...high)
            }
            let set = PrefixSet(patterns)
            for _ in 0..<200 {
                let prefix = prefix(Bool.random(using: &generator) ? .ipv4 : .ipv6)
                let expected = patterns.contains { $0.matches(prefix) }
                if set.contains(prefix) != expected {
                    Issue.record("\(prefix) in \(patterns) is \(expected), seed \(seed)")
                }
            }
        }
    }

    @Test("host routes and whole families have their place")
    func ends() throws {
        let set = PrefixSet(
            try ["255.255.255.255/32", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"].map {
                try PrefixPattern(parsing: $0)
            })
        #expect(set.contains(try IPPrefix(parsing: "255.255.255.255/32")))
        #expect(!set.contains(try IPPrefix(parsing: "255.255.255.254/32")))
        #expect(set.contains(try IPPrefix(parsing: "::/0")))
        #expect(!set.contains(try IPPrefix(parsing: "::/1")))
        #expect(!set.contains(try IPPrefix(parsing: "0.0.0.0/0")))
        #expect(set.contains(IPPrefix(host: IPPrefix.all(.ipv6).last)))
        #expect(!PrefixSet([]).contains(try IPPrefix(parsing: "::/0")))
    }

    @Test("a list's file has a name, a date and its sources, and errors with their place")
    func lists() throws {
        let text = """
            # name: nobody's
            # date: 2026-11-21
            # source: one
            # source: two

            10.0.0.0/8+   # private
              2001:db8::/32 le 64
            """
        let list = try PrefixList(parsing: text, name: "file")
        #expect(list.name == "nobody's")
        #expect(list.date == "2026-11-21")
        #expect(list.source == "one; two")
        #expect(list.patterns.map(\.description) == ["10.0.0.0/8+", "2001:db8::/32{32,64}"])
        #expect(list.words == "nobody's of 2026-11-21 (2 prefixes)")
        #expect(try PrefixList(parsing: "10.0.0.0/8\r\n", name: "x").words == "x (1 prefix)")
        #expect(throws: PrefixList.LineError.self) {
            _ = try PrefixList(parsing: "10.0.0.0/8\n 10.0.0.0/8/", name: "x")
        }
        do throws(PrefixList.LineError) {
            _ = try PrefixList(parsing: "10.0.0.0/8\n  10.0.0.0/8=", name: "x")
        } catch {
            #expect(error.line == 2)
            #expect(error.column == 13)
            #expect(error.words.hasPrefix("'10.0.0.0/8=' is no prefix pattern: "))
        }
    }
}
