// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension Grammar {
    /// A word that may come next, and what it means.
    package struct Suggestion: Hashable, Sendable {
        package var word: String
        package var help: String
    }

    /// The last word of a line that is still being typed, and the words before it.
    private static func split(_ line: some StringProtocol) -> (before: [Substring], part: String) {
        var tokens = Self.tokens(of: line)
        let isOpen = line.last.map { $0 != " " && $0 != "\t" } ?? false
        guard isOpen, let last = tokens.popLast() else { return (tokens, "") }
        return (tokens, last.lowercased())
    }

    /// What may come next after `line`, or end the word it stops in: the answer to `?`.
    ///
    /// `<cr>` stands for the end of the line.
    package func help(after line: some StringProtocol) throws(GrammarError) -> [Suggestion] {
        let (before, part) = Self.split(line)
        let parses = try self.parses(of: before).filter { !$0.rule.isHidden }
        var suggestions: [Suggestion] = []
        func add(_ word: String, _ help: String) {
            if !suggestions.contains(where: { $0.word == word }) {
                suggestions.append(Suggestion(word: word, help: help))
            }
        }
        for parse in parses {
            for case .keyword(let keyword) in parse.expected
            where Self.may(part, mean: keyword) {
                let isLast = parse.rule.words.dropFirst(parse.position + 1).allSatisfy {
                    if case .argument = $0 { true } else { false }
                }
                add(keyword, Self.keywordHelp[keyword] ?? (isLast ? parse.rule.help : ""))
            }
            for case .argument(let kind) in parse.expected {
                if part.isEmpty || (try? kind.parse(Substring(part)).get()) != nil {
                    add(kind.rawValue, kind.help)
                }
            }
        }
        if part.isEmpty, parses.contains(where: \.isComplete) { add("<cr>", "That is all") }
        guard !suggestions.isEmpty else {
            throw .unknown(token: part, expected: Self.names(of: parses))
        }
        return suggestions
    }

    /// The words that may stand where `line` ends, for a program that completes; `values` are the
    /// words that there are for an argument, such as the feeds' names.
    package func completions(
        of line: some StringProtocol, values: (ArgumentKind) -> [String]
    ) -> [String] {
        let (before, part) = Self.split(line)
        guard let parses = try? self.parses(of: before) else { return [] }
        var words: [String] = []
        for parse in parses where !parse.rule.isHidden {
            for expected in parse.expected {
                let candidates =
                    switch expected {
                    case .keyword(let keyword): [keyword]
                    case .argument(let kind): values(kind)
                    }
                for word in candidates
                where Self.may(part, mean: word.lowercased()) && !words.contains(word) {
                    words.append(word)
                }
            }
        }
        return words
    }

    /// All commands with their syntax, for `help`.
    package var overview: [Suggestion] {
        self.rules.filter { !$0.isHidden }.map { Suggestion(word: $0.syntax, help: $0.help) }
    }
}
