// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension TableEngine {
    /// For each site the route that decides at an address.
    func routes(covering address: IPAddress) -> [SiteRoute] {
        let tree = self.tree(address.family)
        let distances = tree.distances
        var nodes = [PrefixTree.Node](repeating: 0, count: distances.count)
        tree.forEachPrefix(covering: address.leftAligned) { node in
            for column in 0..<distances.count where distances.value(node, column) != 0 {
                nodes[column] = node
            }
        }
        return nodes.enumerated().compactMap { column, node in
            node == 0 ? nil : self.decidingRoute(column, tree, node)
        }
    }

    private func decidingRoute(
        _ column: Int, _ tree: PrefixTree, _ node: PrefixTree.Node
    ) -> SiteRoute? {
        var best: (rank: Int, path: RoutePath, feed: Feed)?
        for contributor in self.contributors[column] {
            guard let (rank, path) = self.rank(contributor, tree, node) else { continue }
            if best.map({ rank < $0.rank }) ?? true { best = (rank, path, contributor.feed) }
        }
        return best.map {
            self.route(
                SiteID(UInt8(column)), $0.feed, tree.family, tree.prefix(node), $0.path,
                distance: $0.rank & 255)
        }
    }

    private func route(
        _ site: SiteID, _ feed: Feed, _ family: AddressFamily, _ prefix: IPPrefix,
        _ path: RoutePath, distance: Int? = nil
    ) -> SiteRoute {
        let attributes = self.attributes.attributes(path.slot.attributes)
        let routes = feed.routes(family)
        let ledger = routes.ledger
        return SiteRoute(
            site: site, feed: feed.definition.id, prefix: prefix, attributes: attributes,
            distance: distance ?? attributes.distance, since: Int64(path.slot.time),
            isStale: ledger.isStale(path.slot.epoch),
            isLongLivedStale: attributes.hasLongLivedStale
                || ledger.state(path.slot.epoch) == .longLived, pathID: path.id,
            isHeldBack: routes.isHidden)
    }

    /// All routes that a feed has at a prefix, by the ids of their paths.
    private func heldRoutes(
        _ feed: Feed, _ tree: PrefixTree, _ node: PrefixTree.Node, _ prefix: IPPrefix,
        after pathID: UInt32? = nil, limit: Int = .max
    ) -> [SiteRoute] {
        let routes = feed.routes(tree.family)
        var found: [SiteRoute] = []
        var path = routes.first(node)
        while let next = path, found.count < limit {
            if pathID.map({ next.id > $0 }) ?? true {
                found.append(
                    self.route(feed.definition.site, feed, tree.family, prefix, next))
            }
            path = routes.next(after: next)
        }
        return found
    }

    var feedsInOrder: [Feed] {
        self.feeds.compactMap { $0 }.filter { !$0.isRemoved }.sorted {
            ($0.definition.order, $0.definition.id) < ($1.definition.order, $1.definition.id)
        }
    }

    func routes(at prefix: IPPrefix) -> [SiteRoute] {
        let tree = self.tree(prefix.family)
        let node = tree.find(key: prefix.address.leftAligned, length: prefix.length)
        guard node != 0 else { return [] }
        return self.feedsInOrder.flatMap { self.heldRoutes($0, tree, node, prefix) }
    }

    /// Routes that would say something of an address, were they not ignored; the longest prefix
    /// first.
    func ignoredRoutes(covering address: IPAddress, limit: Int) -> [SiteRoute] {
        let tree = self.tree(address.family)
        let feeds = self.feedsInOrder
        var nodes: [PrefixTree.Node] = []
        tree.forEachPrefix(covering: address.leftAligned) { nodes.append($0) }
        var routes: [SiteRoute] = []
        for node in nodes.reversed() {
            for feed in feeds where routes.count < limit {
                let ignored = self.heldRoutes(feed, tree, node, tree.prefix(node))
                    .filter(\.attributes.isIgnored)
                routes += ignored.prefix(limit - routes.count)
            }
        }
        return routes
    }

    /// Prefixes that a slice looks at for each route it may give, where only one feed is wanted.
    private static let patience = 16

    func routes(
        after cursor: RouteCursor?, feed wanted: FeedID?, within block: IPPrefix?, limit: Int
    ) -> (routes: [SiteRoute], next: RouteCursor?) {
        guard limit > 0 else { return ([], cursor) }
        var feeds = self.feeds.compactMap { $0 }.filter { !$0.isRemoved }
        if let wanted { feeds = feeds.filter { $0.definition.id == wanted } }
        guard !feeds.isEmpty else { return ([], nil) }
        var routes: [SiteRoute] = []
        var looks = limit.multipliedReportingOverflow(by: Self.patience).partialValue
        if looks < limit { looks = .max }
        var start = self.position(after: cursor, within: block)
        while let (tree, node) = start {
            let prefix = tree.prefix(node)
            if let block, !block.contains(prefix) { return (routes, nil) }
            for feed in feeds {
                // Within the cursor's prefix, on with what comes after the cursor.
                var done: UInt32?
                if let cursor, cursor.prefix == prefix {
                    guard let last = cursor.feed, feed.definition.id >= last else { continue }
                    if feed.definition.id == last { done = cursor.pathID }
                }
                routes += self.heldRoutes(
                    feed, tree, node, prefix, after: done, limit: limit - routes.count)
                if routes.count == limit, let last = routes.last {
                    return (
                        routes,
                        RouteCursor(prefix: prefix, feed: feed.definition.id, pathID: last.pathID)
                    )
                }
            }
            looks -= 1
            if looks <= 0 { return (routes, RouteCursor(prefix: prefix, feed: nil, pathID: 0)) }
            start = self.position(from: tree, tree.next(after: node), within: block)
        }
        return (routes, nil)
    }

    /// The first prefix that a listing has to look at: the cursor's, which may be half done, or
    /// the block's.
    private func position(
        after cursor: RouteCursor?, within block: IPPrefix?
    ) -> (PrefixTree, PrefixTree.Node)? {
        let first = cursor?.prefix ?? block ?? IPPrefix.all(.ipv4)
        let tree = self.tree(first.family)
        let node = tree.first(notBefore: first.address.leftAligned, length: first.length)
        return self.position(from: tree, node, within: block)
    }

    private func position(
        from tree: PrefixTree, _ node: PrefixTree.Node, within block: IPPrefix?
    ) -> (PrefixTree, PrefixTree.Node)? {
        if node != 0 { return (tree, node) }
        guard tree.family == .ipv4, block?.family != .ipv4 else { return nil }
        let next = self.ipv6.first
        return next == 0 ? nil : (self.ipv6, next)
    }

    // MARK: Reports

    func feedSummaries() -> [FeedSummary] {
        self.feedsInOrder.map { feed in
            FeedSummary(
                id: feed.definition.id, name: feed.definition.name, site: feed.definition.site,
                ipv4Prefixes: feed.ipv4.prefixes, ipv6Prefixes: feed.ipv6.prefixes,
                furtherPaths: feed.ipv4.furtherPaths + feed.ipv6.furtherPaths,
                freshIPv4: feed.ipv4.ledger.fresh, freshIPv6: feed.ipv6.ledger.fresh,
                stalePrefixes: feed.stale,
                longLivedStale: feed.both.reduce(0) { $0 + $1.ledger.count(.longLived) },
                refused: feed.refused, missing: feed.missing.total, isUp: feed.isUp,
                isComplete: feed.isComplete, isFirstTransfer: feed.isHidden,
                heldBackIPv4: feed.ipv4.isHidden ? feed.ipv4.kept : 0,
                heldBackIPv6: feed.ipv6.isHidden ? feed.ipv6.kept : 0,
                guardState: feed.guardState)
        }
    }

    func counts() -> TableCounts {
        var counts = self.tally
        counts.ipv4Prefixes = self.ipv4.count
        counts.ipv6Prefixes = self.ipv6.count
        counts.routes = self.feeds.reduce(0) { $0 + ($1?.total ?? 0) }
        counts.furtherPaths = self.feeds.reduce(0) {
            $0 + ($1.map { $0.ipv4.furtherPaths + $0.ipv6.furtherPaths } ?? 0)
        }
        counts.roundTripPrefixes = self.roundTrips.count
        counts.classes = self.image.classes.count
        counts.heldPrefixes = self.flips?.held.count ?? 0
        counts.heldFeeds = self.guardedFeeds.count { $0.loss.isHolding }
        counts.attributeSets = self.attributes.count
        return counts
    }
}
