// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension TableEngine {
    /// Looks at a site's feeds again at one prefix, and shows readers what changed.
    ///
    /// Fresh before stale, then the least distance; which of equal feeds decides makes no
    /// difference here.
    func recompute(_ column: Int, _ tree: PrefixTree, _ node: PrefixTree.Node) {
        var best: Int?
        for contributor in self.contributors[column] {
            guard let (rank, _) = self.rank(contributor, tree, node) else { continue }
            best = min(best ?? .max, rank)
        }
        let stored = best.map { UInt8(truncatingIfNeeded: $0 & 0xff) &+ 1 } ?? 0
        self.setDistance(column, tree, node, stored)
    }

    /// A contributor's standing at a prefix: its distance, plus 256 where the route is stale.
    func rank(
        _ contributor: Contributor, _ tree: PrefixTree, _ node: PrefixTree.Node
    ) -> (rank: Int, slot: RouteSlot)? {
        let feed = contributor.feed
        guard !feed.isHidden else { return nil }
        let slot = self.pages.load(tree.family == .ipv4 ? feed.ipv4 : feed.ipv6, node)
        guard !slot.isEmpty else { return nil }
        let distance: Int
        if let number = contributor.through {
            guard let hops = self.attributes.distance(slot.attributes, after: number) else {
                return nil
            }
            distance = hops
        } else {
            distance = self.attributes.distance(slot.attributes)
        }
        return (feed.isStale(slot) ? distance + 256 : distance, slot)
    }

    /// Looks at all columns that a feed has a say in.
    func recompute(_ sites: UInt64, _ tree: PrefixTree, _ node: PrefixTree.Node) {
        var left = sites
        while left != 0 {
            let column = left.trailingZeroBitCount
            self.recompute(column, tree, node)
            left &= left &- 1
        }
    }

    /// Writes a site's own distance at a prefix, and paints where it holds.
    private func setDistance(
        _ column: Int, _ tree: PrefixTree, _ node: PrefixTree.Node, _ stored: UInt8
    ) {
        let bit: UInt64 = 1 << UInt64(column)
        let isShown = self.store(
            stored, column, tree, node, offset: column < self.image.classes.sites ? column : nil,
            isHeld: self.heldSites & bit != 0)
        if !isShown { self.heldSites |= bit }
    }

    /// Writes a layer's own byte at a prefix, and paints where it holds.
    ///
    /// `offset` is the column's place in this image's classes, nil where they have none. Of a
    /// column that is held readers see changes only with the next image.
    ///
    /// - Returns: Whether readers see it now. If not, the column has to be held, and the next
    ///   image is asked for.
    func store(
        _ stored: UInt8, _ column: Int, _ tree: PrefixTree, _ node: PrefixTree.Node,
        offset: Int?, isHeld: Bool
    ) -> Bool {
        let old = tree.distances.value(node, column)
        guard old != stored else { return !isHeld }
        tree.distances.set(stored, node, column)
        guard !isHeld, let offset else {
            self.requestRebuild()
            return false
        }
        var value = stored
        if old == 0 || stored == 0 {
            let inherited = tree.inherited(node, site: column)
            if stored == 0 { value = inherited }
            if (old == 0 ? inherited : old) == value { return true }
        }
        return self.paint(column, offset: offset, tree, node, value)
    }

    /// Gives all addresses under a prefix another value for a site, but for those under a longer
    /// prefix that the site has itself.
    private func paint(
        _ column: Int, offset: Int, _ tree: PrefixTree, _ node: PrefixTree.Node, _ value: UInt8
    ) -> Bool {
        let image = self.image
        let trie = tree.family == .ipv4 ? image.ipv4 : image.ipv6
        guard self.hasRoomToPaint(tree.family, trie) else {
            self.requestRebuild()
            return false
        }
        var painter = TriePainter(
            trie: trie, classes: image.classes, change: .byte(offset: offset, stored: value),
            epochs: self.lookup.epochs)
        var position = tree.key(node)
        let last = tree.last(node)
        let beyond = tree.next(afterSubtreeOf: node)
        var below = tree.next(after: node)
        while below != beyond {
            guard below > 0, tree.distances.value(below, column) != 0 else {
                below = tree.next(after: below)
                continue
            }
            let start = tree.key(below)
            if start > position { painter.paint(position, start - 1) }
            let end = tree.last(below)
            if end == last { return true }
            position = end + 1
            below = tree.next(afterSubtreeOf: below)
        }
        painter.paint(position, last)
        if image.classes.count > 2 * self.classesAtRebuild + 65_536 { self.requestRebuild() }
        return true
    }

    /// Whether whatever a paint can add fits this image; if not, the next one has the room.
    private func hasRoomToPaint(_ family: AddressFamily, _ trie: LookupTrie) -> Bool {
        let classes = self.image.classes
        let isIPv4 = family == .ipv4
        let demand =
            self.tree(family).nodeDemand + self.roundTrips.tree(family).nodeDemand
            + (isIPv4 ? self.pins.ipv4 : self.pins.ipv6).nodeDemand
            + (isIPv4 ? self.locations.ipv4 : self.locations.ipv6).nodeDemand
        return classes.count * 2 < classes.capacity && demand * 4 < trie.nodeCapacity * 3
    }
}
