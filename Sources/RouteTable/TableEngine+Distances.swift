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

    /// A contributor's standing at a prefix: its distance, plus 256 where the route is stale. Nil
    /// where it has none, or one that is ignored.
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
            if distance == PackedAttributes.noDistance { return nil }
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
        self.store(stored, column, tree, node, in: .distances)
    }

    /// Writes a layer's own byte at a prefix, and paints where it holds. Of a column that is held
    /// readers see changes only with the next image, which is asked for.
    func store(
        _ stored: UInt8, _ column: Int, _ tree: PrefixTree, _ node: PrefixTree.Node,
        in layer: ColumnLayer
    ) {
        let old = tree.distances.value(node, column)
        guard old != stored else { return }
        tree.distances.set(stored, node, column)
        self.distanceChanges += 1
        if self.shadow == nil, self.isHeld(layer, column) {
            self.requestRebuild()
            return
        }
        var value = stored
        if old == 0 || stored == 0 {
            let inherited = tree.inherited(node, site: column)
            if stored == 0 { value = inherited }
            // What readers see is that already, unless a wide paint hasn't come here: it leaves
            // prefixes with a value to whoever gave them one.
            if (old == 0 ? inherited : old) == value, self.paints.isEmpty { return }
        }
        self.paint(column, tree, node, value, in: layer)
    }
}
