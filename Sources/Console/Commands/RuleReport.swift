// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What a feed's rules and options have decided since they are in force.
public struct RuleReport: Hashable, Sendable {
    public struct Line: Hashable, Sendable {
        /// The rule in words, as `martlet check` gives it.
        public var words: String
        /// Announcements that it decided.
        public var matches: Int
        /// They are taken for not announced.
        public var rejects: Bool

        public init(words: String, matches: Int, rejects: Bool = false) {
            self.words = words
            self.matches = matches
            self.rejects = rejects
        }
    }

    /// Announcements that rules rejected.
    var rejected: Int { self.rules.reduce(0) { $0 + ($1.rejects ? $1.matches : 0) } }

    /// In the order in which they are asked.
    public var rules: [Line]
    /// Options that aren't the usual ones, in words.
    public var options: [String]
    /// Announcements that no rule held for; nil where there is no rule, and nobody counts.
    public var others: Int?
    /// Announcements that were ignored as default routes, for their length, and as bogons.
    public var defaultRoutes: Int
    public var lengths: Int
    public var bogons: Int

    public init(
        rules: [Line], options: [String], others: Int?, defaultRoutes: Int, lengths: Int,
        bogons: Int
    ) {
        self.rules = rules
        self.options = options
        self.others = others
        self.defaultRoutes = defaultRoutes
        self.lengths = lengths
        self.bogons = bogons
    }

    /// A line for each rule, and the sums.
    var table: Table {
        var table = Table(
            "rules",
            columns: [
                .alone("number", right: true), Table.Column("matches", right: true),
                Table.Column("rule"),
            ])
        table.rows = self.rules.enumerated().map { index, line in
            [.integer(index + 1), .integer(line.matches), .text(line.words)]
        }
        let counts: [(String, Value)] = [
            ("others", .integer(self.others)), ("default_routes", .integer(self.defaultRoutes)),
            ("lengths", .integer(self.lengths)), ("bogons", .integer(self.bogons)),
        ]
        table.trailingFields = counts + [("options", .list(self.options))]
        table.lastLine =
            "ignored "
            + (counts + [("options", .list(self.options))])
            .map { "\($0.0)=\($0.1.forPrograms)" }.joined(separator: " ")
        if self.rules.isEmpty { table.notes.append("There are no rules.") }
        if let others = self.others { table.notes.append("\(others) matched no rule.") }
        table.notes.append(
            "Ignored: \(Value.count(self.defaultRoutes, "default route")), "
                + "\(self.lengths) by length, \(Value.count(self.bogons, "bogon")).")
        if !self.options.isEmpty {
            table.notes.append("Options: \(self.options.joined(separator: ", ")).")
        }
        return table
    }
}

extension Interpreter {
    func rules(of name: String) throws(CommandFailure) -> Table {
        guard let report = self.backend.ruleReport(try self.feed(named: name).id) else {
            throw CommandFailure(.noSuchThing, "there is no feed '\(name)'")
        }
        return report.table
    }
}
