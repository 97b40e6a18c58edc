// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A line that the grammar understands.
package struct Invocation: Sendable {
    package var rule: Rule
    package var values: [ArgumentKind: ArgumentValue]
    package var flags: Set<String>

    package var wantsJSON: Bool { self.flags.contains("--json") }
}

/// Why a line is no command. Its words go to the reader as they are.
package enum GrammarError: Error, Hashable, Sendable {
    case unknown(token: String, expected: [String])
    case ambiguous(token: String, candidates: [String])
    case incomplete(expected: [String])
    /// An argument that can't be read; the text says why.
    case badArgument(String)
    case repeated(option: String)
}

extension GrammarError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknown(let token, let expected):
            expected.isEmpty
                ? "unknown command: '\(Self.shown(token))' is too much, the command is complete "
                    + "without it"
                : "unknown command: '\(Self.shown(token))' is none of \(Self.list(expected))"
        case .ambiguous(let token, let candidates):
            "ambiguous command: '\(Self.shown(token))' may be \(Self.list(candidates))"
        case .incomplete(let expected):
            "command incomplete: next comes \(Self.list(expected))"
        case .badArgument(let words): words
        case .repeated(let option): "'\(option)' stands twice"
        }
    }

    /// A control character, which somebody typed by accident, is to be seen.
    private static func shown(_ token: String) -> String {
        token.unicodeScalars.map {
            $0.properties.generalCategory == .control
                ? "\\u{\(String($0.value, radix: 16))}" : String($0)
        }.joined()
    }

    private static func list(_ words: [String]) -> String {
        words.count <= 16
            ? words.joined(separator: ", ")
            : words.prefix(16).joined(separator: ", ") + ", ..."
    }
}

/// How far one rule has taken the words of a line.
struct Parse: Sendable {
    var rule: Rule
    /// Words of the rule used up.
    var position = 0
    /// The option whose argument comes next.
    var open: Rule.Option?
    var values: [ArgumentKind: ArgumentValue] = [:]
    var flags: Set<String> = []
    /// What each token was taken for.
    var taken: [String] = []

    var isComplete: Bool { self.position == self.rule.words.count && self.open == nil }

    /// What may come next.
    var expected: [Rule.Word] {
        if let argument = self.open?.argument { return [.argument(argument)] }
        if self.position < self.rule.words.count { return [self.rule.words[self.position]] }
        return self.rule.options.filter { !self.flags.contains($0.keyword) }
            .map { .keyword($0.keyword) }
    }

    /// This parse, with `word` taken for the next token.
    func advanced(by word: Rule.Word, value: ArgumentValue? = nil) -> Parse {
        var next = self
        switch word {
        case .keyword(let keyword):
            next.taken.append(keyword)
            if self.position < self.rule.words.count {
                next.position += 1
            } else if let option = self.rule.options.first(where: { $0.keyword == keyword }) {
                next.flags.insert(keyword)
                next.open = option.argument == nil ? nil : option
            }
        case .argument(let kind):
            next.taken.append(kind.rawValue)
            next.values[kind] = value
            if self.open != nil { next.open = nil } else { next.position += 1 }
        }
        return next
    }
}

extension Grammar {
    /// Splits a line into words. What follows the keyword `complete` stays one word, blanks and all;
    /// so does the sentence of a shutdown.
    static func tokens(of line: some StringProtocol) -> [Substring] {
        let words = line.split { $0 == " " || $0 == "\t" }.map { Substring($0) }
        guard let first = words.first?.lowercased() else { return [] }
        if first == "complete", words.count > 1 {
            let start = line.drop { $0 == " " || $0 == "\t" }.dropFirst("complete ".count)
            return [words[0], Substring(start)]
        }
        // `shutdown feed FEED` and a sentence.
        guard first.hasPrefix("shu"), "shutdown".hasPrefix(first), words.count > 4 else {
            return words
        }
        var rest = Substring(line)
        for word in words.prefix(3) {
            rest = rest.drop { $0 == " " || $0 == "\t" }.dropFirst(word.count)
        }
        return words.prefix(3) + [rest.drop { $0 == " " || $0 == "\t" }]
    }

