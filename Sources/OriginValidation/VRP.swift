// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// A validated ROA payload (RFC 6811 §2): an AS that may originate routes under a prefix, down to
/// a length. A trivial value of 24 bytes.
public struct VRP: Hashable, Sendable {
    public let prefix: IPPrefix
    /// The longest length of routes that it covers as valid: at least the prefix's own.
    public let maximumLength: UInt8
    /// 0 says that nobody may (RFC 6483 §4).
    public let asNumber: ASNumber

    /// Nil where the maximum length is shorter than the prefix's or doesn't fit the family.
    public init?(_ prefix: IPPrefix, maximumLength: Int, asNumber: ASNumber) {
        guard maximumLength >= prefix.length, maximumLength <= prefix.family.width else {
            return nil
        }
        self.init(prefix, UInt8(truncatingIfNeeded: maximumLength), asNumber)
    }

    init(_ prefix: IPPrefix, _ maximumLength: UInt8, _ asNumber: ASNumber) {
        self.prefix = prefix
        self.maximumLength = maximumLength
        self.asNumber = asNumber
    }
}

/// Tree order of the prefixes, then by maximum length, then by AS.
extension VRP: Comparable {
    public static func < (a: VRP, b: VRP) -> Bool {
        if a.prefix != b.prefix { return a.prefix < b.prefix }
        return a.maximumLength != b.maximumLength
            ? a.maximumLength < b.maximumLength : a.asNumber < b.asNumber
    }
}

extension VRP: CustomStringConvertible {
    /// `192.0.2.0/24-26 AS64500`; without the maximum length where it is the prefix's.
    public var description: String {
        Int(self.maximumLength) == self.prefix.length
            ? "\(self.prefix) AS\(self.asNumber)"
            : "\(self.prefix)-\(self.maximumLength) AS\(self.asNumber)"
    }
}
