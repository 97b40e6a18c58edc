// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The parameters of an SVCB or HTTPS record (RFC 9460 §2.2), by key in ascending order.
package struct ServiceParameters: Hashable, Sendable {
    package struct Key: RawRepresentable, Hashable, Comparable, Sendable {
        package var rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }

        package static let mandatory = Key(rawValue: 0)
        package static let alpn = Key(rawValue: 1)
        package static let noDefaultALPN = Key(rawValue: 2)
        package static let port = Key(rawValue: 3)
        package static let ipv4Hint = Key(rawValue: 4)
        package static let ech = Key(rawValue: 5)
        package static let ipv6Hint = Key(rawValue: 6)

        package static func < (a: Key, b: Key) -> Bool { a.rawValue < b.rawValue }

        static let names = [
            "mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint",
            "dohpath", "ohttp", "tls-supported-groups",
        ]

        var name: String {
            let index = Int(self.rawValue)
            return index < Self.names.count ? Self.names[index] : "key\(self.rawValue)"
        }

        init?(parsing text: some Collection<UInt8>) {
            let word = String(decoding: text, as: UTF8.self)
            if let index = Self.names.firstIndex(of: word) {
                self.rawValue = UInt16(index)
            } else if word.hasPrefix("key"),
                let number = ByteText.number(text.dropFirst(3), maximum: 65_534),
                text.count == 4 || !word.hasPrefix("key0")
            {
                self.rawValue = UInt16(number)
            } else {
                return nil
            }
        }
    }

    package private(set) var values: [(key: Key, value: [UInt8])] = []

    init() {}

    /// Reads all of `bytes`; nil where keys aren't in order or a value isn't one of its key.
    package init?(wire bytes: some Collection<UInt8>) {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            guard rest.count >= 4 else { return nil }
            let head = Array(rest.prefix(4))
            let key = Key(rawValue: UInt16(head[0]) << 8 | UInt16(head[1]))
            let count = Int(head[2]) << 8 | Int(head[3])
            rest = rest.dropFirst(4)
            guard rest.count >= count, key.rawValue != 65_535 else { return nil }
            if let last = self.values.last, last.key >= key { return nil }
            self.values.append((key, Array(rest.prefix(count))))
            rest = rest.dropFirst(count)
        }
        guard self.problem == nil else { return nil }
    }

    package var wire: [UInt8] {
        self.values.flatMap { key, value in
            bigEndian(key.rawValue) + bigEndian(UInt16(truncatingIfNeeded: value.count)) + value
        }
    }

    package subscript(key: Key) -> [UInt8]? { self.values.first { $0.key == key }?.value }

    /// Adds a parameter in its place; false where the key is there.
    mutating func insert(_ key: Key, _ value: [UInt8]) -> Bool {
        let index = self.values.firstIndex { $0.key >= key } ?? self.values.endIndex
        guard index == self.values.endIndex || self.values[index].key != key else { return false }
        self.values.insert((key, value), at: index)
        return true
    }

    package static func == (a: ServiceParameters, b: ServiceParameters) -> Bool { a.wire == b.wire }

    package func hash(into hasher: inout Hasher) { hasher.combine(self.wire) }

    /// What is wrong with a value, or with all of them together.
    var problem: RecordTextError.Reason? {
        for (key, value) in self.values {
            let wanted: String?
            switch key {
            case .mandatory: wanted = self.mandatoryProblem(value)
            case .alpn: wanted = Self.isListOfStrings(value) ? nil : "names protocols"
            case .noDefaultALPN:
                wanted =
                    !value.isEmpty
                    ? "has no value" : self[.alpn] == nil ? "stands beside alpn" : nil
            case .port: wanted = value.count == 2 ? nil : "is a number from 0 to 65535"
            case .ipv4Hint:
                wanted = !value.isEmpty && value.count % 4 == 0 ? nil : "has IPv4 addresses"
            case .ipv6Hint:
                wanted = !value.isEmpty && value.count % 16 == 0 ? nil : "has IPv6 addresses"
            case .ech: wanted = value.isEmpty ? "is base64" : nil
            default: wanted = nil
            }
            if let wanted { return .badParameter(key.name, wanted) }
            if value.count > 65_535 { return .dataTooLong(value.count) }
        }
        return nil
    }

    private func mandatoryProblem(_ value: [UInt8]) -> String? {
        guard !value.isEmpty, value.count % 2 == 0 else { return "names parameters" }
        let keys = stride(from: 0, to: value.count, by: 2).map {
            Key(rawValue: UInt16(value[$0]) << 8 | UInt16(value[$0 + 1]))
        }
        guard zip(keys, keys.dropFirst()).allSatisfy({ $0 < $1 }) else {
            return "names each parameter once, in the order of their numbers"
        }
        for key in keys {
            guard key != .mandatory else { return "doesn't name itself" }
            guard self[key] != nil else { return "names \(key.name), which isn't there" }
        }
        return nil
    }

    /// One string at least, none of them empty.
    private static func isListOfStrings(_ value: [UInt8]) -> Bool {
        var rest = value[...]
        while let count = rest.popFirst() {
            guard count > 0, rest.count >= Int(count) else { return false }
            rest = rest.dropFirst(Int(count))
        }
        return !value.isEmpty
    }
}

