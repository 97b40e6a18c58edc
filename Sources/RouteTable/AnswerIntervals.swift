// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Where answers change along one family's addresses: sorted starts of intervals in flat memory,
/// with a directory by equal parts of the space between the first start and the last.
///
/// Neighbours have different answers; that is what makes ``scope(of:)`` exact.
/// `Key` has the family's width, or 64 bits for IPv6 where no interval starts inside a /64: the
/// bits below don't tell an address from its neighbours' last or first one then.
struct AnswerIntervals<Key: FixedWidthInteger & UnsignedInteger>: @unchecked Sendable {
    // Sendable: never written after `init`; the owner frees it when nobody reads it any more.

    /// The starts but for that of the first interval, which is the family's first address.
    private let starts: UnsafePointer<Key>
    private let count: Int
    /// For each part, how many starts lie before it.
    private let directory: UnsafePointer<UInt32>
    private let shift: Key

    /// Takes starts that ascend, none of them zero.
    init(starts sorted: some Collection<Key>) {
        self.count = sorted.count
        let starts = UnsafeMutablePointer<Key>.allocate(capacity: max(1, self.count))
        var last: Key = 0
        for (index, start) in sorted.enumerated() {
            precondition(start > last, "an interval starts after the one before it")
            starts[index] = start
            last = start
        }
        self.starts = UnsafePointer(starts)
        // About two starts a part, if they lay evenly. One bit at least: a shift by the whole
        // width would be none.
        let wanted = min(16, max(1, Int.bitWidth - self.count.leadingZeroBitCount - 2))
        let span = self.count > 0 ? last - starts[0] : 0
        let bits = Key.bitWidth - span.leadingZeroBitCount
        let shift = max(0, bits - wanted)
        self.shift = Key(truncatingIfNeeded: shift)
        let parts = Int(truncatingIfNeeded: span &>> self.shift) + 1
        let directory = UnsafeMutablePointer<UInt32>.allocate(capacity: parts + 1)
        var part = 0
        for index in 0..<self.count {
            let own = Int(truncatingIfNeeded: (starts[index] - starts[0]) &>> self.shift)
            while part <= own {
                directory[part] = UInt32(truncatingIfNeeded: index)
                part += 1
            }
        }
        while part <= parts {
            directory[part] = UInt32(truncatingIfNeeded: self.count)
            part += 1
        }
        self.directory = UnsafePointer(directory)
    }

    func deallocate() {
        self.starts.deallocate()
        self.directory.deallocate()
    }

    var intervalCount: Int { self.count + 1 }

    var byteCount: Int {
        guard self.count > 0 else { return 0 }
        let span = self.starts[self.count - 1] - self.starts[0]
        return self.count * MemoryLayout<Key>.stride
            + (Int(truncatingIfNeeded: span &>> self.shift) + 2) * 4
    }

    /// The length of the largest block around an address that lies in its interval.
    @inline(__always)
    func scope(of address: Key) -> Int {
        let next = self.firstStart(above: address)
        // What the address shares with its neighbours' nearest addresses it shares with no
        // longer block of its own.
        var scope = 0
        if next > 0 {
            scope = (address ^ (self.starts[next &- 1] &- 1)).leadingZeroBitCount &+ 1
        }
        if next < self.count {
            scope = max(scope, (address ^ self.starts[next]).leadingZeroBitCount &+ 1)
        }
        return scope
    }

    /// The index of the first start above an address; `count` where there is none.
    @inline(__always)
    private func firstStart(above address: Key) -> Int {
        guard self.count > 0, address >= self.starts[0] else { return 0 }
        guard address < self.starts[self.count &- 1] else { return self.count }
        let part = Int(truncatingIfNeeded: (address &- self.starts[0]) &>> self.shift)
        var low = Int(self.directory[part])
        var high = Int(self.directory[part &+ 1])
        while low < high {
            let middle = (low &+ high) &>> 1
            if self.starts[middle] <= address { low = middle &+ 1 } else { high = middle }
        }
        return low
    }
}
