// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Where the parts of a query's TSIG record stand (RFC 8945 §4.2), as far as an answer repeats them.
/// A trivial value.
///
/// Layout: the key's name, type 250 `u16`, class ANY `u16`, TTL `u32`, length `u16`; then the
/// algorithm's name, time `u48` (seconds), fudge `u16`, a MAC with a `u16` count before, the
/// original identifier `u16`, an error `u16` and other data with a `u16` count before.
public struct QuerySignature: Hashable, Sendable {
    /// The record begins here, with the key's name.
    private var first: UInt16
    /// Bytes of that name.
    private var nameSize: UInt16
    /// Bytes of the algorithm's name, and of time and fudge behind it.
    private var headSize: UInt16

    /// Between the key's name and the algorithm's.
    private static let fixedSize = 10
    /// The key is not known here (RFC 8945 §3).
    public static let badKey: UInt16 = 17

    /// What an answer's record repeats of the query, from the key's name to the fudge.
    public var repeated: Range<Int> {
        let start = Int(self.first)
        return start..<start + Int(self.nameSize) + Self.fixedSize + Int(self.headSize)
    }

    /// Where the record's length stands in that.
    public var lengthOffset: Int { Int(self.nameSize) + 8 }

    /// Bytes of the data of an answer that says so, which is without a MAC.
    public var replyDataByteCount: Int { Int(self.headSize) + Self.replyTailByteCount }

    /// Bytes of such an answer behind what it repeats: MAC's count, identifier, error, count.
    public static let replyTailByteCount = 8

    /// Reads the record between two places; nil where it is none that is whole (§5.2). Its names
    /// stand in an answer as they do here: a pointer must lead into the question, which ends at
    /// `question`.
    init?(reading bytes: RawSpan, from start: Int, to end: Int, question: Int) {
        guard let nameEnd = bytes.skipRepeatableName(at: start, question: question),
            bytes.bigEndian16(at: nameEnd + 2) == RecordClass.any.rawValue
        else { return nil }
        let data = nameEnd + Self.fixedSize
        guard let algorithmEnd = bytes.skipRepeatableName(at: data, question: question) else {
            return nil
        }
        let head = algorithmEnd + 8
        guard head + 2 <= end else { return nil }
        let code = head + 2 + Int(bytes.bigEndian16(at: head))
        guard code + 6 <= end, code + 6 + Int(bytes.bigEndian16(at: code + 4)) == end,
            let first = UInt16(exactly: start)
        else { return nil }
        self.first = first
        self.nameSize = UInt16(nameEnd - start)
        self.headSize = UInt16(head - data)
    }
}

extension RawSpan {
    /// The end of a name that may be copied into an answer, which repeats the question in place.
    fileprivate func skipRepeatableName(at start: Int, question: Int) -> Int? {
        var position = start
        while position < self.byteCount, position - start < DomainName.maximumByteCount {
            let length = Int(self.byte(at: position))
            if length == 0 { return position + 1 }
            if length >= 0xc0 {
                guard position + 2 <= self.byteCount else { return nil }
                let target = Int(self.bigEndian16(at: position) & 0x3fff)
                return (MessageHeader.byteCount..<question).contains(target) ? position + 2 : nil
            }
            guard length <= DomainName.maximumLabelByteCount else { return nil }
            position += 1 + length
        }
        return nil
    }
}
