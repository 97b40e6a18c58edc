// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Why an exchange is an error (RFC 8210 §12). Any value is legal on the wire.
public struct RTRErrorCode: RawRepresentable, Sendable, Hashable {
    public var rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let corruptData = Self(rawValue: 0)
    public static let internalError = Self(rawValue: 1)
    /// The cache has nothing to tell yet: no error of anybody's.
    public static let noDataAvailable = Self(rawValue: 2)
    public static let invalidRequest = Self(rawValue: 3)
    public static let unsupportedVersion = Self(rawValue: 4)
    public static let unsupportedType = Self(rawValue: 5)
    public static let withdrawalOfUnknownRecord = Self(rawValue: 6)
    public static let duplicateAnnouncement = Self(rawValue: 7)
    public static let unexpectedVersion = Self(rawValue: 8)
}

extension RTRErrorCode: CustomStringConvertible {
    public var description: String {
        switch self {
        case .corruptData: "corrupt data"
        case .internalError: "internal error"
        case .noDataAvailable: "no data available"
        case .invalidRequest: "invalid request"
        case .unsupportedVersion: "unsupported protocol version"
        case .unsupportedType: "unsupported type of message"
        case .withdrawalOfUnknownRecord: "withdrawal of an unknown record"
        case .duplicateAnnouncement: "announcement of a record that is there"
        case .unexpectedVersion: "unexpected protocol version"
        default: "error \(self.rawValue)"
        }
    }
}

/// What the other side found wrong.
///
/// Layout after the header: a length `u32` and that many bytes of the message that was wrong, a
/// length `u32` and that many bytes of UTF-8 (RFC 8210 §5.11).
public struct RTRErrorReport: Sendable, Hashable {
    public var code: RTRErrorCode
    /// Control characters are taken out.
    public var text: String

    public init(_ code: RTRErrorCode, text: String = "") {
        self.code = code
        self.text = text
    }

    /// So many characters of a cache's text are kept.
    static let maximumText = 200

    init?(_ bytes: RawSpan, code: UInt16) {
        guard let quoted = bytes.uint32(at: 8), Int(quoted) <= bytes.byteCount - 16,
            let count = bytes.uint32(at: 12 + Int(quoted)),
            Int(count) <= bytes.byteCount - 16 - Int(quoted)
        else { return nil }
        let start = 16 + Int(quoted)
        let text = String(decoding: bytes.bytes(in: start..<start + Int(count)), as: UTF8.self)
        let printable = text.unicodeScalars.filter {
            ![.control, .format].contains($0.properties.generalCategory)
        }
        self.init(
            RTRErrorCode(rawValue: code),
            text: String(String.UnicodeScalarView(printable.prefix(Self.maximumText))))
    }
}

extension RTRErrorReport: CustomStringConvertible {
    public var description: String {
        self.text.isEmpty ? "\(self.code)" : "\(self.code): \(self.text)"
    }
}

/// What we found wrong, as the cache is told.
public struct RTRFault: Error, Sendable, Hashable {
    public var code: RTRErrorCode
    public var text: String
    /// The message that was wrong, or its beginning.
    public var quote: [UInt8]

    /// So many bytes of a message are quoted.
    static let quoted = 64

    public init(_ code: RTRErrorCode, _ text: String, quoting quote: [UInt8] = []) {
        self.code = code
        self.text = text
        self.quote = quote
    }
}

extension RTRFault: CustomStringConvertible {
    public var description: String { "\(self.code): \(self.text)" }
}
