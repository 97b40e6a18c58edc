// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Yams

/// A place in a file, both counted from 1.
struct Position: Hashable, Comparable {
    var line: Int
    var column: Int

    static func < (a: Position, b: Position) -> Bool {
        (a.line, a.column) < (b.line, b.column)
    }
}

/// A file's text as a tree of nodes, and what there is to complain of.
///
/// Everything that reads the tree goes on after a complaint, so that an operator hears of all
/// mistakes at once.
final class Document {
    /// The file, as it was named.
    let file: String
    /// The folder at which relative paths in the file start.
    let folder: String
    private(set) var complaints: [Complaint] = []
    private var reported: Set<Complaint> = []
    /// Keys that stand again later in their mapping, by where they stand.
    private var repeated: [Position: String] = [:]

    init(file: String) {
        self.file = file
        self.folder =
            file.lastIndex(of: "/").map { String(file[..<$0]) + ($0 == file.startIndex ? "/" : "") }
            ?? "."
    }

    func complain(at position: Position, _ text: String) {
        let complaint = Complaint(
            file: self.file, line: position.line, column: position.column, text: text)
        // An alias is read as often as it is used, but its mistake is one.
        if self.reported.insert(complaint).inserted { self.complaints.append(complaint) }
    }

    /// A path of the file: relative ones start at the file's folder.
    func resolve(_ path: String) -> String {
        path.hasPrefix("/") || self.folder == "." ? path : "\(self.folder)/\(path)"
    }

    /// Throws what was complained of, in the order of the lines.
    func check() throws(ConfigurationError) {
        guard !self.complaints.isEmpty else { return }
        throw ConfigurationError(
            complaints: self.complaints.sorted {
                ($0.line, $0.column, $0.text) < ($1.line, $1.column, $1.text)
            })
    }

    /// Parses a text. Nil where it isn't YAML, or empty: then there is a complaint.
    func parse(_ text: String) -> Value? {
        var text = text
        // Yams refuses a mapping in which a key stands twice, and doesn't say where the second
        // one is. So the first is renamed, in the same width, until there are no more.
        for round in 0..<Self.maximumRepeated {
            do {
                guard let node = try Yams.compose(yaml: text) else {
                    self.complain(at: Position(line: 1, column: 1), "the file is empty")
                    return nil
                }
                return Value(document: self, node: node, name: "the file")
            } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
                let position = Position(line: context.mark.line, column: context.mark.column)
                guard let key = keys.first,
                    let renamed = Self.rename(key, at: position, in: text, number: round)
                else {
                    self.complain(
                        at: position, "'\(keys.first ?? "")' stands twice in one mapping")
                    return nil
                }
                self.repeated[position] = key
                text = renamed
            } catch {
                self.complain(about: error)
                return nil
            }
        }
        self.complain(at: Position(line: 1, column: 1), "too many keys stand twice")
        return nil
    }

    private static let maximumRepeated = 1000

    /// The key at a position, if it is one that stands again later.
    func repeatedKey(at position: Position) -> String? { self.repeated[position] }

    /// Puts a key of the same width in the place of one.
    private static func rename(
        _ key: String, at position: Position, in text: String, number: Int
    ) -> String? {
        guard let stranger = UnicodeScalar(0xe000 + UInt32(number)) else { return nil }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.indices.contains(position.line - 1) else { return nil }
        var scalars = Array(lines[position.line - 1].unicodeScalars)
        var start = position.column - 1
        guard scalars.indices.contains(start) else { return nil }
        if scalars[start] == "\"" || scalars[start] == "'" { start += 1 }
        let end = start + key.unicodeScalars.count
        guard end > start, end <= scalars.count,
            scalars[start..<end].elementsEqual(key.unicodeScalars)
        else { return nil }
        scalars.replaceSubrange(start..<end, with: repeatElement(stranger, count: end - start))
        var line = String.UnicodeScalarView()
        line.append(contentsOf: scalars)
        lines[position.line - 1] = String(line)
        return lines.joined(separator: "\n")
    }

    private func complain(about error: any Error) {
        switch error {
        case YamlError.scanner(let context, let problem, let mark, _),
            YamlError.parser(let context, let problem, let mark, _),
            YamlError.composer(let context, let problem, let mark, _):
            let around = context.map { "\($0.text), " } ?? ""
            self.complain(
                at: Position(line: mark.line, column: mark.column),
                "this is not YAML: \(around)\(problem)".replacing("  ", with: " "))
        case YamlError.reader(let problem, _, _, _):
            self.complain(at: Position(line: 1, column: 1), "this is not YAML: \(problem)")
        default:
            self.complain(at: Position(line: 1, column: 1), "this is not YAML: \(error)")
        }
    }
}
