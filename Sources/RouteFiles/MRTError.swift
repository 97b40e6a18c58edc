// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Why a record's body can't be read, and where in the body.
public struct MRTFormatError: Error, Hashable, Sendable {
    public enum Reason: Hashable, Sendable {
        /// The body ends before the field does.
        case truncated
        case prefixLengthOutOfRange(UInt8)
        /// An address family (AFI) that can't stand here.
        case unknownAddressFamily(UInt16)
        /// The record is longer than what is in it.
        case trailingBytes(Int)
        /// A BGP message without its 16 bytes of ones.
        case noMarker
        case messageLengthOutOfRange(UInt16)
    }

    public var reason: Reason
    /// Bytes from the start of the body to the field.
    public var offset: Int

    public init(_ reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}

/// Where and why the reading of an MRT file ended, or what is wrong with one of its records.
public struct MRTError: Error, Hashable, Sendable {
    public enum Reason: Hashable, Sendable {
        /// The file ends inside a record's header.
        case truncatedHeader(have: Int)
        /// The file ends inside a record's body.
        case truncatedRecord(need: Int, have: Int)
        /// A length that no record has: most likely not a header at all.
        case recordTooLong(length: Int, maximum: Int)
        case malformed(MRTFormatError.Reason)
        /// A route of a peer that the peer index table doesn't have.
        case unknownPeer(index: Int, count: Int)
        /// A table of routes without a peer index table before it.
        case noPeerIndexTable
        case input(InputFileError.Reason)
    }

    public var path: String?
    /// Counted from 1.
    public var record: Int
    /// Bytes from the start of the uncompressed stream.
    public var offset: Int
    public var reason: Reason

    public init(path: String?, record: Int, offset: Int, reason: Reason) {
        self.path = path
        self.record = record
        self.offset = offset
        self.reason = reason
    }
}

extension MRTError: CustomStringConvertible {
    public var description: String {
        "\(self.path.map { $0 + ": " } ?? "")record \(self.record), byte \(self.offset): "
            + self.reason.description
    }
}

extension MRTError.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .truncatedHeader(let have):
            "the file ends after \(have) of the 12 bytes of a record's header"
        case .truncatedRecord(let need, let have):
            "the file ends after \(have) of the record's \(need) bytes"
        case .recordTooLong(let length, let maximum):
            "a record of \(length) bytes is more than \(maximum): damaged, or not an MRT file"
        case .malformed(let reason): reason.description
        case .unknownPeer(let index, let count):
            "a route of peer \(index), but the peer index table has \(count)"
        case .noPeerIndexTable: "routes stand before any peer index table"
        case .input(let reason): reason.description
        }
    }
}

extension MRTFormatError.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .truncated: "the record ends before its contents do"
        case .prefixLengthOutOfRange(let length): "a prefix length of \(length)"
        case .unknownAddressFamily(let number): "an address family of number \(number)"
        case .trailingBytes(let count): "\(count) bytes too many in the record"
        case .noMarker: "a BGP message without its marker"
        case .messageLengthOutOfRange(let length): "a BGP message of \(length) bytes"
        }
    }
}

extension MRTFormatError: CustomStringConvertible {
    public var description: String { "\(self.reason), at byte \(self.offset) of the record" }
}
