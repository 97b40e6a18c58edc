// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice
import RouteTable

/// Options by their names in the configuration, each with its value in words: a summary gives those
/// that aren't the usual ones, and a reload those that change.
struct OptionWords {
    var pairs: [(name: String, value: String)]

    /// Those that differ from others, as `name value`.
    func unlike(_ usual: OptionWords) -> [String] {
        zip(self.pairs, usual.pairs).filter { $0.value != $1.value }.map {
            "\($0.0.name) \($0.0.value)"
        }
    }

    /// Those that differ from what was before, as `name value -> value`.
    func changes(from old: OptionWords) -> String {
        zip(self.pairs, old.pairs).filter { $0.value != $1.value }.map {
            "\($0.0.name) \($0.1.value) -> \($0.0.value)"
        }.joined(separator: ", ")
    }
}

extension Configuration.ChoiceOptions {
    var options: OptionWords {
        OptionWords(pairs: [
            ("measure", self.measure.rawValue), ("slack", "\(self.slack)"),
            ("hop-cost", Int(exactly: self.hopCost).map { "\($0)" } ?? "\(self.hopCost)"),
            ("ties", "[\(self.ties.map(\.rawValue).joined(separator: ", "))]"),
            ("all-down", self.allDown.rawValue),
            ("weight-length", "\(self.weightLengthIPv4) and \(self.weightLengthIPv6)"),
        ])
    }
}

extension Configuration.ConsoleOptions {
    /// Without what the password files hold.
    var options: OptionWords {
        OptionWords(pairs: [
            ("password-file", self.passwordFile ?? "none"),
            ("enable-password-file", self.enablePasswordFile ?? "none"),
            ("socket-group", self.socketGroup ?? "none"),
            ("idle-timeout", Value.words(self.idleTimeout)),
            ("maximum-connections", "\(self.maximumConnections)"),
            ("maximum-line", "\(self.maximumLine)"),
        ])
    }

    func changes(from old: Self) -> String {
        let words = self.options.changes(from: old.options)
        return words.isEmpty ? "another password" : words
    }
}

extension TableLimits {
    /// Those that the configuration sets.
    var options: OptionWords {
        OptionWords(pairs: [
            ("prefixes", "\(self.prefixes)"), ("prefixes-per-feed", "\(self.routesPerFeed)"),
            ("classes", "\(self.classes)"),
            ("memory", self.memory.map(Value.words(byteCount:)) ?? "unlimited"),
        ])
    }
}
