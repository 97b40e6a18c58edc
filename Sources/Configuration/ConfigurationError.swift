// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// One thing that is wrong in a file, and where.
public struct Complaint: Hashable, Sendable {
    /// The file, as it was named.
    public var file: String
    /// From 1; 0 where the file as a whole is meant.
    public var line: Int
    public var column: Int
    public var text: String

    public init(file: String, line: Int, column: Int, text: String) {
        self.file = file
        self.line = line
        self.column = column
        self.text = text
    }
}

/// `martlet.yaml:14:9: hold-time must be 0 or at least 3 seconds, not 2`
extension Complaint: CustomStringConvertible {
    public var description: String {
        self.line == 0
            ? "\(self.file): \(self.text)"
            : "\(self.file):\(self.line):\(self.column): \(self.text)"
    }
}

/// All that is wrong with a configuration, in the order of its lines.
public struct ConfigurationError: Error, Hashable, Sendable {
    public var complaints: [Complaint]

    public init(complaints: [Complaint]) { self.complaints = complaints }
}

extension ConfigurationError: CustomStringConvertible {
    public var description: String {
        self.complaints.map(\.description).joined(separator: "\n")
    }
}
