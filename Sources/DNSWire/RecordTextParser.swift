// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension RecordData {
    /// Reads a type's data as master files have them (RFC 1035 §5.1), or as `\#` and bytes
    /// (RFC 3597 §5), which every type may be written as.
    ///
    /// - Parameters:
    ///   - text: What stands behind the type; it may have comments, and lines in parentheses.
    ///   - type: The type.
    ///   - origin: What names without a last dot lie below, and `@` stands for; without one, all
    ///     names are absolute.
    /// - Throws: ``RecordTextError``.
    public init(
        parsing text: some StringProtocol, type: RecordType, relativeTo origin: DomainName? = nil
    ) throws(RecordTextError) {
        var lexer = MasterLexer(Array(text.utf8))
        var tokens: [MasterToken] = []
        do throws(MasterLexerError) {
            _ = try lexer.readEntry(into: &tokens)
        } catch {
            // One line, so that columns are offsets.
            throw RecordTextError(error.reason, offset: error.column - 1)
        }
        var parser = RecordTextParser(lexer.bytes, tokens, from: 0, origin: origin)
        self = try parser.parse(type)
        guard lexer.isAtEnd else {
            throw RecordTextError(.expected("one record alone"), offset: lexer.position)
        }
    }
}

/// Reads a record's data from the words of an entry.
struct RecordTextParser {
    private let bytes: [UInt8]
    private let tokens: [MasterToken]
    private let origin: DomainName?
    /// The next word.
    private var next: Int

    init(_ bytes: [UInt8], _ tokens: [MasterToken], from next: Int, origin: DomainName?) {
        self.bytes = bytes
        self.tokens = tokens
        self.next = next
        self.origin = origin
    }

    /// Reads all words that are left.
    mutating func parse(_ type: RecordType) throws(RecordTextError) -> RecordData {
        if let token = self.tokens[self.next...].first, !token.isQuoted,
            self.bytes[token.range] == Array("\\#".utf8)[...]
        {
            return try self.parseUnknown(type)
        }
        guard let parts = RecordLayout.parts(of: type) else {
            guard let token = self.tokens[self.next...].first else {
                throw self.missing("\\# and bytes")
            }
            throw self.error(.needsUnknownForm(type), token)
        }
        let start = self.next
        var fields: [RecordData.Field] = []
        var pending: [UInt8] = []
        for part in parts {
            switch part.kind {
            case .name, .compressibleName:
                let name = try self.name("\(type)'s \(part.name)")
                if !pending.isEmpty { fields.append(.bytes(pending)) }
                pending = []
                fields.append(part.kind == .name ? .name(name) : .compressibleName(name))
            case .gateway(let kindAt):
                pending += try self.gateway("\(type)'s \(part.name)", kind: pending[kindAt])
            default: pending += try self.bytes(of: part, type)
            }
        }
        if !pending.isEmpty || fields.isEmpty { fields.append(.bytes(pending)) }
        if self.next < self.tokens.count {
            throw self.error(.surplus(type), self.tokens[self.next])
        }
        let data = RecordData(type: type, fields: fields)
        try self.check(data, from: start)
        return data
    }

    private func check(_ data: RecordData, from start: Int) throws(RecordTextError) {
        let offset = self.tokens[start...].first?.range.lowerBound ?? self.end
        guard data.byteCount <= 65_535 else {
            throw RecordTextError(.dataTooLong(data.byteCount), offset: offset)
        }
        if let digest = data.expectedDigest, digest.found != digest.wanted {
            let place = self.tokens.last?.range.lowerBound ?? offset
            throw RecordTextError(
                .wrongDigestLength(found: digest.found, wanted: digest.wanted), offset: place)
        }
    }

