// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What an expression says.
indirect enum PathExpressionTree {
    case nothing
    /// One character, as a set of bits.
    case symbol(UInt32)
    case begin
    case end
    case sequence([PathExpressionTree])
    case either([PathExpressionTree])
    /// Any number of times, at least `least` (0 or 1), at most once where `once`.
    case repeated(PathExpressionTree, least: Int, once: Bool)
}

/// Reads an expression by recursive descent.
struct PathExpressionParser {
    private let text: [UInt8]
    private var position = 0
    private var depth = 0

    private static let maximumDepth = 50

    init(_ text: [UInt8]) { self.text = text }

    mutating func parse() throws(RuleSyntaxError) -> PathExpressionTree {
        guard !self.text.isEmpty else {
            throw RuleSyntaxError("there is nothing in it (^$ is the empty path, any all paths)")
        }
        guard self.text.count <= PathExpression.maximumLength else {
            throw RuleSyntaxError(
                "it has more than \(PathExpression.maximumLength) characters")
        }
        let tree = try self.alternatives()
        guard self.position == self.text.count else {
            throw RuleSyntaxError("there is no '(' for this ')'", offset: self.position)
        }
        return tree
    }

    private var next: UInt8? {
        self.position < self.text.count ? self.text[self.position] : nil
    }

    private mutating func alternatives() throws(RuleSyntaxError) -> PathExpressionTree {
        var list = [try self.sequence()]
        while self.next == UInt8(ascii: "|") {
            self.position += 1
            list.append(try self.sequence())
        }
        return list.count == 1 ? list[0] : .either(list)
    }

    private mutating func sequence() throws(RuleSyntaxError) -> PathExpressionTree {
        var list: [PathExpressionTree] = []
        while let character = self.next, character != UInt8(ascii: "|"),
            character != UInt8(ascii: ")")
        {
            list.append(try self.piece(character))
        }
        return list.isEmpty ? .nothing : list.count == 1 ? list[0] : .sequence(list)
    }

    private mutating func piece(_ character: UInt8) throws(RuleSyntaxError) -> PathExpressionTree {
        var tree = try self.atom(character)
        while let sign = self.next {
            var least = 0
            var once = false
            switch sign {
            case UInt8(ascii: "*"): break
            case UInt8(ascii: "+"): least = 1
            case UInt8(ascii: "?"): once = true
            default: return tree
            }
            self.position += 1
            // A repetition of a repetition is one again.
            if case .repeated(let inner, let innerLeast, let innerOnce) = tree {
                tree = .repeated(
                    inner, least: min(least, innerLeast), once: once && innerOnce)
            } else {
                tree = .repeated(tree, least: least, once: once)
            }
        }
        return tree
    }

    private mutating func atom(_ character: UInt8) throws(RuleSyntaxError) -> PathExpressionTree {
        let start = self.position
        self.position += 1
        switch character {
        case UInt8(ascii: "."): return .symbol(PathSymbol.all)
        case UInt8(ascii: "_"): return .either([.symbol(PathSymbol.boundaries), .begin, .end])
        case UInt8(ascii: "^"): return .begin
        case UInt8(ascii: "$"): return .end
        case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"):
            throw RuleSyntaxError(
                "there is nothing before '\(Self.quoted(character))' to repeat", offset: start)
        case UInt8(ascii: "("):
            return try self.group(start)
        case UInt8(ascii: "["):
            return .symbol(try self.characterClass(start))
        case UInt8(ascii: "\\"):
            guard let escaped = self.next else {
                throw RuleSyntaxError("nothing comes after '\\'", offset: start)
            }
            self.position += 1
            guard !(0x30...0x39).contains(escaped) else {
                throw RuleSyntaxError(
                    "\\\(Self.quoted(escaped)) (what a group matched, once more) is not "
                        + "supported: it can't be decided in linear time", offset: start)
            }
            return .symbol(try self.symbol(escaped, start + 1))
        default: return .symbol(try self.symbol(character, start))
        }
    }

    private mutating func group(_ start: Int) throws(RuleSyntaxError) -> PathExpressionTree {
        self.depth += 1
        defer { self.depth -= 1 }
        guard self.depth <= Self.maximumDepth else {
            throw RuleSyntaxError(
                "groups are nested deeper than \(Self.maximumDepth)", offset: start)
        }
        let tree = try self.alternatives()
        guard self.next == UInt8(ascii: ")") else {
            throw RuleSyntaxError("there is no ')' for this '('", offset: start)
        }
        self.position += 1
        return tree
    }

    /// What follows `[`, to its `]`; that may come first to stand for itself.
    private mutating func characterClass(_ start: Int) throws(RuleSyntaxError) -> UInt32 {
        var set: UInt32 = 0
        var isInverted = false
        if self.next == UInt8(ascii: "^") {
            isInverted = true
            self.position += 1
        }
        var isFirst = true
        while let character = self.next, isFirst || character != UInt8(ascii: "]") {
            isFirst = false
            var at = self.position
            self.position += 1
            var low = character
            if character == UInt8(ascii: "\\"), let escaped = self.next {
                at = self.position
                self.position += 1
                low = escaped
            }
            let first = try self.symbol(low, at)
            guard self.next == UInt8(ascii: "-"), self.position + 1 < self.text.count,
                self.text[self.position + 1] != UInt8(ascii: "]")
            else {
                set |= first
                continue
            }
            let high = self.text[self.position + 1]
            guard (0x30...0x39).contains(low), (0x30...0x39).contains(high), low <= high else {
                throw RuleSyntaxError(
                    "a range goes from one digit up to another: [0-9]", offset: at)
            }
            self.position += 2
            for digit in low...high { set |= 1 << UInt32(digit - 0x30) }
        }
        guard self.next != nil else {
            throw RuleSyntaxError("there is no ']' for this '['", offset: start)
        }
        self.position += 1
        return isInverted ? PathSymbol.all & ~set : set
    }

    private func symbol(_ character: UInt8, _ offset: Int) throws(RuleSyntaxError) -> UInt32 {
        guard let number = PathSymbol.number(of: character) else {
            throw RuleSyntaxError(
                "'\(Self.quoted(character))' never stands in an AS path"
                    + (character == UInt8(ascii: "-")
                        ? "; for a range of AS numbers use first, origin or contains" : ""),
                offset: offset)
        }
        return 1 << UInt32(number)
    }

    private static func quoted(_ byte: UInt8) -> String {
        guard (0x20..<0x7f).contains(byte) else {
            return "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return String(UnicodeScalar(byte))
    }
}
