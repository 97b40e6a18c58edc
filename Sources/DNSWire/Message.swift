// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Why bytes are not a DNS message.
public enum MessageError: Error, Hashable, Sendable {
    case truncated(need: Int, have: Int)
    case badName(NameError)
    /// A record's data doesn't fill its length, or runs over it.
    case badData(RecordType, offset: Int)
    case trailingBytes(offset: Int)
}

/// A whole message as values: for tools and tests, where a server reads ``QueryMessage``.
public struct Message: Hashable, Sendable {
    public struct Question: Hashable, Sendable {
        public var name: DomainName
        public var type: RecordType
        public var recordClass: RecordClass

        public init(
            _ name: DomainName, _ type: RecordType, _ recordClass: RecordClass = .internet
        ) {
            self.name = name
            self.type = type
            self.recordClass = recordClass
        }
    }

    public var identifier: UInt16
    public var flags: MessageHeader.Flags
    public var questions: [Question]
    public var answers: [ResourceRecord]
    public var authority: [ResourceRecord]
    public var additional: [ResourceRecord]

    public init(
        identifier: UInt16, flags: MessageHeader.Flags = .init(rawValue: 0),
        questions: [Question] = [], answers: [ResourceRecord] = [],
        authority: [ResourceRecord] = [], additional: [ResourceRecord] = []
    ) {
        self.identifier = identifier
        self.flags = flags
        self.questions = questions
        self.answers = answers
        self.authority = authority
        self.additional = additional
    }

    /// Reads a whole message; bytes behind it are an error.
    public init(reading bytes: RawSpan) throws(MessageError) {
        guard let header = MessageHeader(reading: bytes) else {
            throw .truncated(need: MessageHeader.byteCount, have: bytes.byteCount)
        }
        var position = MessageHeader.byteCount
        // What the counts promise is not reserved: they come from outside.
        var questions: [Question] = []
        for _ in 0..<header.questionCount {
            let name = try bytes.readName(at: &position)
            guard position + 4 <= bytes.byteCount else {
                throw .truncated(need: position + 4, have: bytes.byteCount)
            }
            questions.append(
                Question(
                    name, RecordType(rawValue: bytes.bigEndian16(at: position)),
                    RecordClass(rawValue: bytes.bigEndian16(at: position + 2))))
            position += 4
        }
        self.init(
            identifier: header.identifier, flags: header.flags, questions: questions,
            answers: try bytes.readRecords(header.answerCount, at: &position),
            authority: try bytes.readRecords(header.authorityCount, at: &position),
            additional: try bytes.readRecords(header.additionalCount, at: &position))
        guard position == bytes.byteCount else { throw .trailingBytes(offset: position) }
    }

    /// The response code, EDNS's upper bits included (RFC 6891 §6.1.3).
    public var code: ResponseCode {
        let high = self.edns.map { UInt16($0.timeToLive >> 24) } ?? 0
        return ResponseCode(rawValue: high << 4 | self.flags.code.rawValue)
    }

    /// The OPT record.
    public var edns: ResourceRecord? { self.additional.first { $0.data.type == .opt } }

    /// The data of an EDNS option.
    public func option(_ code: OptionCode) -> [UInt8]? {
        guard case .bytes(let bytes)? = self.edns?.data.fields.first else { return nil }
        var rest = bytes[...]
        while rest.count >= 4 {
            let found = UInt16(rest[rest.startIndex]) << 8 | UInt16(rest[rest.startIndex + 1])
            let length = Int(rest[rest.startIndex + 2]) << 8 | Int(rest[rest.startIndex + 3])
            rest = rest.dropFirst(4)
            guard rest.count >= length else { return nil }
            if found == code.rawValue { return Array(rest.prefix(length)) }
            rest = rest.dropFirst(length)
        }
        return nil
    }
}

extension RawSpan {
    fileprivate func readName(at position: inout Int) throws(MessageError) -> DomainName {
        do {
            return try DomainName(reading: self, at: &position)
        } catch {
            throw .badName(error)
        }
    }

    fileprivate func readRecords(
        _ count: UInt16, at position: inout Int
    ) throws(MessageError) -> [ResourceRecord] {
        var records: [ResourceRecord] = []
        for _ in 0..<count {
            let owner = try self.readName(at: &position)
            guard position + 10 <= self.byteCount else {
                throw .truncated(need: position + 10, have: self.byteCount)
            }
            let type = RecordType(rawValue: self.bigEndian16(at: position))
            let recordClass = RecordClass(rawValue: self.bigEndian16(at: position + 2))
            let timeToLive = self.bigEndian32(at: position + 4)
            let start = position + 10
            let end = start + Int(self.bigEndian16(at: position + 8))
            guard end <= self.byteCount else {
                throw .truncated(need: end, have: self.byteCount)
            }
            guard let data = RecordData(type: type, reading: self, in: start..<end) else {
                throw .badData(type, offset: start)
            }
            records.append(
                ResourceRecord(owner, timeToLive: timeToLive, data, recordClass: recordClass))
            position = end
        }
        return records
    }
}
