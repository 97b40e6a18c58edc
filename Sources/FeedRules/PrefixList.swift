// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A named list of prefix patterns.
public struct PrefixList: Hashable, Sendable {
    public var name: String
    public var patterns: [PrefixPattern]
    /// When it was drawn up and from what, where it says so.
    public var date: String?
    public var source: String?

    public init(
        name: String, patterns: [PrefixPattern], date: String? = nil, source: String? = nil
    ) {
        self.name = name
        self.patterns = patterns
        self.date = date
        self.source = source
    }

    /// `bogons of 2026-11-21 (27 prefixes)`.
    public var words: String {
        "\(self.name)\(self.date.map { " of \($0)" } ?? "") "
            + "(\(self.patterns.count) prefix\(self.patterns.count == 1 ? "" : "es"))"
    }

    /// What is wrong with a line of a list's file.
    public struct LineError: Error, Hashable, Sendable {
        public var line: Int
        public var column: Int
        public var words: String
    }

    /// Reads a list's file: a pattern a line, `#` and what follows it passed over, but for the
    /// lines `# name: …`, `# date: …` and `# source: …` before the first pattern.
    ///
    /// - Parameters:
    ///   - text: The whole file.
    ///   - name: The list's name, where the file has none.
    /// - Throws: ``LineError`` for the first line that is wrong.
    public init(parsing text: String, name: String) throws(LineError) {
        self.init(name: name, patterns: [])
        for (index, line) in text.split(
            omittingEmptySubsequences: false, whereSeparator: \.isNewline
        ).enumerated() {
            let content = line.prefix { $0 != "#" }
            let start = content.prefix { $0 == " " || $0 == "\t" }.count
            var pattern = content.dropFirst(start)
            while pattern.last == " " || pattern.last == "\t" { pattern.removeLast() }
            if pattern.isEmpty {
                if self.patterns.isEmpty { self.readHead(line.dropFirst(content.count)) }
                continue
            }
            do throws(RuleSyntaxError) {
                self.patterns.append(try PrefixPattern(parsing: pattern))
            } catch {
                throw LineError(
                    line: index + 1, column: start + error.offset + 1,
                    words: "'\(pattern.prefix(60))' is no prefix pattern: \(error)")
            }
        }
    }

    private mutating func readHead(_ comment: Substring) {
        let text = comment.drop { $0 == "#" || $0 == " " }
        func value(_ key: String) -> String? {
            guard text.hasPrefix(key + ":") else { return nil }
            var value = text.dropFirst(key.count + 1).drop { $0 == " " }
            while value.last == " " { value.removeLast() }
            return value.isEmpty ? nil : String(value)
        }
        if let name = value("name") { self.name = name }
        if let date = value("date") { self.date = date }
        // A source may take several lines.
        if let source = value("source") {
            self.source = self.source.map { "\($0); \(source)" } ?? source
        }
    }
}
