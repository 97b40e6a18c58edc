// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A route's attributes as a checkpoint has them.
///
/// Flags `u8` (bits 0 and 1 the origin, 2 an IPv4 next hop, 3 an IPv6 one, 4 MED, 5 local
/// preference, 6 communities, 7 a length in place of the path), penalty `u8`, next hop, MED and
/// local preference as numbers, the three kinds of communities and the AS path as in their
/// attributes, the bytes of each counted; or the path's length `u8`.
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
        if !attributes.communities.isEmpty { flags |= 64 }
        if attributes.keptLength != nil { flags |= 128 }
        block.append(flags)
        block.append(attributes.penalty)
        if let nextHop = attributes.nextHop {
            for index in 0..<nextHop.family.byteCount { block.append(nextHop.byte(at: index)) }
        }
        if let number = attributes.multiExitDiscriminator { block.appendNumber(number) }
        if let number = attributes.localPreference { block.appendNumber(number) }
        if flags & 64 != 0 {
            for list in attributes.communities.lists { block.appendBytes(list) }
        }
        if let length = attributes.keptLength {
            block.append(length)
        } else {
            block.appendBytes(attributes.asPath.encoded)
        }
    }

    static func read(_ cursor: inout CheckpointCursor) throws(CheckpointError) -> RouteAttributes {
        let flags = try cursor.byte()
        guard flags & 12 != 12,
            let origin = RouteAttributes.Origin(rawValue: flags & 3)
        else { throw cursor.malformed }
        let penalty = try cursor.byte()
        var nextHop: IPAddress?
        if flags & 4 != 0 { nextHop = IPAddress(bytes: try cursor.take(4)) }
        if flags & 8 != 0 { nextHop = IPAddress(bytes: try cursor.take(16)) }
        let discriminator: UInt32? = flags & 16 != 0 ? try cursor.number() : nil
        let preference: UInt32? = flags & 32 != 0 ? try cursor.number() : nil
        var communities = RouteCommunities()
        if flags & 64 != 0 {
            communities.standard = Array(try cursor.takeCounted())
            communities.extended = Array(try cursor.takeCounted())
            communities.large = Array(try cursor.takeCounted())
            guard !communities.isEmpty else { throw cursor.malformed }
        }
        if flags & 128 != 0 {
            var attributes = RouteAttributes(
                origin: origin, asPath: .empty, nextHop: nextHop,
                multiExitDiscriminator: discriminator, localPreference: preference,
                penalty: penalty, communities: communities)
            attributes.keptLength = try cursor.byte()
            return attributes
        }
        let bytes = try cursor.takeCounted()
        guard let path = try? ASPath(encoded: RawSpan(_unsafeBytes: bytes)) else {
            throw cursor.malformed
        }
        return RouteAttributes(
            origin: origin, asPath: path, nextHop: nextHop,
            multiExitDiscriminator: discriminator, localPreference: preference, penalty: penalty,
            communities: communities)
    }
}
