// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Any number of patterns, made for asking: a binary search, whatever their number.
///
/// A pattern is split into blocks with sets of lengths, none shorter than its block. The blocks'
/// ends cut the address space into ranges; at each stands the union of the lengths of all blocks
/// around it. A prefix matches if its length is in the set of the range that its first address
/// lies in: a block that holds the address but is longer than the prefix has no such length.
public struct PrefixSet: Hashable, Sendable {
    private struct Side: Hashable, Sendable {
        /// Where ranges begin, in order; the first is 0.
        var starts: [UInt128] = []
        var lengths: [PrefixLengths] = []

        func contains(_ prefix: IPPrefix) -> Bool {
            var low = 0
            var high = self.starts.count
            let key = prefix.address.leftAligned
            while low < high {
                let middle = (low &+ high) >> 1
                if self.starts[middle] <= key { low = middle &+ 1 } else { high = middle }
            }
            return low > 0 && self.lengths[low &- 1].contains(prefix.length)
        }
    }

    private var ipv4 = Side()
    private var ipv6 = Side()

    public init(_ patterns: some Sequence<PrefixPattern>) {
        var blocks: [IPPrefix: PrefixLengths] = [:]
        for pattern in patterns {
            let prefix = pattern.prefix
            for length in pattern.lengths where length < prefix.length {
                let block = IPPrefix(masking: prefix.address, length: length)
                blocks[block, default: PrefixLengths()].insert(length)
            }
            let low = max(pattern.lengths.lowerBound, prefix.length)
            guard low <= pattern.lengths.upperBound else { continue }
            blocks[prefix, default: PrefixLengths()].formUnion(
                PrefixLengths(low...pattern.lengths.upperBound))
        }
        self.ipv4 = Self.side(blocks.filter { $0.key.family == .ipv4 })
        self.ipv6 = Self.side(blocks.filter { $0.key.family == .ipv6 })
    }

    /// Walks the blocks in tree order with a stack of those around.
    private static func side(_ blocks: [IPPrefix: PrefixLengths]) -> Side {
        var side = Side()
        guard !blocks.isEmpty else { return side }
        func begin(_ start: UInt128, _ lengths: PrefixLengths) {
            if side.starts.last == start {
                side.lengths[side.lengths.count - 1] = lengths
            } else if side.lengths.last != lengths {
                side.starts.append(start)
                side.lengths.append(lengths)
            }
        }
        begin(0, PrefixLengths())
        var around: [(end: UInt128, lengths: PrefixLengths)] = []
        func leave(before start: UInt128) {
            while let last = around.last, last.end < start {
                around.removeLast()
                begin(last.end + 1, around.last?.lengths ?? PrefixLengths())
            }
        }
        for (block, own) in blocks.sorted(by: { $0.key < $1.key }) {
            let start = block.address.leftAligned
            leave(before: start)
            var lengths = around.last?.lengths ?? PrefixLengths()
            lengths.formUnion(own)
            around.append((start | UInt128.max >> UInt128(block.length), lengths))
            begin(start, lengths)
        }
        while let last = around.popLast() {
            guard last.end < .max else { continue }
            begin(last.end + 1, around.last?.lengths ?? PrefixLengths())
        }
        return side
    }

    public func contains(_ prefix: IPPrefix) -> Bool {
        prefix.family == .ipv4 ? self.ipv4.contains(prefix) : self.ipv6.contains(prefix)
    }
}
