// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A node of a YAML document, and where it stands. An alias is what its anchor stands for.
struct Node {
    indirect enum Content {
        /// A text as it was written; quoted ones are never nothing.
        case scalar(String, isPlain: Bool)
        case sequence([Node])
        case mapping([(key: Node, value: Node)])
    }

    var content: Content
    var position: Position
    /// Nodes on the longest way down, this one counted.
    var depth = 1
    /// Nodes in it, this one counted, those that aliases stand for each time anew.
    var size = 1

    var text: String? { if case .scalar(let text, _) = self.content { text } else { nil } }

    var isPlain: Bool { if case .scalar(_, let isPlain) = self.content { isPlain } else { false } }

    var elements: [Node]? {
        if case .sequence(let elements) = self.content { elements } else { nil }
    }

    var pairs: [(key: Node, value: Node)]? {
        if case .mapping(let pairs) = self.content { pairs } else { nil }
    }
}
