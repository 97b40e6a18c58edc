// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Prefixes that flip too often keep what is shown of them.
///
/// A flip is a change of the set of sites that are nearest by distance at a prefix, with what its
/// sites inherit from shorter ones, by a feed's update; whole feeds that come, go or turn stale
/// flip nothing. Where one more than the rules allow is about to be shown, the prefix's distances stay
/// as they are, in the RIB's columns too, while its routes go on changing; when there was no flip
/// for the rules' time they become what the routes say. A feed that is flushed, removed or read in
/// another way ends all holds: nothing is shown of a feed that is gone.
extension TableEngine {
    func setFlipHold(_ rules: FlipHoldRules?) {
        guard rules != self.nextFlipRules ?? self.flips?.rules else { return }
        // What is held is shown before anything else is.
        self.nextFlipRules = .some(rules)
        self.endFlipHolds()
    }

    /// All that is held is shown as it is, in slices.
    func endFlipHolds() {
        guard self.hasFlipTimer else { return }
        self.flips?.endAll()
        self.endsFlipHolds = true
    }

    /// Columns that held prefixes may have distances in.
    var flipColumns: UInt64 {
        guard let held = self.flips?.held, !held.isEmpty else { return 0 }
        let count = max(self.ipv4.distances.count, self.ipv6.distances.count)
        return count >= 64 ? .max : 1 << UInt64(count) - 1
    }

    // MARK: A change

    /// Looks at some columns of a prefix again, while flips are counted.
    func recomputeWatched(_ sites: UInt64, _ tree: PrefixTree, _ node: PrefixTree.Node) {
        guard sites != 0 else { return }
        let isHeld = self.flips?.holds(node, tree.family) ?? false
        let distances = tree.distances
        let count = distances.count
        let own = (0..<count).map { distances.value(node, $0) }
        var new = own
        // Of one that is held the other columns' truth isn't shown either.
        var left = isHeld ? self.flipColumns : sites
        while left != 0 {
            let column = left.trailingZeroBitCount
            left &= left &- 1
            if column < count { new[column] = self.stored(column, tree, node) }
        }
        if !isHeld, new == own { return }
        let inherited = self.inherited(tree, node, count)
        let nearest = Self.nearest(new, inherited)
        let prefix = tree.prefix(node)
        if isHeld {
            self.flips?.note(prefix, nearest: nearest, at: self.steps.uptime())
            return
        }
        if self.countsFlips, self.nextFlipRules == nil,
            nearest != Self.nearest(own, inherited)
        {
            self.tally.flips += 1
            if self.flips?.isTooMany(prefix, at: self.steps.uptime()) ?? false {
                self.flips?.hold(
                    prefix, node, nearest: nearest, since: self.now(), at: self.steps.uptime())
                self.tally.flipHolds += 1
                return
            }
        }
        for column in 0..<count where new[column] != own[column] {
            self.store(new[column], column, tree, node, in: .distances)
        }
    }

    /// What each column has at a prefix from shorter ones.
    private func inherited(
        _ tree: PrefixTree, _ node: PrefixTree.Node, _ count: Int
    ) -> [UInt8] {
        var values = [UInt8](repeating: 0, count: count)
        var cover = tree.cover(of: node)
        while cover != 0 {
            for column in 0..<count where values[column] == 0 {
                values[column] = tree.distances.value(cover, column)
            }
            cover = tree.cover(of: cover)
        }
        return values
    }

    /// The columns with the least distance, as bits.
    private static func nearest(_ own: [UInt8], _ inherited: [UInt8]) -> UInt64 {
        var least: UInt8 = .max
        var nearest: UInt64 = 0
        for column in own.indices {
            let value = own[column] != 0 ? own[column] : inherited[column]
            guard value != 0, value <= least else { continue }
            nearest = (value < least ? 0 : nearest) | 1 << UInt64(column)
            least = value
        }
        return nearest
    }

    /// A prefix without routes leaves, unless something is shown of it.
    func removeIfUnused(_ tree: PrefixTree, _ node: PrefixTree.Node) {
        guard tree.routeCount(node) == 0, !(self.flips?.holds(node, tree.family) ?? false) else {
            return
        }
        tree.remove(node)
    }

    // MARK: Between batches

    var hasFlipWork: Bool { !(self.flips?.ending.isEmpty ?? true) || self.nextFlipRules != nil }

    /// Whether a prefix waits to calm.
    var hasFlipTimer: Bool { !(self.flips?.held.isEmpty ?? true) }

    func tickFlips() {
        guard self.hasFlipTimer else { return }
        let second = self.steps.uptime()
        guard second != self.flipsTicked else { return }
        self.flipsTicked = second
        self.flips?.tick(at: second)
    }

    /// Shows prefixes as they are that have calmed, until the slice ends.
    func stepFlips(_ slice: inout WorkSlice) {
        let second = self.steps.uptime()
        while !slice.isSpent,
            let (prefix, node) = self.flips?.takeEnding(at: second, isForced: self.endsFlipHolds)
        {
            let tree = self.tree(prefix.family)
            for column in 0..<tree.distances.count {
                self.store(self.stored(column, tree, node), column, tree, node, in: .distances)
            }
            self.removeIfUnused(tree, node)
            slice.spend(128)
        }
        guard self.flips?.ending.isEmpty ?? true else { return }
        self.endsFlipHolds = false
        guard let rules = self.nextFlipRules, !self.hasFlipTimer else { return }
        self.nextFlipRules = nil
        self.flips = rules.map { FlipTracker($0) }
    }

    // MARK: Reports

    func flipHolds(covering address: IPAddress) -> [FlipHold] {
        guard let held = self.flips?.held, !held.isEmpty else { return [] }
        var found: [FlipHold] = []
        let tree = self.tree(address.family)
        tree.forEachPrefix(covering: address.leftAligned) { node in
            let prefix = tree.prefix(node)
            guard let hold = held[prefix] else { return }
            found.append(FlipHold(prefix: prefix, since: hold.since, flips: hold.flips))
        }
        return found
    }
}
