// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A restore as the writer's thread knows it.
///
/// Unchecked: whoever restores passes it from one query to the next, and only queries, which run
/// one after another, look inside.
final class RestoreState: @unchecked Sendable {
    /// By their position in the checkpoint; nil for those that aren't configured.
    fileprivate let feeds: [Feed?]
    /// The table's numbers of the attributes by those of the file, each held once; 0 where there
    /// was no room.
    fileprivate var attributes: [UInt32] = []
    fileprivate(set) var restored = 0

    fileprivate init(feeds: [Feed?]) { self.feeds = feeds }

    /// Whether a feed of the checkpoint, by its position, is configured.
    func isKnown(_ feed: Int) -> Bool { self.feeds[feed] != nil }
}

/// What a restore begins with.
struct RestoreBeginning: Sendable {
    var state: RestoreState
    var feeds: [FeedID]
    /// For each site of the checkpoint its column; nil where it is no more.
    var columns: [Int?]
    /// All feeds that had a say in what the lookup holds are there, and are read as they were.
    var isWhole: Bool
    var pins: PinLayer
    var locations: LocationLayer
    var generation: UInt64
    var width: Int
    var limits: TableLimits
}

extension TableEngine {
    /// Makes the feeds of a checkpoint stale ones, whose routes are on their way. Until
    /// ``endRestore(_:isGood:)`` readers see nothing of what changes.
    func beginRestore(_ names: CheckpointNames) throws(CheckpointError) -> RestoreBeginning {
        let isUnused = self.feeds.allSatisfy { $0.map { $0.total == 0 && !$0.isUp } ?? true }
        guard isUnused, !self.isRestoring else { throw .tableInUse }
        let columns = names.sites.map { name in
            self.siteNames.first { $0.value == name }.map { Int($0.key.rawValue) }
        }
        var isWhole = true
        var feeds: [Feed?] = []
        for saved in names.feeds {
            let feed = self.feeds.compactMap { $0 }.first {
                $0.definition.name == saved.name && !$0.isRemoved
            }
            feeds.append(feed)
            if !Self.isSameReading(saved, feed?.definition, columns) { isWhole = false }
        }
        let known = feeds.compactMap { $0 }
        guard !known.isEmpty else {
            return self.beginning(RestoreState(feeds: feeds), columns, isWhole: false)
        }
        for feed in known {
            feed.isDown = true
            for routes in feed.both {
                routes.turn(.fresh, .unconfirmed, into: .stale)
                routes.isHidden = false
                routes.isRestoring = true
            }
        }
        // What came too early looks at the routes that come back, too.
        for index in self.revisions.indices { self.revisions[index].startAgain() }
        self.isRestoring = true
        self.heldSites = .max
        self.holdsRoundTrips = true
        // What is being built knows nothing of the checkpoint.
        self.abandonShadow()
        self.requestRebuild()
        return self.beginning(RestoreState(feeds: feeds), columns, isWhole: isWhole)
    }

    private func beginning(
        _ state: RestoreState, _ columns: [Int?], isWhole: Bool
    ) -> RestoreBeginning {
        RestoreBeginning(
            state: state, feeds: state.feeds.compactMap { $0?.definition.id }, columns: columns,
            isWhole: isWhole, pins: self.pins, locations: self.locations,
            generation: self.image.generation + 1, width: self.neededColumns,
            limits: self.limits)
    }

    /// Whether a feed tells its sites, those that there still are, what it told them before.
    private static func isSameReading(
        _ saved: CheckpointNames.Feed, _ now: FeedDefinition?, _ columns: [Int?]
    ) -> Bool {
        func site(_ index: Int) -> SiteID? { columns[index].map { SiteID(UInt8($0)) } }
        guard let now else {
            // It told nothing to a site that is still there.
            return site(saved.site) == nil && saved.throughSites.keys.allSatisfy { site($0) == nil }
        }
        guard let own = site(saved.site) else { return false }
        var through: [SiteID: ASNumber] = [:]
        for (index, number) in saved.throughSites {
            if let site = site(index) { through[site] = number }
        }
        return own == now.site && through == now.throughSites
    }

    /// Takes routes in that no session has brought anew. They are stale, and as old as they were.
    func restore(_ slice: CheckpointRouteSlice, _ state: RestoreState) {
        self.weigh(isDue: true)
        for attributes in slice.newAttributes {
            state.attributes.append(self.attributes.intern(attributes) ?? 0)
        }
        let tree = self.tree(slice.family)
        var position = 0
        for row in slice.rows {
            let range = position..<position + Int(row.count)
            position = range.upperBound
            var node = tree.find(key: row.key, length: Int(row.length))
            var changed: UInt64 = 0
            for index in range {
                let route = slice.routes[index]
                guard let feed = state.feeds[Int(route.feed)] else { continue }
                let routes = feed.routes(slice.family)
                guard routes.isRestoring else { continue }
                let slot = RouteSlot(
                    attributes: state.attributes[Int(route.attributes)],
                    epoch: routes.staleNumber(), time: route.time)
                guard self.restore(slot, row, feed, route.pathID, tree, &node) else { continue }
                // By now it may be another site's than when the restore began.
                changed |= feed.changingSites
                state.restored += 1
            }
            if changed != 0 { self.recompute(changed, tree, node) }
        }
    }

    private func restore(
        _ slot: RouteSlot, _ row: CheckpointRouteSlice.Row, _ feed: Feed, _ pathID: UInt32,
        _ tree: PrefixTree, _ node: inout PrefixTree.Node
    ) -> Bool {
        let routes = feed.routes(tree.family)
        if node != 0, routes.find(node, pathID) != nil { return false }
        let obstacle =
            slot.attributes == 0
            ? .space : self.obstacle(to: feed, routes, node, held: feed.total)
        if let obstacle {
            self.refuse(feed, for: obstacle)
            return false
        }
        if node == 0 {
            guard let new = tree.insert(key: row.key, length: Int(row.length)) else {
                self.refuse(feed)
                return false
            }
            node = new
        }
        guard self.add(routes, tree, node, pathID, slot) else {
            if tree.routeCount(node) == 0 { node = 0 }
            self.refuse(feed)
            return false
        }
        self.attributes.retain(slot.attributes)
        return true
    }

    /// Lets go of some of the attributes that the file had numbers for.
    ///
    /// - Returns: Whether there are more.
    func forgetAttributes(_ state: RestoreState, limit: Int) -> Bool {
        for id in state.attributes.suffix(limit) where id != 0 { self.attributes.release(id) }
        state.attributes.removeLast(min(limit, state.attributes.count))
        return !state.attributes.isEmpty
    }

    /// Shows readers what there is now. Where the checkpoint turned out bad, what was taken in
    /// leaves again, but for what sessions confirm.
    func endRestore(_ state: RestoreState, isGood: Bool) {
        guard self.isRestoring else { return }
        self.isRestoring = false
        for feed in state.feeds.compactMap({ $0 }) {
            let restored = feed.both.filter(\.isRestoring)
            for routes in restored {
                routes.isRestoring = false
                if routes.total == 0 { routes.isHidden = true }
            }
            if !restored.isEmpty, feed.total > 0, !isGood, !feed.isUp {
                self.feedFlush(feed)
            }
        }
        self.requestRebuild()
    }
}