    /// RFC 3597 §5: `\# 4 c0 000201`.
    private mutating func parseUnknown(_ type: RecordType) throws(RecordTextError) -> RecordData {
        let mark = self.tokens[self.next]
        self.next += 1
        let count = try self.number("the number of bytes", maximum: 65_535)
        var digits: [UInt8] = []
        while self.next < self.tokens.count {
            let token = try self.take("bytes in hexadecimal")
            let text = self.bytes[token.range]
            guard !token.isQuoted, text.allSatisfy({ ByteText.value(ofHexadecimal: $0) != nil })
            else { throw self.error(.expected("bytes in hexadecimal"), token) }
            digits += text
        }
        guard let bytes = ByteText.bytes(hexadecimal: digits), bytes.count == count else {
            throw RecordTextError(
                .wrongByteCount(found: digits.count / 2, wanted: count),
                offset: mark.range.lowerBound)
        }
        guard let data = RecordData(type: type, wire: bytes) else {
            throw RecordTextError(.badBytes(type), offset: mark.range.lowerBound)
        }
        return data
    }

    // MARK: Parts

    private mutating func bytes(
        of part: RecordPart, _ type: RecordType
    ) throws(RecordTextError) -> [UInt8] {
        let what = "\(type)'s \(part.name)"
        switch part.kind {
        case .number(let size):
            let value = try self.number(
                what, maximum: 1 << (8 * size) - 1, words: part.words)
            return Array(bigEndian(UInt64(value)).suffix(size))
        case .seconds:
            let token = try self.take(what)
            guard !token.isQuoted, let value = ByteText.seconds(self.bytes[token.range]) else {
                throw self.error(.expected("\(what) in seconds, or as 1h30m"), token)
            }
            return bigEndian(value)
        case .ipv4, .ipv6:
            return try self.address(what, part.kind == .ipv4 ? .ipv4 : .ipv6).bytes
        case .name, .compressibleName: return try self.name(what).wire
        case .string: return try self.string(self.take(what))
        case .tag:
            let token = try self.take(what)
            guard !token.isQuoted, RecordData.isTag(self.bytes[token.range]) else {
                throw self.error(.expected("\(what) of letters and digits"), token)
            }
            return try self.string(token)
        case .strings:
            var strings = try self.string(self.take(what))
            while self.next < self.tokens.count { strings += try self.string(self.take(what)) }
            return strings
        case .text(let isEmptyAllowed):
            let token = try self.take(what)
            let text = try self.unescaped(token)
            guard isEmptyAllowed || !text.isEmpty else {
                throw self.error(.expected("\(what), which isn't empty"), token)
            }
            return text
        case .hexadecimal:
            return try self.pieces("\(what) in hexadecimal") { ByteText.bytes(hexadecimal: $0) }
        case .base64: return try self.pieces("\(what) in base64") { ByteText.bytes(base64: $0) }
        case .optionalBase64:
            guard self.next < self.tokens.count else { return [] }
            return try self.pieces("\(what) in base64") { ByteText.bytes(base64: $0) }
        // Read where what stands before is known.
        case .gateway: return []
        case .groups(let count, let size, let separator):
            return try self.groups(what, count: count, size: size, separator: separator)
        case .types: return try self.types()
        case .serviceParameters: return try self.serviceParameters()
        case .location: return try self.location()
        case .prefixes:
            var bytes: [UInt8] = []
            while self.next < self.tokens.count {
                let token = try self.take(what)
                guard !token.isQuoted, let prefix = PrefixList.wire(self.bytes[token.range]) else {
                    throw self.error(.expected("\(what), as 1:192.0.2.0/24"), token)
                }
                bytes += prefix
            }
            return bytes
        case .type: return bigEndian(try self.type(what).rawValue)
        case .ports: return try self.ports(type)
        case .dottedHexadecimal: return try self.dottedHexadecimal(what)
        case .hostIdentity: return try self.hostIdentity(type)
        case .relay: return try self.relay(type)
        }
    }

