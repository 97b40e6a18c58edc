// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

extension TableEngine {
    func feedUp(_ feed: Feed) {
        let turnsStale = !feed.isDown && feed.fresh > 0
        self.endGuard(feed)
        self.beginEpoch(feed)
        feed.isUp = true
        feed.isDown = false
        feed.isComplete = false
        // With nothing to hold on to it is a first transfer again.
        if feed.kept == 0, !feed.isRestoring { feed.isHidden = true }
        if turnsStale { self.lookAgain(feed) }
    }

    func feedComplete(_ feed: Feed) {
        // What the guard holds leaves when the feed has settled.
        guard !feed.isDown, !feed.loss.isHolding else { return }
        self.beginGuard(feed)
        feed.isUp = true
        feed.isComplete = true
        feed.isRestoring = false
        let isFirst = feed.isHidden
        feed.isHidden = false
        guard feed.total > 0, isFirst || feed.stale > 0 else { return }
        self.start(
            FeedJob(
                sites: feed.sites, recomputesAll: isFirst,
                keptSince: feed.stale > 0 ? feed.epoch : nil), on: feed)
    }

    func feedDown(_ feed: Feed) {
        let turnsStale = !feed.isDown && feed.fresh > 0
        self.endGuard(feed)
        feed.isUp = false
        feed.isDown = true
        feed.isComplete = false
        if turnsStale { self.lookAgain(feed) }
    }

    func feedFlush(_ feed: Feed) {
        self.endGuard(feed)
        self.forgetWithdrawals(feed)
        self.beginEpoch(feed)
        let counted = !feed.isHidden
        feed.isHidden = true
        feed.isRestoring = false
        guard feed.total > 0 else { return }
        self.start(
            FeedJob(sites: counted ? feed.sites : 0, keptSince: feed.epoch), on: feed)
    }

    /// Takes a feed out at once; its routes leave by its job.
    func removeFeed(_ feed: Feed) {
        self.removeGuard(feed)
        self.feedFlush(feed)
        feed.isRemoved = true
        self.feeds[Int(feed.definition.id.rawValue)] = nil
        self.listContributors()
    }

    /// Stale routes lose to fresh ones of other feeds of the site, where there are any.
    private func lookAgain(_ feed: Feed) {
        guard !feed.isHidden else { return }
        var shared: UInt64 = 0
        var left = feed.sites
        while left != 0 {
            let column = left.trailingZeroBitCount
            if self.contributors[column].count > 1 { shared |= 1 << UInt64(column) }
            left &= left &- 1
        }
        guard shared != 0 else { return }
        self.start(FeedJob(sites: shared, recomputesAll: true), on: feed)
    }

    /// All that is held from before becomes stale, without a look at it.
    private func beginEpoch(_ feed: Feed) {
        if feed.total == 0, !feed.isRestoring { feed.forgetEpochs(before: 0) }
        // Nothing is of this epoch: it may as well begin now.
        guard feed.fresh > 0 else { return }
        self.joinEpochs(of: feed)
        feed.epoch = (feed.epoch + 1) & 15
        feed.epochsSinceSweep += 1
        feed.fresh = 0
    }

    /// Numbers of epochs come round again: before they do, old ones are made one, in parts.
    private func joinEpochs(of feed: Feed) {
        if feed.ipv4Join == nil || feed.ipv6Join == nil {
            guard feed.epochsSinceSweep >= EpochJoin.epochsBefore else { return }
            feed.ipv4Join = EpochJoin(first: feed.epoch, pages: feed.ipv4.pageCount)
            feed.ipv6Join = EpochJoin(first: feed.epoch, pages: feed.ipv6.pageCount)
        }
        guard var ipv4 = feed.ipv4Join, var ipv6 = feed.ipv6Join else { return }
        let numbers = ipv4.numbers(at: feed.epoch, keptSince: feed.job?.keptSince)
        self.pages.renumber(feed.ipv4, pages: ipv4.takePages(), by: numbers)
        self.pages.renumber(feed.ipv6, pages: ipv6.takePages(), by: numbers)
        (feed.ipv4Join, feed.ipv6Join) = (ipv4, ipv6)
        guard ipv4.isDone, ipv6.isDone else { return }
        if let since = feed.job?.keptSince {
            feed.job?.keptSince = ipv4.keptSince(since, at: feed.epoch)
        }
        (feed.ipv4Join, feed.ipv6Join) = (nil, nil)
        feed.epochsSinceSweep = ipv4.epochsInUse(at: feed.epoch)
    }

    // MARK: Jobs

    /// Has a feed's routes walked; joins the walk that is under way.
    ///
    /// Where the feed is large, an image that is being built is given up: to paint all its
    /// changes there takes longer than to begin again, after the walk.
    func start(_ job: FeedJob, on feed: Feed) {
        var job = job
        if job.keptSince != nil { job.leaving = feed.total - feed.fresh }
        if let old = feed.job {
            job = old.joined(with: job)
        } else {
            self.jobs.append(feed)
        }
        feed.job = job
        self.heldSites |= job.sites
        if self.shadow != nil, job.sites != 0, !self.isRebuildLate,
            feed.total * 4 > self.ipv4.count + self.ipv6.count
        {
            self.abandonShadow()
        }
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
        // What a guard has brought back is of the epoch before.
        if let since = job.keptSince {
            feed.forgetEpochs(before: Int((feed.epoch &- since) & 15) + 1)
        }
        self.releaseHeld()
    }

    /// Looks at the feed's routes, a page of them at least.
    private func walk(_ feed: Feed, _ slice: inout WorkSlice) {
        while let place = feed.job?.place(
            pages: feed.ipv4.pageCount, feed.ipv6.pageCount)
        {
            let tree = place.isInIPv6 ? self.ipv6 : self.ipv4
            for offset in 0..<RoutePages.slotsPerPage {
                let node = Int32(place.page * RoutePages.slotsPerPage + offset)
                let slot = self.pages.load(place.isInIPv6 ? feed.ipv6 : feed.ipv4, node)
                if slot.isEmpty { continue }
                self.look(feed, tree, node, slot, &slice)
            }
            feed.job?.goOn()
            slice.spend(32)
            if slice.isSpent { return }
        }
    }

    private func look(
        _ feed: Feed, _ tree: PrefixTree, _ node: PrefixTree.Node, _ slot: RouteSlot,
        _ slice: inout WorkSlice
    ) {
        guard let job = feed.job else { return }
        if feed.isLeaving(slot, tree.family, node) {
            self.drop(feed, tree, node, slot, sites: job.sites)
            slice.spend(128)
            return
        }
        if job.recomputesAll {
            self.recompute(job.sites, tree, node)
            slice.spend(64)
        }
    }
}
