// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A route's attributes as a checkpoint has them.
///
/// Flags `u8` (bits 0 and 1 the origin, 2 an IPv4 next hop, 3 an IPv6 one, 4 MED, 5 local
/// preference; the others are 0), penalty `u8`, next hop, MED and local preference as numbers,
/// and the AS path as in its attribute, its bytes counted.
enum CheckpointAttributes {
    static func write(_ attributes: RouteAttributes, to block: inout [UInt8]) {
        var flags = attributes.origin.rawValue
        switch attributes.nextHop?.family {
        case .ipv4: flags |= 4
        case .ipv6: flags |= 8
        case nil: break
        }
        if attributes.multiExitDiscriminator != nil { flags |= 16 }
        if attributes.localPreference != nil { flags |= 32 }
        block.append(flags)
        block.append(attributes.penalty)
        if let nextHop = attributes.nextHop {
            for index in 0..<nextHop.family.byteCount { block.append(nextHop.byte(at: index)) }
        }
        if let number = attributes.multiExitDiscriminator { block.appendNumber(number) }
        if let number = attributes.localPreference { block.appendNumber(number) }
        block.appendBytes(attributes.asPath.encoded)
    }

    static func read(_ cursor: inout CheckpointCursor) throws(CheckpointError) -> RouteAttributes {
        let flags = try cursor.byte()
        guard flags < 64, flags & 12 != 12,
            let origin = RouteAttributes.Origin(rawValue: flags & 3)
        else { throw cursor.malformed }
        let penalty = try cursor.byte()
        var nextHop: IPAddress?
        if flags & 4 != 0 { nextHop = IPAddress(bytes: try cursor.take(4)) }
        if flags & 8 != 0 { nextHop = IPAddress(bytes: try cursor.take(16)) }
        let discriminator: UInt32? = flags & 16 != 0 ? try cursor.number() : nil
        let preference: UInt32? = flags & 32 != 0 ? try cursor.number() : nil
        let bytes = try cursor.takeCounted()
        guard let path = try? ASPath(encoded: RawSpan(_unsafeBytes: bytes)) else {
            throw cursor.malformed
        }
        return RouteAttributes(
            origin: origin, asPath: path, nextHop: nextHop,
            multiExitDiscriminator: discriminator, localPreference: preference, penalty: penalty)
    }
}
