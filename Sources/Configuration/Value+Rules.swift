// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import FeedRules

extension Value {
    /// What a text means in one of the rules' languages; the complaint stands where it goes wrong.
    func pattern<T>(_ what: String, _ parse: (String) throws(RuleSyntaxError) -> T) -> T? {
        guard let text = self.plainText else {
            self.mustBe(what)
            return nil
        }
        do throws(RuleSyntaxError) {
            return try parse(text)
        } catch {
            // A quoted text begins after its quote.
            let column = self.position.column + error.offset + (self.node.isPlain ? 0 : 1)
            self.document.complain(
                at: Position(line: self.position.line, column: column),
                "\(self.name) must be \(what), not \(self.found): \(error)")
            return nil
        }
    }

    func prefixPattern() -> PrefixPattern? {
        self.pattern("a prefix, as 10.0.0.0/8, 10.0.0.0/8+ or 10.0.0.0/8{16,24}") {
            text throws(RuleSyntaxError) in try PrefixPattern(parsing: text)
        }
    }

    /// Any of the numbers, ranges and comparisons of a list.
    func numbers(_ element: String) -> NumberSet? {
        let sets = self.elements(element).compactMap { value in
            value.pattern("a number, a range (5-10) or a comparison (>= 5)") {
                text throws(RuleSyntaxError) in try NumberSet(parsing: text)
            }
        }
        return sets.isEmpty ? nil : NumberSet(union: sets)
    }

    /// A prefix, or an address.
    func block() -> IPPrefix? {
        if let text = self.plainText, !text.contains("/") {
            return self.address().map { IPPrefix(host: $0) }
        }
        return self.pattern("an address or a prefix") { text throws(RuleSyntaxError) in
            do throws(AddressSyntaxError) {
                return try IPPrefix(parsing: text)
            } catch {
                throw RuleSyntaxError("\(error)", offset: error.offset)
            }
        }
    }

    /// `8-24`, or one length.
    func lengthRange(_ family: AddressFamily) -> ClosedRange<Int>? {
        self.pattern("prefix lengths, as 8-24") { text throws(RuleSyntaxError) in
            let set = try NumberSet(parsing: text, maximum: UInt32(family.width))
            guard set.ranges.count == 1 else {
                throw RuleSyntaxError("lengths from one to another, without a gap, are wanted")
            }
            return Int(set.ranges[0].lowerBound)...Int(set.ranges[0].upperBound)
        }
    }

    /// A word that `show` can print.
    func tag() -> String? {
        guard let text = self.plainText, text.utf8.count <= 64,
            text.utf8.allSatisfy({
                (0x61...0x7a).contains($0 | 0x20) || (0x30...0x39).contains($0) || $0 == 0x2d
                    || $0 == 0x5f || $0 == 0x2e
            })
        else {
            self.mustBe("a word of letters, digits, '-', '_' and '.', at most 64 characters")
            return nil
        }
        return text
    }
}
