// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CYaml

/// Composes the nodes of a document from libyaml's events, within bounds.
///
/// Yams' own nodes have none: a file of a few kilobytes whose aliases stand for one another makes
/// it hash for hours, or release nodes so deeply nested that the stack ends. It also knows
/// only one of two equal keys by its place.
struct Composer: ~Copyable {
    /// Why there are no nodes.
    struct Failure: Error {
        var position: Position
        var text: String
    }

    /// Levels of a document, those behind aliases counted. A configuration has seven.
    static let maximumDepth = 64
    /// Nodes of a document, those behind aliases counted as often as they are used.
    static let maximumSize = 2_000_000

    /// libyaml keeps the parser's own address in it.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let bytes: UnsafeBufferPointer<UInt8>
    private var anchors: [String: Node] = [:]
    private var size = 0

    /// The root of a text's one document; nil where there is no document.
    static func compose(_ text: String) throws(Failure) -> Node? {
        let bytes = Array(text.utf8)
        let result = bytes.withUnsafeBufferPointer { bytes -> Result<Node?, Failure> in
            var composer = Composer(bytes)
            do throws(Failure) {
                return .success(try composer.document())
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
        self.parser = .allocate(capacity: 1)
        self.parser.initialize(to: yaml_parser_t())
        yaml_parser_initialize(self.parser)
        yaml_parser_set_encoding(self.parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(self.parser, bytes.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(self.parser)
        self.parser.deallocate()
    }

    private mutating func document() throws(Failure) -> Node? {
        _ = try self.next()
        guard try self.next().kind == .documentStart else { return nil }
        let root = try self.node(from: try self.next(), level: 1)
        _ = try self.next()
        let end = try self.next()
        guard end.kind == .streamEnd else {
            throw Failure(
                position: end.position,
                text: "a second document begins here: one file has one document")
        }
        return root
    }

    // MARK: Nodes

    private mutating func node(from event: Event, level: Int) throws(Failure) -> Node {
        if event.hasTag {
            throw Failure(position: event.position, text: "tags (!…) have no meaning here")
        }
        var node: Node
        switch event.kind {
        case .alias(let name):
            guard let known = self.anchors[name] else {
                throw Failure(
                    position: event.position, text: "there is no anchor '&\(name)' before this")
            }
            node = known
            try self.count(known.size, level: level + known.depth - 1, at: event.position)
            return node
        case .scalar(let text, let isPlain):
            try self.count(1, level: level, at: event.position)
            node = Node(content: .scalar(text, isPlain: isPlain), position: event.position)
        case .sequenceStart:
            try self.count(1, level: level, at: event.position)
            node = Node(content: .sequence([]), position: event.position)
            var elements: [Node] = []
            while true {
                let event = try self.next()
                if event.kind == .end { break }
                elements.append(try self.node(from: event, level: level + 1))
                node.add(elements[elements.count - 1])
            }
            node.content = .sequence(elements)
        case .mappingStart:
            try self.count(1, level: level, at: event.position)
            node = Node(content: .mapping([]), position: event.position)
            var pairs: [(key: Node, value: Node)] = []
            while true {
                let event = try self.next()
                if event.kind == .end { break }
                let key = try self.node(from: event, level: level + 1)
                let value = try self.node(from: try self.next(), level: level + 1)
                pairs.append((key, value))
                node.add(key)
                node.add(value)
            }
            node.content = .mapping(pairs)
        case .documentStart, .end, .streamEnd, .other:
            throw Failure(position: event.position, text: "this is not YAML: a value is missing")
        }
        if let anchor = event.anchor { self.anchors[anchor] = node }
        return node
    }

    private mutating func count(
        _ nodes: Int, level: Int, at position: Position
    ) throws(Failure) {
        guard level <= Self.maximumDepth else {
            throw Failure(
                position: position,
                text: "values are nested more than \(Self.maximumDepth) levels deep")
        }
        self.size += nodes
        guard self.size <= Self.maximumSize else {
            throw Failure(
                position: position,
                text: "there are more than \(Self.maximumSize) values, with those that aliases "
                    + "stand for")
        }
    }

    // MARK: Events

    private struct Event {
        enum Kind: Equatable {
            case alias(String)
            case scalar(String, isPlain: Bool)
            case sequenceStart, mappingStart
            /// Of a list or a mapping.
            case end
            case documentStart, streamEnd, other
        }

        var kind: Kind
        var position: Position
        var anchor: String?
        var hasTag = false
    }

    private func next() throws(Failure) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(self.parser, &event) == 1 else { throw self.failure() }
        defer { yaml_event_delete(&event) }
        let position = Position(event.start_mark)
        switch event.type {
        case YAML_ALIAS_EVENT:
            return Event(kind: .alias(Self.text(event.data.alias.anchor)), position: position)
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let style = scalar.style
            return Event(
                kind: .scalar(
                    String(decoding: bytes, as: UTF8.self),
                    isPlain: style == YAML_PLAIN_SCALAR_STYLE || style == YAML_ANY_SCALAR_STYLE),
                position: position, anchor: Self.name(scalar.anchor), hasTag: scalar.tag != nil)
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            return Event(
                kind: .sequenceStart, position: position, anchor: Self.name(start.anchor),
                hasTag: start.tag != nil)
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            return Event(
                kind: .mappingStart, position: position, anchor: Self.name(start.anchor),
                hasTag: start.tag != nil)
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
            return Event(kind: .end, position: position)
        case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, position: position)
        case YAML_STREAM_END_EVENT: return Event(kind: .streamEnd, position: position)
        default: return Event(kind: .other, position: position)
        }
    }

    private static func text(_ pointer: UnsafePointer<UInt8>?) -> String {
        pointer.map { String(cString: $0) } ?? ""
    }

    private static func name(_ pointer: UnsafePointer<UInt8>?) -> String? {
        pointer.map { String(cString: $0) }
    }

    /// What libyaml complains of.
    private func failure() -> Failure {
        let parser = self.parser.pointee
        guard let problem = parser.problem else {
            return Failure(
                position: Position(parser.mark), text: "there is not enough memory for this")
        }
        var words = "this is not YAML: "
        if let context = parser.context { words += String(cString: context) + ", " }
        words += String(cString: problem)
        let position =
            parser.error == YAML_READER_ERROR
            ? self.position(ofByte: parser.problem_offset) : Position(parser.problem_mark)
        switch String(cString: problem) {
        case "found character that cannot start any token" where self.byte(at: position) == 0x09:
            words = "this is not YAML: a tab stands here, where blanks must"
        case "did not find expected node content"
        where self.byte(at: position) == UInt8(ascii: ":")
            && self.byte(at: Position(line: position.line, column: position.column + 1))
                == UInt8(ascii: ":"):
            words += " (an address that begins with colons needs quotes)"
        default: break
        }
        return Failure(position: position, text: words.replacing("  ", with: " "))
    }

    /// The byte that begins the character there.
    private func byte(at wanted: Position) -> UInt8? {
        var position = Position(line: 1, column: 1)
        for byte in self.bytes {
            if position == wanted { return byte }
            if byte == UInt8(ascii: "\n") {
                position = Position(line: position.line + 1, column: 1)
            } else if byte & 0xc0 != 0x80 {
                position.column += 1
            }
        }
        return nil
    }

    private func position(ofByte offset: Int) -> Position {
        var position = Position(line: 1, column: 1)
        for byte in self.bytes.prefix(max(0, offset)) {
            if byte == UInt8(ascii: "\n") {
                position = Position(line: position.line + 1, column: 1)
            } else if byte & 0xc0 != 0x80 {
                position.column += 1
            }
        }
        return position
    }
}

extension Node {
    fileprivate mutating func add(_ child: Node) {
        self.depth = max(self.depth, child.depth + 1)
        self.size += child.size
    }
}

extension Position {
    fileprivate init(_ mark: yaml_mark_t) {
        self.init(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }
}
