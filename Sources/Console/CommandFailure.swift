// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Why a command wasn't obeyed: a code for programs and a sentence for people.
public struct CommandFailure: Error, Hashable, Sendable {
    /// The kind of failure. The numbers are those of the line protocol.
    public enum Code: Int, Hashable, Sendable, CaseIterable {
        case notUnderstood = 400
        case notAllowed = 401
        case noSuchThing = 404
        case tooMuch = 429
        case ourFault = 500
        case notReady = 503
    }

    public var code: Code
    /// One sentence, without a line end.
    public var sentence: String
    /// More, a line each: where a file is wrong.
    public var details: [String]

    public init(_ code: Code, _ sentence: String, details: [String] = []) {
        self.code = code
        self.sentence = sentence
        self.details = details
    }

    init(_ error: GrammarError) {
        self.init(.notUnderstood, "\(error)")
    }
}

extension CommandFailure: CustomStringConvertible {
    public var description: String { self.sentence }
}
