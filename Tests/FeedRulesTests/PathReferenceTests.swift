// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import FeedRules
import Testing

/// An expression that is built, not read, and what it means by the definition: the set of places
/// where a match that begins at a place may end.
indirect enum ReferenceExpression {
    case character(Character)
    case any
    case boundary
    case begin
    case end
    case then(ReferenceExpression, ReferenceExpression)
    case or(ReferenceExpression, ReferenceExpression)
    case many(ReferenceExpression)
    case some(ReferenceExpression)
    case perhaps(ReferenceExpression)

    var text: String {
        switch self {
        case .character(let character):
            "()[]".contains(character) ? "\\\(character)" : "\(character)"
        case .any: "."
        case .boundary: "_"
        case .begin: "^"
        case .end: "$"
        case .then(let a, let b): "\(a.group)\(b.group)"
        case .or(let a, let b): "\(a.text)|\(b.text)"
        case .many(let a): "\(a.group)*"
        case .some(let a): "\(a.group)+"
        case .perhaps(let a): "\(a.group)?"
        }
    }

    private var group: String {
        switch self {
        case .character, .any, .boundary, .begin, .end: self.text
        case .then, .or, .many, .some, .perhaps: "(\(self.text))"
        }
    }

    func ends(_ text: [Character], from start: Int) -> Set<Int> {
        switch self {
        case .character(let character):
            return start < text.count && text[start] == character ? [start + 1] : []
        case .any: return start < text.count ? [start + 1] : []
        case .boundary:
            var ends: Set<Int> = []
            if start == 0 || start == text.count { ends.insert(start) }
            if start < text.count, " ,{}()[]".contains(text[start]) { ends.insert(start + 1) }
            return ends
        case .begin: return start == 0 ? [start] : []
        case .end: return start == text.count ? [start] : []
        case .then(let a, let b):
            var ends: Set<Int> = []
            for place in a.ends(text, from: start) { ends.formUnion(b.ends(text, from: place)) }
            return ends
        case .or(let a, let b): return a.ends(text, from: start).union(b.ends(text, from: start))
        case .perhaps(let a): return a.ends(text, from: start).union([start])
        case .some(let a):
            return ReferenceExpression.then(a, .many(a)).ends(text, from: start)
        case .many(let a):
            var reached: Set<Int> = [start]
            var fresh = reached
            while !fresh.isEmpty {
                var next: Set<Int> = []
                for place in fresh { next.formUnion(a.ends(text, from: place)) }
                fresh = next.subtracting(reached)
                reached.formUnion(fresh)
            }
            return reached
        }
    }

    func matches(_ path: ASPath) -> Bool {
        let text = Array(path.description)
        return (0...text.count).contains { !self.ends(text, from: $0).isEmpty }
    }

    /// All expressions of so many nodes.
    static func all(size: Int) -> [ReferenceExpression] {
        guard size > 1 else {
            return [.character("1"), .character("2"), .any, .boundary, .begin, .end]
        }
        let smaller = Self.all(size: size - 1)
        var result: [ReferenceExpression] = []
        for inner in smaller { result += [.many(inner), .some(inner), .perhaps(inner)] }
        for left in 1..<max(2, size - 1) where size - 1 - left > 0 {
            for a in Self.all(size: left) {
                for b in Self.all(size: size - 1 - left) { result += [.then(a, b), .or(a, b)] }
            }
        }
        return result
    }

    static func random(
        depth: Int, using generator: inout some RandomNumberGenerator
    ) -> ReferenceExpression {
        func next() -> ReferenceExpression { Self.random(depth: depth - 1, using: &generator) }
        switch Int.random(in: depth <= 0 ? 0...4 : 0...11, using: &generator) {
        case 0, 1:
            let characters = Array("0123456789 ,{}()[]")
            return .character(characters[Int.random(in: 0..<18, using: &generator)])
        case 2: return .any
        case 3: return .boundary
        case 4: return Bool.random(using: &generator) ? .begin : .end
        case 5: return .many(next())
        case 6: return .some(next())
        case 7: return .perhaps(next())
        case 8, 9: return .or(next(), next())
        default: return .then(next(), next())
        }
    }
}

@Suite("AS-path expressions beside a reference")
struct PathReferenceTests {
    static let paths = [
        "", "1", "2", "12", "21", "1 2", "2 1", "1 1", "11 2", "1 2 1", "{1}", "{1,2}", "1 {2}",
        "(1 2) 2", "[1,2] 1", "1 {2} 1",
    ].map(PathExpressionTests.path)

    @Test("all expressions of up to four nodes, and two ways of matching")
    func exhaustive() throws {
        for size in 1...4 {
            for reference in ReferenceExpression.all(size: size) {
                let text = reference.text
                let expression = try PathExpression(parsing: text)
                for path in Self.paths {
                    let expected = reference.matches(path)
                    let isRight =
                        expression.matches(path) == expected
                        && expression.matchesByProgram(path) == expected
                    if !isRight { Issue.record("\(text) in '\(path)' is \(expected)") }
                }
            }
        }
    }

    @Test("random expressions and paths")
    func random() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SplitMix(state: seed)
        for _ in 0..<300 {
            let reference = ReferenceExpression.random(depth: 5, using: &generator)
            let text = reference.text
            guard text.utf8.count <= PathExpression.maximumLength else { continue }
            let expression = try PathExpression(parsing: text)
            for _ in 0..<8 {
                let path = Self.randomPath(using: &generator)
                let expected = reference.matches(path)
                let isRight =
                    expression.matches(path) == expected
                    && expression.matchesByProgram(path) == expected
                if !isRight {
                    Issue.record("\(text) in '\(path)' is \(expected), seed \(seed)")
                }
            }
        }
    }

    static func randomPath(using generator: inout some RandomNumberGenerator) -> ASPath {
        let kinds: [ASPath.SegmentKind] = [
            .sequence, .sequence, .set, .confederationSequence, .confederationSet,
        ]
        return ASPath(
            segments: (0..<Int.random(in: 0...3, using: &generator)).map { _ in
                ASPath.Segment(
                    kind: kinds[Int.random(in: 0..<5, using: &generator)],
                    members: (0..<Int.random(in: 1...3, using: &generator)).map { _ in
                        let bits = Int.random(in: 1...32, using: &generator)
                        return ASNumber(
                            UInt32.random(in: 0 ... .max, using: &generator) >> UInt32(32 - bits))
                    })
            })
    }
}

/// A generator whose seed can be told.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var z = self.state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
