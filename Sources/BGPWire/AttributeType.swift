// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A path attribute's type code (RFC 4271 §4.3 and the registry). Any value is legal on the wire.
public struct AttributeType: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt8
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let origin = Self(rawValue: 1)
    public static let asPath = Self(rawValue: 2)
    public static let nextHop = Self(rawValue: 3)
    public static let multiExitDiscriminator = Self(rawValue: 4)
    public static let localPreference = Self(rawValue: 5)
    public static let atomicAggregate = Self(rawValue: 6)
    public static let aggregator = Self(rawValue: 7)
    /// RFC 1997
    public static let communities = Self(rawValue: 8)
    /// RFC 4456
    public static let originatorID = Self(rawValue: 9)
    /// RFC 4456
    public static let clusterList = Self(rawValue: 10)
    /// RFC 4760
    public static let mpReach = Self(rawValue: 14)
    /// RFC 4760
    public static let mpUnreach = Self(rawValue: 15)
    /// RFC 4360
    public static let extendedCommunities = Self(rawValue: 16)
    /// RFC 6793
    public static let as4Path = Self(rawValue: 17)
    /// RFC 6793
    public static let as4Aggregator = Self(rawValue: 18)
    /// RFC 5701
    public static let ipv6ExtendedCommunities = Self(rawValue: 25)
    /// RFC 8092
    public static let largeCommunities = Self(rawValue: 32)
    /// RFC 9234
    public static let onlyToCustomer = Self(rawValue: 35)
}

/// The name in the RFCs, or `attribute 99`.
extension AttributeType: CustomStringConvertible {
    public var description: String { self.name ?? "attribute \(self.rawValue)" }

    /// Whether there is a name for it.
    var isNamed: Bool { self.name != nil }

    private var name: String? {
        switch self {
        case .origin: "ORIGIN"
        case .asPath: "AS_PATH"
        case .nextHop: "NEXT_HOP"
        case .multiExitDiscriminator: "MULTI_EXIT_DISC"
        case .localPreference: "LOCAL_PREF"
        case .atomicAggregate: "ATOMIC_AGGREGATE"
        case .aggregator: "AGGREGATOR"
        case .communities: "COMMUNITIES"
        case .originatorID: "ORIGINATOR_ID"
        case .clusterList: "CLUSTER_LIST"
        case .mpReach: "MP_REACH_NLRI"
        case .mpUnreach: "MP_UNREACH_NLRI"
        case .extendedCommunities: "EXTENDED COMMUNITIES"
        case .as4Path: "AS4_PATH"
        case .as4Aggregator: "AS4_AGGREGATOR"
        case .ipv6ExtendedCommunities: "IPv6 EXTENDED COMMUNITIES"
        case .largeCommunities: "LARGE_COMMUNITY"
        case .onlyToCustomer: "ONLY_TO_CUSTOMER"
        default: Self.namesOfOthers[self.rawValue]
        }
    }

    /// Those that nothing here looks into (IANA, BGP Path Attributes), the deprecated ones that
    /// are still met among them.
    private static let namesOfOthers: [UInt8: String] = [
        11: "DPA", 12: "ADVERTISER", 13: "RCID_PATH", 19: "SAFI-specific attribute",
        20: "Connector", 21: "AS_PATHLIMIT", 22: "PMSI_TUNNEL", 23: "Tunnel Encapsulation",
        24: "Traffic Engineering", 26: "AIGP", 27: "PE Distinguisher Labels",
        28: "Entropy Label Capability", 29: "BGP-LS", 33: "BGPsec_Path",
        34: "BGP Community Container", 36: "D-PATH", 37: "SFP", 38: "BFD Discriminator",
        39: "BGP Next Hop Dependent Characteristics", 40: "BGP Prefix-SID", 128: "ATTR_SET",
        255: "an attribute under development",
    ]
}

/// An attribute's flag byte (RFC 4271 §4.3). The lower four bits mean nothing.
public struct AttributeFlags: OptionSet, Hashable, Sendable {
    public var rawValue: UInt8
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let optional = Self(rawValue: 0x80)
    public static let transitive = Self(rawValue: 0x40)
    public static let partial = Self(rawValue: 0x20)
    /// The length takes two bytes. Allowed for short values too (RFC 7606 §4).
    public static let extendedLength = Self(rawValue: 0x10)
}

extension AttributeType {
    /// Whether the Optional and Transitive bits are those that the attribute's definition wants
    /// (RFC 7606 §3 (c)). An attribute that isn't known here has none to conflict with.
    func accepts(_ flags: AttributeFlags) -> Bool {
        let bits = flags.intersection([.optional, .transitive])
        switch self {
        case .origin, .asPath, .nextHop, .localPreference, .atomicAggregate:
            return bits == .transitive
        case .multiExitDiscriminator, .originatorID, .clusterList, .mpReach, .mpUnreach:
            return bits == .optional
        case .aggregator, .communities, .extendedCommunities, .as4Path, .as4Aggregator,
            .ipv6ExtendedCommunities, .largeCommunities, .onlyToCustomer:
            return bits == [.optional, .transitive]
        default:
            return flags.contains(.optional)
        }
    }
}

extension AttributeType {
    /// Whether its flags and its form are known here.
    var isKnown: Bool {
        switch self.rawValue {
        case 1...10, 14...18, 25, 32, 35: true
        default: false
        }
    }
}
