// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The clients' locations, with the places that their numbers stand for; 0 is unknown.
struct LocationLayer: Sendable {
    private(set) var places: [Place?] = [nil]
    private(set) var ipv4 = RangeLayer.empty
    private(set) var ipv6 = RangeLayer.empty
    /// Names longer than 15 bytes have memory of their own. Counted once: the table is weighed
    /// often.
    private var nameBytes = 0

    static let empty = LocationLayer(LocationSet())

    var boundaries: Int { self.ipv4.count + self.ipv6.count }

    var byteCount: Int {
        self.ipv4.byteCount + self.ipv6.byteCount
            + self.places.capacity * MemoryLayout<Place?>.stride
            + self.nameBytes
    }

    private static func heapBytes(of name: String) -> Int {
        name.utf8.count > 15 ? 48 + name.utf8.count : 0
    }

    /// - Parameter set: Good, as ``TableCommand/validate()`` checks.
    init(_ set: LocationSet) {
        guard set.count > 0 else { return }
        self.places += set.places
        self.nameBytes = set.places.reduce(0) { $0 + Self.heapBytes(of: $1.name) }
        self.ipv4 = RangeLayer(
            sorted: Self.order(set.ipv4).lazy.map { Self.interval(set.ipv4[Int($0)]) })
        self.ipv6 = RangeLayer(
            sorted: Self.order(set.ipv6).lazy.map { Self.interval(set.ipv6[Int($0)]) })
    }

    /// Positions by beginning; of those that begin together the longest first.
    private static func order<Bits: FixedWidthInteger>(
        _ ranges: [LocationSet.Range<Bits>]
    ) -> [Int32] {
        func isBefore(_ a: Int32, _ b: Int32) -> Bool {
            let (one, other) = (ranges[Int(a)], ranges[Int(b)])
            if one.first != other.first { return one.first < other.first }
            if one.last != other.last { return one.last > other.last }
            return a < b
        }
        var order = [Int32](ranges.indices.lazy.map { Int32(truncatingIfNeeded: $0) })
        // Files come sorted; then there is nothing to do.
        if !zip(order, order.dropFirst()).allSatisfy(isBefore) { order.sort(by: isBefore) }
        return order
    }

    private static func interval<Bits: FixedWidthInteger>(
        _ range: LocationSet.Range<Bits>
    ) -> RangeLayer.Interval {
        let shift = UInt128(128 - Bits.bitWidth)
        return RangeLayer.Interval(
            first: UInt128(range.first) &<< shift,
            last: UInt128(range.last) &<< shift | ((1 &<< shift) &- 1),
            // Number 0 is no place.
            value: range.place + 1)
    }
}
