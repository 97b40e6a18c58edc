// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// What becomes of routes when their session goes (RFC 4724, 8538, 9494).
extension Capabilities {
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
            guard let family = AddressFamily(unicast: number, subsequent) else { continue }
            result.families.insert(FamilySet(family))
            if flags & 0x80 != 0 { result.preserved.insert(FamilySet(family)) }
        }
        return result
    }

    /// RFC 9494 §3.1.
    public struct LongLived: Sendable, Hashable {
        public var family: AddressFamily
        /// The peer's forwarding was preserved.
        public var isPreserved: Bool
        /// How long its routes may be kept once the restart time is over, 24 bits.
        public var staleSeconds: Int
    }

    /// For each family AFI `u16`, SAFI `u8`, flags `u8` and seconds `u24`. Empty without the
    /// capability, and without that of graceful restart, on which it builds (RFC 9494 §4.1).
    public var longLived: [LongLived] {
        guard self.contains(.gracefulRestart),
            let value = self.list.last(where: { $0.code == .longLivedGracefulRestart })?.value
        else { return [] }
        let bytes = value.span.bytes
        var result: [LongLived] = []
        var position = 0
        while let number = bytes.uint16(at: position),
            let subsequent = bytes.uint8(at: position + 2),
            let word = bytes.uint32(at: position + 3)
        {
            position += 7
            guard let family = AddressFamily(unicast: number, subsequent) else { continue }
            result.removeAll { $0.family == family }
            result.append(
                LongLived(
                    family: family, isPreserved: word & 0x8000_0000 != 0,
                    staleSeconds: Int(word & 0x00ff_ffff)))
        }
        return result
    }
}
