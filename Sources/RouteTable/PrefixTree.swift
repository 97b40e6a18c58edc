// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The union of all feeds' prefixes in one address family: a patricia tree, with the distances
/// of the sites in use at each prefix.
///
/// Nodes live in one reserved stretch and are numbered from its middle: upwards, from 1, those
/// that stand for a prefix; downwards, from -1, the branching points between them, which have no
/// distances and no routes and so cost only their links. 0 is no node.
///
/// Layout of a node, native order: left `i32`, right `i32`, parent `i32`, length `u8`, unused
/// `u8`, routes `u16`, then the key's bits, `u32` or two `u64`. 20 bytes in IPv4, 32 in IPv6.
///
/// Invariants: a child's prefix lies in its parent's and is longer; a branching point has two
/// children; the index finds exactly the prefixes. Belongs to the writer's thread.
final class PrefixTree {
    typealias Node = Int32

    let family: AddressFamily
    let capacity: Int
    private let isIPv6: Bool
    private let stride: Int
    private let memory: ReservedMemory
    private let middle: UnsafeMutableRawPointer

    private var prefixHighWater: Int32 = 0
    private var branchHighWater: Int32 = 0
    private var freePrefixes: [Int32] = []
    private var freeBranches: [Int32] = []
    private(set) var root: Node = 0
    /// Prefixes held.
    private(set) var count = 0
    /// Nodes that the lookup trie can need for these prefixes, at most.
    private(set) var nodeDemand = 0
    /// Where the last prefix went in: dumps come sorted, so the next one is near.
    private var hint: Node = 0
    private var index = PrefixIndex()

    /// By the numbers of prefixes; branching points have none.
    let distances: DistanceColumns

    init(family: AddressFamily, capacity: Int) {
        self.family = family
        self.capacity = capacity
        self.isIPv6 = family == .ipv6
        self.stride = family == .ipv6 ? 32 : 20
        let half = (capacity + 2) * self.stride
        self.memory = ReservedMemory(bytes: 2 * half)
        self.middle = self.memory.base + half
        self.distances = DistanceColumns(nodeCapacity: capacity + 2)
    }

    // MARK: Fields

    @inline(__always)
    private func at(_ node: Node) -> UnsafeMutableRawPointer {
        self.middle + Int(node) &* self.stride
    }

    @inline(__always)
    func left(_ node: Node) -> Node { self.at(node).load(as: Node.self) }
    @inline(__always)
    func right(_ node: Node) -> Node { self.at(node).load(fromByteOffset: 4, as: Node.self) }
    @inline(__always)
    func parent(_ node: Node) -> Node { self.at(node).load(fromByteOffset: 8, as: Node.self) }
    @inline(__always)
    func length(_ node: Node) -> Int {
        Int(self.at(node).load(fromByteOffset: 12, as: UInt8.self))
    }

    /// Routes of all feeds at a prefix.
    @inline(__always)
    func routeCount(_ node: Node) -> Int {
        Int(self.at(node).load(fromByteOffset: 14, as: UInt16.self))
    }

    @inline(__always)
    func addRoutes(_ number: Int, to node: Node) {
        self.at(node).storeBytes(
            of: UInt16(self.routeCount(node) + number), toByteOffset: 14, as: UInt16.self)
    }

