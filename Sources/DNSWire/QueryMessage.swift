// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A message that arrived at a server, read as far as a server must: header, question, EDNS.
///
/// A trivial value: it holds lengths and numbers, and the bytes stay where they are. Reading
/// allocates nothing and stops at the first fault, which becomes ``problem``.
public struct QueryMessage: Sendable {
    public var header: MessageHeader
    /// The code to answer with at once, instead of looking for an answer.
    public var problem: ResponseCode?
    /// Bytes of the message that an answer repeats: the header alone, or with the question.
    public var echoedByteCount: Int
    /// Bytes of the question's name, which starts at byte 12. Zero where no question was read.
    public var nameByteCount: Int
    /// Labels of the question's name, the root's not counted.
    public var labelCount: Int
    public var type: RecordType
    public var recordClass: RecordClass
    /// Nil where there is no OPT record; then an answer has none either.
    public var edns: EDNSRequest?
    /// A TSIG record, by a key that we can't have: there are none.
    public var signature: QuerySignature?

    /// Reads `bytes`. Nil for what is never answered: fewer bytes than a header, and answers.
    ///
    /// Other opcodes than QUERY give NOTIMP, whatever follows the header, of which nothing but an OPT
    /// record is looked for: their sections mean other things. A fault in the OPT record is answered with one (RFC 6891 §7), so `edns` is set
    /// as soon as the record has been seen. A message without a question is good where it asks for
    /// a cookie (RFC 7873 §5.4). Without `readsSubnet` a Client Subnet is passed over, as an unknown
    /// option is.
    public init?(reading bytes: RawSpan, readsSubnet: Bool = true) {
        guard let header = MessageHeader(reading: bytes),
            !header.flags.contains(MessageHeader.Flags.response)
        else { return nil }
        self.header = header
        self.echoedByteCount = MessageHeader.byteCount
        self.nameByteCount = 0
        self.labelCount = 0
        self.type = RecordType(rawValue: 0)
        self.recordClass = RecordClass(rawValue: 0)
        guard header.flags.opcode == .query else {
            self.problem = .notImplemented
            self.findOPT(bytes)
            return
        }
        let asksNothing = header.questionCount == 0
        if !(asksNothing || self.readQuestion(bytes))
            || !self.readRecords(bytes, readsSubnet: readsSubnet)
            || asksNothing && self.edns?.cookie == nil
        {
            self.problem = .formatError
        }
        if let edns = self.edns, edns.version != 0 { self.problem = .badVersion }
        if self.problem == nil, self.signature != nil { self.problem = .notAuthorized }
    }

    /// Notes the OPT record of a message that isn't read otherwise, as far as there is one: its
    /// answer has one too (RFC 6891 §6.1.1).
    private mutating func findOPT(_ bytes: RawSpan) {
        var position = MessageHeader.byteCount
        for _ in 0..<self.header.questionCount {
            guard let end = try? bytes.skipName(at: position), end + 4 <= bytes.byteCount else {
                return
            }
            position = end + 4
        }
        var left =
            Int(self.header.answerCount) + Int(self.header.authorityCount)
            + Int(self.header.additionalCount)
        while left > 0, let nameEnd = try? bytes.skipName(at: position),
            nameEnd + 10 <= bytes.byteCount
        {
            let end = nameEnd + 10 + Int(bytes.bigEndian16(at: nameEnd + 8))
            guard end <= bytes.byteCount else { return }
            if left <= Int(self.header.additionalCount), nameEnd == position + 1,
                bytes.bigEndian16(at: nameEnd) == RecordType.opt.rawValue
            {
                self.edns = EDNSRequest(record: bytes, at: nameEnd)
                return
            }
            left -= 1
            position = end
        }
    }

    private mutating func readQuestion(_ bytes: RawSpan) -> Bool {
        guard self.header.questionCount == 1 else { return false }
        // The first name of a message can't be compressed: there is nothing to point to.
        var position = MessageHeader.byteCount
        var labels = 0
        while true {
            guard position < bytes.byteCount else { return false }
            let length = Int(bytes.byte(at: position))
            position += 1 + length
            if length == 0 { break }
            guard length <= DomainName.maximumLabelByteCount else { return false }
            labels += 1
        }
        let count = position - MessageHeader.byteCount
        guard count <= DomainName.maximumByteCount, position + 4 <= bytes.byteCount else {
            return false
        }
        self.nameByteCount = count
        self.labelCount = labels
        self.type = RecordType(rawValue: bytes.bigEndian16(at: position))
        self.recordClass = RecordClass(rawValue: bytes.bigEndian16(at: position + 2))
        self.echoedByteCount = position + 4
        return self.type != .opt
    }

    /// Goes over the records behind the question. A query has none in its answer section, in its
    /// authority section only for IXFR (RFC 1995 §3), and one OPT record at most. A signature is not
    /// checked, but it stands last and is whole (RFC 8945 §5.1, §5.2).
    private mutating func readRecords(_ bytes: RawSpan, readsSubnet: Bool) -> Bool {
        guard self.header.answerCount == 0,
            self.header.authorityCount == 0 || self.type == .ixfr
        else { return false }
        var position = self.echoedByteCount
        var left = Int(self.header.authorityCount) + Int(self.header.additionalCount)
        while left > 0 {
            let isAdditional = left <= Int(self.header.additionalCount)
            left -= 1
            guard let nameEnd = try? bytes.skipName(at: position),
                nameEnd + 10 <= bytes.byteCount
            else { return false }
            let type = RecordType(rawValue: bytes.bigEndian16(at: nameEnd))
            let data = nameEnd + 10
            let end = data + Int(bytes.bigEndian16(at: nameEnd + 8))
            guard end <= bytes.byteCount else { return false }
            if type == .opt {
                guard isAdditional, self.edns == nil, nameEnd == position + 1 else { return false }
                var edns = EDNSRequest(record: bytes, at: nameEnd)
                // What the options of another version mean isn't known.
                let isGood =
                    edns.version != 0
                    || edns.readOptions(bytes, in: data..<end, readsSubnet: readsSubnet)
                self.edns = edns
                guard isGood else { return false }
            } else if type == .tsig {
                guard isAdditional, left == 0,
                    let signature = QuerySignature(
                        reading: bytes, from: position, to: end, question: self.echoedByteCount)
                else { return false }
                self.signature = signature
            }
            position = end
        }
        return position == bytes.byteCount
    }
}
