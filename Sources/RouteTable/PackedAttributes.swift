// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Attributes in the form in which they travel to the table and stand in it: equal ones are equal
/// byte by byte.
///
/// Layout, native order: bytes that follow this word `u24` and the distance `u8`, flags `u8` (bits
/// 0 and 1 the origin, 2 an IPv4 next hop, 3 an IPv6 one, 4 MED, 5 local preference, 6
/// communities, 7 a length in place of the path), penalty `u8`, next hop, MED, local preference,
/// then of the communities (standard, extended, large) three byte counts `u16` and the bytes, and
/// to the end the AS path as it stands in its attribute, or its length `u8`.
package enum PackedAttributes {
    static let headBytes = 4
    /// Beyond it attributes can't be kept.
    static let maximumBytes = 0xff_ffff

    /// Adds the packed form to the end of `bytes`.
    package static func append(_ attributes: RouteAttributes, to bytes: inout [UInt8]) {
        let start = bytes.count
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
        bytes.append(contentsOf: (0, 0, 0, 0, flags, attributes.penalty))
        if let nextHop = attributes.nextHop {
            withUnsafeBytes(of: (nextHop.high.bigEndian, nextHop.low.bigEndian)) {
                bytes.append(contentsOf: $0.prefix(nextHop.family.byteCount))
            }
        }
        if let number = attributes.multiExitDiscriminator { bytes.append(number) }
        if let number = attributes.localPreference { bytes.append(number) }
        if flags & 64 != 0 {
            let lists = attributes.communities.lists
            for list in lists {
                withUnsafeBytes(of: UInt16(clamping: list.count)) {
                    bytes.append(contentsOf: $0)
                }
            }
            for list in lists { bytes.append(contentsOf: list.prefix(Int(UInt16.max))) }
        }
        if let length = attributes.keptLength {
            bytes.append(length)
        } else {
            bytes.append(contentsOf: attributes.asPath.encoded)
        }
        let count = bytes.count - start - self.headBytes
        let head =
            UInt32(truncatingIfNeeded: min(count, self.maximumBytes))
            | UInt32(truncatingIfNeeded: attributes.distance) &<< 24
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: head, toByteOffset: start, as: UInt32.self)
        }
    }

    /// The whole packed form that begins at an address.
    @inline(__always)
    static func bytes(at start: UnsafeRawPointer) -> UnsafeRawBufferPointer {
        let head = start.loadUnaligned(as: UInt32.self)
        return UnsafeRawBufferPointer(
            start: start, count: Int(head & 0xff_ffff) &+ self.headBytes)
    }

    /// Where what follows flags and penalty stands.
    struct Fields {
        let bytes: UnsafeRawBufferPointer
        private var position = 6

        init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

        var flags: UInt8 { self.bytes[4] }
        var penalty: UInt8 { self.bytes[5] }

        mutating func take(_ count: Int) -> UnsafeRawBufferPointer {
            defer { self.position += count }
            return UnsafeRawBufferPointer(
                rebasing: self.bytes[self.position..<self.position + count])
        }

        mutating func number() -> UInt32 { self.take(4).loadUnaligned(as: UInt32.self) }

        /// Byte counts of the communities, all zero where there are none.
        mutating func communityCounts() -> [Int] {
            guard self.flags & 64 != 0 else { return [0, 0, 0] }
            let counts = self.take(6)
            return (0..<3).map {
                Int(counts.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self))
            }
        }

        /// The path, where all before it is of no interest.
        mutating func path() -> UnsafeRawBufferPointer {
            self.position += self.flags & 4 != 0 ? 4 : 0
            self.position += self.flags & 8 != 0 ? 16 : 0
            self.position += self.flags & 16 != 0 ? 4 : 0
            self.position += self.flags & 32 != 0 ? 4 : 0
            if self.flags & 64 != 0 { self.position += self.communityCounts().reduce(0, +) }
            return self.rest()
        }

        mutating func rest() -> UnsafeRawBufferPointer {
            self.take(self.bytes.count - self.position)
        }
    }

    static func unpack(_ bytes: UnsafeRawBufferPointer) -> RouteAttributes {
        var fields = Fields(bytes)
        let flags = fields.flags
        var nextHop: IPAddress?
        if flags & 4 != 0 { nextHop = IPAddress(bytes: fields.take(4)) }
        if flags & 8 != 0 { nextHop = IPAddress(bytes: fields.take(16)) }
        let discriminator = flags & 16 != 0 ? fields.number() : nil
        let preference = flags & 32 != 0 ? fields.number() : nil
        var communities = RouteCommunities()
        if flags & 64 != 0 {
            let counts = fields.communityCounts()
            communities.standard = Array(fields.take(counts[0]))
            communities.extended = Array(fields.take(counts[1]))
            communities.large = Array(fields.take(counts[2]))
        }
        let path = fields.rest()
        let isLength = flags & 128 != 0
        var attributes = RouteAttributes(
            origin: RouteAttributes.Origin(rawValue: flags & 3) ?? .incomplete,
            asPath: isLength
                ? .empty : (try? ASPath(encoded: RawSpan(_unsafeBytes: path))) ?? .empty,
            nextHop: nextHop, multiExitDiscriminator: discriminator,
            localPreference: preference, penalty: fields.penalty, communities: communities)
        if isLength { attributes.keptLength = path.first }
        return attributes
    }

    /// As ``RouteAttributes/distance(after:)``, without unpacking.
    static func distance(_ bytes: UnsafeRawBufferPointer, after number: ASNumber) -> Int? {
        var fields = Fields(bytes)
        guard fields.flags & 128 == 0 else { return nil }
        let path = fields.path()
        var position = 0
        var hops: Int?
        while position + 2 <= path.count {
            let kind = ASPath.SegmentKind(rawValue: path[position])
            let members = Int(path[position + 1])
            let isSet = kind == .set || kind == .confederationSet
            let counts = kind == .set || kind == .sequence
            if isSet, counts, hops != nil { hops = (hops ?? 0) + 1 }
            for member in 0..<members {
                let offset = position + 2 + 4 * member
                let value = path.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                if UInt32(bigEndian: value) == number.rawValue {
                    hops = 0
                } else if !isSet, counts, let sofar = hops {
                    hops = sofar + 1
                }
            }
            position += 2 + 4 * members
        }
        return hops.map { min(RouteAttributes.maximumDistance, $0 + Int(fields.penalty)) }
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ number: UInt32) {
        Swift.withUnsafeBytes(of: number) { self.append(contentsOf: $0) }
    }

    fileprivate mutating func append(
        contentsOf bytes: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)
    ) {
        Swift.withUnsafeBytes(of: bytes) { self.append(contentsOf: $0) }
    }
}
