// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// How a query ended (RFC 1035 §4.1.1; twelve bits with EDNS, RFC 6891 §6.1.3).
public struct ResponseCode: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt16

    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let noError = Self(rawValue: 0)
    public static let formatError = Self(rawValue: 1)
    public static let serverFailure = Self(rawValue: 2)
    public static let nameError = Self(rawValue: 3)
    public static let notImplemented = Self(rawValue: 4)
    public static let refused = Self(rawValue: 5)
    /// A name exists that must not: here, a DNAME makes one that is too long (RFC 6672 §2.2).
    public static let nameExists = Self(rawValue: 6)
    /// The signature is by a key that the server hasn't (RFC 8945 §5.2.1).
    public static let notAuthorized = Self(rawValue: 9)
    /// An EDNS version that we don't speak (RFC 6891 §6.1.3).
    public static let badVersion = Self(rawValue: 16)
    /// A cookie of this server's is wanted first (RFC 7873 §8).
    public static let badCookie = Self(rawValue: 23)
}

extension ResponseCode: CustomStringConvertible {
    public var description: String {
        switch self {
        case .noError: "NOERROR"
        case .formatError: "FORMERR"
        case .serverFailure: "SERVFAIL"
        case .nameError: "NXDOMAIN"
        case .notImplemented: "NOTIMP"
        case .refused: "REFUSED"
        case .nameExists: "YXDOMAIN"
        case .notAuthorized: "NOTAUTH"
        case .badVersion: "BADVERS"
        case .badCookie: "BADCOOKIE"
        default: "RCODE\(self.rawValue)"
        }
    }
}

/// What a message asks for (RFC 1035 §4.1.1): four bits.
public struct Opcode: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt8

    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let query = Self(rawValue: 0)
    public static let status = Self(rawValue: 2)
    public static let notify = Self(rawValue: 4)
    public static let update = Self(rawValue: 5)
}
