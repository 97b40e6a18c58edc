// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPWire
import Glibc
import RouteTable

/// The attributes of one feed's latest routes, decoded, by their bytes.
///
/// In a table dump most routes have the same attributes as one shortly before: such bytes are
/// decoded once, and stand once in a batch. A table of fixed size, each place for the last that
/// fell on it.
struct LoadingCache {
    private struct Place {
        var hash: UInt64 = 0
        var batch = -1
        /// In that batch; nil where the attributes can't be used.
        var index: Int?
    }

    /// Touched for each route: trivial values, apart from what hangs on the heap.
    private var places = [Place](repeating: Place(), count: Self.size)
    private var bytes = [[UInt8]](repeating: [], count: Self.size)
    private var attributes = [RouteAttributes?](repeating: nil, count: Self.size)
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
        let isKnown = self.places[slot].hash == hash && Self.equal(self.bytes[slot], bytes)
        if isKnown, self.places[slot].batch == number { return self.places[slot].index }
        if !isKnown {
            self.bytes[slot] = bytes.bytes(in: 0..<bytes.byteCount)
            self.attributes[slot] = Self.decode(bytes, context)
        }
        let index = self.attributes[slot].map { batch.intern($0) }
        self.places[slot] = Place(hash: hash, batch: number, index: index)
        return index
    }

    private static func decode(_ bytes: RawSpan, _ context: DecodeContext) -> RouteAttributes? {
        let decoding = AttributeDecoding.decode(bytes, context: context)
        guard decoding.disposition < .treatAsWithdraw else { return nil }
        return RouteAttributes(decoding.attributes, nextHop: decoding.attributes.nextHop)
    }

    private static func equal(_ known: [UInt8], _ bytes: RawSpan) -> Bool {
        guard known.count == bytes.byteCount else { return false }
        return bytes.withUnsafeBytes { bytes in
            known.withUnsafeBytes { known in
                guard let one = known.baseAddress, let other = bytes.baseAddress else {
                    return known.isEmpty
                }
                return memcmp(one, other, known.count) == 0
            }
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
