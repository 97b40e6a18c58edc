// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The pages of the reference, as far as a program can read them.
///
/// A heading, or a line that begins with "Stands in", gives the paths of mappings in code spans,
/// names that an operator chooses in capitals; tables below it whose first column is `key` list
/// their keys.
struct Reference {
    struct Row: Sendable {
        var page: String
        var line: Int
        var paths: [String]
        var keys: [String]
        var form: String
        var fallback: String
        var reload: String
        var meaning: String
    }

    private(set) var rows: [Row] = []

    static let columns = ["key", "form", "default", "reload", "meaning"]

    init() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Sources/Configuration/Configuration.docc")
        let pages = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        for page in pages.sorted() where page.hasPrefix("Reference") {
            let text = try String(
                contentsOf: folder.appendingPathComponent(page), encoding: .utf8)
            self.read(text, page)
        }
    }

    private mutating func read(_ text: String, _ page: String) {
        var paths: [String] = []
        var isTable = false
        var isCode = false
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated()
        {
            if line.hasPrefix("```") { isCode.toggle() }
            guard !isCode else { continue }
            if line.hasPrefix("#") {
                // A heading in words divides what stands under the one above it.
                let named = Self.spans(line).map(Self.path)
                if !named.isEmpty || line.hasPrefix("## ") { paths = named }
            }
            if line.hasPrefix("Stands in ") { paths = Self.spans(line).map(Self.path) }
            guard line.hasPrefix("|") else {
                isTable = false
                continue
            }
            let cells = line.split(separator: "|", omittingEmptySubsequences: false)
                .dropFirst().dropLast().map { $0.trimmingCharacters(in: .whitespaces) }
            if cells == Self.columns { isTable = true }
            guard isTable, cells != Self.columns, cells.first != "---" else { continue }
            func cell(_ index: Int) -> String { index < cells.count ? cells[index] : "" }
            self.rows.append(
                Row(
                    page: page, line: index + 1, paths: paths, keys: Self.spans(cell(0)),
                    form: cell(1), fallback: cell(2), reload: cell(3), meaning: cell(4)))
        }
    }

    /// What stands in backticks.
    private static func spans(_ text: some StringProtocol) -> [String] {
        text.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }

    /// `feeds.FEED.bgp` as `feeds.*.bgp`.
    private static func path(_ text: String) -> String {
        guard text != "martlet.yaml" else { return "" }
        return text.split(separator: ".").map { $0 == $0.uppercased() ? "*" : String($0) }
            .joined(separator: ".")
    }
}
