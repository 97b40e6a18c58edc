// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A walk over all routes of a feed, in slices.
struct FeedJob {
    let feed: Feed
    /// Columns whose changes readers see only after the walk, all at once.
    var sites: UInt64
    /// Takes the routes of other epochs out.
    var sweeps: Bool
    /// Looks at the distances of all the feed's prefixes again, not only where a route leaves.
    var recomputesAll: Bool
    /// The next node to look at, first in IPv4, then in IPv6.
    var isInIPv6 = false
    var position: Int32 = 0

    init(feed: Feed, sites: UInt64, sweeps: Bool, recomputesAll: Bool) {
        self.feed = feed
        self.sites = sites
        self.sweeps = sweeps
        self.recomputesAll = recomputesAll
    }
}

extension TableEngine {
    func feedUp(_ feed: Feed) {
        self.finishJobs(of: feed)
        let turnsStale = !feed.isDown && feed.fresh > 0
        self.beginEpoch(feed)
        feed.isUp = true
        feed.isDown = false
        feed.isComplete = false
        // With nothing to hold on to it is a first transfer again.
        if feed.total == 0, !feed.isRestoring { feed.isHidden = true }
        if turnsStale { self.lookAgain(feed) }
    }

    func feedComplete(_ feed: Feed) {
        guard !feed.isDown else { return }
        self.finishJobs(of: feed)
        feed.isUp = true
        feed.isComplete = true
        feed.isRestoring = false
        let isFirst = feed.isHidden
        feed.isHidden = false
        guard feed.total > 0, isFirst || feed.stale > 0 else { return }
        self.start(
            FeedJob(
                feed: feed, sites: feed.sites, sweeps: feed.stale > 0, recomputesAll: isFirst))
    }

    func feedDown(_ feed: Feed) {
        self.finishJobs(of: feed)
        let turnsStale = !feed.isDown && feed.fresh > 0
        feed.isUp = false
        feed.isDown = true
        feed.isComplete = false
        if turnsStale { self.lookAgain(feed) }
    }

    func feedFlush(_ feed: Feed) {
        self.finishJobs(of: feed)
        self.beginEpoch(feed)
        let counted = !feed.isHidden
        feed.isHidden = true
        feed.isRestoring = false
        guard feed.total > 0 else { return }
        self.start(
            FeedJob(
                feed: feed, sites: counted ? feed.sites : 0, sweeps: true, recomputesAll: false))
    }

    func removeFeed(_ feed: Feed) {
        self.feedFlush(feed)
        feed.isRemoved = true
        if feed.total == 0 { self.forget(feed) }
    }

    private func forget(_ feed: Feed) {
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
        self.start(FeedJob(feed: feed, sites: shared, sweeps: false, recomputesAll: true))
    }

    /// All that is held from before becomes stale, without a look at it.
    private func beginEpoch(_ feed: Feed) {
        if feed.total == feed.fresh, feed.total == 0 { feed.epochsSinceSweep = 0 }
        if feed.epochsSinceSweep >= 14 { self.joinOldEpochs(feed) }
        feed.epoch = (feed.epoch + 1) & 15
        feed.epochsSinceSweep += 1
        feed.fresh = 0
    }

    /// Before epochs' numbers come round again: all older ones become the one before.
    private func joinOldEpochs(_ feed: Feed) {
        let before = (feed.epoch + 15) & 15
        for tree in [self.ipv4, self.ipv6] {
            let directory = tree.family == .ipv4 ? feed.ipv4 : feed.ipv6
            for page in 0..<directory.pageCount where directory.hasPage(page) {
                for offset in 0..<RoutePages.slotsPerPage {
                    let node = Int32(page * RoutePages.slotsPerPage + offset)
                    let slot = self.pages.load(directory, node)
                    if !slot.isEmpty, slot.epoch != feed.epoch {
                        self.pages.replace(directory, node, by: slot.with(epoch: before))
                    }
                }
            }
        }
        feed.epochsSinceSweep = 1
    }

    // MARK: Jobs

    func start(_ job: FeedJob) {
        job.feed.isWalked = true
        self.heldSites |= job.sites
        self.jobs.append(job)
    }

    /// Does what is left of a feed's walk: something else is about to happen to it.
    func finishJobs(of feed: Feed) {
        while let index = self.jobs.firstIndex(where: { $0.feed === feed }) {
            self.step(jobAt: index, slots: .max)
        }
    }

    /// A slice of a few milliseconds.
    func stepJobs() {
        if !self.roundTripJobs.isEmpty { self.stepRoundTrips() }
        guard !self.jobs.isEmpty else { return }
        self.step(jobAt: 0, slots: 8192)
    }

    private func step(jobAt index: Int, slots: Int) {
        var job = self.jobs[index]
        let isDone = self.walk(&job, slots: slots)
        guard isDone else {
            self.jobs[index] = job
            return
        }
        self.jobs.remove(at: index)
        let feed = job.feed
        feed.isWalked = false
        if job.sweeps { feed.epochsSinceSweep = 0 }
        if feed.isRemoved { self.forget(feed) }
        if self.jobs.isEmpty, self.rebuildDue == nil, !self.rebuildIsOwed { self.heldSites = 0 }
    }

    /// - Returns: Whether all the feed's routes have been looked at.
    private func walk(_ job: inout FeedJob, slots: Int) -> Bool {
        let feed = job.feed
        var budget = slots
        while true {
            let tree = job.isInIPv6 ? self.ipv6 : self.ipv4
            let pageCount = job.isInIPv6 ? feed.ipv6.pageCount : feed.ipv4.pageCount
            let page = Int(job.position) / RoutePages.slotsPerPage
            if page >= pageCount {
                if job.isInIPv6 { return true }
                job.isInIPv6 = true
                job.position = 0
                continue
            }
            if budget <= 0 { return false }
            budget -= 1
            for offset in 0..<RoutePages.slotsPerPage {
                let node = Int32(page * RoutePages.slotsPerPage + offset)
                let slot = self.pages.load(job.isInIPv6 ? feed.ipv6 : feed.ipv4, node)
                if slot.isEmpty { continue }
                budget -= 1
                if job.sweeps, slot.epoch != feed.epoch {
                    self.drop(feed, tree, node, slot, sites: job.sites)
                } else if job.recomputesAll {
                    self.recompute(job.sites, tree, node)
                }
            }
            job.position = Int32((page + 1) * RoutePages.slotsPerPage)
        }
    }
}
