// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What is left to paint of wide areas, each once, the one that waits longest first.
final class PaintQueue {
    private(set) var count = 0
    private var paints: [ColumnArea: WidePaint] = [:]
    private var order: [ColumnArea] = []
    private var head = 0

    var isEmpty: Bool { self.count == 0 }

    func contains(where isIt: (ColumnArea) -> Bool) -> Bool {
        self.paints.keys.contains(where: isIt)
    }

    /// Sends the paint of an area round again; false where there is none.
    func goRound(_ area: ColumnArea) -> Bool {
        guard self.count > 0 else { return false }
        return self.paints[area]?.goRound() != nil
    }

    func append(_ paint: WidePaint) {
        self.count += 1
        self.paints[paint.area] = paint
        self.order.append(paint.area)
    }

    func popFirst() -> WidePaint? {
        guard self.head < self.order.count else { return nil }
        self.count -= 1
        let area = self.order[self.head]
        self.head += 1
        if self.head == self.order.count {
            self.order.removeAll(keepingCapacity: true)
            self.head = 0
        } else if self.head > 1024, self.head * 2 > self.order.count {
            self.order.removeFirst(self.head)
            self.head = 0
        }
        return self.paints.removeValue(forKey: area)
    }
}

extension TableEngine {
    /// Areas that wait for their paint before a column is rather held for another image.
    private static let mostPaints = 4096

    @inline(__always)
    func isHeld(_ layer: ColumnLayer, _ column: Int) -> Bool {
        switch layer {
        case .distances: self.heldSites >> UInt64(column) & 1 != 0
        case .roundTrips: self.holdsRoundTrips
        }
    }

    /// Readers see no more changes of a column until another image shows them.
    func hold(_ layer: ColumnLayer, _ column: Int) {
        switch layer {
        case .distances: self.heldSites |= 1 << UInt64(column)
        case .roundTrips: self.holdsRoundTrips = true
        }
        self.requestRebuild()
    }

    /// Where a column stands in the classes of an image; nil where they have none.
    @inline(__always)
    private func offset(of area: ColumnArea, in classes: ClassTable) -> Int? {
        switch area.layer {
        case .distances: area.column < classes.sites ? area.column : nil
        case .roundTrips:
            area.column < classes.roundTripSites ? classes.roundTripOffset + area.column : nil
        }
    }

    private func tree(of area: ColumnArea) -> PrefixTree {
        switch area.layer {
        case .distances: self.tree(area.family)
        case .roundTrips: self.roundTrips.tree(area.family)
        }
    }

    /// Shows what a site's value is now under a prefix: at once, or the beginning of it.
    func paint(
        _ column: Int, _ tree: PrefixTree, _ node: PrefixTree.Node, _ value: UInt8,
        in layer: ColumnLayer
    ) {
        let area = ColumnArea(
            layer: layer, family: tree.family, column: column, key: tree.key(node),
            length: tree.length(node))
        if self.paints.goRound(area) { return }
        guard var refresh = self.refresh(area, in: tree, value) else { return }
        let units = max(1, min(self.steps.unitsAtOnce, self.unitsLeft))
        var slice = WorkSlice(units: units)
        let stop = refresh.run(
            from: area.key, through: area.last,
            next: tree.next(after: node), &slice)
        self.unitsLeft -= units - slice.unitsLeft
        self.didPaint(refresh)
        if let stop {
            self.paints.append(WidePaint(area, from: stop))
            if self.paints.count > Self.mostPaints { self.hold(layer, column) }
        }
    }

    /// What an area is painted with, and where; nil where nothing shows it now.
    private func refresh(
        _ area: ColumnArea, in tree: PrefixTree, _ value: UInt8
    ) -> ColumnRefresh? {
        var live: TriePainter?
        if !self.isHeld(area.layer, area.column) {
            let image = self.image
            if let offset = self.offset(of: area, in: image.classes) {
                live = TriePainter(
                    trie: area.family == .ipv4 ? image.ipv4 : image.ipv6,
                    classes: image.classes, change: .byte(offset: offset, stored: value),
                    epochs: self.lookup.epochs)
            } else {
                self.hold(area.layer, area.column)
            }
        }
        var next: (TriePainter, UInt128)?
        if let shadow = self.shadow, let last = shadow.lastBuilt(area.family), last >= area.key,
            let offset = self.offset(of: area, in: shadow.classes)
        {
            next = (
                TriePainter(
                    trie: shadow.trie(area.family), classes: shadow.classes,
                    change: .byte(offset: offset, stored: value), epochs: nil), last
            )
        }
        if live == nil, next == nil {
            if self.shadow == nil { self.requestRebuild() }
            return nil
        }
        self.shadowClasses = self.shadow?.classes.count ?? 0
        return ColumnRefresh(area, in: tree, value: value, live: live, shadow: next)
    }

    private func didPaint(_ refresh: ColumnRefresh) {
        if let shadow = self.shadow {
            shadow.paintedClasses += shadow.classes.count - self.shadowClasses
        }
        if refresh.live?.isFull ?? false {
            self.hold(refresh.area.layer, refresh.area.column)
        }
        if refresh.shadow?.isFull ?? false { self.abandonShadow() }
    }

    /// Goes on with areas that are wide, until the slice ends.
    func stepPaints(_ slice: inout WorkSlice) {
        while !slice.isSpent, var paint = self.paints.popFirst() {
            let tree = self.tree(of: paint.area)
            let value = ColumnRefresh.value(of: paint.area, in: tree)
            // Where nothing shows it, another image will.
            guard var refresh = self.refresh(paint.area, in: tree, value) else { continue }
            let stop = refresh.run(from: paint.position, through: paint.last, &slice)
            self.didPaint(refresh)
            if !paint.advance(to: stop) { self.paints.append(paint) }
        }
    }
}
