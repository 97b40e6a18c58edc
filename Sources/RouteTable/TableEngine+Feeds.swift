// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension TableEngine {
    func feedUp(_ feed: Feed) {
        self.endGuard(feed)
        feed.isUp = true
        feed.isDown = false
        feed.isComplete = false
        feed.missing = MissingRoutes()
        var turned: Set<AddressFamily> = []
        for routes in feed.both {
            if routes.turn(.fresh, .unconfirmed, into: .stale) > 0 { turned.insert(routes.family) }
            self.beginEpoch(routes, as: .fresh)
            routes.isRefreshing = false
            // With nothing to hold on to it is a first transfer again.
            if routes.kept == 0, !routes.isRestoring, !routes.takesWithdrawals {
                routes.isHidden = true
            }
        }
        self.lookAgain(feed, in: turned)
    }

    /// All of a feed has come.
    func feedComplete(_ feed: Feed) {
        // What the guard holds leaves when the feed has settled.
        guard !feed.isDown, !feed.loss.isHolding else { return }
        self.beginGuard(feed)
        feed.isUp = true
        feed.isComplete = true
        self.complete(feed, feed.both)
    }

    /// All of a family has come: it is shown, and what is stale of it leaves.
    func familyComplete(_ feed: Feed, _ family: AddressFamily) {
        guard !feed.isDown, !feed.loss.isHolding else { return }
        feed.isUp = true
        self.complete(feed, [feed.routes(family)])
    }

    private func complete(_ feed: Feed, _ families: [FeedRoutes]) {
        var shown: Set<AddressFamily> = []
        var left: Set<AddressFamily> = []
        for routes in families {
            if routes.isHidden { shown.insert(routes.family) }
            routes.isHidden = false
            routes.endReturns()
            if routes.turn(.stale, .longLived, into: .leaving) > 0 { left.insert(routes.family) }
        }
        shown = shown.filter { feed.routes($0).total > 0 }
        guard !shown.isEmpty || !left.isEmpty else { return }
        self.start(
            FeedJob(sites: feed.sites, in: shown.union(left), recomputesAll: !shown.isEmpty),
            on: feed)
    }

    func feedDown(_ feed: Feed) {
        self.endGuard(feed)
        feed.isUp = false
        feed.isDown = true
        feed.isComplete = false
        var turned: Set<AddressFamily> = []
        for routes in feed.both {
            if routes.turn(.fresh, .unconfirmed, into: .stale) > 0 { turned.insert(routes.family) }
            routes.isRefreshing = false
        }
        self.lookAgain(feed, in: turned)
    }

    func feedFlush(_ feed: Feed) {
        self.endGuard(feed)
        self.endFlipHolds()
        self.forgetWithdrawals(feed)
        feed.missing = MissingRoutes()
        self.flush(feed, feed.both)
    }

    private func flush(_ feed: Feed, _ families: [FeedRoutes]) {
        let counted = families.contains { !$0.isHidden }
        for routes in families {
            routes.turn(.fresh, .unconfirmed, .stale, .longLived, into: .leaving)
            self.beginEpoch(routes, as: feed.currentState)
            routes.isRefreshing = false
            routes.isHidden = true
            routes.endReturns()
        }
        let left = families.filter { $0.total > 0 }
        guard !left.isEmpty else { return }
        self.start(
            FeedJob(sites: counted ? feed.sites : 0, in: Set(left.map(\.family))), on: feed)
    }

    /// What is stale of a family leaves, though the feed has not come again whole.
    func staleExpired(_ feed: Feed, _ family: AddressFamily) {
        let routes = feed.routes(family)
        guard !feed.isDown else {
            self.endFlipHolds()
            return self.flush(feed, [routes])
        }
        guard !feed.loss.isHolding else { return }
        routes.endReturns()
        guard routes.turn(.stale, .longLived, into: .leaving) > 0 else { return }
        self.start(
            FeedJob(sites: self.counts(feed, routes) ? feed.sites : 0, in: [family]), on: feed)
    }

    /// What is stale of a family is so for long: any other route is better (RFC 9494 §4.3).
    func longLivedStale(_ feed: Feed, _ family: AddressFamily) {
        let routes = feed.routes(family)
        let turned = routes.turn(.stale, into: .longLived)
        if feed.isDown { self.beginEpoch(routes, as: .stale) }
        guard turned > 0 else { return }
        let sites = self.counts(feed, routes) ? feed.sites : 0
        self.start(
            FeedJob(sites: sites, in: [family], recomputesAll: true, dropsShortLived: true),
            on: feed)
    }

    /// The feed sends all it has of a family again: what it doesn't is to leave (RFC 7313 §4).
    func refreshBegan(_ feed: Feed, _ family: AddressFamily) {
        guard !feed.isDown else { return }
        let routes = feed.routes(family)
        routes.turn(.fresh, into: .unconfirmed)
        self.beginEpoch(routes, as: .fresh)
        routes.isRefreshing = true
    }

    func refreshEnded(_ feed: Feed, _ family: AddressFamily) {
        let routes = feed.routes(family)
        guard !feed.isDown, routes.isRefreshing else { return }
        routes.isRefreshing = false
        let lost = routes.ledger.count(.unconfirmed)
        // A guard looks at what was not sent again as at withdrawals.
        let isLoss = feed.loss.isWatching && feed.loss.isLoss(live: feed.fresh - lost)
        if feed.loss.isHolding || isLoss {
            routes.turn(.unconfirmed, into: .stale)
            self.checkLoss(feed)
            self.lookAgain(feed, in: lost > 0 ? [family] : [])
            return
        }
        routes.endReturns()
        guard routes.turn(.unconfirmed, .stale, .longLived, into: .leaving) > 0 else { return }
        self.start(
            FeedJob(sites: self.counts(feed, routes) ? feed.sites : 0, in: [family]), on: feed)
    }

    /// All paths with some ids leave: what announced them is there no more.
    func withdrawPaths(_ feed: Feed, ids: [UInt32]) {
        guard !ids.isEmpty else { return }
        for routes in feed.both { routes.endPaths(ids) }
        guard feed.total > 0 else {
            for routes in feed.both { routes.settle() }
            return
        }
        self.start(FeedJob(sites: feed.isHidden ? 0 : feed.sites), on: feed)
    }

    /// Takes a feed out at once; its routes leave by its job.
    func removeFeed(_ feed: Feed) {
        self.removeGuard(feed)
        self.feedFlush(feed)
        feed.isRemoved = true
        self.feeds[Int(feed.definition.id.rawValue)] = nil
        self.listContributors()
    }

    /// Stale routes lose to fresh ones of other feeds of the site, where there are any, and to
    /// other paths of the same feed.
    private func lookAgain(_ feed: Feed, in families: Set<AddressFamily>) {
        let families = families.filter { !feed.routes($0).isHidden }
        guard !families.isEmpty else { return }
        var shared: UInt64 = 0
        var left = feed.sites
        while left != 0 {
            let column = left.trailingZeroBitCount
            if self.contributors[column].count > 1 { shared |= 1 << UInt64(column) }
            left &= left &- 1
        }
        if families.contains(where: { feed.routes($0).furtherPaths > 0 }) { shared = feed.sites }
        guard shared != 0 else { return }
        self.start(FeedJob(sites: shared, in: families, recomputesAll: true), on: feed)
    }

    private func beginEpoch(_ routes: FeedRoutes, as state: EpochLedger.State) {
        routes.beginEpoch(as: state)
        if routes.hasManyNumbers, !self.manyNumbers.contains(where: { $0 === routes }) {
            self.manyNumbers.append(routes)
        }
    }

    /// Makes the numbers of epochs fewer until the slice ends.
    func stepNumbers(_ slice: inout WorkSlice) {
        while !slice.isSpent, let routes = self.manyNumbers.first {
            routes.stepNumbers(&slice)
            if !routes.hasManyNumbers { self.manyNumbers.removeFirst() }
        }
    }

    // MARK: Jobs

    /// Has a feed's routes walked; joins the walk that is under way.
    func start(_ job: FeedJob, on feed: Feed) {
        var job = job
        if let old = feed.job {
            job = old.joined(with: job)
        } else {
            self.jobs.append(feed)
        }
        feed.job = job
        self.heldSites |= job.sites
        if job.sites != 0 { self.abandonShadow(forRoutes: feed.total) }
    }

    /// Goes on with the walks until the slice ends.
    func stepJobs(_ slice: inout WorkSlice) {
        while !slice.isSpent, let feed = self.jobs.first { self.step(feed, &slice) }
    }

    private func step(_ feed: Feed, _ slice: inout WorkSlice) {
        self.walk(feed, &slice)
        guard let job = feed.job, job.isDone else { return }
        feed.job = nil
        self.jobs.removeAll { $0 === feed }
        for routes in feed.both where job.walks(routes.family) { routes.settle() }
        self.releaseHeld()
    }

    /// Looks at the feed's routes, those of one prefix at least.
    private func walk(_ feed: Feed, _ slice: inout WorkSlice) {
        guard var job = feed.job else { return }
        while let place = job.place(ends: feed.ipv4.nodeEnd, feed.ipv6.nodeEnd) {
            let routes = place.isInIPv6 ? feed.ipv6 : feed.ipv4
            let end = RoutePages.pageEnd(after: place.node)
            let unitsLeft = self.unitsLeft
            var node = place.node
            repeat {
                if !routes.load(Int32(node)).isEmpty {
                    self.look(feed, job, routes, Int32(node), &slice)
                }
                node += 1
            } while node < end && !slice.isSpent
            job.goOn(to: node)
            // With what was painted into an image that is being built.
            slice.spend(32 + unitsLeft - self.unitsLeft)
            if slice.isSpent { break }
        }
        feed.job = job
    }

    private func look(
        _ feed: Feed, _ job: FeedJob, _ routes: FeedRoutes, _ node: PrefixTree.Node,
        _ slice: inout WorkSlice
    ) {
        var path = routes.first(node)
        var hasLeft = false
        while let found = path {
            path = routes.next(after: found)
            guard self.isLeaving(found, job, routes) else { continue }
            // What announced it is there no more: the feed itself has lost nothing.
            if !routes.isStale(found.slot), routes.isOver(found) { feed.loss.excuse() }
            // Its neighbours may change places.
            let next = path?.id
            self.drop(feed, routes, node, found, sites: job.sites)
            slice.spend(128)
            hasLeft = true
            path = next.flatMap { routes.find(node, $0) }
        }
        if job.recomputesAll, !hasLeft {
            self.recompute(job.sites, self.tree(routes.family), node)
            slice.spend(64)
        }
    }

    /// Whether a walk takes a path out.
    @inline(__always)
    func isLeaving(_ path: RoutePath, _ job: FeedJob, _ routes: FeedRoutes) -> Bool {
        routes.isLeaving(path)
            || job.dropsShortLived
                && routes.ledger.state(path.slot.epoch) == .longLived
                && self.attributes.refusesLongLivedStale(path.slot.attributes)
    }
}
