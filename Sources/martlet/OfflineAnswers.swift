// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice
import Console

/// Answers lines from a table that stays as it is, with scopes as wide as the answers allow.
struct OfflineAnswers {
    private let interpreter: Interpreter
    private let scopes: ScopeKeeper
    /// Kinds of questions whose scopes are wide.
    private var wide: Set<Verb> = []

    /// Commands that tell a scope. They change nothing, and may be answered twice.
    private static let questions: Set<Verb> = [
        .nearest, .rank, .explain, .showBGP, .showBGPIPv4, .showBGPIPv6,
    ]

    /// Throws where the table has no place for its readers.
    init(_ table: OfflineTable, now: (@Sendable () -> Int64)? = nil) throws {
        self.scopes = try ScopeKeeper(owner: table.owner, oracle: table.oracle)
        self.interpreter =
            try now.map { try Interpreter(backend: table, now: $0) }
            ?? Interpreter(backend: table)
    }

    /// Answers a line.
    mutating func run(
        _ line: String, face: Face = .people
    ) async -> (text: String, isGood: Bool) {
        let answer = await self.interpreter.run(line, face: face)
        guard answer.isGood, let verb = try? Grammar.standard.parse(line).rule.verb,
            Self.questions.contains(verb), self.wide.insert(verb).inserted
        else { return answer }
        // How wide they may be is found out for what is asked, and so afterwards.
        self.scopes.refresh()
        return await self.interpreter.run(line, face: face)
    }
}
