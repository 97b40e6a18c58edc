// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Attributes in the form in which they travel to the table and stand in it: equal ones are equal
/// byte by byte.
///
/// Layout, native order: bytes that follow this word `u24` and the distance `u8` (255: none, the
/// route is ignored), ``AttributeFlags`` `u8`, penalty `u8`, ``FurtherFlags`` where there are
/// any, next hop, MED, local preference, then of the communities (standard, extended, large) three
/// byte counts `u16` and the bytes, and to the end the AS path as it stands in its attribute, or
/// its length `u8`.
package enum PackedAttributes {
    static let headBytes = 4
    /// In place of a distance where the route is ignored.
    static let noDistance = 255
    /// Beyond it attributes can't be kept.
    static let maximumBytes = 0xff_ffff

    /// Adds the packed form to the end of `bytes`.
    package static func append(_ attributes: RouteAttributes, to bytes: inout [UInt8]) {
        let start = bytes.count
        let hasFurther = FurtherFlags.areNeeded(for: attributes)
        let flags = AttributeFlags(attributes, hasFurther: hasFurther)
        bytes.append(contentsOf: (0, 0, 0, 0, flags.rawValue, attributes.penalty))
        if hasFurther { FurtherFlags(attributes).write(attributes, to: &bytes) }
        if let nextHop = attributes.nextHop {
            withUnsafeBytes(of: (nextHop.high.bigEndian, nextHop.low.bigEndian)) {
                bytes.append(contentsOf: $0.prefix(nextHop.family.byteCount))
            }
        }
        if let number = attributes.multiExitDiscriminator { bytes.append(number) }
        if let number = attributes.localPreference { bytes.append(number) }
        if flags.contains(.communities) {
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
        let distance = attributes.isIgnored ? self.noDistance : attributes.distance
        let head =
            UInt32(truncatingIfNeeded: min(count, self.maximumBytes))
            | UInt32(truncatingIfNeeded: distance) &<< 24
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

        var flags: AttributeFlags { AttributeFlags(rawValue: self.bytes[4]) }
        var penalty: UInt8 { self.bytes[5] }
        var isIgnored: Bool { self.bytes[3] == UInt8(PackedAttributes.noDistance) }

        mutating func take(_ count: Int) -> UnsafeRawBufferPointer {
            defer { self.position += count }
            return UnsafeRawBufferPointer(
                rebasing: self.bytes[self.position..<self.position + count])
        }

        mutating func byte() -> UInt8 {
            defer { self.position += 1 }
            return self.bytes[self.position]
        }

        mutating func number() -> UInt32 { self.take(4).loadUnaligned(as: UInt32.self) }

        /// The further flags, and what they announce; none where there are none.
        mutating func further() -> (flags: FurtherFlags, distance: UInt8?, tags: [String]) {
            guard self.flags.contains(.hasFurther) else {
                return (FurtherFlags(rawValue: UInt16(self.flags.rawValue & 3)), nil, [])
            }
            let low = self.byte()
            let flags = FurtherFlags(rawValue: UInt16(low) | UInt16(self.byte()) << 8)
            let distance = flags.contains(.override) ? self.byte() : nil
            var tags: [String] = []
            if flags.contains(.tags) {
                for _ in 0..<self.byte() {
                    let count = Int(self.byte())
                    tags.append(String(decoding: self.take(count), as: UTF8.self))
                }
            }
            return (flags, distance, tags)
        }

        private mutating func skipFurther() {
            guard self.flags.contains(.hasFurther) else { return }
            let flags = FurtherFlags(rawValue: UInt16(self.byte()))
            self.position += flags.contains(.override) ? 2 : 1
            guard flags.contains(.tags) else { return }
            for _ in 0..<self.byte() { self.position += Int(self.byte()) }
        }

        /// Byte counts of the communities, all zero where there are none.
        mutating func communityCounts() -> [Int] {
            guard self.flags.contains(.communities) else { return [0, 0, 0] }
            let counts = self.take(6)
            return (0..<3).map {
                Int(counts.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self))
            }
        }

        /// The path, where all before it is of no interest.
        mutating func path() -> UnsafeRawBufferPointer {
            self.skipFurther()
            let flags = self.flags
            self.position += flags.contains(.ipv4NextHop) ? 4 : 0
            self.position += flags.contains(.ipv6NextHop) ? 16 : 0
            self.position += flags.contains(.discriminator) ? 4 : 0
            self.position += flags.contains(.preference) ? 4 : 0
            if flags.contains(.communities) { self.position += self.communityCounts().reduce(0, +) }
            return self.rest()
        }

        mutating func rest() -> UnsafeRawBufferPointer {
            self.take(self.bytes.count - self.position)
        }
    }

    /// The further flags of attributes that have some.
    static func further(_ bytes: UnsafeRawBufferPointer) -> FurtherFlags {
        FurtherFlags(rawValue: UInt16(bytes[6]) | UInt16(bytes[7]) << 8)
    }

    static func unpack(_ bytes: UnsafeRawBufferPointer) -> RouteAttributes {
        var fields = Fields(bytes)
        let flags = fields.flags
        var attributes = RouteAttributes(asPath: .empty, penalty: fields.penalty)
        let further = fields.further()
        further.flags.set(&attributes)
        attributes.distanceOverride = further.distance
        attributes.tags = further.tags
        if flags.contains(.ipv4NextHop) { attributes.nextHop = IPAddress(bytes: fields.take(4)) }
        if flags.contains(.ipv6NextHop) { attributes.nextHop = IPAddress(bytes: fields.take(16)) }
        if flags.contains(.discriminator) { attributes.multiExitDiscriminator = fields.number() }
        if flags.contains(.preference) { attributes.localPreference = fields.number() }
        if flags.contains(.communities) {
            let counts = fields.communityCounts()
            attributes.communities.standard = Array(fields.take(counts[0]))
            attributes.communities.extended = Array(fields.take(counts[1]))
            attributes.communities.large = Array(fields.take(counts[2]))
        }
        let path = fields.rest()
        if flags.contains(.length) {
            attributes.keptLength = path.first
        } else {
            attributes.asPath = (try? ASPath(encoded: RawSpan(_unsafeBytes: path))) ?? .empty
        }
        return attributes
    }

    /// As ``RouteAttributes/distance(after:)``, without unpacking; nil where the route is ignored.
    static func distance(_ bytes: UnsafeRawBufferPointer, after number: ASNumber) -> Int? {
        var fields = Fields(bytes)
        guard !fields.flags.contains(.length), !fields.isIgnored else { return nil }
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
