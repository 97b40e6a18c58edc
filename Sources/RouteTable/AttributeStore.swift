// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Equal attributes once, packed, counted by the routes that have them.
///
/// A record begins at a multiple of 8 bytes; its number is that multiple. Layout, native order:
/// references `u32`, hash `u32`, bytes that follow `u24` and distance `u8`, then flags `u8` (bits
/// 0 and 1 the origin, 2 an IPv4 next hop, 3 an IPv6 one, 4 MED, 5 local preference), penalty
/// `u8`, next hop, MED, local preference, and the AS path as it stands in its attribute.
///
/// Records of one size are used again for the same size, so days of flapping leave no holes that
/// grow. Belongs to the writer's thread.
final class AttributeStore {
    private static let headerBytes = 12
    /// Record numbers are below two to the power of this.
    static let numberBits = 28
    private static let limit = 1 << numberBits

    private let memory: ReservedMemory
    private let base: UnsafeMutableRawPointer
    private var highWater = 1
    private var freeRecords: [Int: [UInt32]] = [:]
    private var slots: [UInt32] = Array(repeating: 0, count: 1024)
    private var scratch: [UInt8] = []
    private(set) var count = 0
    private(set) var freeBytes = 0

    init() throws(TableResourceError) {
        self.memory = try ReservedMemory(bytes: Self.limit * 8)
        self.base = self.memory.base
    }

    @inline(__always)
    private func at(_ id: UInt32) -> UnsafeMutableRawPointer { self.base + Int(id) &* 8 }

    @inline(__always)
    private func byteCount(_ id: UInt32) -> Int {
        Int(self.at(id).load(fromByteOffset: 8, as: UInt32.self) & 0xff_ffff)
    }

