// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A walk over the distances of one family in address order: where the overlay of all covering
/// prefixes changes, and what it is from there on.
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
    ///   - columns: Columns that ``current`` has at least.
    init(tree: PrefixTree, columns: Int) {
        self.tree = tree
        self.width = max(columns, tree.distances.count)
        let most = tree.family.width + 2
        self.ends = .allocate(capacity: most)
        self.ends.initialize(repeating: .max, count: most)
        self.overlays = .allocate(capacity: most * self.width)
        self.overlays.initialize(repeating: 0, count: most * self.width)
        self.upcoming = tree.first
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

    /// Goes to ``nextStart``.
    mutating func advance() {
        guard let start = self.nextStart else { return }
        if self.ends[self.depth] < start {
            while self.ends[self.depth] < start { self.depth -= 1 }
        } else {
            let node = self.upcoming
            let below = self.overlays + self.depth * self.width
            self.depth += 1
            self.ends[self.depth] = self.tree.last(node)
            self.tree.distances.overlay(
                node, on: below, into: self.overlays + self.depth * self.width)
            self.upcoming = self.tree.next(after: node)
        }
        self.findNextStart()
    }
}

/// A walk over a ``RangeLayer``, as ``DistanceSweep`` walks the distances.
struct RangeSweep {
    private let layer: RangeLayer
    private var position = 0
    private(set) var current: UInt32 = 0

    init(_ layer: RangeLayer) { self.layer = layer }

    var nextStart: UInt128? {
        self.position < self.layer.starts.count ? self.layer.starts[self.position] : nil
    }

    mutating func advance() {
        self.current = self.layer.values[self.position]
        self.position += 1
    }
}
