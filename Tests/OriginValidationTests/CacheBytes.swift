// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import OriginValidation

/// Messages as a cache writes them, byte by byte (RFC 8210 §5).
enum CacheBytes {
    static func header(
        _ type: UInt8, field: UInt16 = 0, length: UInt32, version: UInt8 = 1
    ) -> [UInt8] {
        [version, type, UInt8(field >> 8), UInt8(field & 0xff)] + number(length)
    }

    static func number(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    static func response(_ session: UInt16 = 7, version: UInt8 = 1) -> [UInt8] {
        self.header(3, field: session, length: 8, version: version)
    }

    static func notify(_ serial: UInt32, session: UInt16 = 7, version: UInt8 = 1) -> [UInt8] {
        self.header(0, field: session, length: 12, version: version) + self.number(serial)
    }

    static func record(_ payload: VRP, announced: Bool = true, version: UInt8 = 1) -> [UInt8] {
        let family = payload.prefix.family
        return self.header(
            family == .ipv4 ? 4 : 6, length: UInt32(16 + family.byteCount), version: version)
            + [announced ? 1 : 0, UInt8(payload.prefix.length), payload.maximumLength, 0]
            + payload.prefix.address.bytes + self.number(payload.asNumber.rawValue)
    }

    static func end(
        _ serial: UInt32, session: UInt16 = 7, version: UInt8 = 1,
        _ intervals: (UInt32, UInt32, UInt32) = (3600, 600, 7200)
    ) -> [UInt8] {
        guard version > 0 else {
            return self.header(7, field: session, length: 12, version: 0) + self.number(serial)
        }
        return self.header(7, field: session, length: 24, version: version)
            + self.number(serial) + self.number(intervals.0) + self.number(intervals.1)
            + self.number(intervals.2)
    }

    static func reset(version: UInt8 = 1) -> [UInt8] {
        self.header(8, length: 8, version: version)
    }

    static func error(
        _ code: UInt16, _ text: String = "", version: UInt8 = 1, quote: [UInt8] = []
    ) -> [UInt8] {
        let text = Array(text.utf8)
        return self.header(
            10, field: code, length: UInt32(16 + quote.count + text.count), version: version)
            + self.number(UInt32(quote.count)) + quote + self.number(UInt32(text.count)) + text
    }
}
