// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension TableEngine {
    /// Whether there is a revision to go on with. While a checkpoint's routes are on their way back
    /// it waits for them, to look at them too.
    var hasRevisionWork: Bool { !self.revisions.isEmpty && !self.isRestoring }

    /// Columns whose changes by the revision under way readers see only when it is done, all at
    /// once.
    var revisedSites: UInt64 {
        guard let job = self.revisions.first, job.isBegun, job.revision.showsAtOnce else {
            return 0
        }
        return self.feeds.reduce(0) { sites, feed in
            guard let feed, job.revision.concerns(feed.definition.id), self.isSeen(feed) else {
                return sites
            }
            return sites | feed.changingSites
        }
    }

    private func isSeen(_ feed: Feed) -> Bool { !feed.isHidden || feed.job != nil }

    /// Goes on with the first revision until the slice ends.
    func stepRevisions(_ slice: inout WorkSlice) {
        var memo = RevisionMemo()
        while !slice.isSpent, let job = self.revisions.first, job.isBegun || self.beginRevision() {
            switch job.place {
            case .routes: self.reviseFeeds(&memo, &slice)
            case .prefix: self.reviseBlocks(&memo, &slice)
            case .withdrawals: self.reviseWithdrawals(&memo, &slice)
            case .end:
                self.revisions.removeFirst()
                self.releaseHeld()
            }
        }
    }

    /// - Returns: Whether the first revision may go on. One that shows at once waits where readers
    ///   have waited long for another image: that would have to wait for its end.
    private func beginRevision() -> Bool {
        let revision = self.revisions[0].revision
        if revision.showsAtOnce, self.isRebuildLate, self.isRebuildPending { return false }
        self.revisions[0].isBegun = true
        let sites = self.revisedSites
        guard sites != 0 else { return true }
        self.heldSites |= sites
        let routes = self.feeds.reduce(0) { sum, feed in
            sum + (feed.map { revision.concerns($0.definition.id) ? $0.total : 0 } ?? 0)
        }
        if revision.within == nil { self.abandonShadow(forRoutes: routes) }
        return true
    }

    // MARK: All routes of feeds

    private func reviseFeeds(_ memo: inout RevisionMemo, _ slice: inout WorkSlice) {
        let revision = self.revisions[0].revision
        while !slice.isSpent, case .routes(let index, var place) = self.revisions[0].place {
            guard index < self.feeds.count else {
                self.revisions[0].place = .withdrawals(feed: 0, number: 0)
                return
            }
            guard let feed = self.feeds[index], revision.concerns(feed.definition.id) else {
                self.revisions[0].place = .routes(feed: index + 1, at: FeedJob.Place())
                continue
            }
            let routes = place.isInIPv6 ? feed.ipv6 : feed.ipv4
            guard place.node < routes.nodeEnd else {
                self.revisions[0].place =
                    place.isInIPv6
                    ? .routes(feed: index + 1, at: FeedJob.Place())
                    : .routes(feed: index, at: FeedJob.Place(isInIPv6: true))
                continue
            }
            let end = RoutePages.pageEnd(after: place.node)
            if routes.directory.hasPage(of: place.node) {
                repeat {
                    self.revise(feed, routes, Int32(place.node), revision.body, &memo, &slice)
                    place.node += 1
                } while place.node < end && !slice.isSpent
            } else {
                place.node = end
            }
            self.revisions[0].place = .routes(feed: index, at: place)
            slice.spend(32)
        }
    }

    // MARK: Under prefixes

    private func reviseBlocks(_ memo: inout RevisionMemo, _ slice: inout WorkSlice) {
        let revision = self.revisions[0].revision
        let blocks = self.revisions[0].blocks ?? []
        let feeds = self.feeds.compactMap { $0 }.filter { revision.concerns($0.definition.id) }
        while !slice.isSpent,
            case .prefix(let index, let key, let length) = self.revisions[0].place
        {
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
            } else {
                self.revisions[0].enter(block: index + 1)
                slice.spend(16)
            }
        }
    }

    // MARK: What was withdrawn

    private func reviseWithdrawals(_ memo: inout RevisionMemo, _ slice: inout WorkSlice) {
        let job = self.revisions[0]
        while !slice.isSpent, case .withdrawals(let index, let number) = self.revisions[0].place {
            guard index < self.feeds.count else {
                self.revisions[0].place = .end
                return
            }
            guard let feed = self.feeds[index], job.revision.concerns(feed.definition.id),
                number < feed.withdrawals.numbers.upperBound
            else {
                self.revisions[0].place = .withdrawals(feed: index + 1, number: 0)
                continue
            }
            // Those before it have been forgotten meanwhile.
            let next = max(number, feed.withdrawals.start)
            self.revise(&feed.withdrawals[next], of: feed, by: job, &memo)
            self.revisions[0].place = .withdrawals(feed: index, number: next + 1)
            slice.spend(64)
        }
    }

    /// What a guard brings back while a revision is under way: that may have passed its prefix.
    func reviseReturning(_ entry: inout WithdrawalLog.Entry, of feed: Feed) {
        guard let job = self.revisions.first, job.isBegun else { return }
        var memo = RevisionMemo(size: 1)
        self.revise(&entry, of: feed, by: job, &memo)
    }

    private func revise(
        _ entry: inout WithdrawalLog.Entry, of feed: Feed, by job: RevisionJob,
        _ memo: inout RevisionMemo
    ) {
        let prefix = entry.prefix
        guard entry.attributes != 0, job.revision.concerns(feed.definition.id), job.holds(prefix)
        else { return }
        let old = entry.attributes
        switch self.revised(old, at: prefix, of: feed, by: job.revision.body, &memo) {
        case .same: return
        case .none: entry.attributes = 0
        case .other(let id): entry.attributes = id
        }
        self.attributes.release(old)
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
        switch self.revised(old, at: tree.prefix(node), of: feed, by: body, &memo) {
        case .same: return
        case .none:
            // That is no loss of the feed's.
            if !routes.isStale(path.slot) { feed.loss.excuse() }
            self.drop(
                feed, routes, node, path,
                sites: self.counts(feed, routes) ? feed.changingSites : 0)
        case .other(let id):
            self.attributes.release(old)
            routes.replace(
                node, path,
                by: RouteSlot(attributes: id, epoch: path.slot.epoch, time: path.slot.time))
            if self.counts(feed, routes) { self.recompute(feed.changingSites, tree, node) }
        }
        slice.spend(128)
    }

    /// What becomes of attributes.
    private enum Revised {
        case same
        case none
        /// Held once for the caller.
        case other(UInt32)
    }

    /// Asks what is to become of a route. Where it is another, the caller lets go of the old one.
    private func revised(
        _ id: UInt32, at prefix: IPPrefix, of feed: Feed, by body: TableRevision.Body,
        _ memo: inout RevisionMemo
    ) -> Revised {
        let held = memo.attributes(id, in: self.attributes)
        let revised = body(feed.definition.id, prefix, held)
        if revised == held { return .same }
        // The caller lets go of it: the number may be given to others then.
        memo.forget(id)
        guard let revised else { return .none }
        guard let new = self.attributes.intern(revised) else {
            self.refuse(feed)
            return .same
        }
        return .other(new)
    }
}

/// Attributes that were looked at of late: neighbours in the table often have the same, in each
/// feed others.
///
/// Good for one slice, in which only the revision gives numbers away and takes them back: a number
/// that it lets go of is to be forgotten.
private struct RevisionMemo {
    private var entries: [(id: UInt32, attributes: RouteAttributes)?]

    /// Of so many attributes at most.
    init(size: Int = 64) { self.entries = Array(repeating: nil, count: size) }

    private func index(of id: UInt32) -> Int { Int(id) % self.entries.count }

    mutating func attributes(_ id: UInt32, in store: AttributeStore) -> RouteAttributes {
        let index = self.index(of: id)
        if let entry = self.entries[index], entry.id == id { return entry.attributes }
        let attributes = store.attributes(id)
        self.entries[index] = (id, attributes)
        return attributes
    }

    mutating func forget(_ id: UInt32) {
        let index = self.index(of: id)
        if self.entries[index]?.id == id { self.entries[index] = nil }
    }
}
