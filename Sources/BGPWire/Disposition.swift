// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// What becomes of an UPDATE, by RFC 7606 §2, weakest first: of several, the greatest holds.
public enum Disposition: Sendable, Hashable {
    case accept
    /// The malformed attribute is left out, the routes stay.
    case discardAttribute
    /// Nothing is malformed, but the routes are not to be used (RFC 9234 §5): they may be shown.
    case ineligible
    /// The routes of the UPDATE are withdrawn as if the peer had said so.
    case treatAsWithdraw
    case resetSession(Notification)

    var rank: Int {
        switch self {
        case .accept: 0
        case .discardAttribute: 1
        case .ineligible: 2
        case .treatAsWithdraw: 3
        case .resetSession: 4
        }
    }
}

extension Disposition: Comparable {
    public static func < (a: Self, b: Self) -> Bool { a.rank < b.rank }
}

extension Disposition: CustomStringConvertible {
    public var description: String {
        switch self {
        case .accept: "accepted"
        case .discardAttribute: "attribute discarded"
        case .ineligible: "routes not used"
        case .treatAsWithdraw: "treated as withdrawn"
        case .resetSession: "session reset"
        }
    }
}

/// One thing that is wrong with an attribute, for the log and the counters.
public struct AttributeComplaint: Sendable, Hashable {
    public enum Problem: Sendable, Hashable {
        case wrongLength
        /// Its length reaches beyond the attributes' end, or its header does (RFC 7606 §4).
        case overrun
        case wrongFlags(AttributeFlags)
        case undefinedValue
        /// It stands more than once (RFC 7606 §3 (g)).
        case repeated
        case malformedPath(ASPathProblem)
        /// RFC 7607
        case asZero
        case invalidNextHop
        case malformedPrefix(NLRI.SyntaxError)
        case missing
        /// Well-known by its flags, but nobody has defined it.
        case unrecognizedWellKnown
        /// It doesn't belong on this kind of session, or beside what else was negotiated.
        case notExpectedHere
        /// Confederation segments stood in AS4_PATH, and were left out (RFC 6793 §6).
        case segmentsLeftOut
        /// The route came from who must not send it on: the mark of this AS says so (RFC 9234 §5).
        case leaked(by: ASNumber)
    }

    /// RFC 7606 §7.2.
    public enum ASPathProblem: Sendable, Hashable {
        case truncated, unknownSegmentType(UInt8), emptySegment, confederationSegment
    }

    public var type: AttributeType
    public var problem: Problem
    public var disposition: Disposition
    /// The attribute with its header, at most ``maximumBytes`` of it.
    public var bytes: [UInt8]

    public static let maximumBytes = 256

    public init(
        type: AttributeType, problem: Problem, disposition: Disposition, bytes: [UInt8]
    ) {
        self.type = type
        self.problem = problem
        self.disposition = disposition
        self.bytes = bytes
    }
}

extension AttributeComplaint: CustomStringConvertible {
    /// One sentence without the bytes.
    public var description: String { "\(self.type) \(self.problem): \(self.disposition)" }

    /// The attribute's bytes in hexadecimal.
    public var hexadecimal: String { Self.hexadecimal(self.bytes) }

    package static func hexadecimal(_ bytes: [UInt8]) -> String {
        var text = ""
        text.reserveCapacity(2 * bytes.count)
        for byte in bytes {
            if byte < 16 { text.append("0") }
            text.append(String(byte, radix: 16))
        }
        return text
    }
}

extension AttributeComplaint.Problem: CustomStringConvertible {
    public var description: String {
        switch self {
        case .wrongLength: "has a wrong length"
        case .overrun: "reaches beyond the end of the attributes"
        case .wrongFlags(let flags):
            "has flags 0x\(AttributeComplaint.hexadecimal([flags.rawValue]))"
        case .undefinedValue: "has an undefined value"
        case .repeated: "stands more than once"
        case .malformedPath(.truncated): "has a segment that is cut short"
        case .malformedPath(.unknownSegmentType(let type)): "has a segment of type \(type)"
        case .malformedPath(.emptySegment): "has an empty segment"
        case .malformedPath(.confederationSegment):
            "has a confederation segment from a peer outside"
        case .asZero: "contains AS 0"
        case .invalidNextHop: "is no address of a host"
        case .malformedPrefix(let error): "has a malformed prefix (\(error))"
        case .missing: "is missing"
        case .unrecognizedWellKnown: "is not a well-known attribute"
        case .notExpectedHere: "does not belong on this session"
        case .segmentsLeftOut: "has confederation segments, which were left out"
        case .leaked(let number): "shows a route leak: AS \(number) marked it for customers only"
        }
    }
}
