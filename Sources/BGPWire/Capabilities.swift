// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// What a peer said it can do, in the order it said so.
public struct Capabilities: Sendable, Hashable {
    public var list: [Capability]

    public init(_ list: [Capability] = []) { self.list = list }

    /// What can be read of a list as it stands in an OPEN, or in a NOTIFICATION.
    init(unchecked bytes: RawSpan) {
        self.list = []
        _ = self.read(bytes)
    }

    /// Adds capabilities of a code `u8`, a length `u8` and a value (RFC 5492 §4).
    ///
    /// - Returns: False where one reaches beyond the end; those before it were added.
    mutating func read(_ bytes: RawSpan) -> Bool {
        var position = 0
        while position < bytes.byteCount {
            guard let code = bytes.uint8(at: position),
                let length = bytes.uint8(at: position + 1),
                Int(length) <= bytes.byteCount - position - 2
            else { return false }
            let end = position + 2 + Int(length)
            self.list.append(
                Capability(.init(rawValue: code), bytes.bytes(in: position + 2..<end)))
            position = end
        }
        return true
    }

    /// As they stand in an OPEN, and in the data of Unsupported Capability (RFC 5492 §5).
    public var encoded: [UInt8] {
        self.list.flatMap {
            [$0.code.rawValue, UInt8(clamping: $0.value.count)] + $0.value.prefix(255)
        }
    }

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

    /// Families that its owner would send (`true`) or take (`false`) with path identifiers
    /// (RFC 7911 §4): AFI `u16`, SAFI `u8`, 1 receive, 2 send, 3 both. A capability with any other
    /// direction in it is ignored as a whole.
    public func addPath(sends: Bool) -> FamilySet {
        var set: FamilySet = []
        for capability in self.list where capability.code == .addPath {
            let bytes = capability.value.span.bytes
            var these: FamilySet = []
            var isSound = true
            var position = 0
            while let number = bytes.uint16(at: position),
                let subsequent = bytes.uint8(at: position + 2),
                let direction = bytes.uint8(at: position + 3)
            {
                position += 4
                guard (1...3).contains(direction) else {
                    isSound = false
                    break
                }
                guard direction & (sends ? 2 : 1) != 0,
                    let family = AddressFamily(unicast: number, subsequent)
                else { continue }
                these.insert(FamilySet(family))
            }
            if isSound { set.formUnion(these) }
        }
        return set
    }

    /// Whether IPv4 unicast prefixes may come with IPv6 next hops (RFC 8950 §4): AFI `u16`,
    /// SAFI `u16`, next hop AFI `u16`.
    public var extendedNextHop: Bool {
        self.list.contains { capability in
            guard capability.code == .extendedNextHop else { return false }
            let bytes = capability.value.span.bytes
            return stride(from: 0, to: capability.value.count, by: 6).contains {
                bytes.uint16(at: $0) == 1 && bytes.uint16(at: $0 + 2) == 1
                    && bytes.uint16(at: $0 + 4) == 2
            }
        }
    }

    /// What its owner is to the neighbour (RFC 9234 §4.1), each role once. More than one is the
    /// owner's mistake (§4.2).
    public var roles: [PeeringRole] {
        var roles: [PeeringRole] = []
        for capability in self.list
        where capability.code == .role && capability.value.count == 1 {
            let role = PeeringRole(rawValue: capability.value[0])
            if !roles.contains(role) { roles.append(role) }
        }
        return roles
    }
}

extension AddressFamily {
    /// A unicast family by its AFI and SAFI (RFC 4760); nil for all others.
    init?(unicast number: UInt16, _ subsequent: UInt8) {
        guard subsequent == 1, number <= 2 else { return nil }
        self.init(rawValue: UInt8(truncatingIfNeeded: number))
    }
}
