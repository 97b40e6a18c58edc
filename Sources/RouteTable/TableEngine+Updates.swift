// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension TableEngine {
    /// Carries out a batch of one feed's changes.
    func apply(_ batch: RouteBatch, to feed: Feed) {
        self.weigh()
        var ids = [UInt32](repeating: 0, count: batch.offsets.count)
        let time = UInt32(truncatingIfNeeded: self.now())
        let sites = feed.changingSites
        self.watch(feed)
        self.countsFlips = true
        defer { self.countsFlips = false }
        var reader = BatchReader(batch)
        var ahead = reader
        while let change = reader.next() {
            if reader.position > ahead.position { self.lookAhead(&ahead, of: feed) }
            let tree = change.isIPv4 ? self.ipv4 : self.ipv6
            let routes = change.isIPv4 ? feed.ipv4 : feed.ipv6
            guard let number = change.attributes else {
                self.withdraw(
                    feed, routes, tree, change.key, change.length, change.pathID, sites)
                continue
            }
            if ids[number] == 0 { ids[number] = self.intern(number, of: batch) }
            self.announce(
                feed, routes, tree, change.key, change.length, change.pathID, ids[number], time,
                sites)
        }
        self.tally.updates += UInt64(batch.count)
        for id in ids where id != 0 { self.attributes.release(id) }
    }

    /// 0 where there is no space for them.
    private func intern(_ index: Int, of batch: RouteBatch) -> UInt32 {
        batch.packed.withUnsafeBytes { packed in
            guard let base = packed.baseAddress else { return 0 }
            let start = base + Int(batch.offsets[index])
            return self.attributes.intern(
                PackedAttributes.bytes(at: start + 4),
                hash: start.loadUnaligned(as: UInt32.self)) ?? 0
        }
    }

    private func announce(
        _ feed: Feed, _ routes: FeedRoutes, _ tree: PrefixTree, _ key: UInt128, _ length: Int,
        _ pathID: UInt32, _ id: UInt32, _ time: UInt32, _ sites: UInt64
    ) {
        var node = tree.find(key: key, length: length)
        let current = routes.ledger.current
        if routes.hasLives, routes.lives.isClosed(pathID) { return self.refuse(feed) }
        if node != 0, let old = routes.find(node, pathID) {
            let isSame = old.slot.attributes == id
            if isSame, old.slot.epoch == current, !routes.hasLives || !routes.isOver(old) {
                return
            }
            let counts = self.counts(feed, routes)
            guard id != 0,
                !counts || !self.classesAreFull
                    || self.areAlike(old.slot.attributes, id, to: feed)
            else {
                // The route it replaces is no longer announced either, but not withdrawn: to the
                // feed's guard it is no loss.
                self.refuse(feed, for: id == 0 ? .space : .classes)
                if !routes.isStale(old.slot) { feed.loss.excuse() }
                self.drop(feed, routes, node, old, sites: counts ? sites : 0)
                return
            }
            // One that is on its way out has come anew.
            let keepsTime =
                isSame && !(feed.job.map { self.isLeaving(old, $0, routes) } ?? false)
            let slot =
                keepsTime
                ? old.slot.with(epoch: current)
                : RouteSlot(attributes: id, epoch: current, time: time)
            guard routes.renew(node, old, by: slot) else { return self.refuse(feed) }
            if !isSame {
                self.attributes.retain(id)
                self.attributes.release(old.slot.attributes)
            }
        } else {
            if id == 0 { return self.refuse(feed) }
            var longest: UInt32?
            if let reason = self.obstacle(to: feed, routes, node, held: feed.kept) {
                if reason == .paths {
                    longest = self.longest(routes, node, beyond: id)
                    feed.missing.note(crowded: tree.prefix(node))
                }
                guard longest != nil else { return self.refuse(feed, for: reason) }
            }
            if self.classesAreFull, self.counts(feed, routes) {
                return self.refuse(feed, for: .classes)
            }
            if node == 0 {
                guard let new = tree.insert(key: key, length: length) else {
                    self.refuse(feed)
                    return
                }
                node = new
            }
            let slot = RouteSlot(attributes: id, epoch: current, time: time)
            guard self.add(routes, tree, node, pathID, slot) else {
                self.refuse(feed)
                return
            }
            self.attributes.retain(id)
            feed.loss.noteArrival()
            if let longest { self.giveUp(feed, routes, node, pathID: longest) }
        }
        if self.counts(feed, routes) { self.recompute(sites, tree, node) }
    }

    /// Whether a prefix may have one more path of a feed.
    @inline(__always)
    func hasRoomForPath(_ feed: Feed, _ routes: FeedRoutes, _ node: PrefixTree.Node) -> Bool {
        guard routes.load(node).isList else { return true }
        let limit = max(self.limits.pathsPerPrefix, feed.definition.pathsPerPrefix)
        return routes.pathCount(node) < limit
    }

    /// The path to give up for one with these attributes: the longest of a prefix, where any is
    /// stale of those, and the last of equal ones; nil where none is longer.
    private func longest(
        _ routes: FeedRoutes, _ node: PrefixTree.Node, beyond attributes: UInt32
    ) -> UInt32? {
        var distance = self.attributes.distance(attributes)
        var longest: UInt32?
        var path = routes.first(node)
        while let found = path {
            var length = self.attributes.distance(found.slot.attributes)
            if routes.isStale(found.slot) { length += 256 }
            if length > distance || length == distance && longest != nil {
                (distance, longest) = (length, found.id)
            }
            path = routes.next(after: found)
        }
        return longest
    }

    /// Takes out a path for which there is no more room: counted as one that was refused, and to
    /// the feed's guard no loss. The prefix has others.
    private func giveUp(
        _ feed: Feed, _ routes: FeedRoutes, _ node: PrefixTree.Node, pathID: UInt32
    ) {
        guard let path = routes.find(node, pathID) else { return }
        self.refuse(feed, for: .paths)
        if !routes.isStale(path.slot) { feed.loss.excuse() }
        self.drop(feed, routes, node, path, sites: 0)
    }

    /// Puts a route at a prefix of the tree. Where there is no space for it, the answer is false,
    /// and a prefix that has no other route is gone.
    func add(
        _ routes: FeedRoutes, _ tree: PrefixTree, _ node: PrefixTree.Node, _ pathID: UInt32,
        _ slot: RouteSlot
    ) -> Bool {
        let isFirst = routes.load(node).isEmpty
        guard routes.add(node, id: pathID, slot) else {
            self.removeIfUnused(tree, node)
            return false
        }
        if isFirst { tree.addRoutes(1, to: node) }
        return true
    }

    /// Whether one route of a feed in another's place makes no other class: all its sites read the
    /// same distances from both. (The same in a new session is no new class.)
    private func areAlike(_ old: UInt32, _ new: UInt32, to feed: Feed) -> Bool {
        if old == new { return true }
        return self.attributes.distance(old) == self.attributes.distance(new)
            && feed.definition.throughSites.values.allSatisfy {
                self.attributes.distance(old, after: $0)
                    == self.attributes.distance(new, after: $0)
            }
    }

    /// Whether a change of a feed's routes in a family can change distances.
    func counts(_ feed: Feed, _ routes: FeedRoutes) -> Bool { !routes.isHidden || feed.job != nil }

    private func withdraw(
        _ feed: Feed, _ routes: FeedRoutes, _ tree: PrefixTree, _ key: UInt128, _ length: Int,
        _ pathID: UInt32, _ sites: UInt64
    ) {
        let node = tree.find(key: key, length: length)
        guard node != 0, let path = routes.find(node, pathID) else { return }
        if !feed.loss.isOff, self.keeps(feed, routes, node, path, sites) { return }
        self.drop(feed, routes, node, path, sites: self.counts(feed, routes) ? sites : 0)
        self.checkLoss(feed)
    }

    /// Takes a route out, and the prefix with its last one.
    func drop(
        _ feed: Feed, _ routes: FeedRoutes, _ node: PrefixTree.Node, _ path: RoutePath,
        sites: UInt64
    ) {
        let tree = self.tree(routes.family)
        routes.remove(node, path)
        self.attributes.release(path.slot.attributes)
        if routes.load(node).isEmpty { tree.addRoutes(-1, to: node) }
        self.recompute(sites, tree, node)
        self.removeIfUnused(tree, node)
    }
}
