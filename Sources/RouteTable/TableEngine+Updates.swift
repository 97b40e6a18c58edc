// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension TableEngine {
    /// Carries out a batch of one feed's changes.
    func apply(_ batch: RouteBatch, to feed: Feed) {
        var ids = [UInt32](repeating: 0, count: batch.attributes.count)
        let time = UInt32(truncatingIfNeeded: self.now())
        let sites = feed.changingSites
        self.watch(feed)
        batch.changes.withUnsafeBufferPointer { changes in
            for change in changes {
                let tree = self.tree(change.prefix.family)
                guard change.attributes >= 0 else {
                    self.withdraw(feed, tree, change.prefix, sites)
                    continue
                }
                let index = Int(change.attributes)
                if ids[index] == 0 {
                    ids[index] = self.attributes.intern(batch.attributes[index]) ?? 0
                }
                self.announce(feed, tree, change.prefix, ids[index], time, sites)
            }
        }
        self.tally.updates += UInt64(batch.count)
        for id in ids where id != 0 { self.attributes.release(id) }
    }

    func refuse(_ feed: Feed) {
        feed.refused += 1
        self.tally.refused += 1
    }

    private func announce(
        _ feed: Feed, _ tree: PrefixTree, _ prefix: IPPrefix, _ id: UInt32, _ time: UInt32,
        _ sites: UInt64
    ) {
        let key = prefix.address.leftAligned
        let isIPv4 = tree.family == .ipv4
        var node = tree.find(key: key, length: prefix.length)
        let old =
            node == 0
            ? RouteSlot(bits: 0) : self.pages.load(isIPv4 ? feed.ipv4 : feed.ipv6, node)
        if !old.isEmpty {
            if old.attributes == id, old.epoch == feed.epoch { return }
            guard id != 0, !(self.classesAreFull && self.counts(feed)) else {
                // The route it replaces is no longer announced either.
                self.refuse(feed)
                self.withdraw(feed, tree, prefix, sites)
                return
            }
            if old.epoch != feed.epoch { feed.noteRefreshed(old) }
            let slot: RouteSlot
            if old.attributes == id {
                slot = old.with(epoch: feed.epoch)
            } else {
                self.attributes.retain(id)
                self.attributes.release(old.attributes)
                slot = RouteSlot(attributes: id, epoch: feed.epoch, time: time)
            }
            self.pages.replace(isIPv4 ? feed.ipv4 : feed.ipv6, node, by: slot)
        } else {
            guard id != 0, feed.kept < self.limits.routesPerFeed,
                node != 0 || self.ipv4.count + self.ipv6.count < self.limits.prefixes,
                !(self.classesAreFull && self.counts(feed))
            else {
                self.refuse(feed)
                return
            }
            if node == 0 {
                guard let new = tree.insert(key: key, length: prefix.length) else {
                    self.refuse(feed)
                    return
                }
                node = new
            }
            let slot = RouteSlot(attributes: id, epoch: feed.epoch, time: time)
            let isAdded =
                isIPv4
                ? self.pages.add(&feed.ipv4, node, slot) : self.pages.add(&feed.ipv6, node, slot)
            guard isAdded else {
                if tree.routeCount(node) == 0 { tree.remove(node) }
                self.refuse(feed)
                return
            }
            self.attributes.retain(id)
            tree.addRoutes(1, to: node)
            if isIPv4 { feed.ipv4Count += 1 } else { feed.ipv6Count += 1 }
            feed.fresh += 1
        }
        if self.counts(feed) { self.recompute(sites, tree, node) }
    }

    /// Whether a change of the feed's routes can change distances.
    func counts(_ feed: Feed) -> Bool { !feed.isHidden || feed.job != nil }

    private func withdraw(_ feed: Feed, _ tree: PrefixTree, _ prefix: IPPrefix, _ sites: UInt64) {
        let node = tree.find(key: prefix.address.leftAligned, length: prefix.length)
        guard node != 0 else { return }
        let slot = self.pages.load(tree.family == .ipv4 ? feed.ipv4 : feed.ipv6, node)
        guard !slot.isEmpty else { return }
        if !feed.loss.isOff, self.keeps(feed, tree, node, slot, sites) { return }
        self.drop(feed, tree, node, slot, sites: self.counts(feed) ? sites : 0)
        self.checkLoss(feed)
    }

    /// Takes a route out, and the prefix with its last one.
    func drop(
        _ feed: Feed, _ tree: PrefixTree, _ node: PrefixTree.Node, _ slot: RouteSlot,
        sites: UInt64
    ) {
        if tree.family == .ipv4 {
            self.pages.remove(&feed.ipv4, node)
            feed.ipv4Count -= 1
        } else {
            self.pages.remove(&feed.ipv6, node)
            feed.ipv6Count -= 1
        }
        feed.noteDropped(slot)
        self.attributes.release(slot.attributes)
        tree.addRoutes(-1, to: node)
        self.recompute(sites, tree, node)
        if tree.routeCount(node) == 0 { tree.remove(node) }
    }
}
