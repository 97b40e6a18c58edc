// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import JSON

/// Rows with named columns: the one form from which people's tables, programs' `key=value` lines
/// and JSON are written.
package struct Table: Sendable {
    package struct Column: Sendable {
        /// The key for programs; nil for a value that stands alone at the start of the line, empty
        /// for one that isn't theirs.
        package var key: String?
        /// The head of the column for people; nil leaves the column out for them.
        package var title: String?
        /// The key in JSON; nil leaves it out there.
        package var json: String?
        package var isRightAligned: Bool
        /// Least width for people, for rows that are written before the others are known.
        package var width: Int

        package init(
            _ key: String, title: String? = nil, json: String? = nil, right: Bool = false,
            width: Int = 0
        ) {
            self.init(
                key: key, title: title ?? key, json: json ?? key, isRightAligned: right,
                width: width)
        }

        package init(
            key: String?, title: String?, json: String?, isRightAligned: Bool = false,
            width: Int = 0
        ) {
            self.key = key
            self.title = title
            self.json = json
            self.isRightAligned = isRightAligned
            self.width = width
        }

        /// A value without a key in front of it.
        package static func alone(_ title: String, right: Bool = false, width: Int = 0) -> Column {
            Column(key: nil, title: title, json: title, isRightAligned: right, width: width)
        }

        /// A field that only JSON shows.
        package static func jsonOnly(_ key: String) -> Column {
            Column(key: "", title: nil, json: key)
        }
    }

    /// Lines above and below, for people only.
    package var heading: [String] = []
    package var notes: [String] = []
    /// Fields of the JSON object beside the rows.
    package var fields: [(String, Value)] = []
    /// Fields after the rows: keys that came later go last.
    package var trailingFields: [(String, Value)] = []
    /// A line of another shape after the rows, for programs.
    package var lastLine: String?
    /// The JSON key of the rows.
    package var rowsKey: String
    package var columns: [Column]
    package var rows: [[Value]] = []

    package init(_ rowsKey: String, columns: [Column]) {
        self.rowsKey = rowsKey
        self.columns = columns
    }

    // MARK: For people

    package var linesForPeople: [String] {
        var widths = self.columns.map { max($0.title?.count ?? 0, $0.width) }
        let texts = self.rows.map { $0.map(\.forPeople) }
        for row in texts {
            for (index, text) in row.enumerated() { widths[index] = max(widths[index], text.count) }
        }
        var lines = self.heading
        if !self.rows.isEmpty {
            lines.append(self.line(of: self.columns.map { $0.title ?? "" }, widths: widths))
            lines += texts.map { self.line(of: $0, widths: widths) }
        }
        return lines + self.notes
    }

    /// The head of the columns at their least widths.
    package var headLine: String {
        self.line(of: self.columns.map { $0.title ?? "" }, widths: self.columns.map(\.width))
    }

    /// A row at the columns' least widths; a longer value pushes the others.
    package func lineForPeople(of row: [Value]) -> String {
        self.line(of: row.map(\.forPeople), widths: self.columns.map(\.width))
    }

    private func line(of texts: [String], widths: [Int]) -> String {
        var line = ""
        for (index, column) in self.columns.enumerated() where column.title != nil {
            let text = texts[index]
            let blanks = String(repeating: " ", count: max(0, widths[index] - text.count))
            if !line.isEmpty { line += "  " }
            line += column.isRightAligned ? blanks + text : text + blanks
        }
        while line.last == " " { line.removeLast() }
        return line
    }

    // MARK: For programs

    package func lineForPrograms(of row: [Value]) -> String {
        var line = ""
        for (index, column) in self.columns.enumerated() where column.key != "" {
            if !line.isEmpty { line += " " }
            if let key = column.key { line += key + "=" }
            line += row[index].forPrograms
        }
        return line
    }

    // MARK: JSON

    package var json: String {
        var json = JSONText()
        json.object { json in
            for (key, value) in self.fields { json.key(key, value) }
            json.key(self.rowsKey) { json in
                json.array { json in
                    for row in self.rows { json.element { self.write(row, to: &$0) } }
                }
            }
            for (key, value) in self.trailingFields { json.key(key, value) }
        }
        return json.text
    }

    /// One row as a JSON object.
    package func json(of row: [Value]) -> String {
        var json = JSONText()
        self.write(row, to: &json)
        return json.text
    }

    private func write(_ row: [Value], to json: inout JSONText) {
        json.object { json in
            for (index, column) in self.columns.enumerated() {
                if let key = column.json { json.key(key, row[index]) }
            }
        }
    }
}
