// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Address families with unicast forwarding (RFC 4760: AFI 1 or 2, SAFI 1).
public struct FamilySet: OptionSet, Hashable, Sendable {
    public var rawValue: UInt8
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let ipv4 = Self(rawValue: 1)
    public static let ipv6 = Self(rawValue: 2)
    public static let both: Self = [.ipv4, .ipv6]

    public init(_ family: AddressFamily) {
        self = family == .ipv4 ? .ipv4 : .ipv6
    }

    @inlinable
    public func contains(_ family: AddressFamily) -> Bool {
        self.contains(family == .ipv4 ? Self.ipv4 : Self.ipv6)
    }

    /// In the order of their numbers.
    public var families: [AddressFamily] { AddressFamily.allCases.filter { self.contains($0) } }
}

extension FamilySet: CustomStringConvertible {
    public var description: String {
        self.isEmpty
            ? "none" : self.families.map { "\($0) unicast" }.joined(separator: ", ")
    }
}

/// All that bytes don't say of themselves: how a session's UPDATEs, or a file's entries, are to
/// be read.
///
/// For a session it is made from both OPENs and from nothing else, so that
/// a form which only one side announced is never assumed.
public struct DecodeContext: Sendable, Hashable {
    /// How table dumps (RFC 6396) alter attributes.
    public enum MRTForm: Sendable, Hashable {
        /// As on the wire: sessions, and BGP4MP records.
        case none
        /// TABLE_DUMP: AS numbers of two octets (§4.2).
        case tableDump
        /// TABLE_DUMP_V2: AS numbers of four octets, and an MP_REACH_NLRI of a next hop only
        /// (§4.3.4). Some writers put the whole attribute: both are read.
        case tableDumpV2
    }

    /// AS numbers in AS_PATH and AGGREGATOR take four octets (RFC 6793).
    public var fourOctetAS: Bool
    /// The peer is of our own AS: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST count.
    public var isInternal: Bool
    /// The peer is of our confederation (RFC 5065), so that its segments may stand in an AS_PATH.
    public var isConfederation: Bool
    /// LOCAL_PREF must be there (RFC 4271 §5): so on a session with an internal peer. What others
    /// have heard, and tell us of, may come without.
    public var requiresLocalPreference = false
    /// Families that both sides announced. Routes of others are passed by.
    public var families: FamilySet
    /// Families whose prefixes carry a path identifier (RFC 7911).
    public var addPath: FamilySet
    /// Messages may have 65,535 bytes instead of 4,096 (RFC 8654).
    public var extendedMessages: Bool
    /// IPv4 prefixes may come with IPv6 next hops (RFC 8950).
    public var extendedNextHop: Bool
    /// Which routes have leaked, by what the peer is to us (RFC 9234).
    public var leaks: LeakRule
    public var mrt: MRTForm
    /// Communities and cluster lists are kept, not only checked. Off, decoding allocates less.
    public var keepsCommunities: Bool

    public init(
        fourOctetAS: Bool, isInternal: Bool, families: FamilySet = .both,
        addPath: FamilySet = [], extendedMessages: Bool = false, extendedNextHop: Bool = true,
        leaks: LeakRule = .none, isConfederation: Bool = false, mrt: MRTForm = .none,
        keepsCommunities: Bool = true
    ) {
        self.fourOctetAS = fourOctetAS
        self.isInternal = isInternal
        self.isConfederation = isConfederation
        self.families = families
        self.addPath = addPath
        self.extendedMessages = extendedMessages
        self.extendedNextHop = extendedNextHop
        self.leaks = leaks
        self.mrt = mrt
        self.keepsCommunities = keepsCommunities
    }

    /// Entries of TABLE_DUMP records.
    public static let tableDump = DecodeContext(
        fourOctetAS: false, isInternal: true, mrt: .tableDump)
    /// Entries of TABLE_DUMP_V2 records. Path identifiers stand in the records, not in attributes.
    public static let tableDumpV2 = DecodeContext(
        fourOctetAS: true, isInternal: true, mrt: .tableDumpV2)

    var allowsConfederationSegments: Bool {
        self.isInternal || self.isConfederation || self.mrt != .none
    }
}
