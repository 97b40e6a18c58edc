// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Configuration
import Testing

@Suite("Configurations that are noise")
struct NoiseTests {
    @Test("may end anywhere")
    func truncations() {
        let bytes = Array(Example.designed.utf8)
        for count in 0..<bytes.count {
            for complaint in Reading.complaints(Array(bytes[..<count])) {
                #expect(!complaint.contains("\n"))
            }
        }
    }

    @Test("may have any bytes changed", arguments: 0..<8 as Range<UInt64>)
    func changes(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let bytes = Array(Example.text.utf8)
        let marks = Array("[]{}:,&*!|>'\"%@`#-?\n\t \u{0}0a".utf8)
        for _ in 0..<250 {
            var changed = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<changed.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: changed[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: changed[index] = UInt8.random(in: 0 ... .max, using: &random)
                case 2:
                    changed.insert(
                        marks[Int.random(in: 0..<marks.count, using: &random)], at: index)
                default:
                    changed.removeSubrange(index..<min(changed.count, index + 12))
                }
            }
            // What is good can be planned, compared and told.
            if let configuration = try? Configuration.parse(changed) {
                _ = configuration.plan()
                _ = configuration.summary()
                _ = configuration.differences(from: try Configuration.parse(bytes))
            }
        }
    }

    @Test("may be random bytes", arguments: 0..<8 as Range<UInt64>)
    func randomBytes(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            let count = Int.random(in: 0..<200, using: &random)
            let bytes = (0..<count).map { _ in UInt8.random(in: 1..<128, using: &random) }
            #expect(!Reading.complaints(bytes).isEmpty)
        }
    }

    @Test(
        "may nest, repeat and multiply, and are refused in bounded time", .timeLimit(.minutes(5)),
        arguments: Bombs.all.map(\.0))
    func bombs(name: String) throws {
        let text = try #require(Bombs.all.first { $0.0 == name }).1()
        let complaints = Reading.complaints(text)
        #expect(!complaints.isEmpty)
        #expect(complaints.count <= 101)
    }
}

/// Files of a few kilobytes, or a few hundred, that ask for far more.
enum Bombs {
    static let all: [(String, @Sendable () -> String)] = [
        ("lists in lists", { "a: " + String(repeating: "[", count: 500_000) }),
        ("mappings in mappings", { String(repeating: "{a: ", count: 200_000) }),
        ("lists in lists, by lines", { String(repeating: "- ", count: 200_000) }),
        (
            "mappings in mappings, by lines",
            { (0..<400).map { String(repeating: " ", count: $0) + "a:\n" }.joined() }
        ),
        ("questions in questions", { String(repeating: "? ", count: 200_000) }),
        ("a billion laughs", { Self.laughs(levels: 12) { "a\($0)" } }),
        ("a billion laughs in keys", { Self.laughs(levels: 12) { "? *a\($0 - 1)\n: x\na\($0)" } }),
        (
            "aliases in aliases",
            {
                "a0: &a0 [x]\n"
                    + (1..<100_000).map { "a\($0): &a\($0) [*a\($0 - 1)]\n" }.joined()
            }
        ),
        ("a key twenty thousand times", { String(repeating: "maps: [x]\n", count: 20_000) }),
        ("keys that nobody knows", { (0..<50_000).map { "key\($0): x\n" }.joined() }),
        (
            "sites without end",
            { "sites:\n" + (1..<50_000).map { "  s\($0): { as: \($0) }\n" }.joined() }
        ),
        (
            "feeds without end",
            {
                Reading.sites + "feeds:\n"
                    + (1..<50_000).map {
                        "  f\($0): { site: tokyo, mrt: { file: x, peer-as: \($0) } }\n"
                    }.joined()
            }
        ),
        (
            "addresses without end",
            {
                "sites: { a: { as: 1, addresses: ["
                    + (0..<200_000).map {
                        "10.\($0 >> 16).\($0 >> 8 & 255).\($0 & 255)"
                    }.joined(separator: ", ") + "] } }"
            }
        ),
    ]

    private static func laughs(levels: Int, key: (Int) -> String) -> String {
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            + (1..<levels).map { level in
                let aliases = Array(repeating: "*a\(level - 1)", count: 10)
                return "\(key(level)): &a\(level) [\(aliases.joined(separator: ", "))]\n"
            }.joined()
    }
}
