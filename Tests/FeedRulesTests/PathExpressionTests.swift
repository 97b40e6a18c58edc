// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import FeedRules
import Testing

@Suite("AS-path expressions")
struct PathExpressionTests {
    /// A path from its text.
    static func path(_ text: String) -> ASPath {
        var segments: [ASPath.Segment] = []
        var rest = text[...]
        func numbers(_ text: Substring) -> [ASNumber] {
            text.split { $0 == " " || $0 == "," }.compactMap { UInt32($0).map { ASNumber($0) } }
        }
        let brackets: [(Character, Character, ASPath.SegmentKind)] = [
            ("{", "}", .set), ("(", ")", .confederationSequence), ("[", "]", .confederationSet),
        ]
        while let first = rest.first {
            if let (_, right, kind) = brackets.first(where: { $0.0 == first }) {
                let inside = rest.dropFirst().prefix { $0 != right }
                segments.append(.init(kind: kind, members: numbers(inside)))
                rest = rest.dropFirst(inside.count + 2)
            } else {
                let inside = rest.prefix { !"{([".contains($0) }
                if !numbers(inside).isEmpty {
                    segments.append(.init(kind: .sequence, members: numbers(inside)))
                }
                rest = rest.dropFirst(inside.count)
            }
        }
        return ASPath(segments: segments)
    }

    @Test(
        "match as routers do",
        arguments: [
            (
                "^65000_.*_1299$", ["65000 174 1299", "65000 1 2 1299"],
                ["65000 1299", "65000 2 12990"]
            ),
            ("^65000_(.*_)?1299$", ["65000 174 1299", "65000 1299"], ["65000", "650001299"]),
            ("_1299_", ["1299", "1 1299", "1 {1299,5}", "(1299) 4"], ["12990", "11299", "129"]),
            ("1299", ["1299", "11299", "12990 1"], ["129 9", ""]),
            ("^$", [""], ["1"]),
            ("^123.", ["1234", "123 4"], ["123", "1 123 4"]),
            ("^123+_", ["123", "1233", "1233 5", "12333"], ["12", "1231"]),
            ("^[0-9]+$", ["1", "65000"], ["1 2", "", "{1}"]),
            ("^[0-9]+_[0-9]+$", ["1 2"], ["1", "1 2 3"]),
            ("^(_65000)+$", ["65000", "65000 65000"], ["65000 1", "", "165000"]),
            ("_(174|3356)_", ["1 174", "3356 1"], ["1743356", "33560"]),
            ("^1_{2,3}$", ["1 {2,3}"], ["1 2 3", "1 {3,2}"]),
            ("^{.*}$", ["{1}", "{1} {2}"], ["1", "{1} 2"]),
            ("^\\(65001_65002\\)_1$", ["(65001 65002) 1"], ["65001 65002 1"]),
            ("[[]65001,", ["[65001,65002]"], ["(65001 65002)", "{65001,2}"]),
            ("^[^{]*$", ["", "1 2"], ["1 {2}"]),
            ("^1_2?_3$", ["1 2 3"], ["1 3"]),
            ("^1_(2_)?3$", ["1 2 3", "1 3"], ["1 23 3", "13"]),
            ("^(1|)$", ["1", ""], ["2"]),
            ("1$|^2", ["3 1", "2 3", "21"], ["1 3", "32"]),
            ("4294967295", ["4294967295"], ["4294967294"]),
            ("^[]1]", ["1"], ["2", "[1]"]),
            ("_$", ["1", ""], []),
        ])
    func routers(text: String, matching: [String], others: [String]) throws {
        let expression = try PathExpression(parsing: text)
        for path in matching {
            #expect(expression.matches(Self.path(path)), "\(text) in '\(path)'")
        }
        for path in others {
            #expect(!expression.matches(Self.path(path)), "\(text) not in '\(path)'")
        }
    }

    @Test("a path is read as it is printed")
    func printing() {
        for text in ["", "1 2 3", "65000 {1,2} 3", "(65001 65002) [3,4] 5 4294967295", "{1} {2}"] {
            #expect(Self.path(text).description == text)
        }
    }

    @Test("a sequence in two segments is read through")
    func split() throws {
        let path = ASPath((1...300).map { ASNumber($0) })
        #expect(try PathExpression(parsing: "_255_256_").matches(path))
        #expect(try PathExpression(parsing: "_300$").matches(path))
        #expect(try !PathExpression(parsing: "255256").matches(path))
    }

    @Test(
        "errors say where",
        arguments: [
            ("", 0, "nothing in it"), ("(1", 0, "no ')'"), ("1)", 1, "no '('"),
            ("[1", 0, "no ']'"), ("*1", 0, "nothing before"), ("1|+", 2, "nothing before"),
            ("AS1", 0, "'A' never"), ("1-2", 1, "use first"), ("[9-0]", 1, "one digit up"),
            ("[{-1]", 1, "one digit up"), ("1\\", 1, "nothing comes"), ("(1)\\1", 3, "linear"),
            ("1{2}x", 4, "'x' never"), ("[12", 0, "no ']'"), ("é", 0, "\\xc3"),
            (String(repeating: "1", count: 1001), 0, "more than 1000"),
            (String(repeating: "(", count: 60), 50, "deeper"),
        ])
    func errors(text: String, offset: Int, words: String) {
        do throws(RuleSyntaxError) {
            _ = try PathExpression(parsing: text)
            Issue.record("'\(text)' was read")
        } catch {
            #expect(error.offset == offset, "\(error)")
            #expect(error.words.contains(words), "\(error)")
        }
    }

    @Test("what would take a backtracking matcher for ever takes no time to speak of")
    func linear() throws {
        let long = ASPath(Array(repeating: ASNumber(1), count: 20_000))
        for text in ["^(1*)*$", "^(1|1|_|1_)*2$", "((1*)*_*)*3", "(1_?)+(1_?)+(1_?)+(1_?)+2$"] {
            let expression = try PathExpression(parsing: text)
            #expect(!expression.matches(long), "\(text)")
        }
        let repeats = String(repeating: "(1?_?)*", count: 100) + "2"
        #expect(try !PathExpression(parsing: repeats).matches(long))
    }

    @Test("an expression of too many states is followed step by step, with the same result")
    func manyStates() throws {
        let text = "1" + String(repeating: ".", count: 24) + "2"
        let expression = try PathExpression(parsing: text)
        #expect(!expression.hasAutomaton)
        #expect(expression.matches(Self.path("7 1000 30000 30000 3000 3002")))
        #expect(!expression.matches(Self.path("7 1000 30000 30000 30000 3002")))
    }
}
