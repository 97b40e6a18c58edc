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
        let words = batch.words
        var position = 0
        while position < words.count {
            let word = words[position]
            let isIPv4 = word & 1 == 0
            let length = Int(truncatingIfNeeded: word &>> 1 & 255)
            let index = word &>> 9 & RouteBatch.withdrawn
            var key = UInt128(word &>> 32) &<< 96
            if isIPv4 {
                position &+= 1
            } else {
                key = UInt128(words[position &+ 1]) &<< 64 | UInt128(words[position &+ 2])
                position &+= 3
            }
            let tree = isIPv4 ? self.ipv4 : self.ipv6
            guard index != RouteBatch.withdrawn else {
                self.withdraw(feed, tree, key, length, sites)
                continue
            }
            let number = Int(truncatingIfNeeded: index)
            if ids[number] == 0 { ids[number] = self.intern(number, of: batch) }
            self.announce(feed, tree, key, length, ids[number], time, sites)
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

    func refuse(_ feed: Feed) {
        feed.refused += 1
        self.tally.refused += 1
    }

    private func announce(
        _ feed: Feed, _ tree: PrefixTree, _ key: UInt128, _ length: Int, _ id: UInt32,
        _ time: UInt32, _ sites: UInt64
    ) {
        let isIPv4 = tree.family == .ipv4
        var node = tree.find(key: key, length: length)
        let old =
            node == 0
            ? RouteSlot(bits: 0) : self.pages.load(isIPv4 ? feed.ipv4 : feed.ipv6, node)
        if !old.isEmpty {
            if old.attributes == id, old.epoch == feed.epoch { return }
            guard id != 0,
                self.areAlike(old.attributes, id, to: feed) || !self.counts(feed)
                    || !self.classesAreFull
            else {
                // The route it replaces is no longer announced either, but not withdrawn: to the
                // feed's guard it is no loss.
                self.refuse(feed)
                if old.epoch == feed.epoch { feed.loss.excuse() }
                self.drop(feed, tree, node, old, sites: self.counts(feed) ? sites : 0)
                return
            }
            if old.epoch != feed.epoch { feed.noteRefreshed(old, tree.family, node) }
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
                !(self.classesAreFull && self.counts(feed)), !self.memoryIsFull
            else {
                if self.memoryIsFull { self.tally.refusedForMemory += 1 }
                self.refuse(feed)
                return
            }
            if node == 0 {
                guard let new = tree.insert(key: key, length: length) else {
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
            feed.loss.noteArrival()
        }
        if self.counts(feed) { self.recompute(sites, tree, node) }
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

    /// Whether a change of the feed's routes can change distances.
    func counts(_ feed: Feed) -> Bool { !feed.isHidden || feed.job != nil }

    private func withdraw(
        _ feed: Feed, _ tree: PrefixTree, _ key: UInt128, _ length: Int, _ sites: UInt64
    ) {
        let node = tree.find(key: key, length: length)
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
        feed.noteDropped(slot, tree.family, node)
        self.attributes.release(slot.attributes)
        tree.addRoutes(-1, to: node)
        self.recompute(sites, tree, node)
        if tree.routeCount(node) == 0 { tree.remove(node) }
    }
}
