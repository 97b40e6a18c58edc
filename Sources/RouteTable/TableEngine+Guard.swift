// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What the guard of feeds does to their routes.
///
/// While a feed is watched, what it withdraws is remembered for the rules' window. When it has
/// lost too many, those come back as stale, newest first, and what it withdraws from then on turns
/// stale where it stands. Stale routes leave by the same job as after End-of-RIB.
extension TableEngine {
    /// Withdrawals remembered beyond those that may be lost.
    private static let spareEntries = 4096

    // MARK: Beside a batch of changes

    /// Before a batch of a guarded feed's changes: time has moved on.
    func watch(_ feed: Feed) {
        guard !feed.loss.isOff else { return }
        if feed.loss.advance(live: feed.fresh, at: self.steps.uptime()) {
            self.believe(feed, .settled)
        } else if feed.loss.isHolding, feed.stale == 0, feed.withdrawals.isEmpty {
            self.believe(feed, .recovered)
        }
    }

    /// Keeps a live route that is being withdrawn, as stale, where the guard holds.
    ///
    /// - Returns: Whether it is kept. Else, while the feed is watched, it is remembered.
    func keeps(
        _ feed: Feed, _ routes: FeedRoutes, _ node: PrefixTree.Node, _ path: RoutePath,
        _ sites: UInt64
    ) -> Bool {
        let tree = self.tree(routes.family)
        guard !routes.isStale(path.slot) else { return feed.loss.isHolding }
        if feed.loss.isHolding {
            let number = routes.staleNumber()
            guard let path = routes.find(node, path.id) else { return false }
            routes.replace(node, path, by: path.slot.with(epoch: number))
            if feed.loss.isLoss(live: feed.fresh) {
                feed.loss.note(live: feed.fresh, at: self.steps.uptime())
            }
            if self.counts(feed, routes) { self.recompute(sites, tree, node) }
            return true
        }
        let allowed = feed.loss.rules?.allowedLoss(of: feed.loss.highest) ?? 0
        if feed.withdrawals.count >= 2 * allowed + Self.spareEntries,
            let oldest = feed.withdrawals.takeOldest()
        {
            self.forget(oldest)
        }
        self.attributes.retain(path.slot.attributes)
        let key = tree.key(node)
        feed.withdrawals.append(
            WithdrawalLog.Entry(
                high: UInt64(truncatingIfNeeded: key >> 64), low: UInt64(truncatingIfNeeded: key),
                attributes: path.slot.attributes, time: path.slot.time,
                second: UInt32(truncatingIfNeeded: self.steps.uptime()), pathID: path.id,
                life: routes.lives.life(of: path.id),
                length: UInt8(tree.length(node)), isIPv4: tree.family == .ipv4))
        return false
    }

    /// After a watched feed's route has gone.
    func checkLoss(_ feed: Feed) {
        guard feed.loss.isWatching, feed.loss.isLoss(live: feed.fresh) else { return }
        feed.loss.hold(at: self.steps.uptime())
        feed.heldSince = self.now()
        self.restoreLater(feed)
        self.tally.guardTrips += 1
        self.ring(feed, .raised)
    }

    // MARK: Beside a feed's comings and goings

    /// The feed is whole, or is believed: what it loses from now on is watched.
    func beginGuard(_ feed: Feed) {
        self.forgetWithdrawals(feed)
        feed.loss.begin(live: feed.fresh, at: self.steps.uptime())
    }

    /// The feed's session is over, or begins. A restoration goes on: what it brings is stale.
    func endGuard(_ feed: Feed) {
        if feed.loss.isHolding { self.ring(feed, .ended) }
        feed.loss.end()
        if !feed.restoresWithdrawals { self.forgetWithdrawals(feed) }
    }

    /// None of what the feed withdrew comes back.
    func forgetWithdrawals(_ feed: Feed) {
        self.endReturns(feed)
        guard !feed.withdrawals.isEmpty else { return }
        self.forgottenWithdrawals.append(feed.withdrawals)
        feed.withdrawals = WithdrawalLog()
    }

    /// An operator says that the feed is right.
    func releaseGuard(_ feed: Feed) {
        if feed.loss.isHolding { self.believe(feed, .released) }
    }

    /// Sets a feed's rules, new or changed.
    func fitGuard(_ feed: Feed) {
        let rules = feed.definition.guardRules
        guard rules != feed.loss.rules else { return }
        if rules == nil {
            self.releaseGuard(feed)
            feed.loss.end()
            self.forgetWithdrawals(feed)
            self.guardedFeeds.removeAll { $0 === feed }
        } else if feed.loss.rules == nil {
            self.guardedFeeds.append(feed)
        }
        feed.loss.rules = rules
        if feed.isUp, feed.isComplete, feed.loss.isOff { self.beginGuard(feed) }
    }

    /// The feed is taken out of the configuration.
    func removeGuard(_ feed: Feed) {
        self.endGuard(feed)
        self.forgetWithdrawals(feed)
        self.guardedFeeds.removeAll { $0 === feed }
    }

    private func believe(_ feed: Feed, _ kind: FeedAlarm.Kind) {
        self.ring(feed, kind)
        self.beginGuard(feed)
        var left: Set<AddressFamily> = []
        for routes in feed.both where routes.turn(.stale, .longLived, into: .leaving) > 0 {
            left.insert(routes.family)
        }
        guard !left.isEmpty else { return }
        self.start(FeedJob(sites: feed.isHidden ? 0 : feed.sites, in: left), on: feed)
    }

