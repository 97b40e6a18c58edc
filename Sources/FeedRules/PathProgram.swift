// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// An expression as steps that can be at several places at once (Thompson's construction).
struct PathProgram: Sendable {
    enum Step: Sendable {
        /// Goes on over one of these characters.
        case symbol(UInt32, next: Int)
        /// Goes on at the path's beginning, or at its end.
        case begin(next: Int)
        case end(next: Int)
        case fork(Int, Int)
        case found
    }

    private(set) var steps: [Step] = []
    private(set) var first = 0

    init(_ tree: PathExpressionTree) {
        let found = self.add(.found)
        self.first = self.add(tree, next: found)
    }

    private mutating func add(_ step: Step) -> Int {
        self.steps.append(step)
        return self.steps.count - 1
    }

    /// - Returns: Where the tree begins; after it comes `next`.
    private mutating func add(_ tree: PathExpressionTree, next: Int) -> Int {
        switch tree {
        case .nothing: return next
        case .symbol(let set): return self.add(.symbol(set, next: next))
        case .begin: return self.add(.begin(next: next))
        case .end: return self.add(.end(next: next))
        case .sequence(let list):
            return list.reversed().reduce(next) { self.add($1, next: $0) }
        case .either(let list):
            var rest = self.add(list[list.count - 1], next: next)
            for tree in list.dropLast().reversed() {
                let start = self.add(tree, next: next)
                rest = self.add(.fork(start, rest))
            }
            return rest
        case .repeated(let tree, _, once: true):
            let start = self.add(tree, next: next)
            return self.add(.fork(start, next))
        case .repeated(let tree, let least, once: false):
            let loop = self.add(.fork(next, next))
            let start = self.add(tree, next: loop)
            self.steps[loop] = .fork(start, next)
            return least == 0 ? loop : start
        }
    }

    /// Adds to `places` all that is reached from them without a character, each once.
    ///
    /// - Returns: Whether the expression has been found.
    func close(_ places: inout [Int], atBegin: Bool, atEnd: Bool) -> Bool {
        var seen = [Bool](repeating: false, count: self.steps.count)
        for place in places { seen[place] = true }
        var index = 0
        var isFound = false
        func reach(_ place: Int, _ places: inout [Int]) {
            guard !seen[place] else { return }
            seen[place] = true
            places.append(place)
        }
        while index < places.count {
            switch self.steps[places[index]] {
            case .symbol: break
            case .begin(let next): if atBegin { reach(next, &places) }
            case .end(let next): if atEnd { reach(next, &places) }
            case .fork(let a, let b):
                reach(a, &places)
                reach(b, &places)
            case .found: isFound = true
            }
            index += 1
        }
        return isFound
    }

    /// Where the places lead over a character; an expression may begin anew after it.
    func step(_ places: [Int], over symbol: Int) -> [Int] {
        var result = [self.first]
        var seen = [Bool](repeating: false, count: self.steps.count)
        seen[self.first] = true
        for place in places {
            guard case .symbol(let set, let next) = self.steps[place],
                set >> UInt32(symbol) & 1 != 0, !seen[next]
            else { continue }
            seen[next] = true
            result.append(next)
        }
        return result
    }

    /// Whether some part of the path matches. Time grows with the path's length times the number
    /// of steps.
    func matches(_ path: ASPath) -> Bool {
        var places = [self.first]
        var isAtBegin = true
        if self.close(&places, atBegin: true, atEnd: false) { return true }
        let isFound = path.forEachSymbol { symbol in
            isAtBegin = false
            places = self.step(places, over: symbol)
            return self.close(&places, atBegin: false, atEnd: false)
        }
        return isFound || self.close(&places, atBegin: isAtBegin, atEnd: true)
    }
}

extension ASPath {
    /// Calls `body` with each character of the printed path, until it says true.
    ///
    /// - Returns: Whether it did.
    @inline(__always)
    func forEachSymbol(_ body: (Int) -> Bool) -> Bool {
        let bytes = self.encoded.span
        var position = 0
        while position + 2 <= bytes.count {
            let kind = SegmentKind(rawValue: bytes[position]) ?? .sequence
            let count = Int(bytes[position + 1])
            if position > 0, body(PathSymbol.blank) { return true }
            position += 2
            if let bracket = kind.brackets?.left, body(bracket) { return true }
            for index in 0..<count {
                if index > 0, body(kind.separator) { return true }
                guard position + 4 <= bytes.count else { return false }
                let number =
                    UInt32(bytes[position]) << 24 | UInt32(bytes[position + 1]) << 16
                    | UInt32(bytes[position + 2]) << 8 | UInt32(bytes[position + 3])
                position += 4
                if Self.forEachDigit(of: number, body) { return true }
            }
            if let bracket = kind.brackets?.right, body(bracket) { return true }
        }
        return false
    }

    @inline(__always)
    private static func forEachDigit(of number: UInt32, _ body: (Int) -> Bool) -> Bool {
        // The digits, the first lowest, four bits each.
        var digits: UInt64 = 0
        var count = 0
        var rest = number
        repeat {
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
            digits = digits &<< 4 | UInt64(remainder)
            rest = quotient
            count &+= 1
        } while rest != 0
        for _ in 0..<count {
            if body(Int(truncatingIfNeeded: digits & 15)) { return true }
            digits &>>= 4
        }
        return false
    }
}

extension ASPath.SegmentKind {
    fileprivate var brackets: (left: Int, right: Int)? {
        switch self {
        case .sequence: nil
        case .set: (PathSymbol.leftBrace, PathSymbol.rightBrace)
        case .confederationSequence:
            (PathSymbol.leftParenthesis, PathSymbol.rightParenthesis)
        case .confederationSet: (PathSymbol.leftBracket, PathSymbol.rightBracket)
        }
    }

    fileprivate var separator: Int {
        self == .sequence || self == .confederationSequence ? PathSymbol.blank : PathSymbol.comma
    }
}
