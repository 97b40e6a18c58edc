// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A word or a quoted text of a master file, where it stands.
struct MasterToken {
    /// The bytes as they stand, escapes and all, but without a quoted text's quotes.
    var range: Range<Int>
    var line: Int
    /// Where the first byte stands in its line, counted from 1.
    var column: Int
    var isQuoted = false
}

/// What can't be cut into words.
struct MasterLexerError: Error {
    var reason: RecordTextError.Reason
    var line: Int
    var column: Int
}

/// Cuts a master file into entries, and those into words (RFC 1035 §5.1).
///
/// An entry ends with its line, unless a parenthesis is open then. A quoted text ends in its line.
/// A quote within a word begins one only behind an equals sign, as in `alpn="h2"`; such a word
/// keeps its quotes.
struct MasterLexer {
    let bytes: [UInt8]
    private(set) var position = 0
    private(set) var line = 1
    private var lineStart = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        // A byte order mark, as some editors write it.
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) {
            self.position = 3
            self.lineStart = 3
        }
    }

    var isAtEnd: Bool { self.position >= self.bytes.count }

    private var column: Int { self.position - self.lineStart + 1 }

    /// Reads the next entry.
    ///
    /// - Parameter tokens: Receives its words; none for an empty line.
    /// - Returns: Whether the entry begins with a blank, and so has the owner of the one before.
    /// - Throws: Where the line can't be cut into words; the next call begins behind it, and
    ///   behind the end of its parentheses.
    mutating func readEntry(
        into tokens: inout [MasterToken]
    ) throws(MasterLexerError) -> Bool {
        tokens.removeAll(keepingCapacity: true)
        var open: (line: Int, column: Int)?
        let startsBlank = !self.isAtEnd && Self.isBlank(self.bytes[self.position])
        var failure: MasterLexerError?
        func note(_ error: MasterLexerError) { failure = failure ?? error }
        while self.position < self.bytes.count {
            let byte = self.bytes[self.position]
            switch byte {
            case UInt8(ascii: "\n"):
                self.position += 1
                self.line += 1
                self.lineStart = self.position
                if open == nil {
                    if let failure { throw failure }
                    return startsBlank
                }
            case _ where Self.isBlank(byte): self.position += 1
            case UInt8(ascii: ";"): self.skipToLineEnd()
            case UInt8(ascii: "("):
                if open != nil {
                    note(self.error(.nestedParenthesis))
                } else {
                    open = (self.line, self.column)
                }
                self.position += 1
            case UInt8(ascii: ")"):
                if open == nil { note(self.error(.strayParenthesis)) }
                open = nil
                self.position += 1
            default:
                do throws(MasterLexerError) {
                    tokens.append(
                        byte == UInt8(ascii: "\"") ? try self.readQuoted() : try self.readWord())
                } catch {
                    note(error)
                    self.skipToLineEnd()
                }
            }
        }
        if let open, failure == nil {
            failure = MasterLexerError(
                reason: .openParenthesis, line: open.line, column: open.column)
        }
        if let failure { throw failure }
        return startsBlank
    }

    private func error(_ reason: RecordTextError.Reason) -> MasterLexerError {
        MasterLexerError(reason: reason, line: self.line, column: self.column)
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0d
    }

    private mutating func skipToLineEnd() {
        while self.position < self.bytes.count, self.bytes[self.position] != UInt8(ascii: "\n") {
            self.position += 1
        }
    }

    private mutating func readQuoted() throws(MasterLexerError) -> MasterToken {
        let opening = self.error(.openQuote)
        let column = self.column
        self.position += 1
        let start = self.position
        guard self.skipQuoted() else { throw opening }
        return MasterToken(
            range: start..<self.position - 1, line: self.line, column: column, isQuoted: true)
    }

    /// Goes behind the closing quote; false where the line ends before it.
    private mutating func skipQuoted() -> Bool {
        while self.position < self.bytes.count {
            switch self.bytes[self.position] {
            case UInt8(ascii: "\n"): return false
            case UInt8(ascii: "\""):
                self.position += 1
                return true
            case UInt8(ascii: "\\"): self.position += 1
            default: break
            }
            guard self.position < self.bytes.count, self.bytes[self.position] != 0x0a else {
                return false
            }
            self.position += 1
        }
        return false
    }

    private mutating func readWord() throws(MasterLexerError) -> MasterToken {
        let start = self.position
        let column = self.column
        word: while self.position < self.bytes.count {
            let byte = self.bytes[self.position]
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: ";"), UInt8(ascii: "("), UInt8(ascii: ")"):
                break word
            case _ where Self.isBlank(byte): break word
            case UInt8(ascii: "\""):
                guard self.position > start, self.bytes[self.position - 1] == UInt8(ascii: "=")
                else { break word }
                let opening = self.error(.openQuote)
                self.position += 1
                guard self.skipQuoted() else { throw opening }
            case UInt8(ascii: "\\"):
                guard self.position + 1 < self.bytes.count, self.bytes[self.position + 1] != 0x0a
                else { throw self.error(.badEscape) }
                self.position += 2
            default: self.position += 1
            }
        }
        return MasterToken(range: start..<self.position, line: self.line, column: column)
    }
}
