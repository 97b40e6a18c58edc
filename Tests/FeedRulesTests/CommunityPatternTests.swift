// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import FeedRules
import Testing

@Suite("Communities and numbers of conditions")
struct CommunityPatternTests {
    /// The route's three lists, as in their attributes.
    struct Lists {
        var standard: [UInt8] = []
        var extended: [UInt8] = []
        var large: [UInt8] = []

        init(standard: [UInt32] = [], extended: [UInt64] = [], large: [[UInt32]] = []) {
            func bytes<T: FixedWidthInteger>(_ numbers: [T]) -> [UInt8] {
                numbers.flatMap { number in
                    withUnsafeBytes(of: number.bigEndian) { [UInt8]($0) }
                }
            }
            self.standard = bytes(standard)
            self.extended = bytes(extended)
            self.large = bytes(large.flatMap { $0 })
        }
    }

    static func holds(_ text: String, _ lists: Lists) throws -> Bool {
        var conditions = Conditions()
        conditions.communities = [try CommunityPattern(parsing: text)]
        let judge = RouteJudge(RuleSet(rules: [Rule(conditions, action: .reject)]))
        let judgement = judge.judge(
            RouteFacts(path: .empty, family: .ipv4), standard: lists.standard.span.bytes,
            extended: lists.extended.span.bytes, large: lists.large.span.bytes)
        return judgement.otherwise == .rule(0)
    }

    @Test(
        "RFC 1997's",
        arguments: [
            ("65000:666", [0xfde8_029a], true), ("65000:666", [0xfde8_029b], false),
            ("65000:666", [1, 2, 0xfde8_029a], true), ("65000:*", [0xfde8_0001], true),
            ("*:666", [0x0001_029a], true), ("*:*", [0], true), ("*:*", [], false),
            ("65000:100-199", [0xfde8_0064], true), ("65000:100-199", [0xfde8_00c8], false),
            ("no-export", [0xffff_ff01], true), ("65535:65281", [0xffff_ff01], true),
            ("BLACKHOLE", [0xffff_029a], true), ("graceful-shutdown", [0xffff_0000], true),
            ("no-peer", [0xffff_ff03], false), ("llgr-stale", [0xffff_0006], true),
        ] as [(String, [UInt32], Bool)])
    func standard(text: String, list: [UInt32], expected: Bool) throws {
        #expect(try Self.holds(text, Lists(standard: list)) == expected)
    }

    @Test(
        "large ones",
        arguments: [
            ("65000:1:2", [[65000, 1, 2]], true), ("65000:1:2", [[65000, 2, 1]], false),
            ("65000:*:*", [[1, 2, 3], [65000, 0, .max]], true),
            ("*:*:4294967295", [[0, 0, .max]], true), ("65000:1:5-7", [[65000, 1, 8]], false),
        ] as [(String, [[UInt32]], Bool)])
    func large(text: String, list: [[UInt32]], expected: Bool) throws {
        #expect(try Self.holds(text, Lists(large: list)) == expected)
    }

    @Test(
        "extended ones: of two octets, an address, or four octets",
        arguments: [
            ("rt:65000:100", [0x0002_fde8_0000_0064], true),
            ("rt:65000:100", [0x4002_fde8_0000_0064], true),
            ("rt:65000:100", [0x0202_0000_fde8_0064], true),
            ("ro:65000:100", [0x0002_fde8_0000_0064], false),
            ("ro:65000:100", [0x0003_fde8_0000_0064], true),
            ("soo:65000:100", [0x0003_fde8_0000_0064], true),
            ("rt:70000:100", [0x0202_0001_1170_0064], true),
            ("rt:192.0.2.1:100", [0x0102_c000_0201_0064], true),
            ("rt:192.0.2.1:100", [0x0202_c000_0201_0064], false),
            ("rt:3221225985:100", [0x0102_c000_0201_0064], false),
            ("rt:*:100", [0x0102_c000_0201_0064], true), ("rt:*:*", [0x0002_0001_0000_0001], true),
            ("rt:65000:*", [0x0002_fde8_ffff_ffff], true),
            ("rt:65000:100000", [0x0002_fde8_0001_86a0], true),
            ("0x0002fde800000064", [0x0002_fde8_0000_0064], true),
            ("0x0002FDE800000064", [0x0002_fde8_0000_0065], false),
            ("rt:*:*", [0x0302_0001_0000_0001], false),
        ] as [(String, [UInt64], Bool)])
    func extended(text: String, list: [UInt64], expected: Bool) throws {
        #expect(try Self.holds(text, Lists(extended: list)) == expected)
    }

