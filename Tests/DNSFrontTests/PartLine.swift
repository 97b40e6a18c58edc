// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The addresses of a family, cut wherever what is known of clients may change: by prefixes with
/// routes, pins, round trips and by ranges with locations. All addresses of a part look alike, but
/// to a hash.
struct PartLine {
    let family: AddressFamily
    /// First addresses, left-aligned, ascending from 0 on.
    private(set) var starts: [UInt128] = [0]

    init(_ family: AddressFamily) { self.family = family }

    /// From one address to the next, left-aligned.
    var unit: UInt128 { 1 << UInt128(128 - self.family.width) }

    /// Cuts before the first address and after the last; ``finish()`` puts the cuts in order.
    mutating func cut(from first: IPAddress, through last: IPAddress) {
        self.starts.append(first.leftAligned)
        let (next, isOver) = last.leftAligned.addingReportingOverflow(self.unit)
        if !isOver { self.starts.append(next) }
    }

    mutating func cut(_ prefix: IPPrefix) {
        self.cut(from: prefix.address, through: prefix.last)
    }

    mutating func finish() {
        self.starts.sort()
        var kept = 1
        for start in self.starts where start != self.starts[kept - 1] {
            self.starts[kept] = start
            kept += 1
        }
        self.starts.removeLast(self.starts.count - kept)
    }

    var count: Int { self.starts.count }

    func last(_ part: Int) -> UInt128 {
        (part + 1 < self.starts.count ? self.starts[part + 1] : 0) &- self.unit
    }

    /// The part that an address is in.
    func part(of address: UInt128) -> Int {
        var low = 0
        var high = self.starts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if self.starts[middle] <= address { low = middle } else { high = middle }
        }
        return low
    }

    func address(_ bits: UInt128) -> IPAddress {
        IPAddress(family: self.family, leftAligned: bits)
    }

    /// An address from `first` to `last`.
    func random(
        from first: UInt128, through last: UInt128, using random: inout SeededGenerator
    ) -> UInt128 {
        first + UInt128.random(in: 0...(last - first) / self.unit, using: &random) * self.unit
    }
}
