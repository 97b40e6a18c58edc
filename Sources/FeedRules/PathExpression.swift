// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// A regular expression over an AS path as routers print it, the nearest AS first:
/// `65000 1299 {64500,64501}`, confederation segments as `(65001 65002)` and `[65001,65002]`.
///
/// The language is that of IOS and its kin (FRR, Foundry, Huawei): an expression matches anywhere
/// in the path unless `^` and `$` tie it to the ends; `_` is a boundary: a blank, a comma, a
/// brace, a parenthesis, a bracket, or an end of the path; `.` is any character, `[0-9]` and
/// `[^0-9]` one of several or none of them; `*`, `+` and `?` repeat; `|` separates alternatives;
/// `()` group; `\` takes what follows as it is. Braces stand for themselves. `^$` is the empty path.
///
/// It is compiled to an automaton: matching takes time linear in the path, whatever the expression.
public struct PathExpression: Hashable, Sendable {
    /// As it was written.
    public let text: String
    let program: PathProgram
    /// Nil where it would have too many states: the program is followed then.
    let automaton: PathAutomaton?

    /// Bytes that an expression may have.
    public static let maximumLength = 1000

    /// - Throws: RuleSyntaxError, with the place in the text.
    public init(parsing text: some StringProtocol) throws(RuleSyntaxError) {
        var parser = PathExpressionParser(Array(text.utf8))
        try self.init(text: String(text), tree: parser.parse())
    }

    private init(text: String, tree: PathExpressionTree) {
        self.text = text
        self.program = PathProgram(tree)
        self.automaton = PathAutomaton(self.program)
    }

    /// Whether some part of the path matches. Allocates nothing, but for an expression of very
    /// many states.
    public func matches(_ path: ASPath) -> Bool {
        guard let automaton = self.automaton else { return self.program.matches(path) }
        return automaton.matches(path)
    }

    /// As ``matches(_:)``, by the slower way that serves very large expressions.
    package func matchesByProgram(_ path: ASPath) -> Bool { self.program.matches(path) }

    /// Whether it is followed state by state.
    package var hasAutomaton: Bool { self.automaton != nil }

    public static func == (a: PathExpression, b: PathExpression) -> Bool { a.text == b.text }

    public func hash(into hasher: inout Hasher) { hasher.combine(self.text) }
}

extension PathExpression: CustomStringConvertible {
    public var description: String { self.text }
}
