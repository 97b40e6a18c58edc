// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import JSON

/// A feed's details for people, for programs and as JSON.
package struct FeedDetailText: Sendable {
    let detail: FeedDetail
    /// A time as people read it.
    let date: @Sendable (Int64) -> String

    package init(_ detail: FeedDetail, date: @escaping @Sendable (Int64) -> String) {
        self.detail = detail
        self.date = date
    }

    // MARK: For people

    /// Sections under headings, and hints at the end.
    package var linesForPeople: [String] {
        var lines = ["feed \(self.detail.name)"]
        for section in self.detail.sections {
            let rows = self.rows(of: section)
            guard !rows.isEmpty else { continue }
            lines.append("\(section.title):")
            lines += Self.aligned(rows).map { "  \($0)" }
        }
        return lines + self.detail.hints.map { "hint: \($0)" }
    }

    private func rows(of section: FeedDetail.Section) -> [[String]] {
        switch section.content {
        case .facts(let facts):
            facts.map { [$0.label ?? Self.words($0.key), self.people($0.datum)] }
        case .rows(let columns, let rows):
            rows.isEmpty ? [] : [columns.map(Self.words)] + rows.map { $0.map(self.people) }
        }
    }

    private static func words(_ key: String) -> String { key.replacing("_", with: " ") }

    private func people(_ datum: FeedDetail.Datum) -> String {
        if case .time(let seconds) = datum { return self.date(seconds) }
        return datum.value.forPeople
    }

    private static func aligned(_ rows: [[String]]) -> [String] {
        var widths = [Int](repeating: 0, count: rows.map(\.count).max() ?? 0)
        for row in rows {
            for (index, text) in row.enumerated() { widths[index] = max(widths[index], text.count) }
        }
        return rows.map { row in
            var line = ""
            for (index, text) in row.enumerated() {
                line += text + String(repeating: " ", count: widths[index] - text.count + 2)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    // MARK: For programs

    /// A line for each section of facts and for each row of the others, which begins with the
    /// section's key; then a line `hint` for each hint.
    package var linesForPrograms: [String] {
        var lines: [String] = []
        for section in self.detail.sections {
            switch section.content {
            case .facts(let facts):
                lines.append(
                    Self.line(section.key, facts.map { ($0.key, $0.datum) }))
            case .rows(let columns, let rows):
                lines += rows.map { Self.line(section.key, Array(zip(columns, $0))) }
            }
        }
        return lines
            + self.detail.hints.map { Self.line("hint", [("text", .text($0))]) }
    }

    private static func line(_ key: String, _ fields: [(String, FeedDetail.Datum)]) -> String {
        ([key] + fields.map { "\($0.0)=\($0.1.value.forPrograms)" }).joined(separator: " ")
    }

    // MARK: JSON

    /// An object with a member for each section: an object of facts, or an array of objects.
    package var json: String {
        var json = JSONText()
        json.object { json in
            json.key("feed", .text(self.detail.name))
            for section in self.detail.sections {
                json.key(section.key) { json in
                    switch section.content {
                    case .facts(let facts):
                        Self.write(facts.map { ($0.key, $0.datum) }, to: &json)
                    case .rows(let columns, let rows):
                        json.array { json in
                            for row in rows {
                                json.element { Self.write(Array(zip(columns, row)), to: &$0) }
                            }
                        }
                    }
                }
            }
            json.key("hints", .list(self.detail.hints))
        }
        return json.text
    }

    private static func write(_ fields: [(String, FeedDetail.Datum)], to json: inout JSONText) {
        json.object { json in
            for (key, datum) in fields { json.key(key, datum.value) }
        }
    }
}

extension FeedDetail.Datum {
    var value: Value {
        switch self {
        case .unknown: .none
        case .text(let text): .text(text)
        case .list(let list): .list(list)
        case .number(let number): .integer(number)
        case .tenths(let number): .tenths(number)
        case .flag(let flag): .flag(flag)
        case .age(let seconds): .age(seconds)
        case .time(let seconds): .integer(Int(seconds))
        }
    }
}
