// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A node of a document and what it is called in complaints.
struct Value {
    let document: Document
    let node: Node
    let name: String

    var position: Position { self.node.position }

    func complain(_ text: String) { self.document.complain(at: self.position, text) }

    /// Complains that the value is something else than it must be.
    func mustBe(_ what: String, hint: String = "") {
        self.complain("\(self.name) must be \(what), not \(self.found)\(hint)")
    }

    /// What stands there, in words.
    var found: String {
        switch self.node.content {
        case .mapping: return "a mapping"
        case .sequence: return "a list"
        case .scalar(let whole, let isPlain):
            if self.isEmpty { return "nothing" }
            let text = whole.count > 60 ? whole.prefix(60) + "…" : whole[...]
            return isPlain && Double(whole) != nil ? String(text) : "'\(text)'"
        }
    }

    /// Nothing stands after the colon.
    var isEmpty: Bool { self.node.isPlain && self.node.text == "" }

    /// Nothing, or a list or a mapping without anything in it.
    var isVacant: Bool {
        self.isEmpty || self.node.elements?.isEmpty == true || self.node.pairs?.isEmpty == true
    }

    var isMapping: Bool { self.node.pairs != nil }

    var isList: Bool { self.node.elements != nil }

    /// The text of a scalar as it was written, without a complaint. No word is a boolean or null.
    var plainText: String? { self.isEmpty ? nil : self.node.text }

    func named(_ name: String) -> Value {
        Value(document: self.document, node: self.node, name: name)
    }

    // MARK: Scalars

    func text(_ what: String = "text") -> String? {
        guard let text = self.plainText else {
            self.mustBe(what)
            return nil
        }
        return text
    }

    func integer(_ range: ClosedRange<Int>) -> Int? {
        guard let text = self.plainText, let value = Int(text), range.contains(value) else {
            self.mustBe("a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return value
    }

    func number(_ range: ClosedRange<Double>) -> Double? {
        guard let text = self.plainText, let value = Double(text), range.contains(value) else {
            self.mustBe(
                "a number from \(Self.short(range.lowerBound)) to \(Self.short(range.upperBound))")
            return nil
        }
        return value
    }

    private static func short(_ value: Double) -> String {
        value == value.rounded() ? String(Int(value)) : String(value)
    }

    /// A length of time: seconds, or a number with `ms`, `s`, `m`, `h` or `d`.
    func duration(_ range: ClosedRange<Duration>) -> Duration? {
        guard let duration = self.duration() else { return nil }
        guard range.contains(duration) else {
            self.mustBe(
                "from \(Self.words(range.lowerBound)) to \(Self.words(range.upperBound))")
            return nil
        }
        return duration
    }

    /// A length of time of any size; complains if it isn't one.
    func duration() -> Duration? {
        let units: [(String, Int)] = [
            ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
        ]
        if let text = self.plainText {
            if let value = Int(text), (0...Self.mostSeconds).contains(value) {
                return .seconds(value)
            }
            for (suffix, milliseconds) in units where text.hasSuffix(suffix) {
                guard let value = Int(text.dropLast(suffix.count)), value >= 0,
                    value <= Self.mostSeconds * 1000 / milliseconds
                else { continue }
                return .milliseconds(value * milliseconds)
            }
        }
        self.mustBe("a time: seconds, or a number with ms, s, m, h or d")
        return nil
    }

    /// A hundred years: whatever is computed from it fits.
    private static let mostSeconds = 3_153_600_000

    static func words(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        guard attoseconds == 0 else {
            return "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000) ms"
        }
        if seconds > 0, seconds % 86400 == 0 { return "\(seconds / 86400) d" }
        if seconds > 0, seconds % 3600 == 0 { return "\(seconds / 3600) h" }
        if seconds > 0, seconds % 60 == 0 { return "\(seconds / 60) min" }
        return "\(seconds) s"
    }

    /// One of a few words.
    func choice<T: RawRepresentable & CaseIterable>(
        of type: T.Type
    ) -> T? where T.RawValue == String {
        let words = T.allCases.map(\.rawValue)
        guard let text = self.plainText, let value = T(rawValue: text) else {
            self.mustBe(
                Self.either(words),
                hint: self.plainText.map { Spelling.hint($0, among: words) } ?? "")
            return nil
        }
        return value
    }

    func boolean() -> Bool? {
        switch self.plainText {
        case "true": return true
        case "false": return false
        default:
            self.mustBe("true or false")
            return nil
        }
    }

    /// `a`, `a or b`, `a, b or c`.
    static func either(_ words: [String]) -> String {
        guard let last = words.last, words.count > 1 else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }

    // MARK: Lists and mappings

    /// The elements of a list; a value that isn't a list stands for a list of one.
    func elements(_ element: String) -> [Value] {
        guard let sequence = self.node.elements else {
            if self.isEmpty {
                self.complain("\(self.name) has nothing in it")
                return []
            }
            return [self.named(element)]
        }
        if sequence.isEmpty { self.complain("\(self.name) has nothing in it") }
        return sequence.map { Value(document: self.document, node: $0, name: element) }
    }

    /// The keys and values of a mapping. Complains of keys that aren't text, stand twice, or are
    /// not among those allowed (any, where nil is given). An empty value is an empty mapping.
    func mapping(allowed: [String]? = nil) -> Mapping? {
        guard let pairs = self.node.pairs else {
            if self.isEmpty {
                return Mapping(document: self.document, name: self.name, position: self.position)
            }
            self.mustBe("a mapping (key: value)")
            return nil
        }
        var result = Mapping(
            document: self.document, name: self.name, position: self.position)
        var firstLines: [String: Int] = [:]
        for (keyNode, node) in pairs {
            let key = Value(document: self.document, node: keyNode, name: "a key")
            guard let name = key.plainText else {
                key.complain("a key of \(self.name) must be text, not \(key.found)")
                continue
            }
            if let first = firstLines[name] {
                key.complain("'\(name)' stands twice in \(self.name): first on line \(first)")
                continue
            }
            firstLines[name] = key.position.line
            if let allowed, !allowed.contains(name) {
                let hint = Spelling.hint(name, among: allowed)
                key.complain(
                    "unknown key '\(name)' in \(self.name)\(hint)"
                        + (hint.isEmpty ? " (allowed: \(allowed.joined(separator: ", ")))" : ""))
                continue
            }
            result.entries.append(
                Mapping.Entry(
                    key: name, position: key.position,
                    value: Value(document: self.document, node: node, name: name)))
        }
        return result
    }
}

/// The keys and values of a mapping, each key once, in the file's order.
struct Mapping {
    struct Entry {
        var key: String
        /// Where the key stands.
        var position: Position
        var value: Value
    }

    let document: Document
    let name: String
    let position: Position
    var entries: [Entry] = []

    subscript(key: String) -> Value? { self.entries.first { $0.key == key }?.value }

    /// The value of a key that must be there.
    func require(_ key: String) -> Value? {
        guard let value = self[key] else {
            self.complain("\(self.name) has no \(key)")
            return nil
        }
        return value
    }

    func complain(_ text: String) { self.document.complain(at: self.position, text) }

    /// Where a key stands, else where the mapping begins.
    func position(of key: String) -> Position {
        self.entries.first { $0.key == key }?.position ?? self.position
    }
}
