// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

extension LocationSet {
    /// The addresses that a set says something of: sorted and merged blocks of one family.
    ///
    /// Left-aligned in 128 bits; the last of IPv4's has ones beyond the family's width.
    public struct Coverage: Sendable {
        fileprivate var blocks: [(first: UInt128, last: UInt128)] = []

        fileprivate mutating func add(_ first: UInt128, _ last: UInt128) {
            if let before = self.blocks.last, before.last == .max || before.last + 1 >= first {
                self.blocks[self.blocks.count - 1].last = max(before.last, last)
            } else {
                self.blocks.append((first, last))
            }
        }

        /// The first block that ends at an address or after it.
        fileprivate func position(of address: UInt128) -> Int {
            var (low, high) = (0, self.blocks.count)
            while low < high {
                let middle = (low + high) / 2
                if self.blocks[middle].last < address { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    public func coverage(_ family: AddressFamily) -> Coverage {
        var ends: [(first: UInt128, last: UInt128)]
        switch family {
        case .ipv4:
            ends = self.ipv4.map {
                (UInt128($0.first) &<< 96, UInt128($0.last) &<< 96 | (UInt128.max &>> 32))
            }
        case .ipv6: ends = self.ipv6.map { ($0.first, $0.last) }
        }
        ends.sort { $0.first < $1.first }
        var coverage = Coverage()
        for (first, last) in ends { coverage.add(first, last) }
        return coverage
    }

    /// Adds what of a range lies outside of a coverage: where nothing better is known.
    public mutating func append(
        from first: IPAddress, through last: IPAddress, place: Place, outside known: Coverage
    ) {
        let family = first.family
        guard family == last.family, first <= last else {
            self.append(from: first, through: last, place: place)
            return
        }
        var start = first.leftAligned
        let end = RangeLayer.ends(IPPrefix(host: last)).last
        func address(_ bits: UInt128) -> IPAddress {
            IPAddress(family: family, leftAligned: bits)
        }
        var position = known.position(of: start)
        while position < known.blocks.count, known.blocks[position].first <= end {
            let block = known.blocks[position]
            if block.first > start {
                self.append(
                    from: address(start), through: address(block.first - 1), place: place)
            }
            guard block.last < end else { return }
            start = block.last + 1
            position += 1
        }
        self.append(from: address(start), through: last, place: place)
    }
}
