// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A program's sets of places, worked out beforehand: one look at a table for each character.
struct PathAutomaton: Sendable {
    /// Beyond so many states a program is followed instead: there are expressions whose states
    /// double with every character.
    static let maximumStates = 512
    private static let stride = 32
    /// Nothing can be found any more.
    private static let lost: UInt16 = 0
    /// It has been found.
    private static let found: UInt16 = 1
    private static let first: UInt16 = 2

    /// The state after a character, by state and character.
    private let next: [UInt16]
    /// States in which the path may end.
    private let isFoundAtEnd: [Bool]

    /// - Returns: Nil where there are too many states.
    init?(_ program: PathProgram) {
        var next: [UInt16] = []
        var isFoundAtEnd: [Bool] = []
        var places: [[Int]] = []
        var numbers: [[Int]: UInt16] = [:]
        func add(_ set: [Int], isFoundAtEnd isFound: Bool, stays state: UInt16) -> UInt16 {
            places.append(set)
            isFoundAtEnd.append(isFound)
            next.append(contentsOf: repeatElement(state, count: Self.stride))
            return UInt16(places.count - 1)
        }
        func canEnd(_ set: [Int], atBegin: Bool) -> Bool {
            var set = set
            return program.close(&set, atBegin: atBegin, atEnd: true)
        }
        _ = add([], isFoundAtEnd: false, stays: Self.lost)
        _ = add([], isFoundAtEnd: true, stays: Self.found)
        // The beginning is a state of its own: it may be the end as well, in an empty path.
        var start = [program.first]
        let isFound = program.close(&start, atBegin: true, atEnd: false)
        _ = add(start, isFoundAtEnd: isFound || canEnd(start, atBegin: true), stays: Self.lost)
        if isFound {
            for symbol in 0..<PathSymbol.count {
                next[Int(Self.first) * Self.stride + symbol] = Self.found
            }
        }
        var state = isFound ? places.count : Int(Self.first)
        while state < places.count {
            for symbol in 0..<PathSymbol.count {
                var set = program.step(places[state], over: symbol)
                guard !program.close(&set, atBegin: false, atEnd: false) else {
                    next[state * Self.stride + symbol] = Self.found
                    continue
                }
                // What has no way on but at the path's beginning is of no use any more.
                let useful = set.filter { program.steps[$0].isWorthKeeping }.sorted()
                let number: UInt16
                if let known = numbers[useful] {
                    number = known
                } else if useful.isEmpty {
                    number = Self.lost
                } else {
                    guard places.count < Self.maximumStates else { return nil }
                    number = add(
                        useful, isFoundAtEnd: canEnd(useful, atBegin: false), stays: Self.lost)
                    numbers[useful] = number
                }
                next[state * Self.stride + symbol] = number
            }
            state += 1
        }
        self.next = next
        self.isFoundAtEnd = isFoundAtEnd
    }

    func matches(_ path: ASPath) -> Bool {
        var state = Self.first
        let table = self.next.span
        let isDecided = path.forEachSymbol { symbol in
            state = table[Int(state) &* Self.stride &+ symbol]
            return state < Self.first
        }
        return isDecided ? state == Self.found : self.isFoundAtEnd[Int(state)]
    }
}

extension PathProgram.Step {
    /// Whether a place leads anywhere by itself, once the path has begun.
    fileprivate var isWorthKeeping: Bool {
        switch self {
        case .symbol, .end: true
        case .begin, .fork, .found: false
        }
    }
}
