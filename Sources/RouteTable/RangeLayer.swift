// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A layer whose values are set all at once: for each family, where a value begins to hold.
///
/// Longest match is decided when it is made; what is left is sorted, disjoint and merged.
struct RangeLayer: Sendable {
    /// Left-aligned in 128 bits, ascending. Before the first, and where it says so, the value is 0.
    private(set) var starts: [UInt128] = []
    private(set) var values: [UInt32] = []
    /// Nodes that the lookup trie can need for the boundaries, at most.
    private(set) var nodeDemand = 0

    /// An interval with the value that holds in it unless an interval inside says otherwise.
    struct Interval {
        var first: UInt128
        var last: UInt128
        var value: UInt32
    }

    static let empty = RangeLayer(sorted: [])

    /// - Parameter intervals: Sorted by their beginning, of those that begin together the
    ///   weakest first. A later one prevails over an earlier one where they overlap.
    init(sorted intervals: [Interval]) {
        var open: [Interval] = []
        func emit(_ start: UInt128, _ value: UInt32) {
            if self.starts.last == start {
                self.starts.removeLast()
                self.values.removeLast()
            }
            if value != self.values.last ?? 0 {
                self.starts.append(start)
                self.values.append(value)
            }
        }
        /// Ends what ends before `limit` (or all), the innermost first.
        func close(before limit: UInt128?) {
            while let top = open.last, limit.map({ top.last < $0 }) ?? true {
                open.removeLast()
                // What lies below may have ended earlier than the one above it.
                while let below = open.last, below.last <= top.last { open.removeLast() }
                if top.last != .max { emit(top.last + 1, open.last?.value ?? 0) }
            }
        }
        for interval in intervals {
            close(before: interval.first)
            open.append(interval)
            emit(interval.first, interval.value)
        }
        close(before: nil)
        for start in self.starts where start != 0 {
            self.nodeDemand += lookupNodes(forLength: 128 - start.trailingZeroBitCount)
        }
    }

    var byteCount: Int { self.starts.capacity * 16 + self.values.capacity * 4 }
}

extension RangeLayer {
    /// A block's ends, both included, left-aligned in 128 bits.
    static func ends(_ prefix: IPPrefix) -> (first: UInt128, last: UInt128) {
        let first = prefix.address.leftAligned
        let length = prefix.length
        return (first, length == 0 ? .max : first | (UInt128.max >> UInt128(length)))
    }
}

/// The pins, with the lists that their numbers stand for; 0 is none.
struct PinLayer: Sendable {
    private(set) var lists: [[SiteID]] = [[]]
    private(set) var ipv4 = RangeLayer.empty
    private(set) var ipv6 = RangeLayer.empty

    static let empty = PinLayer(pins: [])

    var boundaries: Int { self.ipv4.starts.count + self.ipv6.starts.count }
    var byteCount: Int { self.ipv4.byteCount + self.ipv6.byteCount }

    init(pins: [(IPPrefix, [SiteID])]) {
        guard !pins.isEmpty else { return }
        var numbers: [[SiteID]: UInt32] = [[]: 0]
        var rows: [(prefix: IPPrefix, position: Int, value: UInt32)] = []
        rows.reserveCapacity(pins.count)
        for (position, pin) in pins.enumerated() {
            var number = numbers[pin.1]
            if number == nil {
                number = UInt32(self.lists.count)
                numbers[pin.1] = number
                self.lists.append(pin.1)
            }
            rows.append((pin.0, position, number ?? 0))
        }
        // Tree order puts a block before what it holds, and equal ones in the order they came.
        rows.sort {
            $0.prefix != $1.prefix ? $0.prefix < $1.prefix : $0.position < $1.position
        }
        func layer(_ family: AddressFamily) -> RangeLayer {
            RangeLayer(
                sorted: rows.filter { $0.prefix.family == family }.map {
                    let ends = RangeLayer.ends($0.prefix)
                    return .init(first: ends.first, last: ends.last, value: $0.value)
                })
        }
        self.ipv4 = layer(.ipv4)
        self.ipv6 = layer(.ipv6)
    }
}

/// The clients' locations, with the places that their numbers stand for; 0 is unknown.
struct LocationLayer: Sendable {
    private(set) var places: [Place?] = [nil]
    private(set) var ipv4 = RangeLayer.empty
    private(set) var ipv6 = RangeLayer.empty

    static let empty = LocationLayer(ranges: [])

    var boundaries: Int { self.ipv4.starts.count + self.ipv6.starts.count }
    var byteCount: Int { self.ipv4.byteCount + self.ipv6.byteCount }

    /// - Parameter ranges: Each within one family and in order, as
    ///   ``TableCommand/validate()`` checks.
    init(ranges: [LocationRange]) {
        guard !ranges.isEmpty else { return }
        var numbers: [Place: UInt32] = [:]
        var last: (place: Place, number: UInt32)?
        var rows: [(range: RangeLayer.Interval, family: AddressFamily, position: Int)] = []
        rows.reserveCapacity(ranges.count)
        for (position, range) in ranges.enumerated() {
            var number: UInt32 = 0
            if let last, last.place == range.place {
                number = last.number
            } else if let known = numbers[range.place] {
                number = known
            } else {
                number = UInt32(self.places.count)
                numbers[range.place] = number
                self.places.append(range.place)
            }
            last = (range.place, number)
            let host = RangeLayer.ends(IPPrefix(host: range.last))
            rows.append(
                (
                    .init(first: range.first.leftAligned, last: host.last, value: number),
                    range.first.family, position
                ))
        }
        rows.sort {
            if $0.range.first != $1.range.first { return $0.range.first < $1.range.first }
            if $0.range.last != $1.range.last { return $0.range.last > $1.range.last }
            return $0.position < $1.position
        }
        self.ipv4 = RangeLayer(sorted: rows.filter { $0.family == .ipv4 }.map(\.range))
        self.ipv6 = RangeLayer(sorted: rows.filter { $0.family == .ipv6 }.map(\.range))
    }
}