    /// Understands a line.
    ///
    /// Every keyword may be cut short where that leaves one meaning; words further on help to
    /// decide it. A keyword written in full wins over longer ones that begin with it.
    package func parse(_ line: some StringProtocol) throws(GrammarError) -> Invocation {
        let tokens = Self.tokens(of: line)
        let parses = try self.parses(of: tokens)
        try Self.refuseAmbiguity(parses, tokens)
        guard let parse = parses.first(where: \.isComplete) else {
            throw .incomplete(expected: Self.names(of: parses))
        }
        return Invocation(rule: parse.rule, values: parse.values, flags: parse.flags)
    }

    /// All ways to take `tokens`, complete or not.
    func parses(of tokens: [Substring]) throws(GrammarError) -> [Parse] {
        var parses = self.rules.map { Parse(rule: $0) }
        for token in tokens {
            let next = Self.step(parses, token)
            guard !next.isEmpty else { throw Self.refusal(of: token, after: parses) }
            parses = next
        }
        return parses
    }

    private static func step(_ parses: [Parse], _ token: Substring) -> [Parse] {
        let word = token.lowercased()
        var exact: [Parse] = []
        var others: [Parse] = []
        for parse in parses {
            for expected in parse.expected {
                switch expected {
                case .keyword(let keyword) where keyword == word:
                    exact.append(parse.advanced(by: expected))
                case .keyword(let keyword):
                    if Self.may(word, mean: keyword) {
                        others.append(parse.advanced(by: expected))
                    }
                case .argument(let kind):
                    if case .success(let value) = kind.parse(token) {
                        others.append(parse.advanced(by: expected, value: value))
                    }
                }
            }
        }
        return exact.isEmpty ? others : exact
    }

    /// Whether a word is a keyword cut short. `sh` has always been `show`: what ends a session
    /// takes a letter more.
    static func may(_ word: String, mean keyword: String) -> Bool {
        keyword.hasPrefix(word) && (keyword != "shutdown" || word.count > 2 || word.isEmpty)
    }

    private static func refusal(of token: Substring, after parses: [Parse]) -> GrammarError {
        let word = token.lowercased()
        if let repeated = parses.first(where: { $0.isComplete && $0.flags.contains(word) }) {
            return .repeated(option: repeated.flags.first { $0 == word } ?? word)
        }
        // Where letters stand and no keyword begins so, a wrong argument is the likely mistake.
        for parse in parses {
            for case .argument(let kind) in parse.expected {
                if case .failure(let error) = kind.parse(token) {
                    let keywords = Self.names(of: parses).filter { $0 == $0.lowercased() }
                    let isAddress = word.contains { ".:/".contains($0) || $0.isNumber }
                    if keywords.isEmpty || isAddress { return .badArgument(error.words) }
                }
            }
        }
        return .unknown(token: String(token), expected: Self.names(of: parses))
    }

    private static func refuseAmbiguity(
        _ parses: [Parse], _ tokens: [Substring]
    ) throws(GrammarError) {
        for (index, token) in tokens.enumerated() {
            var candidates: [String] = []
            for parse in parses where !candidates.contains(parse.taken[index]) {
                candidates.append(parse.taken[index])
            }
            if candidates.count > 1 {
                throw .ambiguous(token: String(token), candidates: candidates)
            }
        }
    }

    /// What may come next, by name, each once, hidden commands left out.
    static func names(of parses: [Parse]) -> [String] {
        var names: [String] = []
        for parse in parses where !parse.rule.isHidden {
            for word in parse.expected {
                let name =
                    switch word {
                    case .keyword(let keyword): keyword
                    case .argument(let kind): kind.rawValue
                    }
                if !names.contains(name) { names.append(name) }
            }
        }
        return names
    }
}
