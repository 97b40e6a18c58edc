// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// One path of a router's BGP table, as `show ip bgp` prints it.
public struct TextDumpRoute: Hashable, Sendable {
    /// What the letters and signs before a path say of it.
    public struct Status: OptionSet, Hashable, Sendable {
        public var rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// `*`: the next hop is reachable.
        public static let valid = Self(rawValue: 1)
        /// `>`: the router uses it.
        public static let best = Self(rawValue: 2)
        /// `s`: it is used, and not told to others: an aggregate covers it.
        public static let suppressed = Self(rawValue: 4)
        /// `d`: held back for its flapping.
        public static let damped = Self(rawValue: 8)
        /// `h`: it is gone; the router remembers its flapping.
        public static let history = Self(rawValue: 16)
        /// `S` or `L`: of a peer that restarts.
        public static let stale = Self(rawValue: 32)
        /// `R`: about to be taken away.
        public static let removed = Self(rawValue: 64)
        /// `r`: another protocol's route is in the routing table in its place.
        public static let ribFailure = Self(rawValue: 128)
        /// `i`: from a peer of the router's own AS.
        public static let isInternal = Self(rawValue: 256)
    }

    /// What the router found by RPKI (RFC 6811).
    public enum Validation: Hashable, Sendable { case valid, invalid, notFound }

    public enum Origin: Hashable, Sendable { case igp, egp, incomplete }

    /// The line that the path begins on, counted from 1.
    public var line: Int
    public var prefix: IPPrefix
    public var status: Status
    /// Nil where the router doesn't say.
    public var validation: Validation?
    /// Nil where the router prints a name in its place.
    public var nextHop: IPAddress?
    public var metric: UInt32?
    public var localPreference: UInt32?
    public var weight: UInt32
    public var asPath: ASPath
    public var origin: Origin

    /// Whether the router could use the path.
    public var isUsable: Bool {
        self.status.isDisjoint(with: [.damped, .history, .removed])
            && !self.status.isDisjoint(with: [.valid, .suppressed, .stale, .ribFailure])
    }
}

extension TextDumpRoute {
    /// Whether a byte can stand before a path: blanks too.
    static func isStatus(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || Self.isMark(byte)
    }

    /// The codes of Cisco IOS, Zebra, Quagga and FRR.
    private static func isMark(_ byte: UInt8) -> Bool {
        switch UnicodeScalar(byte) {
        case "*", ">", "=", "s", "d", "h", "i", "r", "S", "R", "m", "b", "f", "x", "a", "c", "t",
            "L", "V", "I", "N":
            true
        default: false
        }
    }

    /// Takes in one code; those that say nothing of use are passed over.
    static func add(
        _ byte: UInt8, to status: inout Status, _ validation: inout Validation?
    ) {
        switch UnicodeScalar(byte) {
        case "*": status.insert(.valid)
        case ">": status.insert(.best)
        case "s": status.insert(.suppressed)
        case "d": status.insert(.damped)
        case "h": status.insert(.history)
        case "S", "L": status.insert(.stale)
        case "R": status.insert(.removed)
        case "r": status.insert(.ribFailure)
        case "i": status.insert(.isInternal)
        case "V": validation = .valid
        case "I": validation = .invalid
        case "N": validation = .notFound
        default: break
        }
    }
}
