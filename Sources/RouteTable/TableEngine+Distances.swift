// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension TableEngine {
    /// Looks at a site's feeds again at one prefix, and shows readers what changed.
    ///
    /// Fresh before stale before long-lived stale, then the least distance; which of equal feeds
    /// decides makes no difference here.
    private func recompute(_ column: Int, _ tree: PrefixTree, _ node: PrefixTree.Node) {
        self.store(self.stored(column, tree, node), column, tree, node, in: .distances)
    }

    /// What a site's distance at one prefix is by its feeds' routes, as columns have it.
    func stored(_ column: Int, _ tree: PrefixTree, _ node: PrefixTree.Node) -> UInt8 {
        var best = Int.max
        for contributor in self.contributors[column] {
            let routes = tree.family == .ipv4 ? contributor.feed.ipv4 : contributor.feed.ipv6
            if routes.isHidden { continue }
            let slot = routes.load(node)
            if slot.isEmpty { continue }
            let rank =
                slot.isList
                ? self.rank(contributor, tree, node)?.rank
                : self.rank(slot, routes, contributor.through)
            if let rank, rank < best { best = rank }
        }
        return best == .max ? 0 : UInt8(truncatingIfNeeded: best & 0xff) &+ 1
    }

    /// A contributor's standing at a prefix, and the path that gives it: the least over its paths,
    /// of equal ones the one with the lowest id. Nil where it has none but ignored ones.
    ///
    /// It is the distance, plus 256 where the route is stale, or 512 where it is for long.
    func rank(
        _ contributor: Contributor, _ tree: PrefixTree, _ node: PrefixTree.Node
    ) -> (rank: Int, path: RoutePath)? {
        let routes = tree.family == .ipv4 ? contributor.feed.ipv4 : contributor.feed.ipv6
        guard !routes.isHidden, let first = routes.first(node) else { return nil }
        let rank = self.rank(first.slot, routes, contributor.through)
        if first.record == 0 { return rank.map { ($0, first) } }
        var best = rank.map { (rank: $0, path: first) }
        var path = routes.next(after: first)
        while let next = path {
            let rank = self.rank(next.slot, routes, contributor.through)
            if let rank, rank < best?.rank ?? .max { best = (rank, next) }
            path = routes.next(after: next)
        }
        return best
    }

    @inline(__always)
    private func rank(_ slot: RouteSlot, _ routes: FeedRoutes, _ through: ASNumber?) -> Int? {
        let id = slot.attributes
        let distance: Int
        if let number = through {
            guard let hops = self.attributes.distance(id, after: number) else { return nil }
            distance = hops
        } else {
            distance = self.attributes.distance(id)
            if distance == PackedAttributes.noDistance { return nil }
        }
        if self.attributes.hasLongLivedStale(id) { return distance + 512 }
        switch routes.ledger.state(slot.epoch) {
        case .fresh, .unconfirmed: return distance
        case .stale, .leaving: return distance + 256
        case .longLived: return distance + 512
        }
    }

    /// Looks at all columns that a feed has a say in.
    func recompute(_ sites: UInt64, _ tree: PrefixTree, _ node: PrefixTree.Node) {
        guard self.flips == nil else { return self.recomputeWatched(sites, tree, node) }
        var left = sites
        while left != 0 {
            let column = left.trailingZeroBitCount
            self.recompute(column, tree, node)
            left &= left &- 1
        }
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