    mutating func number(
        _ what: String, maximum: Int, words: [String: Int] = [:]
    ) throws(RecordTextError) -> Int {
        let token = try self.take(what)
        let text = self.bytes[token.range]
        if !token.isQuoted {
            if let value = ByteText.number(text, maximum: maximum) { return value }
            if !words.isEmpty,
                let value = words[String(decoding: text, as: UTF8.self).uppercased()]
            {
                return value
            }
        }
        throw self.error(.expected("\(what), a number from 0 to \(maximum)"), token)
    }

    mutating func name(_ what: String) throws(RecordTextError) -> DomainName {
        let token = try self.take(what)
        guard !token.isQuoted else {
            throw self.error(.expected("a domain name without quotes"), token)
        }
        do throws(NameError) {
            return try DomainName(parsing: self.bytes[token.range], relativeTo: self.origin)
        } catch {
            throw self.error(.badName(error), token)
        }
    }

    private mutating func address(
        _ what: String, _ family: AddressFamily
    ) throws(RecordTextError) -> IPAddress {
        let token = try self.take(what)
        let text = String(decoding: self.bytes[token.range], as: UTF8.self)
        guard !token.isQuoted, text.contains(":") == (family == .ipv6) else {
            throw self.error(.expected("an \(family) address"), token)
        }
        do throws(AddressSyntaxError) {
            return try IPAddress(parsing: text)
        } catch {
            throw self.error(.badAddress(error.reason), token)
        }
    }

    /// A dot, an address or a name, by the kind that the record says (RFC 4025 §2.3).
    mutating func gateway(
        _ what: String, kind: UInt8
    ) throws(RecordTextError) -> [UInt8] {
        switch kind {
        case 0:
            let token = try self.take(what)
            guard !token.isQuoted, self.bytes[token.range] == Array(".".utf8)[...] else {
                throw self.error(.expected("a dot for no gateway"), token)
            }
            return []
        case 1, 2: return try self.address(what, kind == 1 ? .ipv4 : .ipv6).bytes
        case 3: return try self.name(what).wire
        default:
            let token = self.tokens[self.next - 2]
            throw self.error(.expected("a gateway type from 0 to 3"), token)
        }
    }

    /// The words that are left, joined.
    private mutating func pieces(
        _ what: String, _ decode: ([UInt8]) -> [UInt8]?
    ) throws(RecordTextError) -> [UInt8] {
        let first = try self.take(what)
        var text = Array(self.bytes[first.range])
        while self.next < self.tokens.count { text += self.bytes[try self.take(what).range] }
        guard let bytes = decode(text), !bytes.isEmpty else {
            throw self.error(.expected(what), first)
        }
        return bytes
    }

    private mutating func groups(
        _ what: String, count: Int, size: Int, separator: UInt8
    ) throws(RecordTextError) -> [UInt8] {
        let token = try self.take(what)
        let groups = self.bytes[token.range].split(
            separator: separator, omittingEmptySubsequences: false)
        var bytes: [UInt8] = []
        for group in groups {
            // Leading zeros may be left out where a group has several bytes.
            let isWhole = size == 1 ? group.count == 2 : (1...2 * size).contains(group.count)
            let zeros = [UInt8](repeating: 0x30, count: max(0, 2 * size - group.count))
            guard isWhole, let value = ByteText.bytes(hexadecimal: zeros + group) else { break }
            bytes += value
        }
        guard !token.isQuoted, groups.count == count, bytes.count == count * size else {
            let digits = String(repeating: "f", count: 2 * size)
            let form = String(Character(UnicodeScalar(separator)))
            throw self.error(
                .expected(
                    "\(what), as "
                        + Array(repeating: digits, count: count).joined(separator: form)),
                token)
        }
        return bytes
    }

    private mutating func types() throws(RecordTextError) -> [UInt8] {
        var types: [RecordType] = []
        while self.next < self.tokens.count {
            types.append(try self.type("a type"))
        }
        return TypeBitmap.wire(types)
    }