    @Test("each kind looks at its own list, and passes what is left over")
    func kinds() throws {
        var lists = Lists(standard: [1], extended: [2], large: [[3, 3, 3]])
        #expect(try !Self.holds("3:3:3", Lists(standard: [3, 3, 3])))
        #expect(try !Self.holds("0:1", Lists(extended: [1])))
        lists.standard += [0, 0, 0]
        lists.large += [0, 0, 0, 0, 0, 0, 0, 0]
        #expect(try !Self.holds("0:0", lists))
        #expect(try !Self.holds("0:0:0", lists))
        #expect(try Self.holds("0:1", lists))
    }

    @Test(
        "errors say where",
        arguments: [
            ("65000", 0, "a community is written"), ("65536:1", 0, "at most 65535"),
            ("1:65536", 2, "at most 65535"), ("1:x", 2, "a number, a range"),
            ("1:2:3:4", 0, "a community is written"), ("1::2", 2, "a number, a range"),
            ("rt:1:x", 5, "a number, a range"), ("rt:x:1", 3, "a number, a range"),
            ("1:9-5", 2, "ends before"), ("0x12", 2, "sixteen digits"),
            ("1:2:4294967296", 4, "at most 4294967295"), ("", 0, "a community is written"),
            ("1:>5", 2, "a number, a range"), ("1:5-", 2, "a number is missing"),
        ])
    func errors(text: String, offset: Int, words: String) {
        do throws(RuleSyntaxError) {
            _ = try CommunityPattern(parsing: text)
            Issue.record("'\(text)' was read")
        } catch {
            #expect(error.offset == offset, "\(text): \(error)")
            #expect(error.words.contains(words), "\(text): \(error)")
        }
    }

    @Test(
        "numbers, ranges and comparisons",
        arguments: [
            ("5", [5...5]), ("5-7", [5...7]), ("<5", [0...4]), ("<= 5", [0...5]),
            ("> 5", [6 ... .max]), (">=5", [5 ... .max]), ("= 5", [5...5]),
            ("!= 5", [0...4, 6 ... .max]), ("!=0", [1 ... .max]), ("4294967295", [.max ... .max]),
        ] as [(String, [ClosedRange<UInt32>])])
    func numbers(text: String, ranges: [ClosedRange<UInt32>]) throws {
        let set = try NumberSet(parsing: text)
        #expect(set.ranges == ranges)
        for number: UInt32 in [0, 4, 5, 6, 7, 8, .max] {
            #expect(set.contains(number) == ranges.contains { $0.contains(number) })
        }
    }

    @Test(
        "what is no number set",
        arguments: [
            "", "x", "<0", ">4294967295", "7-5", "5-", "-5", "4294967296", "1 2", "< ", "5x",
        ])
    func badNumbers(text: String) {
        #expect(throws: RuleSyntaxError.self) { try NumberSet(parsing: text) }
    }

    @Test("sets are joined where they overlap or touch")
    func joined() throws {
        let set = NumberSet(union: [
            try NumberSet(parsing: "5-7"), try NumberSet(parsing: "8"),
            try NumberSet(parsing: "1-2"), try NumberSet(parsing: ">= 4294967290"),
            try NumberSet(parsing: "4294967295"),
        ])
        #expect(set.ranges == [1...2, 5...8, 4294967290 ... .max])
        #expect(set.description == "1-2, 5-8, >= 4294967290")
    }
}
