// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The twelve bytes before every DNS message (RFC 1035 §4.1.1).
///
/// Layout, big-endian: identifier `u16`, flags `u16`, then four counts `u16`: questions, answers,
/// authority, additional.
public struct MessageHeader: Hashable, Sendable {
    public var identifier: UInt16
    public var flags: Flags
    public var questionCount: UInt16
    public var answerCount: UInt16
    public var authorityCount: UInt16
    public var additionalCount: UInt16

    public static let byteCount = 12

    /// QR, opcode, AA, TC, RD, RA, Z, AD, CD and the low four bits of the response code.
    public struct Flags: RawRepresentable, Hashable, Sendable {
        public var rawValue: UInt16

        @inlinable
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        public static let response: UInt16 = 0x8000
        public static let authoritative: UInt16 = 0x0400
        public static let truncated: UInt16 = 0x0200
        public static let recursionDesired: UInt16 = 0x0100
        public static let recursionAvailable: UInt16 = 0x0080
        public static let reserved: UInt16 = 0x0040
        public static let authenticData: UInt16 = 0x0020
        public static let checkingDisabled: UInt16 = 0x0010

        @inlinable
        public func contains(_ bit: UInt16) -> Bool { self.rawValue & bit != 0 }

        @inlinable
        public var opcode: Opcode { Opcode(rawValue: UInt8(self.rawValue >> 11 & 15)) }

        /// The low four bits; EDNS has the others.
        @inlinable
        public var code: ResponseCode { ResponseCode(rawValue: self.rawValue & 15) }
    }

    public init(
        identifier: UInt16, flags: Flags, questionCount: UInt16 = 0, answerCount: UInt16 = 0,
        authorityCount: UInt16 = 0, additionalCount: UInt16 = 0
    ) {
        self.identifier = identifier
        self.flags = flags
        self.questionCount = questionCount
        self.answerCount = answerCount
        self.authorityCount = authorityCount
        self.additionalCount = additionalCount
    }

    /// Nil where fewer than twelve bytes are there.
    @inlinable
    public init?(reading bytes: RawSpan) {
        guard bytes.byteCount >= Self.byteCount else { return nil }
        self.init(
            identifier: bytes.bigEndian16(at: 0),
            flags: Flags(rawValue: bytes.bigEndian16(at: 2)),
            questionCount: bytes.bigEndian16(at: 4),
            answerCount: bytes.bigEndian16(at: 6),
            authorityCount: bytes.bigEndian16(at: 8),
            additionalCount: bytes.bigEndian16(at: 10))
    }
}

extension RawSpan {
    /// - Precondition: the byte is there.
    @inlinable @inline(__always)
    package func byte(at offset: Int) -> UInt8 {
        self.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// - Precondition: both bytes are there.
    @inlinable @inline(__always)
    package func bigEndian16(at offset: Int) -> UInt16 {
        UInt16(bigEndian: self.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    /// - Precondition: all four bytes are there.
    @inlinable @inline(__always)
    package func bigEndian32(at offset: Int) -> UInt32 {
        UInt32(bigEndian: self.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}
