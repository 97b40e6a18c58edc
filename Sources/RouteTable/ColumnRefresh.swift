// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What has a byte a site in the classes.
enum ColumnLayer: UInt8, Hashable {
    case distances
    case roundTrips
}

/// One column under one prefix: what a change of a site's distance, or round trip, can touch.
struct ColumnArea: Hashable {
    var layer: ColumnLayer
    var family: AddressFamily
    var column: Int
    /// Left-aligned in 128 bits.
    var key: UInt128
    var length: Int

    var last: UInt128 { self.key | PrefixTree.hostBits(self.length) }
}

/// A column's area that is being brought in line with the routes, in slices.
///
/// The value is read from the routes at each slice, so another change of it only sends the walk
/// round once more, from where it is: however often a default route comes and goes, there is one
/// round to do at most.
struct WidePaint {
    let area: ColumnArea
    /// The first address to look at.
    private(set) var position: UInt128
    /// Where the second lap ends, which begins at the area's first address.
    private var lapEnd: UInt128?
    private var isSecondLap = false

    init(_ area: ColumnArea, from position: UInt128) {
        self.area = area
        self.position = position
    }

    /// The last address of the lap.
    var last: UInt128 {
        if self.isSecondLap, let end = self.lapEnd { return end - 1 }
        return self.area.last
    }

    /// The value changed: what lies behind has to be done again.
    mutating func goRound() {
        self.lapEnd = self.position > self.area.key ? self.position : nil
        self.isSecondLap = false
    }

    /// A slice got as far as an address; nil where it did the lap.
    ///
    /// - Returns: Whether all is done.
    mutating func advance(to position: UInt128?) -> Bool {
        if let position {
            self.position = position
            return false
        }
        guard self.lapEnd != nil, !self.isSecondLap else { return true }
        self.isSecondLap = true
        self.position = self.area.key
        return false
    }
}

/// Brings one column in line with the routes, between any two addresses of an area, in the image
/// that readers see, in the one that is being built, or in both.
struct ColumnRefresh {
    let area: ColumnArea
    let tree: PrefixTree
    /// The value where no longer prefix has one.
    let value: UInt8
    private(set) var live: TriePainter?
    private(set) var shadow: TriePainter?
    /// The last address that the shadow has.
    private let shadowLast: UInt128

    init(
        _ area: ColumnArea, in tree: PrefixTree, value: UInt8, live: TriePainter?,
        shadow: (painter: TriePainter, last: UInt128)?
    ) {
        self.area = area
        self.tree = tree
        self.value = value
        self.live = live
        self.shadow = shadow?.painter
        self.shadowLast = shadow?.last ?? 0
    }

    var isFull: Bool { self.live?.isFull ?? false || self.shadow?.isFull ?? false }

    /// The value that holds in an area but for longer prefixes: of the longest prefix that covers
    /// it and has one.
    static func value(of area: ColumnArea, in tree: PrefixTree) -> UInt8 {
        let distances = tree.distances
        guard area.column < distances.count else { return 0 }
        var value: UInt8 = 0
        tree.forEachPrefix(covering: area.key) { node in
            guard tree.length(node) <= area.length else { return }
            let own = distances.value(node, area.column)
            if own != 0 { value = own }
        }
        return value
    }

    /// Goes on somewhere inside the area.
    ///
    /// - Returns: The first address that is not done; nil when all up to `last` are.
    mutating func run(
        from position: UInt128, through last: UInt128, _ slice: inout WorkSlice
    ) -> UInt128? {
        var position = position
        if let end = self.lastOfHolder(covering: position) {
            if end >= last { return nil }
            position = end + 1
        }
        let isStart = position == self.area.key
        let next = self.tree.first(
            notBefore: position, length: isStart ? self.area.length + 1 : 0)
        return self.run(from: position, through: last, next: next, &slice)
    }

    /// The last address of the shortest prefix inside the area that covers an address and has a
    /// value of its own.
    private func lastOfHolder(covering address: UInt128) -> UInt128? {
        let distances = self.tree.distances
        guard self.area.column < distances.count else { return nil }
        var holder: PrefixTree.Node = 0
        self.tree.forEachPrefix(covering: address) { node in
            guard holder == 0, self.tree.length(node) > self.area.length,
                distances.value(node, self.area.column) != 0
            else { return }
            holder = node
        }
        return holder == 0 ? nil : self.tree.last(holder)
    }

    /// - Parameters:
    ///   - position: An address that no longer prefix with a value covers.
    ///   - last: The last address to do.
    ///   - next: The first prefix inside the area that begins there or after.
    ///   - slice: What may be done.
    /// - Returns: The first address that is not done; nil when all up to `last` are.
    mutating func run(
        from position: UInt128, through last: UInt128, next: PrefixTree.Node,
        _ slice: inout WorkSlice
    ) -> UInt128? {
        let distances = self.tree.distances
        let hasColumn = self.area.column < distances.count
        var position = position
        var node = next
        while true {
            // The next prefix with a value of its own, or where the slice ends.
            var isHolder = false
            while node != 0, self.tree.key(node) <= last {
                if hasColumn, distances.value(node, self.area.column) != 0 {
                    isHolder = true
                    break
                }
                slice.spend(8)
                if slice.isSpent, self.tree.key(node) > position { break }
                node = self.tree.next(after: node)
            }
            let isLast = node == 0 || self.tree.key(node) > last
            let end = isLast ? last : self.tree.key(node)
            if isLast || end > position {
                let stop = self.paint(position, isLast ? last : end - 1, &slice)
                if stop != nil || isLast { return stop }
            }
            position = end
            if isHolder {
                slice.spend(8)
                let holderLast = self.tree.last(node)
                if holderLast >= last { return nil }
                position = holderLast + 1
                node = self.tree.next(afterSubtreeOf: node)
            }
            if slice.isSpent { return position }
        }
    }

    private mutating func paint(
        _ first: UInt128, _ last: UInt128, _ slice: inout WorkSlice
    ) -> UInt128? {
        var stop = self.live?.paintFound(first, last, &slice)
        // It is full: what the shadow lacks follows, since the column is held from now on.
        if stop == first { return stop }
        if self.shadow != nil, first <= self.shadowLast {
            let end = min(stop.map { $0 - 1 } ?? last, self.shadowLast)
            guard first <= end else { return stop }
            if let shadowStop = self.shadow?.paintFound(first, end, &slice) { stop = shadowStop }
        }
        return stop
    }
}