    /// The prefix's bits, left-aligned in 128.
    @inline(__always)
    func key(_ node: Node) -> UInt128 {
        let record = self.at(node)
        if self.isIPv6 {
            return UInt128(record.load(fromByteOffset: 16, as: UInt64.self)) &<< 64
                | UInt128(record.load(fromByteOffset: 24, as: UInt64.self))
        }
        return UInt128(record.load(fromByteOffset: 16, as: UInt32.self)) &<< 96
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

    @inline(__always)
    private func setLeft(_ node: Node, _ child: Node) {
        self.at(node).storeBytes(of: child, as: Node.self)
    }
    @inline(__always)
    private func setRight(_ node: Node, _ child: Node) {
        self.at(node).storeBytes(of: child, toByteOffset: 4, as: Node.self)
    }
    @inline(__always)
    private func setParent(_ node: Node, _ parent: Node) {
        self.at(node).storeBytes(of: parent, toByteOffset: 8, as: Node.self)
    }

    private func write(_ node: Node, key: UInt128, length: Int) {
        let record = self.at(node)
        record.storeBytes(of: 0, as: UInt64.self)
        record.storeBytes(of: 0, toByteOffset: 8, as: UInt32.self)
        record.storeBytes(of: UInt8(length), toByteOffset: 12, as: UInt8.self)
        record.storeBytes(of: 0, toByteOffset: 14, as: UInt16.self)
        if self.isIPv6 {
            record.storeBytes(
                of: UInt64(truncatingIfNeeded: key &>> 64), toByteOffset: 16, as: UInt64.self)
            record.storeBytes(
                of: UInt64(truncatingIfNeeded: key), toByteOffset: 24, as: UInt64.self)
        } else {
            record.storeBytes(
                of: UInt32(truncatingIfNeeded: key &>> 96), toByteOffset: 16, as: UInt32.self)
        }
    }

    // MARK: Finding

    /// The node of exactly this prefix, or 0.
    func find(key: UInt128, length: Int) -> Node {
        self.index.find(in: self, key: key, length: length)
    }

    @inline(__always)
    private func contains(_ node: Node, _ key: UInt128, _ length: Int) -> Bool {
        let own = self.length(node)
        return own <= length && (self.key(node) ^ key) & ~Self.hostBits(own) == 0
    }

    /// The next node in tree order, or 0.
    func next(after node: Node) -> Node {
        let left = self.left(node)
        if left != 0 { return left }
        let right = self.right(node)
        return right != 0 ? right : self.next(afterSubtreeOf: node)
    }

    func next(afterSubtreeOf node: Node) -> Node {
        var child = node
        var parent = self.parent(child)
        while parent != 0 {
            let right = self.right(parent)
            if right != child, right != 0 { return right }
            child = parent
            parent = self.parent(child)
        }
        return 0
    }

    /// The next node that stands for a prefix, `node` itself included; 0 at the end.
    func firstPrefix(from node: Node) -> Node {
        var node = node
        while node < 0 { node = self.next(after: node) }
        return node
    }

    /// The first node in tree order that is not before a prefix, or 0.
    func first(notBefore key: UInt128, length: Int) -> Node {
        var node = self.root
        while node != 0 {
            let own = self.key(node)
            let ownLength = self.length(node)
            if own > key || own == key && ownLength >= length { return node }
            guard (own ^ key) & ~Self.hostBits(ownLength) == 0 else {
                return self.next(afterSubtreeOf: node)
            }
            let goesRight = Self.bit(key, ownLength)
            let child = goesRight ? self.right(node) : self.left(node)
            if child == 0 {
                let right = self.right(node)
                return !goesRight && right != 0 ? right : self.next(afterSubtreeOf: node)
            }
            node = child
        }
        return 0
    }

    @inline(__always)
    static func bit(_ key: UInt128, _ position: Int) -> Bool {
        key &>> UInt128(truncatingIfNeeded: 127 &- position) & 1 != 0
    }

    /// Calls `body` with every prefix that covers an address, the shortest first.
    func forEachPrefix(covering key: UInt128, _ body: (Node) -> Void) {
        var node = self.root
        while node != 0, self.contains(node, key, self.family.width) {
            if node > 0 { body(node) }
            let length = self.length(node)
            if length == self.family.width { return }
            node = Self.bit(key, length) ? self.right(node) : self.left(node)
        }
    }

    /// The value a site has at a node from a shorter prefix; 0 for none.
    func inherited(_ node: Node, site: Int) -> UInt8 {
        var above = self.parent(node)
        while above != 0 {
            if above > 0 {
                let value = self.distances.value(above, site)
                if value != 0 { return value }
            }
            above = self.parent(above)
        }
        return 0
    }

    // MARK: Changing

    private func allocatePrefix(key: UInt128, length: Int) -> Node {
        let node: Node
        if let free = self.freePrefixes.popLast() {
            node = free
            self.distances.clear(node)
        } else {
            self.prefixHighWater += 1
            node = self.prefixHighWater
        }
        self.write(node, key: key, length: length)
        self.count += 1
        self.nodeDemand += lookupNodes(forLength: length)
        return node
    }

    private func allocateBranch(key: UInt128, length: Int) -> Node {
        let node: Node
        if let free = self.freeBranches.popLast() {
            node = free
        } else {
            self.branchHighWater += 1
            node = -self.branchHighWater
        }
        self.write(node, key: key & ~Self.hostBits(length), length: length)
        return node
    }

    private func replace(_ child: Node, of parent: Node, by new: Node) {
        if parent == 0 {
            self.root = new
        } else if self.left(parent) == child {
            self.setLeft(parent, new)
        } else {
            self.setRight(parent, new)
        }
        if new != 0 { self.setParent(new, parent) }
    }

    private func attach(_ child: Node, to parent: Node) {
        if Self.bit(self.key(child), self.length(parent)) {
            self.setRight(parent, child)
        } else {
            self.setLeft(parent, child)
        }
        self.setParent(child, parent)
    }

    /// Puts a prefix in that isn't there; nil where the capacity is used up.
    func insert(key: UInt128, length: Int) -> Node? {
        guard self.count < self.capacity else { return nil }
        let new = self.allocatePrefix(key: key, length: length)
        self.link(new, key: key, length: length)
        self.index.insert(new, in: self)
        self.hint = new
        return new
    }

    private func link(_ new: Node, key: UInt128, length: Int) {
        var node = self.start(key, length)
        guard node != 0 else {
            self.root = new
            return
        }
        while true {
            let own = self.length(node)
            let differing = (self.key(node) ^ key).leadingZeroBitCount
            let common = min(differing, min(own, length))
            if common < own {
                let parent = self.parent(node)
                if common == length {
                    self.replace(node, of: parent, by: new)
                    self.attach(node, to: new)
                } else {
                    let branch = self.allocateBranch(key: key, length: common)
                    self.replace(node, of: parent, by: branch)
                    self.attach(node, to: branch)
                    self.attach(new, to: branch)
                }
                return
            }
            if own == length {
                precondition(node < 0, "the index knows every prefix of the tree")
                self.takePlace(of: node, new)
                self.freeBranches.append(node)
                return
            }
            let child = Self.bit(key, own) ? self.right(node) : self.left(node)
            if child == 0 {
                self.attach(new, to: node)
                return
            }
            node = child
        }
    }

    /// A node that holds the prefix, near where it belongs; else the root.
    private func start(_ key: UInt128, _ length: Int) -> Node {
        var node = self.hint
        var steps = 0
        while node != 0, steps < 10 {
            if self.contains(node, key, length) { return node }
            node = self.parent(node)
            steps += 1
        }
        return self.root
    }

    private func takePlace(of old: Node, _ new: Node) {
        let (left, right) = (self.left(old), self.right(old))
        self.replace(old, of: self.parent(old), by: new)
        self.setLeft(new, left)
        self.setRight(new, right)
        if left != 0 { self.setParent(left, new) }
        if right != 0 { self.setParent(right, new) }
    }

    /// Takes a prefix out that has no routes and no distances.
    func remove(_ node: Node) {
        precondition(node > 0 && self.routeCount(node) == 0, "a prefix without routes")
        self.index.remove(node, in: self)
        let (left, right, parent) = (self.left(node), self.right(node), self.parent(node))
        if left != 0, right != 0 {
            let branch = self.allocateBranch(key: self.key(node), length: self.length(node))
            self.takePlace(of: node, branch)
        } else if left != 0 || right != 0 {
            self.replace(node, of: parent, by: left != 0 ? left : right)
        } else {
            self.replace(node, of: parent, by: 0)
            if parent < 0 {
                let other = self.left(parent) != 0 ? self.left(parent) : self.right(parent)
                self.replace(parent, of: self.parent(parent), by: other)
                self.freeBranches.append(parent)
            }
        }
        if self.hint == node { self.hint = 0 }
        self.count -= 1
        self.nodeDemand -= lookupNodes(forLength: self.length(node))
        self.freePrefixes.append(node)
    }

    /// Prefixes are numbered from 1 to this; some of them may be out of use.
    var highWater: Int { Int(self.prefixHighWater) }

    // MARK: Memory

    var nodeBytes: Int { Int(self.prefixHighWater + self.branchHighWater) * self.stride }
    var distanceBytes: Int { Int(self.prefixHighWater) * self.distances.count }
    var indexBytes: Int { self.index.byteCount }
}

/// Nodes on the lookup trie's way to a block of this length, below its root.
func lookupNodes(forLength length: Int) -> Int {
    length <= LookupBase.rootBits ? 0 : (length - LookupBase.rootBits + 3) / 4
}
