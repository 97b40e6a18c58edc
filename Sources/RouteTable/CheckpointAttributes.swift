// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A route's attributes as a checkpoint has them.
///
/// ``AttributeFlags`` `u8`, penalty `u8`, ``FurtherFlags`` where there are any (since version
/// 2), next hop, MED and local preference as numbers, the three kinds of communities and the AS
/// path as in their attributes, the bytes of each counted; or the path's length `u8`.
enum CheckpointAttributes {
    static func write(_ attributes: RouteAttributes, to block: inout [UInt8]) {
        let hasFurther = FurtherFlags.areNeeded(for: attributes)
        let flags = AttributeFlags(attributes, hasFurther: hasFurther)
        block.append(flags.rawValue)
        block.append(attributes.penalty)
        if hasFurther { FurtherFlags(attributes).write(attributes, to: &block) }
        if let nextHop = attributes.nextHop {
            for index in 0..<nextHop.family.byteCount { block.append(nextHop.byte(at: index)) }
        }
        if let number = attributes.multiExitDiscriminator { block.appendNumber(number) }
        if let number = attributes.localPreference { block.appendNumber(number) }
        if flags.contains(.communities) {
            for list in attributes.communities.lists { block.appendBytes(list) }
        }
        if let length = attributes.keptLength {
            block.append(length)
        } else {
            block.appendBytes(attributes.asPath.encoded)
        }
    }

    static func read(_ cursor: inout CheckpointCursor) throws(CheckpointError) -> RouteAttributes {
        let flags = AttributeFlags(rawValue: try cursor.byte())
        guard !flags.contains([.ipv4NextHop, .ipv6NextHop]) else { throw cursor.malformed }
        var attributes = RouteAttributes(asPath: .empty, penalty: try cursor.byte())
        if let origin = flags.origin {
            attributes.origin = origin
        } else {
            try self.readFurther(&cursor, into: &attributes)
        }
        if flags.contains(.ipv4NextHop) {
            attributes.nextHop = IPAddress(bytes: try cursor.take(4))
        }
        if flags.contains(.ipv6NextHop) {
            attributes.nextHop = IPAddress(bytes: try cursor.take(16))
        }
        if flags.contains(.discriminator) {
            attributes.multiExitDiscriminator = try cursor.number()
        }
        if flags.contains(.preference) { attributes.localPreference = try cursor.number() }
        if flags.contains(.communities) {
            attributes.communities.standard = Array(try cursor.takeCounted())
            attributes.communities.extended = Array(try cursor.takeCounted())
            attributes.communities.large = Array(try cursor.takeCounted())
            guard !attributes.communities.isEmpty else { throw cursor.malformed }
        }
        if flags.contains(.length) {
            attributes.keptLength = try cursor.byte()
            return attributes
        }
        let bytes = try cursor.takeCounted()
        guard let path = try? ASPath(encoded: RawSpan(_unsafeBytes: bytes)) else {
            throw cursor.malformed
        }
        attributes.asPath = path
        return attributes
    }

    private static func readFurther(
        _ cursor: inout CheckpointCursor, into attributes: inout RouteAttributes
    ) throws(CheckpointError) {
        let low = try cursor.byte()
        let flags = FurtherFlags(rawValue: UInt16(low) | UInt16(try cursor.byte()) << 8)
        guard flags.isValid else { throw cursor.malformed }
        flags.set(&attributes)
        if flags.contains(.override) { attributes.distanceOverride = try cursor.byte() }
        if flags.contains(.tags) {
            for _ in 0..<(try cursor.byte()) {
                let count = Int(try cursor.byte())
                guard let tag = String(validating: try cursor.take(count), as: UTF8.self) else {
                    throw cursor.malformed
                }
                attributes.tags.append(tag)
            }
            guard !attributes.tags.isEmpty else { throw cursor.malformed }
        }
        // What would be written without these flags was not written with them.
        guard FurtherFlags.areNeeded(for: attributes) else { throw cursor.malformed }
    }
}