    private mutating func type(_ what: String) throws(RecordTextError) -> RecordType {
        let token = try self.take(what)
        guard
            let type = RecordType(
                parsing: String(decoding: self.bytes[token.range], as: UTF8.self))
        else { throw self.error(.expected(what), token) }
        return type
    }

    private mutating func serviceParameters() throws(RecordTextError) -> [UInt8] {
        var parameters = ServiceParameters()
        let start = self.next
        while self.next < self.tokens.count {
            let token = try self.take("a parameter")
            let text = self.bytes[token.range]
            let sign = text.firstIndex(of: UInt8(ascii: "=")) ?? text.endIndex
            guard !token.isQuoted,
                let key = ServiceParameters.Key(parsing: text[..<sign])
            else { throw self.error(.unknownParameter, token) }
            var value = token
            value.range = min(sign + 1, text.endIndex)..<text.endIndex
            if value.range.count >= 2, self.bytes[value.range.lowerBound] == UInt8(ascii: "\"") {
                value.range = value.range.lowerBound + 1..<value.range.upperBound - 1
            }
            let raw = try self.unescaped(value)
            // With a number for a name the value is as on the wire.
            let isNumbered = text.starts(with: Array("key".utf8))
            guard let bytes = isNumbered ? raw : ServiceParameters.value(of: key, raw) else {
                throw self.error(.expected("a value of \(key.name)"), value)
            }
            guard parameters.insert(key, bytes) else {
                throw self.error(.repeatedParameter(key.name), token)
            }
        }
        if let problem = parameters.problem {
            throw self.error(problem, self.tokens[min(start, self.tokens.count - 1)])
        }
        return parameters.wire
    }

    private mutating func location() throws(RecordTextError) -> [UInt8] {
        var words = self.tokens[self.next...].map { self.bytes[$0.range] }[...]
        let result = Location.read(&words)
        self.next = self.tokens.count - words.count
        switch result {
        case .success(let location): return location.wire
        case .failure(let wanted):
            guard self.next < self.tokens.count else { throw self.missing(wanted.text) }
            throw self.error(.expected(wanted.text), self.tokens[self.next])
        }
    }

    // MARK: Words

    private var end: Int { self.tokens.last?.range.upperBound ?? 0 }

    /// Whether words are left.
    var hasMore: Bool { self.next < self.tokens.count }

    /// What a word is.
    func text(of token: MasterToken) -> ArraySlice<UInt8> { self.bytes[token.range] }

    mutating func take(_ what: String) throws(RecordTextError) -> MasterToken {
        guard self.next < self.tokens.count else { throw self.missing(what) }
        defer { self.next += 1 }
        return self.tokens[self.next]
    }

    private func missing(_ what: String) -> RecordTextError {
        RecordTextError(.missing(what), offset: self.end)
    }

    func error(_ reason: RecordTextError.Reason, _ token: MasterToken) -> RecordTextError {
        RecordTextError(
            reason, offset: token.range.lowerBound, found: ByteText.shown(self.bytes[token.range]))
    }

    /// A string with its length.
    private func string(_ token: MasterToken) throws(RecordTextError) -> [UInt8] {
        let text = try self.unescaped(token)
        guard text.count <= 255 else { throw self.error(.stringTooLong(text.count), token) }
        return [UInt8(text.count)] + text
    }

    /// The bytes that a word or a quoted text stands for.
    private func unescaped(_ token: MasterToken) throws(RecordTextError) -> [UInt8] {
        let text = self.bytes[token.range]
        guard text.contains(UInt8(ascii: "\\")) else { return Array(text) }
        var bytes: [UInt8] = []
        var position = text.startIndex
        while position < text.endIndex {
            guard text[position] == UInt8(ascii: "\\") else {
                bytes.append(text[position])
                position += 1
                continue
            }
            guard let byte = ByteText.unescape(text, at: &position) else {
                throw RecordTextError(.badEscape, offset: position)
            }
            bytes.append(byte)
        }
        return bytes
    }
}
