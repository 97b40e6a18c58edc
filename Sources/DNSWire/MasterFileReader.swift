// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Reads a master file entry by entry, and goes on after a mistake.
struct MasterFileReader {
    private let limits: MasterFile.Limits
    private let read: (String) throws -> [UInt8]

    private var result = MasterFile()
    private var error = MasterFileError()
    /// Paths of the files that are being read, each included by the one before.
    private var open: [String] = []
    private var byteCount = 0

    private var origin: DomainName
    /// Of `$TTL`, or of the configuration.
    private var defaultTimeToLive: UInt32?
    private var lastTimeToLive: UInt32?

    init(
        origin: DomainName, timeToLive: UInt32?, limits: MasterFile.Limits,
        read: @escaping (String) throws -> [UInt8]
    ) {
        self.origin = origin
        self.defaultTimeToLive = timeToLive
        self.limits = limits
        self.read = read
    }

    mutating func read(_ path: String) throws(MasterFileError) -> MasterFile {
        self.readFile(path, includedAt: nil)
        guard self.error.count == 0 else { throw self.error }
        return self.result
    }

    // MARK: Files

    private mutating func readFile(_ path: String, includedAt place: MasterFile.Place?) {
        func complain(_ reason: MasterFileProblem.Reason) {
            if let place {
                self.complain(place, reason)
            } else {
                self.error.add(
                    MasterFileProblem(file: path, line: 0, column: 0, reason: reason))
            }
        }
        if self.open.contains(path) { return complain(.includesItself(path: path)) }
        guard self.open.count < self.limits.depth else {
            return complain(.tooDeep(self.limits.depth))
        }
        guard self.result.files.count < self.limits.files else {
            return complain(.tooManyFiles(self.limits.files))
        }
        let bytes: [UInt8]
        do {
            bytes = try self.read(path)
        } catch {
            let why = "\(error)"
            return complain(
                place == nil ? .unreadable(why: why) : .cannotInclude(path: path, why: why))
        }
        self.byteCount += bytes.count
        guard self.byteCount <= self.limits.bytes else {
            return complain(.tooManyBytes(self.limits.bytes))
        }
        self.result.files.append(path)
        self.open.append(path)
        self.readEntries(bytes, file: self.result.files.count - 1)
        self.open.removeLast()
    }

    private mutating func readEntries(_ bytes: [UInt8], file: Int) {
        var lexer = MasterLexer(bytes)
        var owner: DomainName?
        var tokens: [MasterToken] = []
        while !lexer.isAtEnd {
            let startsBlank: Bool
            do throws(MasterLexerError) {
                startsBlank = try lexer.readEntry(into: &tokens)
            } catch {
                self.complain(
                    MasterFile.Place(file: file, line: error.line, column: error.column),
                    .data(error.reason, found: nil))
                continue
            }
            guard let first = tokens.first else { continue }
            if !startsBlank, !first.isQuoted, bytes[first.range].first == UInt8(ascii: "$") {
                self.obey(bytes, tokens, file: file)
            } else {
                self.readRecord(bytes, tokens, startsBlank: startsBlank, file: file, owner: &owner)
            }
        }
    }

    private mutating func complain(
        _ place: MasterFile.Place, _ reason: MasterFileProblem.Reason
    ) {
        self.error.add(
            MasterFileProblem(
                file: self.result.files[place.file], line: place.line, column: place.column,
                reason: reason))
    }

    // MARK: Directives

    private mutating func obey(_ bytes: [UInt8], _ tokens: [MasterToken], file: Int) {
        let place = Self.place(tokens[0], file)
        let word = Self.text(bytes, tokens[0])
        let arguments = tokens.dropFirst()
        switch word.uppercased() {
        case "$ORIGIN":
            guard arguments.count == 1, let name = self.name(bytes, arguments.first) else {
                return self.complain(place, .badDirective(word, wanted: "one domain name"))
            }
            self.origin = name
        case "$TTL":
            guard arguments.count == 1, let token = arguments.first, !token.isQuoted,
                let seconds = ByteText.seconds(bytes[token.range]), seconds <= 0x7fff_ffff
            else {
                return self.complain(
                    place,
                    .badDirective(
                        word, wanted: "one TTL, at most 2147483647 seconds, or as 1h30m,"))
            }
            self.defaultTimeToLive = seconds
        case "$INCLUDE": self.include(bytes, arguments, word, place)
        case "$GENERATE": self.complain(place, .generate)
        default: self.complain(place, .unknownDirective(word))
        }
    }

    /// The file's origin is its own; what it says of TTLs holds on behind it.
    private mutating func include(
        _ bytes: [UInt8], _ arguments: ArraySlice<MasterToken>, _ word: String,
        _ place: MasterFile.Place
    ) {
        let before = self.origin
        guard (1...2).contains(arguments.count), let token = arguments.first,
            let path = Self.path(bytes, token)
        else {
            return self.complain(
                place, .badDirective(word, wanted: "a file's path, and perhaps an origin,"))
        }
        if arguments.count == 2 {
            guard let name = self.name(bytes, arguments.last) else {
                return self.complain(
                    place, .badDirective(word, wanted: "a file's path, and perhaps an origin,"))
            }
            self.origin = name
        }
        let folder = self.open.last.flatMap { file in
            file.lastIndex(of: "/").map { String(file[...$0]) }
        }
        self.readFile(
            path.hasPrefix("/") ? path : (folder ?? "") + path, includedAt: place)
        self.origin = before
    }

