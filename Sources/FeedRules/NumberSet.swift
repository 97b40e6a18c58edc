// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Numbers that a condition holds for: `5`, `5-10`, `< 5`, `<= 5`, `> 5`, `>= 5`, `!= 5`, or any of
/// several such.
public struct NumberSet: Hashable, Sendable {
    /// In order; they neither overlap nor touch.
    public private(set) var ranges: [ClosedRange<UInt32>]

    public init(_ ranges: [ClosedRange<UInt32>]) {
        var merged: [ClosedRange<UInt32>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last,
                range.lowerBound <= last.upperBound || range.lowerBound - last.upperBound == 1
            {
                merged[merged.count - 1] =
                    last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        self.ranges = merged
    }

    /// Any of the sets.
    public init(union sets: [NumberSet]) { self.init(sets.flatMap(\.ranges)) }

    @inlinable
    public func contains(_ number: UInt32) -> Bool {
        for range in self.ranges where range.contains(number) { return true }
        return false
    }

    /// Reads one number, range or comparison; `maximum` is the largest number that there is.
    public init(
        parsing text: some StringProtocol, maximum: UInt32 = .max
    ) throws(RuleSyntaxError) {
        let (comparison, start) = Self.comparison(text)
        let rest = text.utf8.dropFirst(start)
        if comparison == nil, let hyphen = rest.firstIndex(of: UInt8(ascii: "-")) {
            let low = try Self.number(rest[..<hyphen], maximum, start)
            let high = try Self.number(rest[rest.index(after: hyphen)...], maximum, start)
            guard low <= high else {
                throw RuleSyntaxError("the range ends before it begins", offset: start)
            }
            self.init([low...high])
            return
        }
        let number = try Self.number(rest, maximum, start)
        switch comparison {
        case "<=": self.init([0...number])
        case ">=": self.init([number...maximum])
        case "<": self.init(number == 0 ? [] : [0...(number - 1)])
        case ">": self.init(number == maximum ? [] : [(number + 1)...maximum])
        case "!=":
            self.init(
                (number == 0 ? [] : [0...(number - 1)])
                    + (number == maximum ? [] : [(number + 1)...maximum]))
        default: self.init([number...number])
        }
        guard !self.ranges.isEmpty else {
            throw RuleSyntaxError("no number is that", offset: start)
        }
    }

    /// The sign that a text begins with, and where the number begins.
    private static func comparison(_ text: some StringProtocol) -> (String?, Int) {
        let sign = ["<=", ">=", "!=", "==", "<", ">", "="].first { text.hasPrefix($0) }
        let start = sign?.utf8.count ?? 0
        return (sign, start + text.utf8.dropFirst(start).prefix { $0 == 0x20 }.count)
    }

    private static func number(
        _ digits: some Collection<UInt8>, _ maximum: UInt32, _ offset: Int
    ) throws(RuleSyntaxError) -> UInt32 {
        var value: UInt64 = 0
        guard !digits.isEmpty else { throw RuleSyntaxError("a number is missing", offset: offset) }
        for digit in digits {
            guard (0x30...0x39).contains(digit) else {
                throw RuleSyntaxError(
                    "a number, a range (5-10) or a comparison (>= 5) is wanted", offset: offset)
            }
            value = min(value * 10 + UInt64(digit - 0x30), 1 << 40)
        }
        guard value <= UInt64(maximum) else {
            throw RuleSyntaxError("at most \(maximum) is possible", offset: offset)
        }
        return UInt32(value)
    }
}

extension NumberSet: CustomStringConvertible {
    public var description: String {
        self.ranges.map { range in
            if range.lowerBound == range.upperBound { return "\(range.lowerBound)" }
            if range.upperBound == .max { return ">= \(range.lowerBound)" }
            if range.lowerBound == 0 { return "<= \(range.upperBound)" }
            return "\(range.lowerBound)-\(range.upperBound)"
        }.joined(separator: ", ")
    }
}
