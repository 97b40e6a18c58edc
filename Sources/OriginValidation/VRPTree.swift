// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The payloads of one address family: flat arrays in tree order, built once and never changed.
///
/// Every prefix knows the nearest one that holds it. All prefixes that hold a route are then the
/// last one that stands before the route in tree order, and those above that: one search, and
/// a walk of as many steps as payloads are nested.
///
/// A prefix takes 9 bytes and its address, a payload 5.
struct VRPTree<Bits: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable, Hashable {
    /// One prefix in so many stands in `samples`, which fit a processor's cache.
    private static var sampling: Int { 32 }
    private static var none: UInt32 { .max }

    /// Prefixes in tree order: their bits, right-aligned in the family's width, and lengths.
    private(set) var addresses: [Bits] = []
    private(set) var lengths: [UInt8] = []
    private var parents: [UInt32] = []
    /// Where the payloads of a prefix begin; they end where the next one's begin.
    private var starts: [UInt32] = []
    private var samples: [Bits] = []
    /// Payloads by prefix, then by maximum length, then by AS.
    private(set) var maximumLengths: [UInt8] = []
    private(set) var origins: [UInt32] = []

    var prefixCount: Int { self.addresses.count }
    var count: Int { self.origins.count }

    /// The payloads of the prefix with this number.
    func payloads(_ prefix: Int) -> Range<Int> {
        let end = prefix + 1 < self.starts.count ? Int(self.starts[prefix + 1]) : self.count
        return Int(self.starts[prefix])..<end
    }

    /// Bytes in the arrays.
    var bytes: Int {
        (self.addresses.count + self.samples.count) * MemoryLayout<Bits>.stride
            + self.lengths.count * 9 + self.count * 5
    }

    // MARK: Looking up

    /// Calls `body` with the number of each prefix that holds a route's, the longest first, until
    /// it returns false.
    @inline(__always)
    func forEachHolding(_ address: Bits, _ length: UInt8, _ body: (Int) -> Bool) {
        var index = self.predecessor(address, length)
        while index != Self.none {
            let at = Int(index)
            if self.lengths[at] <= length,
                (self.addresses[at] ^ address) >> (Bits.bitWidth - Int(self.lengths[at])) == 0
            {
                guard body(at) else { return }
            }
            index = self.parents[at]
        }
    }

    /// The last prefix that stands at or before this one in tree order.
    @inline(__always)
    private func predecessor(_ address: Bits, _ length: UInt8) -> UInt32 {
        var low = 0
        var high = self.samples.count
        while low < high {
            let middle = (low + high) / 2
            if self.samples[middle] <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return Self.none }
        let start = (low - 1) * Self.sampling
        low = start
        high = min(start + Self.sampling, self.addresses.count)
        while low < high {
            let middle = (low + high) / 2
            let isBefore =
                self.addresses[middle] < address
                || self.addresses[middle] == address && self.lengths[middle] <= length
            if isBefore { low = middle + 1 } else { high = middle }
        }
        // A sample has no length: prefixes at the route's address that are longer may begin in
        // the sample before.
        while low > 0, self.addresses[low - 1] == address, self.lengths[low - 1] > length {
            low -= 1
        }
        return low == 0 ? Self.none : UInt32(truncatingIfNeeded: low - 1)
    }

    /// RFC 6811 §2. An origin of nil or AS 0 matches nothing.
    func state(_ address: Bits, _ length: UInt8, origin: UInt32) -> ValidationState {
        var state = ValidationState.notFound
        self.forEachHolding(address, length) { prefix in
            state = .invalid
            for payload in self.payloads(prefix)
            where self.origins[payload] == origin && self.maximumLengths[payload] >= length
                && origin != 0
            {
                state = .valid
                return false
            }
            return true
        }
        return state
    }

    // MARK: Building

    mutating func reserveCapacity(_ count: Int) {
        self.addresses.reserveCapacity(count)
        self.lengths.reserveCapacity(count)
        self.parents.reserveCapacity(count)
        self.starts.reserveCapacity(count)
        self.maximumLengths.reserveCapacity(count)
        self.origins.reserveCapacity(count)
    }

    /// Adds a payload that comes after all that were added before.
    mutating func append(
        _ address: Bits, _ length: UInt8, maximumLength: UInt8, origin: UInt32
    ) {
        let last = self.addresses.count - 1
        if last < 0 || self.addresses[last] != address || self.lengths[last] != length {
            self.parents.append(self.parent(of: address, length))
            if (last + 1) % Self.sampling == 0 { self.samples.append(address) }
            self.addresses.append(address)
            self.lengths.append(length)
            self.starts.append(UInt32(truncatingIfNeeded: self.origins.count))
        }
        self.maximumLengths.append(maximumLength)
        self.origins.append(origin)
    }

    /// The nearest prefix that holds the one about to be added: among the last one and those
    /// that hold it.
    private func parent(of address: Bits, _ length: UInt8) -> UInt32 {
        var index = self.addresses.isEmpty ? Self.none : UInt32(self.addresses.count - 1)
        while index != Self.none {
            let at = Int(index)
            if self.lengths[at] < length,
                (self.addresses[at] ^ address) >> (Bits.bitWidth - Int(self.lengths[at])) == 0
            {
                return index
            }
            index = self.parents[at]
        }
        return Self.none
    }
}
