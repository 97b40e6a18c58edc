// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Prefixes in plain memory, without owning it: looked up by halving, as lists of resolvers' networks
/// have thousands.
struct PrefixSet {
    /// From the first address to the last, left-aligned.
    private struct Range {
        var first: UInt128
        var last: UInt128
    }

    /// By family, in order, none touching the next.
    private let ipv4: UnsafeMutableBufferPointer<Range>
    private let ipv6: UnsafeMutableBufferPointer<Range>

    init(_ prefixes: [IPPrefix]) {
        self.ipv4 = Self.keep(prefixes.filter { $0.family == .ipv4 })
        self.ipv6 = Self.keep(prefixes.filter { $0.family == .ipv6 })
    }

    private static func keep(_ prefixes: [IPPrefix]) -> UnsafeMutableBufferPointer<Range> {
        let ranges = prefixes.map { prefix in
            let first = prefix.address.masked(toLength: prefix.length).leftAligned
            let rest =
                prefix.length == 0 ? UInt128.max : ~(UInt128.max << UInt128(128 - prefix.length))
            return Range(first: first, last: first | rest)
        }
        var joined: [Range] = []
        for range in ranges.sorted(by: { $0.first < $1.first }) {
            if let before = joined.last, before.last == .max || range.first <= before.last + 1 {
                joined[joined.count - 1].last = max(before.last, range.last)
            } else {
                joined.append(range)
            }
        }
        let memory = UnsafeMutableBufferPointer<Range>.allocate(capacity: joined.count)
        _ = memory.initialize(from: joined)
        return memory
    }

    var isEmpty: Bool { self.ipv4.isEmpty && self.ipv6.isEmpty }

    func contains(_ address: IPAddress) -> Bool {
        let ranges = address.family == .ipv4 ? self.ipv4 : self.ipv6
        let bits = address.leftAligned
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].last < bits { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].first <= bits
    }

    func deallocate() {
        self.ipv4.deallocate()
        self.ipv6.deallocate()
    }
}