    /// A path may have blanks, quoted or escaped.
    private static func path(_ bytes: [UInt8], _ token: MasterToken) -> String? {
        var path: [UInt8] = []
        let text = bytes[token.range]
        var position = text.startIndex
        while position < text.endIndex {
            if text[position] == UInt8(ascii: "\\") {
                guard let byte = ByteText.unescape(text, at: &position) else { return nil }
                path.append(byte)
            } else {
                path.append(text[position])
                position += 1
            }
        }
        guard !path.isEmpty, !path.contains(0) else { return nil }
        return String(validating: path, as: UTF8.self)
    }

    // MARK: Records

    private mutating func readRecord(
        _ bytes: [UInt8], _ tokens: [MasterToken], startsBlank: Bool, file: Int,
        owner: inout DomainName?
    ) {
        let place = Self.place(tokens[0], file)
        var next = 0
        if startsBlank {
            guard owner != nil else { return self.complain(place, .noOwner) }
        } else {
            next = 1
            do throws(NameError) {
                guard !tokens[0].isQuoted else { throw .empty }
                owner = try DomainName(parsing: bytes[tokens[0].range], relativeTo: self.origin)
            } catch {
                return self.complain(
                    place,
                    .badName(error, found: ByteText.shown(bytes[tokens[0].range])))
            }
        }
        guard let owner, let head = self.readHead(bytes, tokens, &next, file: file) else { return }
        guard !head.type.isForMessagesOnly, !head.type.isProof else {
            return self.complain(
                head.place,
                head.type.isProof ? .proof(head.type) : .messageType(head.type))
        }
        var parser = RecordTextParser(bytes, tokens, from: next, origin: self.origin)
        let data: RecordData
        do throws(RecordTextError) {
            data = try parser.parse(head.type)
        } catch {
            return self.complain(
                Self.place(of: error.offset, bytes, tokens, file),
                .data(error.reason, found: error.found))
        }
        // RFC 2308 §4; the first record is the SOA, which has a TTL in itself.
        let last = self.lastTimeToLive ?? data.startOfAuthority?.minimum
        guard let timeToLive = head.timeToLive ?? self.defaultTimeToLive ?? last else {
            return self.complain(place, .noTimeToLive)
        }
        self.lastTimeToLive = timeToLive
        self.result.entries.append(
            MasterFile.Entry(
                record: ResourceRecord(owner, timeToLive: timeToLive, data), place: place))
    }

    private struct Head {
        var timeToLive: UInt32?
        var type: RecordType
        var place: MasterFile.Place
    }

    /// Reads TTL and class, which may stand in either order or not at all, and the type.
    private mutating func readHead(
        _ bytes: [UInt8], _ tokens: [MasterToken], _ next: inout Int, file: Int
    ) -> Head? {
        var timeToLive: UInt32?
        var hasClass = false
        while next < tokens.count {
            let token = tokens[next]
            let place = Self.place(token, file)
            let word = Self.text(bytes, token)
            next += 1
            if !token.isQuoted, let seconds = Self.timeToLive(bytes[token.range]) {
                guard timeToLive == nil else {
                    self.complain(place, .repeatedTimeToLive)
                    return nil
                }
                guard let seconds, seconds <= 0x7fff_ffff else {
                    self.complain(place, .timeToLiveTooLarge(word))
                    return nil
                }
                timeToLive = seconds
            } else if !token.isQuoted, !hasClass, let found = RecordClass(parsing: word),
                found != .any
            {
                guard found == .internet else {
                    self.complain(place, .otherClass(word))
                    return nil
                }
                hasClass = true
            } else {
                guard !token.isQuoted, let type = RecordType(parsing: word) else {
                    self.complain(place, .unknownType(word))
                    return nil
                }
                return Head(timeToLive: timeToLive, type: type, place: place)
            }
        }
        self.complain(Self.place(tokens[tokens.count - 1], file), .noType)
        return nil
    }

    /// Nil where it is no TTL; nil within where it is one of more than 32 bits.
    private static func timeToLive(_ word: ArraySlice<UInt8>) -> UInt32?? {
        guard let first = word.first, (0x30...0x39).contains(first) else { return nil }
        if let seconds = ByteText.seconds(word) { return .some(seconds) }
        return word.allSatisfy { (0x30...0x39).contains($0) } ? .some(nil) : nil
    }

    // MARK: Words

    private func name(_ bytes: [UInt8], _ token: MasterToken?) -> DomainName? {
        guard let token, !token.isQuoted else { return nil }
        return try? DomainName(parsing: bytes[token.range], relativeTo: self.origin)
    }

    private static func text(_ bytes: [UInt8], _ token: MasterToken) -> String {
        ByteText.shown(bytes[token.range])
    }

    private static func place(_ token: MasterToken, _ file: Int) -> MasterFile.Place {
        MasterFile.Place(file: file, line: token.line, column: token.column)
    }

    /// Where a byte of one of the words stands, or the end of the last word.
    private static func place(
        of offset: Int, _ bytes: [UInt8], _ tokens: [MasterToken], _ file: Int
    ) -> MasterFile.Place {
        let token =
            tokens.last { $0.range.lowerBound <= offset } ?? tokens[tokens.count - 1]
        let inside = max(0, offset - token.range.lowerBound)
        return MasterFile.Place(
            file: file, line: token.line,
            column: token.column + inside + (token.isQuoted && inside > 0 ? 1 : 0))
    }
}
