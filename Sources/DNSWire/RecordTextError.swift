// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Why a text isn't the data of a record, and where.
public struct RecordTextError: Error, Hashable, Sendable {
    public enum Reason: Hashable, Sendable {
        /// The record ends where this was still to come.
        case missing(String)
        /// What stands there isn't that.
        case expected(String)
        /// More follows than the type has.
        case surplus(RecordType)
        case badName(NameError)
        case badAddress(AddressSyntaxError.Reason)
        /// A backslash stands before three digits up to 255, or one other character.
        case badEscape
        /// A quoted text ends in its line.
        case openQuote
        case openParenthesis
        case nestedParenthesis
        case strayParenthesis
        /// A string of a record has at most 255 bytes.
        case stringTooLong(Int)
        /// The data of a record have at most 65,535 bytes.
        case dataTooLong(Int)
        /// A type whose data have no form of their own here.
        case needsUnknownForm(RecordType)
        /// `\#` gives a number of bytes, and then as many.
        case wrongByteCount(found: Int, wanted: Int)
        /// `\#` gives bytes that are none of the type's.
        case badBytes(RecordType)
        /// A digest has the length of its kind.
        case wrongDigestLength(found: Int, wanted: Int)
        case unknownParameter
        case repeatedParameter(String)
        /// A parameter with the value that it must have, or must not have.
        case badParameter(String, String)
    }

    public var reason: Reason
    /// Where: a number of bytes from the text's start.
    public var offset: Int
    /// What stands there; nil where nothing does.
    public var found: String?

    public init(_ reason: Reason, offset: Int, found: String? = nil) {
        self.reason = reason
        self.offset = offset
        self.found = found
    }
}

extension RecordTextError: CustomStringConvertible {
    public var description: String { self.reason.words(found: self.found) }
}

extension RecordTextError.Reason {
    /// The complaint, about what was found.
    func words(found: String?) -> String {
        let what = found.map { "'\($0)'" } ?? "nothing"
        switch self {
        case .missing(let wanted): return "\(wanted) is missing"
        case .expected(let wanted): return "here must be \(wanted), not \(what)"
        case .surplus(let type): return "\(what) is more than the data of \(type) have"
        case .badName(let error): return "here must be a domain name, not \(what): \(error)"
        case .badAddress(let reason):
            return "here must be an address, not \(what): \(AddressSyntaxError(reason, offset: 0))"
        case .badEscape:
            return "a backslash stands before three digits up to 255 or one character"
        case .openQuote: return "the quoted text that begins here doesn't end in its line"
        case .openParenthesis: return "the parenthesis that opens here is never closed"
        case .nestedParenthesis: return "a parenthesis is open already"
        case .strayParenthesis: return "no parenthesis is open"
        case .stringTooLong(let count):
            return "a string of a record has at most 255 bytes, not \(count)"
        case .dataTooLong(let count):
            return "the data of a record have at most 65535 bytes, not \(count)"
        case .needsUnknownForm(let type):
            return "data of \(type) are written as \\# COUNT HEXADECIMAL (RFC 3597), not as \(what)"
        case .wrongByteCount(let found, let wanted):
            return "here must be \(wanted) bytes in hexadecimal, not \(found)"
        case .badBytes(let type): return "these bytes are no data of \(type)"
        case .wrongDigestLength(let found, let wanted):
            return "a digest of this kind has \(wanted) bytes, not \(found)"
        case .unknownParameter:
            return "\(what) is no parameter of a service; those without a name are key0 to key65534"
        case .repeatedParameter(let name): return "the parameter \(name) stands twice"
        case .badParameter(let name, let wanted): return "\(name) \(wanted)"
        }
    }
}
