// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Why text or bytes are not a domain name (RFC 1035 §3.1, §4.1.4, §5.1).
public enum NameError: Error, Hashable, Sendable {
    case empty
    case emptyLabel(offset: Int)
    /// A label has at most 63 bytes.
    case labelTooLong(offset: Int)
    /// A name has at most 255 bytes, each label with its length and the root counted.
    case nameTooLong
    /// A backslash stands before three digits up to 255, or one other character.
    case badEscape(offset: Int)
    /// Internationalised names are written in their `xn--` form.
    case notASCII(offset: Int)
    case truncated(offset: Int)
    /// A compression pointer leads forwards, to itself, or into the header.
    case badPointer(offset: Int)
    case reservedLabelType(offset: Int)
    /// More bytes follow the name.
    case trailingBytes(offset: Int)
}

extension NameError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .empty: "a name is needed"
        case .emptyLabel: "a name has no empty label"
        case .labelTooLong: "a label has at most 63 bytes"
        case .nameTooLong: "a name has at most 255 bytes"
        case .badEscape: "a backslash stands before three digits up to 255 or one character"
        case .notASCII: "a name outside ASCII is written in its xn-- form"
        case .truncated(let offset): "the name ends early, at byte \(offset)"
        case .badPointer(let offset): "the compression pointer at byte \(offset) leads nowhere"
        case .reservedLabelType(let offset): "the label at byte \(offset) has a reserved type"
        case .trailingBytes(let offset): "bytes follow the name from byte \(offset) on"
        }
    }
}
