// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Prefixes under or around one, of certain lengths.
///
/// Written as in BIRD: `10.0.0.0/8` is that prefix alone, `10.0.0.0/8+` it and all more specific
/// ones, `10.0.0.0/8-` it and all that cover it, `10.0.0.0/8{16,24}` those of 16 to 24 bits; or as
/// in IOS: `10.0.0.0/8 ge 16 le 24`, `10.0.0.0/8 le 24` (from 8 on), `10.0.0.0/8 ge 16` (up to 32).
///
/// A prefix matches if its length is in the range, and its first bits, as many as the shorter of
/// the two has, are the pattern's.
public struct PrefixPattern: Hashable, Sendable {
    public var prefix: IPPrefix
    public var lengths: ClosedRange<Int>

    public init(_ prefix: IPPrefix, lengths: ClosedRange<Int>) {
        self.prefix = prefix
        self.lengths = lengths
    }

    /// The prefix alone.
    public init(_ prefix: IPPrefix) { self.init(prefix, lengths: prefix.length...prefix.length) }

    public func matches(_ other: IPPrefix) -> Bool {
        self.lengths.contains(other.length)
            && (self.prefix.contains(other) || other.contains(self.prefix))
    }

    /// Reads a pattern in any of its forms.
    public init(parsing text: some StringProtocol) throws(RuleSyntaxError) {
        let text = String(text)
        let end = text.utf8.firstIndex { [0x2b, 0x2d, 0x7b, 0x20].contains($0) }
        let head = text[..<(end ?? text.endIndex)]
        let prefix: IPPrefix
        do throws(AddressSyntaxError) {
            prefix = try IPPrefix(parsing: head)
        } catch {
            throw RuleSyntaxError("\(error)", offset: error.offset)
        }
        let width = prefix.family.width
        let tail = text[head.endIndex...]
        let offset = head.utf8.count
        func checked(_ low: Int, _ high: Int) throws(RuleSyntaxError) -> ClosedRange<Int> {
            guard low <= high, high <= width else {
                throw RuleSyntaxError(
                    low > high
                        ? "the lengths end before they begin"
                        : "a length is at most \(width)", offset: offset)
            }
            return low...high
        }
        switch tail {
        case "": self.init(prefix)
        case "+": self.init(prefix, lengths: prefix.length...width)
        case "-": self.init(prefix, lengths: 0...prefix.length)
        default:
            if tail.hasPrefix("{"), tail.hasSuffix("}") {
                let parts = tail.dropFirst().dropLast().split(
                    separator: ",", omittingEmptySubsequences: false)
                guard parts.count == 2, let low = Self.length(parts[0]),
                    let high = Self.length(parts[1])
                else {
                    throw RuleSyntaxError("two lengths are wanted: {16,24}", offset: offset)
                }
                self.init(prefix, lengths: try checked(low, high))
                return
            }
            let words = tail.split(separator: " ")
            var low: Int?
            var high: Int?
            var index = 0
            while index + 1 < words.count {
                guard let length = Self.length(words[index + 1]) else { break }
                if words[index] == "ge", low == nil, high == nil {
                    low = length
                } else if words[index] == "le", high == nil {
                    high = length
                } else {
                    break
                }
                index += 2
            }
            guard !words.isEmpty, index == words.count else {
                throw RuleSyntaxError(
                    "after a prefix comes +, -, {16,24}, ge 16, le 24 or ge 16 le 24",
                    offset: offset)
            }
            self.init(prefix, lengths: try checked(low ?? prefix.length, high ?? width))
        }
    }

    private static func length(_ text: some StringProtocol) -> Int? {
        let digits = text.utf8.drop { $0 == 0x20 }
        guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}

extension PrefixPattern: CustomStringConvertible {
    public var description: String {
        let length = self.prefix.length
        let width = self.prefix.family.width
        return switch (self.lengths.lowerBound, self.lengths.upperBound) {
        case (length, length): "\(self.prefix)"
        case (length, width): "\(self.prefix)+"
        case (0, length): "\(self.prefix)-"
        case (let low, let high): "\(self.prefix){\(low),\(high)}"
        }
    }
}
