// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A walk over the distances of one family in address order, from any address on: where the
/// overlay of all covering prefixes changes, and what it is from there on.
///
/// Good for as long as the tree doesn't change.
struct DistanceSweep: ~Copyable {
    private let tree: PrefixTree
    /// Bytes of an overlay: at least the columns there are, and those asked for.
    private let width: Int
    /// For each open prefix, outermost first, its last address and the overlay inside it.
    /// Position 0 is the whole family with nothing known.
    private let ends: UnsafeMutablePointer<UInt128>
    private let overlays: UnsafeMutablePointer<UInt8>
    private var depth = 0
    private var upcoming: PrefixTree.Node
    /// Where the overlay changes next; nil when it holds to the end.
    private(set) var nextStart: UInt128?

    /// - Parameters:
    ///   - tree: Whose distances.
    ///   - address: Where the walk begins, left-aligned in 128 bits.
    ///   - columns: Columns that ``current`` has at least.
    init(tree: PrefixTree, at address: UInt128, columns: Int) {
        self.tree = tree
        self.width = max(columns, tree.distances.count)
        let most = tree.family.width + 2
        self.ends = .allocate(capacity: most)
        self.ends.initialize(repeating: .max, count: most)
        self.overlays = .allocate(capacity: most * self.width)
        self.overlays.initialize(repeating: 0, count: most * self.width)
        self.upcoming = tree.firstPrefix(after: address)
        var covering: [PrefixTree.Node] = []
        tree.forEachPrefix(covering: address) { covering.append($0) }
        for node in covering { self.enter(node) }
        self.findNextStart()
    }

    deinit {
        self.ends.deallocate()
        self.overlays.deallocate()
    }

    /// The overlay that holds now, a byte a site.
    var current: UnsafePointer<UInt8> {
        UnsafePointer(self.overlays + self.depth * self.width)
    }

    private mutating func findNextStart() {
        let end = self.ends[self.depth]
        if self.upcoming != 0 {
            let key = self.tree.key(self.upcoming)
            self.nextStart = end < key ? end + 1 : key
        } else {
            self.nextStart = end == .max ? nil : end + 1
        }
    }

    private mutating func enter(_ node: PrefixTree.Node) {
        let below = self.overlays + self.depth * self.width
        self.depth += 1
        self.ends[self.depth] = self.tree.last(node)
        self.tree.distances.overlay(
            node, on: below, into: self.overlays + self.depth * self.width)
    }

    /// Goes to ``nextStart``.
    mutating func advance() {
        guard let start = self.nextStart else { return }
        if self.ends[self.depth] < start {
            while self.ends[self.depth] < start { self.depth -= 1 }
        } else {
            let node = self.upcoming
            self.enter(node)
            self.upcoming = self.tree.next(after: node)
        }
        self.findNextStart()
    }
}

extension PrefixTree {
    /// The first prefix that begins after an address, or 0.
    func firstPrefix(after address: UInt128) -> Node {
        let step: UInt128 = self.family == .ipv4 ? 1 << 96 : 1
        let (next, overflow) = (address & ~(step - 1)).addingReportingOverflow(step)
        if overflow { return 0 }
        return self.first(notBefore: next, length: 0)
    }
}

/// A walk over a ``RangeLayer``, as ``DistanceSweep`` walks the distances.
struct RangeSweep {
    private let layer: RangeLayer
    private var position: Int
    private(set) var current: UInt32

    /// - Parameters:
    ///   - layer: Whose values.
    ///   - address: Where the walk begins.
    init(_ layer: RangeLayer, at address: UInt128) {
        self.layer = layer
        self.position = layer.position(after: address)
        self.current = self.position == 0 ? 0 : layer.values[self.position - 1]
    }

    var nextStart: UInt128? {
        self.position < self.layer.starts.count ? self.layer.starts[self.position] : nil
    }

    mutating func advance() {
        self.current = self.layer.values[self.position]
        self.position += 1
    }
}

extension RangeLayer {
    /// How many values begin at or before an address.
    func position(after address: UInt128) -> Int {
        var low = 0
        var high = self.starts.count
        while low < high {
            let middle = (low + high) / 2
            if self.starts[middle] <= address { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
