// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A layer whose values are set all at once: for each family, where a value begins to hold.
///
/// Longest match is decided when it is made; what is left is sorted, disjoint and merged.
struct RangeLayer: Sendable {
    /// Ascending. Before the first, and where it says so, the value is 0.
    private(set) var starts = CompactStarts()
    private(set) var values = CompactValues()
    /// Nodes that the lookup trie can need for the boundaries, at most.
    private(set) var nodeDemand = 0

    /// An interval with the value that holds in it unless an interval inside says otherwise.
    struct Interval {
        var first: UInt128
        var last: UInt128
        var value: UInt32
    }

    static let empty = RangeLayer(sorted: EmptyCollection())

    /// - Parameter intervals: Sorted by their beginning, of those that begin together the
    ///   weakest first. A later one prevails over an earlier one where they overlap.
    init(sorted intervals: some Sequence<Interval>) {
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
        self.starts.trim()
        self.values.trim()
        for position in 0..<self.starts.count where self.starts[position] != 0 {
            let length = 128 - self.starts[position].trailingZeroBitCount
            self.nodeDemand += lookupNodes(forLength: length)
        }
    }

    /// Boundaries.
    var count: Int { self.starts.count }
    var byteCount: Int { self.starts.byteCount + self.values.byteCount }
}

extension RangeLayer {
    /// A block's ends, both included, left-aligned in 128 bits.
    static func ends(_ prefix: IPPrefix) -> (first: UInt128, last: UInt128) {
        let first = prefix.address.leftAligned
        let length = prefix.length
        return (first, length == 0 ? .max : first | (UInt128.max >> UInt128(length)))
    }
}
