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
            if revision.showsAtOnce, self.counts(feed) { self.heldSites |= feed.changingSites }
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
            let directory = isInIPv6 ? feed.ipv6 : feed.ipv4
            guard page < directory.pageCount else {
                self.revisions[0].place = .page(
                    feed: isInIPv6 ? index + 1 : index, isInIPv6: !isInIPv6, page: 0)
                continue
            }
            if directory.hasPage(page) {
                let tree = isInIPv6 ? self.ipv6 : self.ipv4
                for offset in 0..<RoutePages.slotsPerPage {
                    let node = Int32(page * RoutePages.slotsPerPage + offset)
                    self.revise(feed, tree, node, revision.body, &memo, &slice)
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
                for feed in feeds { self.revise(feed, tree, node, revision.body, &memo, &slice) }
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
        }
        return true
    }

    // MARK: One route

    private func revise(
        _ feed: Feed, _ tree: PrefixTree, _ node: PrefixTree.Node, _ body: TableRevision.Body,
        _ memo: inout RevisionMemo, _ slice: inout WorkSlice
    ) {
        let isIPv4 = tree.family == .ipv4
        let slot = self.pages.load(isIPv4 ? feed.ipv4 : feed.ipv6, node)
        if slot.isEmpty { return }
        slice.spend(64)
        let held = memo.attributes(slot.attributes, in: self.attributes)
        let prefix = tree.prefix(node)
        guard let revised = body(feed.definition.id, prefix, held) else {
            memo.forget()
            slice.spend(128)
            self.drop(
                feed, tree, node, slot, sites: self.counts(feed) ? feed.changingSites : 0)
            return
        }
        guard revised != held else { return }
        slice.spend(128)
        guard let id = self.attributes.intern(revised) else {
            self.refuse(feed)
            return
        }
        // The number of the old attributes may be given to others now.
        memo.forget()
        self.attributes.release(slot.attributes)
        self.pages.replace(
            isIPv4 ? feed.ipv4 : feed.ipv6, node,
            by: RouteSlot(attributes: id, epoch: slot.epoch, time: slot.time))
        if self.counts(feed) { self.recompute(feed.changingSites, tree, node) }
    }
}

/// The attributes that were looked at last: neighbours in the table often have the same.
///
/// Good until a number may have been given to others.
private struct RevisionMemo {
    private var last: (id: UInt32, attributes: RouteAttributes)?

    mutating func attributes(_ id: UInt32, in store: AttributeStore) -> RouteAttributes {
        if let last = self.last, last.id == id { return last.attributes }
        let attributes = store.attributes(id)
        self.last = (id, attributes)
        return attributes
    }

    mutating func forget() { self.last = nil }
}
