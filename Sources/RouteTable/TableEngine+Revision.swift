// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension TableEngine {
    /// Whether there is a revision to go on with. While a checkpoint's routes or a guard's
    /// withdrawals are on their way back it waits for them, to look at them too.
    var hasRevisionWork: Bool {
        !self.revisions.isEmpty && !self.isRestoring && self.restoringFeeds.isEmpty
    }

    func revise(_ revision: TableRevision) { self.revisions.append(RevisionJob(revision)) }

    /// Goes on with the first revision until the slice ends.
    func stepRevisions(_ slice: inout WorkSlice) {
        var memo = RevisionMemo()
        while !slice.isSpent, !self.revisions.isEmpty {
            self.beginRevision()
            let isDone =
                switch self.revisions[0].place {
                case .page: self.revisePages(&memo, &slice)
                case .prefix: self.reviseBlocks(&memo, &slice)
                }
            guard isDone else { return }
            self.revisions.removeFirst()
            self.releaseHeld()
        }
    }

    private func beginRevision() {
        guard !self.revisions[0].isBegun else { return }
        self.revisions[0].isBegun = true
        let revision = self.revisions[0].revision
        for feed in self.feeds.compactMap({ $0 }) where revision.concerns(feed.definition.id) {
            if revision.showsAtOnce, !feed.isHidden || feed.job != nil {
                self.heldSites |= feed.changingSites
            }
            // What a guard may bring back later was not looked at.
            if !feed.withdrawals.isEmpty { feed.laterRevision = revision }
        }
    }

    /// The routes of a feed that came back from its withdrawals are looked at, as those were that
    /// it had.
    func reviseRestored(_ feed: Feed) {
        guard var revision = feed.laterRevision else { return }
        feed.laterRevision = nil
        revision.feeds = [feed.definition.id]
        self.revise(revision)
    }

    // MARK: All routes of feeds

    /// - Returns: Whether the end was reached.
    private func revisePages(_ memo: inout RevisionMemo, _ slice: inout WorkSlice) -> Bool {
        let revision = self.revisions[0].revision
        while case .page(let index, let isInIPv6, let page) = self.revisions[0].place {
            guard index < self.feeds.count else { return true }
            guard let feed = self.feeds[index], revision.concerns(feed.definition.id) else {
                self.revisions[0].place = .page(feed: index + 1, isInIPv6: false, page: 0)
                continue
            }
            let routes = isInIPv6 ? feed.ipv6 : feed.ipv4
            guard page < routes.pageCount else {
                self.revisions[0].place = .page(
                    feed: isInIPv6 ? index + 1 : index, isInIPv6: !isInIPv6, page: 0)
                continue
            }
            if routes.directory.hasPage(page) {
                for offset in 0..<RoutePages.slotsPerPage {
                    let node = Int32(page * RoutePages.slotsPerPage + offset)
                    self.revise(feed, routes, node, revision.body, &memo, &slice)
                }
            }
            self.revisions[0].place = .page(feed: index, isInIPv6: isInIPv6, page: page + 1)
            slice.spend(32)
            if slice.isSpent { return false }
        }
        return true
    }

    // MARK: Under prefixes

    /// - Returns: Whether the end was reached.
    private func reviseBlocks(_ memo: inout RevisionMemo, _ slice: inout WorkSlice) -> Bool {
        let revision = self.revisions[0].revision
        let blocks = revision.within ?? []
        let feeds = self.feeds.compactMap { $0 }.filter { revision.concerns($0.definition.id) }
        while case .prefix(let index, let key, let length) = self.revisions[0].place {
            guard index < blocks.count else { return true }
            let tree = self.tree(blocks[index].family)
            let last = blocks[index].last.leftAligned | PrefixTree.hostBits(tree.family.width)
            var node = tree.first(notBefore: key, length: length)
            var isWithin = node != 0 && tree.key(node) <= last
            while isWithin, !slice.isSpent {
                // The prefix may leave with its last route; the one after it doesn't.
                let next = tree.next(after: node)
                for feed in feeds {
                    self.revise(
                        feed, feed.routes(tree.family), node, revision.body, &memo, &slice)
                }
                slice.spend(16 + 8 * feeds.count)
                node = next
                isWithin = node != 0 && tree.key(node) <= last
            }
            if isWithin {
                self.revisions[0].place = .prefix(
                    block: index, key: tree.key(node), length: tree.length(node))
                return false
            }
            self.revisions[0].enter(block: index + 1)
            // Blocks may be many, and hold nothing.
            slice.spend(64)
            if slice.isSpent { return false }
        }
        return true
    }

    // MARK: One route

    private func revise(
        _ feed: Feed, _ routes: FeedRoutes, _ node: PrefixTree.Node, _ body: TableRevision.Body,
        _ memo: inout RevisionMemo, _ slice: inout WorkSlice
    ) {
        var path = routes.first(node)
        while let found = path {
            // Its neighbours may change places.
            let next = routes.next(after: found)?.id
            self.revise(feed, routes, node, found, body, &memo, &slice)
            path = next.flatMap { routes.find(node, $0) }
        }
    }

    private func revise(
        _ feed: Feed, _ routes: FeedRoutes, _ node: PrefixTree.Node, _ path: RoutePath,
        _ body: TableRevision.Body, _ memo: inout RevisionMemo, _ slice: inout WorkSlice
    ) {
        slice.spend(64)
        let tree = self.tree(routes.family)
        let old = path.slot.attributes
        let held = memo.attributes(old, in: self.attributes)
        guard let revised = body(feed.definition.id, tree.prefix(node), held) else {
            memo.forget(old)
            slice.spend(128)
            // That is no loss of the feed's.
            if !routes.isStale(path.slot) { feed.loss.excuse() }
            self.drop(
                feed, routes, node, path,
                sites: self.counts(feed, routes) ? feed.changingSites : 0)
            return
        }
        guard revised != held else { return }
        slice.spend(128)
        guard let id = self.attributes.intern(revised) else {
            self.refuse(feed)
            return
        }
        memo.forget(old)
        self.attributes.release(old)
        routes.replace(
            node, path,
            by: RouteSlot(attributes: id, epoch: path.slot.epoch, time: path.slot.time))
        if self.counts(feed, routes) { self.recompute(feed.changingSites, tree, node) }
    }
}

/// Attributes that were looked at of late: neighbours in the table often have the same, in each
/// feed others.
///
/// Good for one slice, in which nothing is interned and released but by the revision: a number whose
/// route leaves it may be given to others, and is to be forgotten.
private struct RevisionMemo {
    private var entries = [(id: UInt32, attributes: RouteAttributes)?](
        repeating: nil, count: Self.size)
    private static let size = 64

    private static func index(_ id: UInt32) -> Int { Int(id % UInt32(Self.size)) }

    mutating func attributes(_ id: UInt32, in store: AttributeStore) -> RouteAttributes {
        let index = Self.index(id)
        if let entry = self.entries[index], entry.id == id { return entry.attributes }
        let attributes = store.attributes(id)
        self.entries[index] = (id, attributes)
        return attributes
    }

    mutating func forget(_ id: UInt32) {
        let index = Self.index(id)
        if self.entries[index]?.id == id { self.entries[index] = nil }
    }
}