    private func ring(_ feed: Feed, _ kind: FeedAlarm.Kind) {
        guard let rules = feed.loss.rules else { return }
        self.alarms.ring(
            FeedAlarm(
                feed: feed.definition.id, name: feed.definition.name, kind: kind,
                before: feed.loss.before, live: feed.fresh, rules: rules))
    }

    private func restoreLater(_ feed: Feed) {
        for routes in feed.both { routes.takesWithdrawals = true }
        guard !feed.restoresWithdrawals else { return }
        feed.restoresWithdrawals = true
        self.restoringFeeds.append(feed)
    }

    private func endReturns(_ feed: Feed) {
        feed.restoresWithdrawals = false
        for routes in feed.both { routes.takesWithdrawals = false }
    }

    /// Bytes that withdrawals take.
    var withdrawalBytes: Int {
        self.feeds.reduce(0) { $0 + ($1?.withdrawals.byteCount ?? 0) }
            + self.forgottenWithdrawals.reduce(0) { $0 + $1.byteCount }
    }

    // MARK: Between batches

    /// Whether the guard has work that doesn't wait for time to pass.
    var hasGuardWork: Bool {
        !self.forgottenWithdrawals.isEmpty
            || !self.restoringFeeds.isEmpty
    }

    /// Whether a guard waits for time to pass.
    var hasGuardTimer: Bool {
        self.guardedFeeds.contains { $0.loss.isHolding || !$0.withdrawals.isEmpty }
    }

    /// A slice of the guard's work.
    func stepGuards(_ slice: inout WorkSlice) {
        while !slice.isSpent, let last = self.forgottenWithdrawals.indices.last {
            while !slice.isSpent, let entry = self.forgottenWithdrawals[last].takeNewest() {
                self.forget(entry)
                slice.spend(16)
            }
            if self.forgottenWithdrawals[last].isEmpty { self.forgottenWithdrawals.removeLast() }
        }
        for feed in self.restoringFeeds {
            self.restore(feed, &slice)
            if slice.isSpent { break }
        }
        self.restoringFeeds.removeAll { !$0.restoresWithdrawals }
    }

    /// Once a second: forgets what is old, and believes who has settled.
    func tickGuards() {
        guard !self.guardedFeeds.isEmpty else { return }
        let second = self.steps.uptime()
        guard second != self.guardsTicked else { return }
        self.guardsTicked = second
        var slice = self.steps.slice()
        for feed in self.guardedFeeds {
            if !feed.restoresWithdrawals { self.expire(feed, at: second, &slice) }
            self.watch(feed)
        }
        if slice.isSpent { self.guardsTicked = -1 }
    }

    /// Forgets what was withdrawn before the window.
    private func expire(_ feed: Feed, at second: Int64, _ slice: inout WorkSlice) {
        guard let rules = feed.loss.rules else { return }
        while !slice.isSpent, let oldest = feed.withdrawals.oldest,
            UInt32(truncatingIfNeeded: second) &- oldest > UInt32(rules.window + 1),
            let entry = feed.withdrawals.takeOldest()
        {
            self.forget(entry)
            slice.spend(16)
        }
    }

    private func forget(_ entry: WithdrawalLog.Entry) {
        if entry.attributes != 0 { self.attributes.release(entry.attributes) }
    }

    /// Brings withdrawn routes back, where the feed has announced none since.
    private func restore(_ feed: Feed, _ slice: inout WorkSlice) {
        let sites = feed.changingSites
        while !slice.isSpent, var entry = feed.withdrawals.takeNewest() {
            slice.spend(128)
            self.reviseReturning(&entry, of: feed)
            if !self.restore(entry, to: feed, sites) { self.forget(entry) }
        }
        if feed.withdrawals.isEmpty { self.endReturns(feed) }
    }

    /// - Returns: Whether the route stands now, with the entry's share in the attributes.
    private func restore(_ entry: WithdrawalLog.Entry, to feed: Feed, _ sites: UInt64) -> Bool {
        let tree = self.tree(entry.family)
        let routes = feed.routes(entry.family)
        guard entry.attributes != 0, routes.takesWithdrawals else { return false }
        var node = tree.find(key: entry.key, length: Int(entry.length))
        if node != 0, routes.find(node, entry.pathID) != nil { return false }
        // What announced it is there no more.
        guard routes.lives.life(of: entry.pathID) == entry.life,
            !routes.lives.isClosed(entry.pathID)
        else { return false }
        if let reason = self.obstacle(to: feed, routes, node, held: feed.total) {
            self.refuse(feed, for: reason)
            return false
        }
        if node == 0 {
            guard let new = tree.insert(key: entry.key, length: Int(entry.length)) else {
                self.refuse(feed)
                return false
            }
            node = new
        }
        let slot = RouteSlot(
            attributes: entry.attributes, epoch: routes.staleNumber(), time: entry.time)
        guard self.add(routes, tree, node, entry.pathID, slot) else {
            self.refuse(feed)
            return false
        }
        if self.counts(feed, routes) { self.recompute(sites, tree, node) }
        return true
    }
}

extension Feed {
    var guardState: FeedGuardState {
        switch self.loss.state {
        case .off: .off
        case .watching: .watching
        case .holding: .holding(since: self.heldSince)
        }
    }
}
