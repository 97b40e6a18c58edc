// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// One capability of an OPEN (RFC 5492 §4): a code `u8`, a length `u8` and a value.
///
/// The set of codes is open, and a value that doesn't have its code's form is as good as none:
/// the accessors of ``Capabilities`` return nothing for it.
public struct Capability: Sendable, Hashable {
    public struct Code: RawRepresentable, Sendable, Hashable {
        public var rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// RFC 4760
        public static let multiprotocol = Self(rawValue: 1)
        /// RFC 2918
        public static let routeRefresh = Self(rawValue: 2)
        /// RFC 8950
        public static let extendedNextHop = Self(rawValue: 5)
        /// RFC 8654
        public static let extendedMessage = Self(rawValue: 6)
        /// RFC 9234
        public static let role = Self(rawValue: 9)
        /// RFC 4724
        public static let gracefulRestart = Self(rawValue: 64)
        /// RFC 6793
        public static let fourOctetAS = Self(rawValue: 65)
        /// RFC 7911
        public static let addPath = Self(rawValue: 69)
        /// RFC 7313
        public static let enhancedRouteRefresh = Self(rawValue: 70)
        /// RFC 9494
        public static let longLivedGracefulRestart = Self(rawValue: 71)
        /// A draft; most routers send their host name so.
        public static let hostName = Self(rawValue: 73)
        /// Route refresh before it had a number.
        public static let oldRouteRefresh = Self(rawValue: 128)
    }

    public var code: Code
    /// At most 255 bytes.
    public var value: [UInt8]

    public init(_ code: Code, _ value: [UInt8] = []) {
        self.code = code
        self.value = value
    }

    public static func multiprotocol(_ family: AddressFamily) -> Capability {
        Capability(.multiprotocol, [0, family.rawValue, 0, 1])
    }

    public static let routeRefresh = Capability(.routeRefresh)

    public static func fourOctetAS(_ number: ASNumber) -> Capability {
        Capability(.fourOctetAS, number.rawValue.bigEndianBytes)
    }

    /// A receiver's: it keeps the routes of a peer that restarts, through NOTIFICATIONs too (the
    /// N bit, RFC 8538 §2), and has no forwarding of its own to preserve (RFC 4724 §3).
    public static let gracefulRestartHelper = Capability(.gracefulRestart, [0x40, 0])

    /// A receiver's: it keeps routes beyond the restart time where the peer asks for it, and asks
    /// for nothing itself (RFC 9494 §3.1).
    public static let longLivedHelper = Capability(.longLivedGracefulRestart)

    public static let extendedMessage = Capability(.extendedMessage)

    public static let enhancedRouteRefresh = Capability(.enhancedRouteRefresh)

    /// IPv4 prefixes may come with IPv6 next hops: AFI `u16`, SAFI `u16`, and the next hop's
    /// AFI `u16` (RFC 8950 §4).
    public static let extendedNextHop = Capability(.extendedNextHop, [0, 1, 0, 1, 0, 2])

    public static func role(_ role: PeeringRole) -> Capability {
        Capability(.role, [role.rawValue])
    }

    /// Several paths for a prefix are taken, none is sent (RFC 7911 §4).
    public static func addPathReceive(_ families: FamilySet) -> Capability {
        Capability(.addPath, families.families.flatMap { [0, $0.rawValue, 1, 1] })
    }
}
