// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import FeedRules
import Glibc
import RouteTable

/// The attributes of one feed's latest routes, decoded and packed, by their bytes.
///
/// In a table dump most routes have the same attributes as one shortly before: such bytes are
/// decoded once, and stand once in a batch. A table of fixed size, each place for the last that
/// fell on it: the bytes, then the packed form. Attributes that are too long for a place are
/// decoded each time. A feed with rules keeps its judge's opinion of the attributes in place of the
/// packed form.
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
    private let judge: RouteJudge?
    /// By place; empty without a judge.
    private var judged: [JudgedAttributes?] = []
    var counts: RuleCounts

    /// What becomes of a route.
    enum Outcome {
        /// It has the attributes of this index in the batch.
        case index(Int)
        /// RFC 7606 doesn't let its attributes pass.
        case malformed
        /// The feed's rules don't.
        case rejected
    }

    init(keeping kept: KeptAttributes, judge: RouteJudge?) {
        self.kept = kept
        self.judge = judge
        self.counts = RuleCounts(rules: judge?.rules.rules.count ?? 0)
        if judge != nil { self.judged = Array(repeating: nil, count: Self.size) }
        self.places = .allocate(capacity: Self.size)
        self.places.initialize(repeating: Place(), count: Self.size)
        self.cells = .allocate(byteCount: Self.size * Self.bytesPerPlace, alignment: 64)
    }

    deinit {
        self.places.deallocate()
        self.cells.deallocate()
    }

    /// What becomes of a route whose attributes are given by their bytes.
    ///
    /// Batches are told apart by `number`, 0 or more.
    func outcome(
        of prefix: IPPrefix, _ bytes: RawSpan, context: DecodeContext,
        in batch: inout RouteBatch, number: Int32
    ) -> Outcome {
        guard let judge = self.judge else {
            return self.index(of: bytes, context: context, in: &batch, number: number)
                .map { .index($0) } ?? .malformed
        }
        let hash = Self.hash(bytes)
        let slot = Self.slot(hash)
        let place = self.places + slot
        if !self.isKnown(bytes, hash, slot) {
            let decoding = AttributeDecoding.decode(bytes, context: context)
            var judged: JudgedAttributes?
            if decoding.disposition < .treatAsWithdraw {
                let (decoded, nextHop) = (decoding.attributes, decoding.attributes.nextHop)
                judged = JudgedAttributes(
                    judge, RouteAttributes(decoded, nextHop: nextHop, keeping: self.kept),
                    decoded, nextHop: nextHop, family: prefix.family, bytes: bytes)
            }
            guard bytes.byteCount > 0, bytes.byteCount <= Self.bytesPerPlace else {
                guard var judged else { return .malformed }
                let index = judged.index(of: prefix, in: &batch, counts: &self.counts)
                judged.finish(&self.counts)
                return index.map { .index($0) } ?? .rejected
            }
            self.judged[slot]?.finish(&self.counts)
            self.judged[slot] = judged
            self.keep(bytes, in: slot)
            place.pointee = Place(
                hash: hash, batch: number, index: judged == nil ? -1 : 0,
                byteCount: UInt16(bytes.byteCount))
        }
        guard place.pointee.index >= 0 else { return .malformed }
        if place.pointee.batch != number {
            place.pointee.batch = number
            self.judged[slot]?.forgetIndices(counts: &self.counts)
        }
        let index = self.judged[slot]?.index(of: prefix, in: &batch, counts: &self.counts)
        return index.flatMap(\.self).map { .index($0) } ?? .rejected
    }

    /// All that has been decided is in the counts.
    func finish() {
        for slot in self.judged.indices { self.judged[slot]?.finish(&self.counts) }
    }

    private func isKnown(_ bytes: RawSpan, _ hash: UInt32, _ slot: Int) -> Bool {
        let place = self.places + slot
        return place.pointee.hash == hash && Int(place.pointee.byteCount) == bytes.byteCount
            && Self.equal(self.cells + slot &* Self.bytesPerPlace, bytes)
    }

    private func keep(_ bytes: RawSpan, in slot: Int) {
        let cell = self.cells + slot &* Self.bytesPerPlace
        bytes.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(start: cell, count: $0.count).copyMemory(from: $0)
        }
    }

    /// The index in a batch of attributes given by their bytes.
    ///
    /// - Returns: Nil where RFC 7606 doesn't let the attributes pass.
    private func index(
        of bytes: RawSpan, context: DecodeContext, in batch: inout RouteBatch, number: Int32
    ) -> Int? {
        let hash = Self.hash(bytes)
        let slot = Self.slot(hash)
        let place = self.places + slot
        let cell = self.cells + slot &* Self.bytesPerPlace
        if self.isKnown(bytes, hash, slot) {
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
        self.keep(bytes, in: slot)
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
    private static func hash(_ bytes: RawSpan) -> UInt32 {
        bytes.withUnsafeBytes { KeyedHash.hash($0) }
    }

    private static func slot(_ hash: UInt32) -> Int {
        Int(truncatingIfNeeded: hash) & (Self.size - 1)
    }
}
