// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import RouteFiles

/// Writes MRT records for tests, field by field as RFC 6396 draws them.
struct MRTBuilder {
    private(set) var bytes: [UInt8] = []

    static func number<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    static func prefix(_ text: String) throws -> [UInt8] {
        let prefix = try IPPrefix(parsing: text)
        return [UInt8(prefix.length)] + prefix.address.bytes.prefix((prefix.length + 7) / 8)
    }

    /// ORIGIN IGP, an AS path of one sequence, and a next hop.
    static func attributes(_ path: [UInt32], fourOctetAS: Bool = true) -> [UInt8] {
        let members = path.flatMap {
            fourOctetAS ? self.number($0) : self.number(UInt16(truncatingIfNeeded: $0))
        }
        let value = [2, UInt8(path.count)] + members
        return [0x40, 1, 1, 0, 0x40, 2, UInt8(value.count)] + value + [0x40, 3, 4, 192, 0, 2, 1]
    }

    mutating func record(
        _ type: UInt16, _ subtype: UInt16, _ body: [UInt8], time: UInt32 = 1_400_824_800
    ) {
        self.bytes += Self.number(time) + Self.number(type) + Self.number(subtype)
        self.bytes += Self.number(UInt32(body.count)) + body
    }

    mutating func peerIndex(_ peers: [MRTPeer], view: String = "") {
        var body = Self.number(0xc000_0201 as UInt32) + Self.number(UInt16(view.utf8.count))
        body += Array(view.utf8) + Self.number(UInt16(peers.count))
        for peer in peers {
            let isIPv6 = peer.address.family == .ipv6
            body += [isIPv6 ? 3 : 2] + Self.number(0x0a00_0001 as UInt32) + peer.address.bytes
            body += Self.number(peer.asNumber.rawValue)
        }
        self.record(13, 1, body)
    }

    /// A RIB record: `head` is the prefix, or all that stands before the entries in RIB_GENERIC.
    mutating func rib(
        _ subtype: UInt16, _ head: [UInt8],
        _ entries: [(peer: UInt16, pathID: UInt32?, attributes: [UInt8])]
    ) {
        var body = Self.number(7 as UInt32) + head + Self.number(UInt16(entries.count))
        for entry in entries {
            body += Self.number(entry.peer) + Self.number(1_400_000_000 as UInt32)
            if let pathID = entry.pathID { body += Self.number(pathID) }
            body += Self.number(UInt16(entry.attributes.count)) + entry.attributes
        }
        self.record(13, subtype, body)
    }

    static func session(_ peer: MRTPeer, local: MRTPeer, fourOctetAS: Bool) -> [UInt8] {
        let numbers = [peer.asNumber, local.asNumber].flatMap {
            fourOctetAS
                ? self.number($0.rawValue) : self.number(UInt16(truncatingIfNeeded: $0.rawValue))
        }
        return numbers + [0, 9] + [0, peer.address.family.rawValue] + peer.address.bytes
            + local.address.bytes
    }

    static func message(_ type: UInt8, _ body: [UInt8]) -> [UInt8] {
        [UInt8](repeating: 0xff, count: 16) + self.number(UInt16(19 + body.count)) + [type] + body
    }

    static func update(
        withdrawn: [UInt8] = [], attributes: [UInt8] = [], announced: [UInt8] = []
    ) -> [UInt8] {
        self.message(
            2,
            self.number(UInt16(withdrawn.count)) + withdrawn + self.number(UInt16(attributes.count))
                + attributes + announced)
    }
}
