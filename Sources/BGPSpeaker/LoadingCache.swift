// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPWire
import RouteTable

/// The attributes of one feed's latest routes, decoded, by their bytes.
///
/// In a table dump most routes have the same attributes as one shortly before: such bytes are
/// decoded once, and stand once in a batch. A table of fixed size, each place for the last that
/// fell on it.
struct LoadingCache {
    private struct Place {
        var hash: UInt64 = 0
        var bytes: [UInt8] = []
        /// Nil where the attributes can't be used.
        var attributes: RouteAttributes?
        var batch = -1
        var index = 0
    }

    private var places = [Place](repeating: Place(), count: Self.size)
    private static let size = 2048

    /// The index in a batch of attributes given by their bytes.
    ///
    /// Batches are told apart by `number`, 0 or more.
    ///
    /// - Returns: Nil where RFC 7606 doesn't let the attributes pass.
    mutating func index(
        of bytes: RawSpan, context: DecodeContext, in batch: inout RouteBatch, number: Int
    ) -> Int? {
        let hash = Self.hash(bytes)
        let slot = Int(truncatingIfNeeded: hash >> 40) & (Self.size - 1)
        if self.places[slot].hash != hash || !Self.equal(self.places[slot].bytes, bytes) {
            self.places[slot] = Place(
                hash: hash, bytes: bytes.bytes(in: 0..<bytes.byteCount),
                attributes: Self.decode(bytes, context))
        }
        guard let attributes = self.places[slot].attributes else { return nil }
        if self.places[slot].batch != number {
            self.places[slot].batch = number
            self.places[slot].index = batch.intern(attributes)
        }
        return self.places[slot].index
    }

    private static func decode(_ bytes: RawSpan, _ context: DecodeContext) -> RouteAttributes? {
        let decoding = AttributeDecoding.decode(bytes, context: context)
        guard decoding.disposition < .treatAsWithdraw else { return nil }
        return RouteAttributes(decoding.attributes, nextHop: decoding.attributes.nextHop)
    }

    private static func equal(_ known: [UInt8], _ bytes: RawSpan) -> Bool {
        guard known.count == bytes.byteCount else { return false }
        return bytes.withUnsafeBytes { bytes in
            known.withUnsafeBytes { $0.elementsEqual(bytes) }
        }
    }

    private static func hash(_ bytes: RawSpan) -> UInt64 {
        var value = UInt64(truncatingIfNeeded: bytes.byteCount)
        var position = 0
        func mix(_ word: UInt64) {
            value = (value ^ word) &* 0x9e37_79b9_7f4a_7c15
            value ^= value >> 29
        }
        while let word = bytes.uint64(at: position) {
            mix(word)
            position += 8
        }
        var rest: UInt64 = 0
        while let byte = bytes.uint8(at: position) {
            rest = rest << 8 | UInt64(byte)
            position += 1
        }
        mix(rest)
        return (value ^ value >> 32) &* 0xd6e8_feb8_6659_fd93
    }
}
