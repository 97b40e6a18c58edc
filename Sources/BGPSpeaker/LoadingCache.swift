// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPWire
import Glibc
import RouteTable

/// The attributes of one feed's latest routes, decoded and packed, by their bytes.
///
/// In a table dump most routes have the same attributes as one shortly before: such bytes are
/// decoded once, and stand once in a batch. A table of fixed size, each place for the last that
/// fell on it: the bytes, then the packed form. Attributes that are too long for a place are
/// decoded each time.
///
/// It owns its memory, and is used by one thread at a time.
final class LoadingCache {
    private struct Place {
        var hash: UInt32 = 0
        var batch: Int32 = -1
        /// In that batch; negative where the attributes can't be used.
        var index: Int32 = -1
        var byteCount: UInt16 = 0
        var packedCount: UInt16 = 0
    }

    private static let size = 4096
    private static let bytesPerPlace = 256

    /// Touched for each route.
    private let places: UnsafeMutablePointer<Place>
    private let cells: UnsafeMutableRawPointer
    private let kept: KeptAttributes

    init(keeping kept: KeptAttributes) {
        self.kept = kept
        self.places = .allocate(capacity: Self.size)
        self.places.initialize(repeating: Place(), count: Self.size)
        self.cells = .allocate(byteCount: Self.size * Self.bytesPerPlace, alignment: 64)
    }

    deinit {
        self.places.deallocate()
        self.cells.deallocate()
    }

    /// The index in a batch of attributes given by their bytes.
    ///
    /// Batches are told apart by `number`, 0 or more.
    ///
    /// - Returns: Nil where RFC 7606 doesn't let the attributes pass.
    func index(
        of bytes: RawSpan, context: DecodeContext, in batch: inout RouteBatch, number: Int32
    ) -> Int? {
        let hash = bytes.withUnsafeBytes { KeyedHash.hash($0) }
        let slot = Int(truncatingIfNeeded: hash) & (Self.size - 1)
        let place = self.places + slot
        let cell = self.cells + slot &* Self.bytesPerPlace
        let isKnown =
            place.pointee.hash == hash && Int(place.pointee.byteCount) == bytes.byteCount
            && Self.equal(cell, bytes)
        if isKnown {
            if place.pointee.batch == number || place.pointee.index < 0 {
                return place.pointee.index < 0 ? nil : Int(place.pointee.index)
            }
            let packed = UnsafeRawBufferPointer(
                start: cell + bytes.byteCount, count: Int(place.pointee.packedCount))
            let index = batch.intern(packed: packed)
            place.pointee.batch = number
            place.pointee.index = Int32(truncatingIfNeeded: index)
            return index
        }
        let index = self.decode(bytes, context).map { batch.intern($0) }
        var packedCount = 0
        if index != nil { batch.withLastAttributes { packedCount = $0.count } }
        guard bytes.byteCount > 0, bytes.byteCount + packedCount <= Self.bytesPerPlace else {
            return index
        }
        bytes.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(start: cell, count: $0.count).copyMemory(from: $0)
        }
        if index != nil {
            batch.withLastAttributes {
                UnsafeMutableRawBufferPointer(
                    start: cell + bytes.byteCount, count: $0.count
                ).copyMemory(from: $0)
            }
        }
        place.pointee = Place(
            hash: hash, batch: number, index: index.map { Int32(truncatingIfNeeded: $0) } ?? -1,
            byteCount: UInt16(bytes.byteCount), packedCount: UInt16(packedCount))
        return index
    }

    private func decode(_ bytes: RawSpan, _ context: DecodeContext) -> RouteAttributes? {
        let decoding = AttributeDecoding.decode(bytes, context: context)
        guard decoding.disposition < .treatAsWithdraw else { return nil }
        return RouteAttributes(
            decoding.attributes, nextHop: decoding.attributes.nextHop, keeping: self.kept)
    }

    private static func equal(_ known: UnsafeMutableRawPointer, _ bytes: RawSpan) -> Bool {
        bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return true }
            return memcmp(known, start, bytes.count) == 0
        }
    }
}