// MARK: Text

extension ServiceParameters: CustomStringConvertible {
    package var description: String {
        self.values.map { key, value in
            Self.text(of: key, value).map { "\(key.name)=\($0)" } ?? key.name
        }.joined(separator: " ")
    }

    private static func text(of key: Key, _ value: [UInt8]) -> String? {
        func chunks(_ size: Int) -> [[UInt8]] {
            stride(from: 0, to: value.count, by: size).map { Array(value[$0..<$0 + size]) }
        }
        switch key {
        case .noDefaultALPN: return nil
        case .mandatory:
            return chunks(2).map { Key(rawValue: UInt16($0[0]) << 8 | UInt16($0[1])).name }
                .joined(separator: ",")
        case .port: return String(UInt16(value[0]) << 8 | UInt16(value[1]))
        case .ipv4Hint, .ipv6Hint:
            return chunks(key == .ipv4Hint ? 4 : 16)
                .compactMap { IPAddress(bytes: $0)?.description }.joined(separator: ",")
        case .ech: return ByteText.base64(value)
        case .alpn:
            var items: [[UInt8]] = []
            var rest = value[...]
            while let count = rest.popFirst() {
                // A comma within an item, and a backslash, have one more before them.
                items.append(
                    rest.prefix(Int(count)).flatMap {
                        $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\\") ? [0x5c, $0] : [$0]
                    })
                rest = rest.dropFirst(Int(count))
            }
            return self.word(Array(items.joined(separator: [UInt8(ascii: ",")])))
        default: return value.isEmpty ? nil : self.word(value)
        }
    }

    /// Bare where nothing in it needs quotes.
    private static func word(_ bytes: [UInt8]) -> String {
        let isPlain = bytes.allSatisfy {
            (0x21...0x7e).contains($0) && !Array("\"();\\".utf8).contains($0)
        }
        return isPlain ? String(decoding: bytes, as: UTF8.self) : ByteText.quoted(bytes)
    }

    /// The value that a text stands for, its quotes and escapes gone; nil where it is none.
    static func value(of key: Key, _ text: [UInt8]) -> [UInt8]? {
        func addresses(_ family: AddressFamily) -> [UInt8]? {
            var bytes: [UInt8] = []
            for item in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
                guard
                    let address = try? IPAddress(parsing: String(decoding: item, as: UTF8.self)),
                    address.family == family
                else { return nil }
                bytes += address.bytes
            }
            return bytes
        }
        switch key {
        case .mandatory:
            var keys: [Key] = []
            for item in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
                guard let key = Key(parsing: item), !keys.contains(key) else { return nil }
                keys.append(key)
            }
            return keys.sorted().flatMap { bigEndian($0.rawValue) }
        case .alpn: return self.protocols(text)
        case .port: return ByteText.number(text, maximum: 65_535).map { bigEndian(UInt16($0)) }
        case .ipv4Hint: return addresses(.ipv4)
        case .ipv6Hint: return addresses(.ipv6)
        case .ech: return ByteText.bytes(base64: text)
        default: return text
        }
    }

    /// RFC 9460 appendix A.1: items with commas between them, `\,` and `\\` within them.
    private static func protocols(_ text: [UInt8]) -> [UInt8]? {
        var items: [[UInt8]] = [[]]
        var rest = text[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: ","): items.append([])
            case UInt8(ascii: "\\"):
                guard let next = rest.popFirst() else { return nil }
                items[items.count - 1].append(next)
            default: items[items.count - 1].append(byte)
            }
        }
        guard items.allSatisfy({ (1...255).contains($0.count) }) else { return nil }
        return items.flatMap { [UInt8($0.count)] + $0 }
    }
}
