// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

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
    /// More are counted only.
    private static let mostComplaints = 100

    private(set) var complaints: [Complaint] = []
    private var reported: Set<Complaint> = []

    init(file: String) {
        self.file = file
        self.folder =
            file.lastIndex(of: "/").map { String(file[..<$0]) + ($0 == file.startIndex ? "/" : "") }
            ?? "."
    }

    func complain(at position: Position, _ text: String) {
        let complaint = Complaint(
            file: self.file, line: position.line, column: position.column,
            text: text.inOneLine)
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
        var complaints = self.complaints.sorted {
            ($0.line, $0.column, $0.text) < ($1.line, $1.column, $1.text)
        }
        let more = complaints.count - Self.mostComplaints
        if more > 0 {
            complaints.removeLast(more)
            complaints.append(
                Complaint(file: self.file, line: 0, column: 0, text: "and \(more) more"))
        }
        throw ConfigurationError(complaints: complaints)
    }

    /// Parses a text. Nil where it isn't YAML, or empty: then there is a complaint.
    func parse(_ text: String) -> Value? {
        do throws(Composer.Failure) {
            guard let node = try Composer.compose(text) else {
                self.complain(at: Position(line: 1, column: 1), "the file is empty")
                return nil
            }
            return Value(document: self, node: node, name: "the file")
        } catch {
            self.complain(at: error.position, error.text)
            return nil
        }
    }
}

extension String {
    /// In one line, whatever a text from outside holds: control characters as escapes.
    fileprivate var inOneLine: String {
        var line = ""
        for scalar in self.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator, .format, .privateUse, .unassigned:
                line += scalar.escaped(asASCII: true)
            default: line.unicodeScalars.append(scalar)
            }
        }
        return line
    }
}
