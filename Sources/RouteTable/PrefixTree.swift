// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
import CLinux

/// The union of all feeds' prefixes in one address family, in tree order, with the distances of
/// the sites in use at each prefix.
///
/// A prefix has a number, its node: from 1 on, stable as long as it is there, used again after
/// that. 0 is no node. ``PrefixLeaves`` find nodes and keep their order.
///
/// Layout of a node, native order: in IPv4 the key's bits `u32`, length `u8`, unused `u8`,
/// routes `u16`; in IPv6 the key's bits as two `u64`, length `u8`, unused `u8`, routes `u16`. 8
/// and 20 bytes. Belongs to the writer's thread.
package final class PrefixTree {
    package typealias Node = Int32

    let family: AddressFamily
    let capacity: Int
    private let isIPv6: Bool
    private let stride: Int
    private let memory: ReservedMemory
    private let base: UnsafeMutableRawPointer
    /// One of them is in use.
    private let short: PrefixLeaves<UInt32>
    private let long: PrefixLeaves<UInt128>

    private var nodeHighWater: Int32 = 0
    private var free: [Int32] = []
    /// Prefixes held.
    package private(set) var count = 0
    /// Nodes that the lookup trie can need for these prefixes, at most.
    private(set) var nodeDemand = 0
    /// Where the last step of a walk led.
    private var shortWalk = PrefixLeaves<UInt32>.Place(leaf: 1, offset: 0)
    private var longWalk = PrefixLeaves<UInt128>.Place(leaf: 1, offset: 0)

    /// By the numbers of prefixes.
    let distances: DistanceColumns

    package init(family: AddressFamily, capacity: Int) throws(TableResourceError) {
        self.family = family
        // Leaves keep 24 bits of a node's number.
        self.capacity = min(capacity, 0xff_fffe)
        self.isIPv6 = family == .ipv6
        self.stride = family == .ipv6 ? 20 : 8
        self.memory = try ReservedMemory(bytes: (self.capacity + 2) * self.stride)
        self.base = self.memory.base
        self.short = try PrefixLeaves(capacity: family == .ipv4 ? self.capacity : 0)
        self.long = try PrefixLeaves(capacity: family == .ipv6 ? self.capacity : 0)
        self.distances = DistanceColumns(nodeCapacity: self.capacity + 2)
    }

    // MARK: Fields

    @inline(__always)
    private func at(_ node: Node) -> UnsafeMutableRawPointer {
        self.base + Int(node) &* self.stride
    }

    @inline(__always)
    package func length(_ node: Node) -> Int {
        Int(self.at(node).load(fromByteOffset: self.stride &- 4, as: UInt8.self))
    }

    /// Routes of all feeds at a prefix.
    @inline(__always)
    func routeCount(_ node: Node) -> Int {
        Int(self.at(node).load(fromByteOffset: self.stride &- 2, as: UInt16.self))
    }

    @inline(__always)
    func addRoutes(_ number: Int, to node: Node) {
        self.at(node).storeBytes(
            of: UInt16(self.routeCount(node) + number), toByteOffset: self.stride &- 2,
            as: UInt16.self)
    }

    /// The prefix's bits, left-aligned in 128.
    @inline(__always)
    package func key(_ node: Node) -> UInt128 {
        let record = self.at(node)
        if self.isIPv6 {
            return UInt128(record.loadUnaligned(as: UInt64.self)) &<< 64
                | UInt128(record.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        return UInt128(record.load(as: UInt32.self)) &<< 96
    }

    /// The last address of the prefix, left-aligned; all ones beyond the family's width.
    @inline(__always)
    func last(_ node: Node) -> UInt128 { self.key(node) | Self.hostBits(self.length(node)) }

    @inline(__always)
    static func hostBits(_ length: Int) -> UInt128 {
        length >= 128 ? 0 : UInt128.max &>> UInt128(truncatingIfNeeded: length)
    }

    func prefix(_ node: Node) -> IPPrefix {
        IPPrefix(
            masking: IPAddress(family: self.family, leftAligned: self.key(node)),
            length: self.length(node))
    }

    // MARK: Finding

    /// The node of exactly this prefix, or 0.
    @inline(__always)
    package func find(key: UInt128, length: Int) -> Node {
        self.isIPv6
            ? self.long.find(UInt128(leftAligned: key), length)
            : self.short.find(UInt32(leftAligned: key), length)
    }

    /// Has what finding a prefix will read brought near.
    @inline(__always)
    func fetchLeaf(_ key: UInt128) {
        if self.isIPv6 {
            self.long.fetch(UInt128(leftAligned: key))
        } else {
            self.short.fetch(UInt32(leftAligned: key))
        }
    }

    /// The same of a node and its distances.
    @inline(__always)
    func fetch(_ node: Node) {
        martlet_prefetch(self.at(node))
        self.distances.fetch(node)
    }

    /// The first node in tree order, or 0.
    package var first: Node { self.first(notBefore: 0, length: 0) }

    /// The next node in tree order, or 0. After another step of the same walk it costs no search.
    package func next(after node: Node) -> Node {
        let (key, length) = (self.key(node), self.length(node))
        return self.isIPv6
            ? Self.next(self.long, &self.longWalk, node, key, length)
            : Self.next(self.short, &self.shortWalk, node, key, length)
    }

    @inline(__always)
    private static func next<Bits>(
        _ leaves: PrefixLeaves<Bits>, _ walk: inout PrefixLeaves<Bits>.Place, _ node: Node,
        _ key: UInt128, _ length: Int
    ) -> Node {
        if !leaves.holds(node, at: walk) {
            walk = leaves.lowerBound(Bits(leftAligned: key), length)
        }
        walk.offset &+= 1
        return Self.settle(leaves, &walk)
    }

    @inline(__always)
    private static func settle<Bits>(
        _ leaves: PrefixLeaves<Bits>, _ walk: inout PrefixLeaves<Bits>.Place
    ) -> Node {
        guard let place = leaves.settled(walk) else { return 0 }
        walk = place
        return PrefixLeaves<Bits>.node(leaves.tails(place.leaf)[place.offset])
    }

    /// The next node that doesn't lie under this one, or 0.
    package func next(afterSubtreeOf node: Node) -> Node {
        let last = self.last(node)
        // Most prefixes hold no others.
        let next = self.next(after: node)
        if next == 0 || self.key(next) > last { return next }
        return last == .max ? 0 : self.first(notBefore: last + 1, length: 0)
    }

    /// The first node in tree order that is not before a prefix, or 0.
    package func first(notBefore key: UInt128, length: Int) -> Node {
        if self.isIPv6 {
            self.longWalk = self.long.lowerBound(UInt128(leftAligned: key), length)
            return Self.settle(self.long, &self.longWalk)
        }
        // What lies beyond the family's width is no prefix's.
        self.shortWalk = self.short.lowerBound(UInt32(leftAligned: key), length)
        return Self.settle(self.short, &self.shortWalk)
    }

    /// Calls `body` with every prefix that covers an address, the shortest first.
    package func forEachPrefix(covering key: UInt128, _ body: (Node) -> Void) {
        var nodes: [Node] = []
        self.forEachCover(of: key, length: 129) {
            nodes.append($0)
            return false
        }
        for node in nodes.reversed() { body(node) }
    }

    /// The longest of the shorter prefixes that hold a node's, or 0.
    package func cover(of node: Node) -> Node {
        var cover: Node = 0
        self.forEachCover(of: self.key(node), length: self.length(node)) {
            cover = $0
            return true
        }
        return cover
    }

    /// The value a site has at a node from a shorter prefix; 0 for none.
    func inherited(_ node: Node, site: Int) -> UInt8 {
        var value: UInt8 = 0
        self.forEachCover(of: self.key(node), length: self.length(node)) {
            value = self.distances.value($0, site)
            return value != 0
        }
        return value
    }

    /// Calls `body` with the shorter prefixes that hold this one, the longest first, until it
    /// answers true.
    @inline(__always)
    private func forEachCover(of key: UInt128, length: Int, _ body: (Node) -> Bool) {
        if self.isIPv6 {
            self.long.forEachCover(
                of: key, shorterThan: length,
                at: self.long.lowerBound(UInt128(leftAligned: key), length), body)
        } else {
            let bits = UInt32(leftAligned: key)
            self.short.forEachCover(
                of: bits, shorterThan: length, at: self.short.lowerBound(bits, length), body)
        }
    }

    // MARK: Changing

    /// Puts a prefix in that isn't there; nil where the capacity is used up.
    package func insert(key: UInt128, length: Int) -> Node? {
        guard self.count < self.capacity else { return nil }
        let node = self.free.last ?? self.nodeHighWater + 1
        let last = key | Self.hostBits(length)
        let isIn =
            self.isIPv6
            ? self.long.insert(key, length, node: node, last: last)
            : self.short.insert(
                UInt32(leftAligned: key), length, node: node, last: UInt32(leftAligned: last))
        guard isIn else { return nil }
        if node > self.nodeHighWater {
            self.nodeHighWater = node
        } else {
            self.free.removeLast()
            self.distances.clear(node)
        }
        self.write(node, key: key, length: length)
        self.count += 1
        self.nodeDemand += lookupNodes(forLength: length)
        return node
    }

    private func write(_ node: Node, key: UInt128, length: Int) {
        let record = self.at(node)
        if self.isIPv6 {
            record.storeBytes(of: UInt64(truncatingIfNeeded: key &>> 64), as: UInt64.self)
            record.storeBytes(
                of: UInt64(truncatingIfNeeded: key), toByteOffset: 8, as: UInt64.self)
        } else {
            record.storeBytes(of: UInt32(truncatingIfNeeded: key &>> 96), as: UInt32.self)
        }
        record.storeBytes(
            of: UInt32(truncatingIfNeeded: length), toByteOffset: self.stride &- 4, as: UInt32.self)
    }

    /// Takes a prefix out that has no routes and no distances.
    package func remove(_ node: Node) {
        precondition(node > 0 && self.routeCount(node) == 0, "a prefix without routes")
        let length = self.length(node)
        if self.isIPv6 {
            self.long.remove(self.key(node), length, last: self.last(node))
        } else {
            self.short.remove(
                UInt32(leftAligned: self.key(node)), length,
                last: UInt32(leftAligned: self.last(node)))
        }
        self.count -= 1
        self.nodeDemand -= lookupNodes(forLength: length)
        self.free.append(node)
    }

    /// Prefixes are numbered from 1 to this; some of them may be out of use.
    var highWater: Int { Int(self.nodeHighWater) }

    // MARK: Memory

    var nodeBytes: Int { self.highWater * self.stride }
    var distanceBytes: Int { self.highWater * self.distances.count }
    /// Of all these bytes those of nodes and leaves out of use.
    var freeBytes: Int {
        (self.highWater - self.count) * (self.stride + self.distances.count)
            + (self.isIPv6 ? self.long.freeBytes : self.short.freeBytes)
    }
    /// Leaves in use, of those that find nodes and keep their order.
    package var leafCount: Int { self.isIPv6 ? self.long.leafCount : self.short.leafCount }
    /// Bytes of all that does.
    package var indexBytes: Int { self.isIPv6 ? self.long.byteCount : self.short.byteCount }
}

/// Nodes on the lookup trie's way to a block of this length, below its root.
func lookupNodes(forLength length: Int) -> Int {
    length <= LookupBase.rootBits ? 0 : (length - LookupBase.rootBits + 3) / 4
}