    private func payload(_ id: UInt32) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: self.at(id) + Self.headerBytes, count: self.byteCount(id))
    }

    /// The route's distance.
    @inline(__always)
    func distance(_ id: UInt32) -> Int {
        Int(self.at(id).load(fromByteOffset: 11, as: UInt8.self))
    }

    func retain(_ id: UInt32) {
        let references = self.at(id).load(as: UInt32.self)
        self.at(id).storeBytes(of: references + 1, as: UInt32.self)
    }

    func release(_ id: UInt32) {
        let references = self.at(id).load(as: UInt32.self) - 1
        self.at(id).storeBytes(of: references, as: UInt32.self)
        if references == 0 { self.remove(id) }
    }

    /// The number of these attributes, retained once for the caller; nil where there is no space
    /// for them.
    func intern(_ attributes: RouteAttributes) -> UInt32? {
        self.encode(attributes)
        guard self.scratch.count < 1 << 24 else { return nil }
        let hash = Self.hash(self.scratch)
        var slot = Int(hash) & (self.slots.count - 1)
        while self.slots[slot] != 0 {
            let id = self.slots[slot]
            if self.at(id).load(fromByteOffset: 4, as: UInt32.self) == hash,
                self.payload(id).elementsEqual(self.scratch)
            {
                self.retain(id)
                return id
            }
            slot = (slot + 1) & (self.slots.count - 1)
        }
        guard let id = self.allocate(Self.granules(self.scratch.count)) else { return nil }
        let record = self.at(id)
        record.storeBytes(of: 1, as: UInt32.self)
        record.storeBytes(of: hash, toByteOffset: 4, as: UInt32.self)
        record.storeBytes(
            of: UInt32(self.scratch.count) | UInt32(attributes.distance) << 24, toByteOffset: 8,
            as: UInt32.self)
        self.scratch.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(
                start: record + Self.headerBytes, count: $0.count
            ).copyMemory(from: $0)
        }
        self.slots[slot] = id
        self.count += 1
        if self.count * 2 > self.slots.count { self.growIndex() }
        return id
    }

    func attributes(_ id: UInt32) -> RouteAttributes {
        let bytes = self.payload(id)
        var position = 2
        func take(_ count: Int) -> UnsafeRawBufferPointer {
            defer { position += count }
            return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
        }
        let flags = bytes[0]
        var nextHop: IPAddress?
        if flags & 4 != 0 { nextHop = IPAddress(bytes: take(4)) }
        if flags & 8 != 0 { nextHop = IPAddress(bytes: take(16)) }
        let discriminator = flags & 16 != 0 ? take(4).loadUnaligned(as: UInt32.self) : nil
        let preference = flags & 32 != 0 ? take(4).loadUnaligned(as: UInt32.self) : nil
        let path = RawSpan(_unsafeBytes: take(bytes.count - position))
        return RouteAttributes(
            origin: RouteAttributes.Origin(rawValue: flags & 3) ?? .incomplete,
            asPath: (try? ASPath(encoded: path)) ?? .empty, nextHop: nextHop,
            multiExitDiscriminator: discriminator, localPreference: preference,
            penalty: bytes[1])
    }

    /// As ``RouteAttributes/distance(after:)``, without unpacking.
    func distance(_ id: UInt32, after number: ASNumber) -> Int? {
        let bytes = self.payload(id)
        let flags = bytes[0]
        var position = 2
        position += flags & 4 != 0 ? 4 : 0
        position += flags & 8 != 0 ? 16 : 0
        position += flags & 16 != 0 ? 4 : 0
        position += flags & 32 != 0 ? 4 : 0
        var hops: Int?
        while position + 2 <= bytes.count {
            let kind = ASPath.SegmentKind(rawValue: bytes[position])
            let members = Int(bytes[position + 1])
            let isSet = kind == .set || kind == .confederationSet
            let counts = kind == .set || kind == .sequence
            if isSet, counts, hops != nil { hops = (hops ?? 0) + 1 }
            for member in 0..<members {
                let offset = position + 2 + 4 * member
                let value = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                if UInt32(bigEndian: value) == number.rawValue {
                    hops = 0
                } else if !isSet, counts, let sofar = hops {
                    hops = sofar + 1
                }
            }
            position += 2 + 4 * members
        }
        return hops.map { min(RouteAttributes.maximumDistance, $0 + Int(bytes[1])) }
    }

    // MARK: Records

    private func encode(_ attributes: RouteAttributes) {
        self.scratch.removeAll(keepingCapacity: true)
        var flags = attributes.origin.rawValue
        switch attributes.nextHop?.family {
        case .ipv4: flags |= 4
        case .ipv6: flags |= 8
        case nil: break
        }
        if attributes.multiExitDiscriminator != nil { flags |= 16 }
        if attributes.localPreference != nil { flags |= 32 }
        self.scratch.append(flags)
        self.scratch.append(attributes.penalty)
        if let nextHop = attributes.nextHop {
            for index in 0..<nextHop.family.byteCount {
                self.scratch.append(nextHop.byte(at: index))
            }
        }
        for number in [attributes.multiExitDiscriminator, attributes.localPreference] {
            if let number { withUnsafeBytes(of: number) { self.scratch.append(contentsOf: $0) } }
        }
        self.scratch.append(contentsOf: attributes.asPath.encoded)
    }

    private static func hash(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { bytes in
            var hash: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(bytes.count)
            var offset = 0
            while offset < bytes.count {
                var word: UInt64 = 0
                if offset + 8 <= bytes.count {
                    word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                } else {
                    for byte in bytes[offset...] { word = word << 8 | UInt64(byte) }
                }
                let product = (hash ^ word).multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
                hash = product.high ^ product.low &+ 0x632b_e59b_d9b4_e019
                offset += 8
            }
            return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
        }
    }

    private static func granules(_ bytes: Int) -> Int { (headerBytes + bytes + 7) / 8 }

    private func allocate(_ granules: Int) -> UInt32? {
        if let id = self.freeRecords[granules]?.popLast() {
            self.freeBytes -= granules * 8
            return id
        }
        guard self.highWater + granules <= Self.limit else { return nil }
        let id = UInt32(self.highWater)
        self.highWater += granules
        return id
    }

    private func growIndex() {
        let old = self.slots
        self.slots = Array(repeating: 0, count: old.count * 2)
        for id in old where id != 0 {
            var slot = self.home(id)
            while self.slots[slot] != 0 { slot = (slot + 1) & (self.slots.count - 1) }
            self.slots[slot] = id
        }
    }

    private func home(_ id: UInt32) -> Int {
        Int(self.at(id).load(fromByteOffset: 4, as: UInt32.self)) & (self.slots.count - 1)
    }

    private func remove(_ id: UInt32) {
        let mask = self.slots.count - 1
        var hole = self.home(id)
        while self.slots[hole] != id { hole = (hole + 1) & mask }
        var slot = (hole + 1) & mask
        while self.slots[slot] != 0 {
            let other = self.slots[slot]
            if (slot - self.home(other)) & mask >= (slot - hole) & mask {
                self.slots[hole] = other
                hole = slot
            }
            slot = (slot + 1) & mask
        }
        self.slots[hole] = 0
        self.count -= 1
        let granules = Self.granules(self.byteCount(id))
        self.freeRecords[granules, default: []].append(id)
        self.freeBytes += granules * 8
    }

    var recordBytes: Int { self.highWater * 8 }
    var indexBytes: Int { self.slots.capacity * 4 }
}
