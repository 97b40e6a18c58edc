// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// The per-peer header of a BMP message (RFC 7854 §4.2, RFC 8671 §4, RFC 9069 §4.2): whose routes,
/// seen where.
///
/// Layout, big-endian: kind `u8`, flags `u8`, distinguisher `u64`, address (16 bytes, IPv4 in the
/// last four), AS `u32`, BGP identifier `u32`, and a time as seconds `u32` and microseconds `u32`.
public struct BMPPeerHeader: Sendable, Hashable {
    public static let length = 42

    /// What kind of peer it is. Any value is legal on the wire.
    public struct Kind: RawRepresentable, Sendable, Hashable {
        public var rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let global = Self(rawValue: 0)
        /// Of a VPN, named by its route distinguisher.
        public static let routeDistinguisher = Self(rawValue: 1)
        public static let local = Self(rawValue: 2)
        /// The router's own choice (RFC 9069).
        public static let locRIB = Self(rawValue: 3)
    }

    public struct Flags: OptionSet, Sendable, Hashable {
        public var rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The address is an IPv6 one.
        public static let ipv6 = Self(rawValue: 0x80)
        /// After the router's policy.
        public static let postPolicy = Self(rawValue: 0x40)
        /// AS numbers in paths take two octets.
        public static let twoOctetAS = Self(rawValue: 0x20)
        /// What the router sends to the peer (RFC 8671).
        public static let adjRIBOut = Self(rawValue: 0x10)
        /// Of ``Kind/locRIB``: only a part of it is told.
        public static let filtered = Self(rawValue: 0x80)
    }

    /// Who is monitored: what tells peers of one router apart.
    public struct Peer: Sendable, Hashable {
        public var kind: Kind
        public var distinguisher: UInt64
        /// `0.0.0.0` for ``Kind/locRIB``.
        public var address: IPAddress

        public init(kind: Kind, distinguisher: UInt64 = 0, address: IPAddress) {
            self.kind = kind
            self.distinguisher = distinguisher
            self.address = address
        }
    }

    /// Where in the router routes are looked at.
    public enum View: String, Sendable, Hashable, CaseIterable {
        /// What the peer sends, before the router's policy, and after it.
        case pre, post
        /// What the router has chosen (RFC 9069).
        case locRIB = "loc-rib"
        /// What the router sends to the peer, before its policy and after it (RFC 8671).
        case outPre = "out-pre"
        case outPost = "out-post"
    }

    public var peer: Peer
    public var flags: Flags
    public var asNumber: ASNumber
    public var identifier: UInt32
    /// Unix seconds; 0 where the router doesn't say.
    public var seconds: UInt32
    public var microseconds: UInt32

    /// Where the routes of this message were looked at. Nil for kinds that nobody has defined.
    public var view: View? {
        switch self.peer.kind {
        case .locRIB: .locRIB
        case .global, .routeDistinguisher, .local:
            switch (self.flags.contains(.adjRIBOut), self.flags.contains(.postPolicy)) {
            case (false, false): .pre
            case (false, true): .post
            case (true, false): .outPre
            case (true, true): .outPost
            }
        default: nil
        }
    }

    /// Reads the header at an offset; nil where it isn't whole.
    init?(_ bytes: RawSpan, at offset: Int) {
        guard let kind = bytes.uint8(at: offset), let flags = bytes.uint8(at: offset + 1),
            let distinguisher = bytes.uint64(at: offset + 2),
            let asNumber = bytes.uint32(at: offset + 26),
            let identifier = bytes.uint32(at: offset + 30),
            let seconds = bytes.uint32(at: offset + 34),
            let microseconds = bytes.uint32(at: offset + 38)
        else { return nil }
        self.flags = Flags(rawValue: flags)
        let isIPv6 = kind != Kind.locRIB.rawValue && self.flags.contains(.ipv6)
        guard
            let address = isIPv6
                ? bytes.address(.ipv6, at: offset + 10) : bytes.address(.ipv4, at: offset + 22)
        else { return nil }
        self.peer = Peer(
            kind: Kind(rawValue: kind), distinguisher: distinguisher, address: address)
        self.asNumber = ASNumber(asNumber)
        self.identifier = identifier
        self.seconds = seconds
        self.microseconds = microseconds
    }
}

extension BMPPeerHeader.Peer: CustomStringConvertible {
    public var description: String {
        switch self.kind {
        case .locRIB: return self.distinguisher == 0 ? "loc-rib" : "loc-rib \(self.distinguisher)"
        case .global: return "\(self.address)"
        default: return "\(self.address) of \(self.distinguisher)"
        }
    }
}
