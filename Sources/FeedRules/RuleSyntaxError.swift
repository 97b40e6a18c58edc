// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Why a text is no pattern, and where in it.
public struct RuleSyntaxError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, in words that go on after "not 'text': ".
    public var words: String
    /// Bytes from the start of the text to what is wrong.
    public var offset: Int

    public init(_ words: String, offset: Int = 0) {
        self.words = words
        self.offset = offset
    }

    public var description: String { self.words }
}
