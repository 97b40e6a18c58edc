// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// The attributes of a route that Martlet knows; all others are passed by.
public struct PathAttributes: Sendable, Hashable {
    /// RFC 4271 §5.1.1: 0 IGP, 1 EGP, 2 INCOMPLETE. No other value gets here.
    public var origin: UInt8?
    /// With AS4_PATH merged into it (RFC 6793 §4.2.3).
    public var asPath: ASPath?
    /// From NEXT_HOP, or from MP_REACH_NLRI for the routes in it (there `NLRIField.nextHop`).
    public var nextHop: IPAddress?
    public var multiExitDiscriminator: UInt32?
    public var localPreference: UInt32?
    public var isAtomicAggregate = false
    public var aggregator: Aggregator?
    /// RFC 1997
    public var communities: [UInt32] = []
    /// RFC 4360, eight bytes each
    public var extendedCommunities: [UInt64] = []
    /// RFC 5701
    public var ipv6ExtendedCommunities: [IPv6ExtendedCommunity] = []
    /// RFC 8092
    public var largeCommunities: [LargeCommunity] = []
    /// Those that graceful restart asks about; known even where communities are not kept.
    public var staleMarks: StaleMarks = []
    /// RFC 4456
    public var originatorID: UInt32?
    /// RFC 4456
    public var clusterList: [UInt32] = []
    /// RFC 9234
    public var onlyToCustomer: ASNumber?

    public init() {}

    /// Who aggregated the route (RFC 4271 §5.1.7).
    public struct Aggregator: Sendable, Hashable {
        public var asNumber: ASNumber
        public var address: IPAddress

        public init(asNumber: ASNumber, address: IPAddress) {
            self.asNumber = asNumber
            self.address = address
        }
    }

    /// Well-known communities of RFC 9494 §3.3 and §4.2.
    public struct StaleMarks: OptionSet, Sendable, Hashable {
        public var rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// LLGR_STALE: somebody on the way keeps the route beyond its session's restart time.
        /// Any other route is better.
        public static let longLivedStale = Self(rawValue: 1)
        /// NO_LLGR: the route must not be kept so long.
        public static let notLongLived = Self(rawValue: 2)
    }

    /// RFC 5701 §2: type `u8` and subtype `u8`, an address, a number `u16`.
    public struct IPv6ExtendedCommunity: Sendable, Hashable, CustomStringConvertible {
        public var type: UInt16
        public var address: IPAddress
        public var local: UInt16

        public init(type: UInt16, address: IPAddress, local: UInt16) {
            self.type = type
            self.address = address
            self.local = local
        }

        /// `rt:2001:db8::1:7` for a route target, `soo:` for a site of origin, else the type in
        /// hexadecimal.
        public var description: String {
            let kind =
                switch self.type {
                case 0x0002: "rt"
                case 0x0003: "soo"
                default: "0x" + AttributeComplaint.hexadecimal(self.type.bigEndianBytes)
                }
            return "\(kind):\(self.address):\(self.local)"
        }
    }

    /// RFC 8092 §3.
    public struct LargeCommunity: Sendable, Hashable, CustomStringConvertible {
        public var global: UInt32
        public var local1: UInt32
        public var local2: UInt32

        public init(global: UInt32, local1: UInt32, local2: UInt32) {
            self.global = global
            self.local1 = local1
            self.local2 = local2
        }

        public var description: String { "\(self.global):\(self.local1):\(self.local2)" }
    }
}

/// What MP_REACH_NLRI or MP_UNREACH_NLRI holds (RFC 4760 §3 and §4): where its prefixes stand.
public struct NLRIField: Sendable, Hashable {
    /// RFC 4760 §3 calls it AFI: 1 IPv4, 2 IPv6, or another.
    public var familyNumber: UInt16
    /// SAFI: 1 is unicast.
    public var subsequentNumber: UInt8
    /// The family, where it is unicast IPv4 or IPv6 and the context has it; else nil, and the
    /// field has not been looked into.
    public var family: AddressFamily?
    /// Where the prefixes stand, as offsets into the attributes.
    public var prefixes: Range<Int>
    /// How many of them are multicast prefixes.
    public var multicastPrefixes = 0
    /// Of the routes in MP_REACH_NLRI; the global one of two.
    public var nextHop: IPAddress?

    public init(
        familyNumber: UInt16, subsequentNumber: UInt8, family: AddressFamily?,
        prefixes: Range<Int>, nextHop: IPAddress? = nil
    ) {
        self.familyNumber = familyNumber
        self.subsequentNumber = subsequentNumber
        self.family = family
        self.prefixes = prefixes
        self.nextHop = nextHop
    }
}
