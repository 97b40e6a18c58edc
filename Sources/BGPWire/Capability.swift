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
        /// A draft; most routers send their host name so.
        public static let hostName = Self(rawValue: 73)
        /// Route refresh before it had a number.
        public static let oldRouteRefresh = Self(rawValue: 128)
        /// RFC 9494
        public static let longLivedGracefulRestart = Self(rawValue: 71)
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

    /// A receiver's: it keeps the routes of a peer that restarts, and has no forwarding of its
    /// own to preserve (RFC 4724 §3).
    public static let gracefulRestartHelper = Capability(.gracefulRestart, [0, 0])
}

extension Capability.Code: CustomStringConvertible {
    public var description: String {
        switch self {
        case .multiprotocol: "multiprotocol"
        case .routeRefresh: "route refresh"
        case .extendedNextHop: "extended next hop"
        case .extendedMessage: "extended message"
        case .role: "role"
        case .gracefulRestart: "graceful restart"
        case .fourOctetAS: "4-octet AS"
        case .addPath: "ADD-PATH"
        case .enhancedRouteRefresh: "enhanced route refresh"
        case .hostName: "host name"
        case .oldRouteRefresh: "route refresh (old)"
        case .longLivedGracefulRestart: "long-lived graceful restart"
        default: "capability \(self.rawValue)"
        }
    }
}

/// What a peer said it can do, in the order it said so.
public struct Capabilities: Sendable, Hashable {
    public var list: [Capability]

    public init(_ list: [Capability] = []) { self.list = list }

    public func contains(_ code: Capability.Code) -> Bool {
        self.list.contains { $0.code == code }
    }

    /// Unicast families; nil where no multiprotocol capability stands at all, which means IPv4.
    public var families: FamilySet? {
        guard self.contains(.multiprotocol) else { return nil }
        var set: FamilySet = []
        for capability in self.list
        where capability.code == .multiprotocol && capability.value.count == 4
            && capability.value[0] == 0 && capability.value[3] == 1
        {
            if let family = AddressFamily(rawValue: capability.value[1]) {
                set.insert(FamilySet(family))
            }
        }
        return set
    }

    /// The AS number of four octets (RFC 6793 §3). The last one counts (RFC 5492 §4).
    public var fourOctetAS: ASNumber? {
        for capability in self.list.reversed() where capability.code == .fourOctetAS {
            if let number = capability.value.span.bytes.uint32(at: 0), capability.value.count == 4 {
                return ASNumber(number)
            }
        }
        return nil
    }

    /// RFC 4724 §3.
    public struct GracefulRestart: Sendable, Hashable {
        /// The peer has just restarted.
        public var isRestarting: Bool
        /// RFC 8538: it keeps routes through NOTIFICATIONs too.
        public var isForNotifications: Bool
        public var restartSeconds: Int
        /// Families that it forwards while it restarts.
        public var families: FamilySet
        /// Those of them whose forwarding was preserved.
        public var preserved: FamilySet
    }

    /// Flags and seconds `u16` (4 and 12 bits), then for each family AFI `u16`, SAFI `u8`,
    /// flags `u8`.
    public var gracefulRestart: GracefulRestart? {
        guard let value = self.list.last(where: { $0.code == .gracefulRestart })?.value else {
            return nil
        }
        let bytes = value.span.bytes
        guard let head = bytes.uint16(at: 0) else { return nil }
        var result = GracefulRestart(
            isRestarting: head & 0x8000 != 0, isForNotifications: head & 0x4000 != 0,
            restartSeconds: Int(head & 0x0fff), families: [], preserved: [])
        var position = 2
        while let number = bytes.uint16(at: position),
            let subsequent = bytes.uint8(at: position + 2),
            let flags = bytes.uint8(at: position + 3)
        {
            position += 4
            guard subsequent == 1, number <= 2,
                let family = AddressFamily(rawValue: UInt8(truncatingIfNeeded: number))
            else { continue }
            result.families.insert(FamilySet(family))
            if flags & 0x80 != 0 { result.preserved.insert(FamilySet(family)) }
        }
        return result
    }

    /// Families that its owner would send (`true`) or take (`false`) with path identifiers
    /// (RFC 7911 §4): AFI `u16`, SAFI `u8`, 1 receive, 2 send, 3 both.
    public func addPath(sends: Bool) -> FamilySet {
        var set: FamilySet = []
        for capability in self.list where capability.code == .addPath {
            let bytes = capability.value.span.bytes
            var position = 0
            while let number = bytes.uint16(at: position),
                let subsequent = bytes.uint8(at: position + 2),
                let direction = bytes.uint8(at: position + 3)
            {
                position += 4
                guard subsequent == 1, number <= 2,
                    let family = AddressFamily(rawValue: UInt8(truncatingIfNeeded: number)),
                    (1...3).contains(direction), direction & (sends ? 2 : 1) != 0
                else { continue }
                set.insert(FamilySet(family))
            }
        }
        return set
    }
}

extension Capabilities: CustomStringConvertible {
    /// Names, each once, families in words.
    public var description: String {
        var names: [String] = []
        for capability in self.list {
            let name =
                switch capability.code {
                case .multiprotocol: Self.familyName(capability.value)
                default: capability.code.description
                }
            if !names.contains(name) { names.append(name) }
        }
        return names.isEmpty ? "none" : names.joined(separator: ", ")
    }

    private static func familyName(_ value: [UInt8]) -> String {
        let bytes = value.span.bytes
        guard let number = bytes.uint16(at: 0), let subsequent = bytes.uint8(at: 3) else {
            return "a malformed family"
        }
        switch (number, subsequent) {
        case (1, 1): return "IPv4 unicast"
        case (2, 1): return "IPv6 unicast"
        case (1...2, 2): return "IPv\(number == 1 ? 4 : 6) multicast"
        case (1...2, 4): return "IPv\(number == 1 ? 4 : 6) labelled"
        case (1...2, 128): return "VPNv\(number == 1 ? 4 : 6)"
        default: return "family \(number)/\(subsequent)"
        }
    }
}
