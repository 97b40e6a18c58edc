// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Another image beside the one that readers see, and its swap.
///
/// While it is built, a held column's changes go to it alone, others to both; so the swap shows
/// everything that was held, in one step.
extension TableEngine {
    /// Asks for another image; the one that is being built will do.
    func requestRebuild() {
        if self.rebuildDue == nil { self.rebuildDue = monotonicMicroseconds() }
    }

    /// Asks for another image of layers that the one being built doesn't have.
    func requestRebuildOfLayers() {
        self.requestRebuild()
        if self.shadow != nil { self.needsAnother = true }
    }

    private var isReadyToBuild: Bool {
        (self.jobs.isEmpty || self.isRebuildOverdue) && self.revisedSites == 0
            && (self.roundTripJobs.isEmpty || self.isRebuildLate)
            && !self.isBulk && !self.isRestoring && self.trim == nil
    }

    /// There is nothing to do but to wait for memory that is on its way.
    var waitsForPages: Bool {
        (self.shadow?.waitsForPages ?? false) && !self.hasJobs && self.paints.isEmpty
            && self.discarded.isEmpty && !self.hasGuardWork && !self.hasFlipWork
            && !self.hasRevisionWork && self.manyNumbers.isEmpty && !self.isBulk
    }

    /// The last attempt at another image was refused by the system.
    var waitsForMemory: Bool {
        self.rebuildDue != nil && self.shadow == nil && self.refusalsInARow > 0
    }

    /// Whether there is another image to work on.
    var isRebuildPending: Bool {
        self.shadow != nil
            || self.rebuildDue != nil && !self.waitsForMemory && !self.isRestoring
    }

    /// Whether readers have waited long for what another image will show.
    var isRebuildLate: Bool {
        self.rebuildDue.map { monotonicMicroseconds() - $0 > Self.longestBulk } ?? false
    }

    /// Whether they have waited so long that feeds that come and go without a pause are shown as
    /// far as they have come.
    private var isRebuildOverdue: Bool {
        self.rebuildDue.map { monotonicMicroseconds() - $0 > self.steps.overdue } ?? false
    }

    /// A slice of building or the swap, where one is due.
    ///
    /// - Parameters:
    ///   - isIdle: Nothing else waits.
    ///   - isAwaited: Somebody waits for this.
    ///   - slice: What may be done.
    func stepRebuild(isIdle: Bool, isAwaited: Bool, _ slice: inout WorkSlice) {
        self.considerReclaim()
        if self.shadow == nil {
            let now = monotonicMicroseconds()
            guard let due = self.rebuildDue, self.isReadyToBuild,
                isIdle || isAwaited || now - due > self.steps.patience,
                !self.waitsForMemory || isAwaited || now >= self.retryAt
            else { return }
            do {
                try self.beginShadow()
                self.refusalsInARow = 0
            } catch {
                self.noteRefusal()
            }
        }
        guard let shadow = self.shadow else { return }
        if !shadow.isComplete {
            shadow.build(&slice)
            if shadow.isFull { self.abandonShadow() }
            if shadow.isComplete { self.completeSince = monotonicMicroseconds() }
            self.considerTrim(of: shadow)
            return
        }
        if self.canSwap { self.swap(shadow) }
    }

    /// What is held is shown whole: not while a feed's walk is under way, or a revision that shows
    /// at once, and not before its wide prefixes are painted, unless these change faster than they
    /// can be. Walks may begin again and again; a revision ends.
    private var canSwap: Bool {
        guard self.jobs.isEmpty || self.isRebuildOverdue, self.revisedSites == 0 else {
            return false
        }
        if monotonicMicroseconds() - self.completeSince > 1_000_000 { return true }
        guard self.roundTripJobs.isEmpty || !self.holdsRoundTrips else { return false }
        return !self.paints.contains { self.isHeld($0.layer, $0.column) }
    }

    /// The old image stays, and the held columns stay held, until there is memory for another.
    private func noteRefusal() {
        self.tally.refusedRebuilds += 1
        self.refusalsInARow += 1
        let pause = UInt64(1_000_000) << UInt64(min(self.refusalsInARow - 1, 5))
        self.retryAt = monotonicMicroseconds() + pause
    }

    private func beginShadow() throws(TableResourceError) {
        let columns = self.neededColumns
        // Columns that fell out of use are zero by now.
        for tree in [self.ipv4, self.ipv6] {
            self.discarded.add(tree.distances.shrink(to: columns))
        }
        let boundaries =
            self.ipv4.count + self.ipv6.count + self.roundTrips.count + self.pins.boundaries
            + self.locations.boundaries
        self.shadow = try ShadowBuild(
            ipv4: self.ipv4, ipv6: self.ipv6, roundTrips: self.roundTrips, columns: columns,
            classCapacity: 4 * boundaries + 2 * self.limits.classes + (1 << 16),
            pins: self.pins, locations: self.locations,
            hugePagesFrom: self.steps.hugePagesFrom, mostClasses: self.limits.classes)
        self.needsAnother = false
        self.distanceChanges = 0
    }

    /// Gives up what is built; another beginning is due.
    func abandonShadow() {
        guard let shadow = self.shadow else { return }
        self.shadow = nil
        self.requestRebuild()
        self.discarded.add(shadow.mappings)
    }

    /// The same where so many routes are about to change: to paint all of that in the image that is
    /// being built takes longer than to begin again, after the change.
    func abandonShadow(forRoutes count: Int) {
        if !self.isRebuildLate, count * 4 > self.ipv4.count + self.ipv6.count {
            self.abandonShadow()
        }
    }

    private func swap(_ shadow: ShadowBuild) {
        self.shadow = nil
        self.publish(
            TableImage(
                generation: self.image.generation + 1, ipv4: shadow.ipv4, ipv6: shadow.ipv6,
                classes: shadow.classes, pins: shadow.pins, locations: shadow.locations))
        self.classesAtRebuild = max(1, shadow.classes.count - shadow.paintedClasses)
        self.noteTrims()
        // Sites that came after it was begun.
        let lacking = self.neededColumns > shadow.classes.sites
        if self.isRestoring {
            self.heldSites = .max
        } else {
            self.heldSites = lacking ? .max << UInt64(shadow.classes.sites) : 0
            self.heldSites |= self.bulkSites
        }
        // Walks that it didn't wait for go on unseen.
        let walked = self.jobs.reduce(0 as UInt64) { $0 | ($1.job?.sites ?? 0) }
        self.heldSites |= walked
        self.holdsRoundTrips = self.roundTrips.columns > shadow.classes.roundTripSites
        self.rebuildDue = nil
        if self.needsAnother || lacking || self.holdsRoundTrips || self.isRestoring
            || walked != 0
        {
            self.requestRebuild()
        }
        let took = monotonicMicroseconds() - shadow.begun
        self.reclaimNotBefore = monotonicMicroseconds() + self.steps.reclaimRest * took
        self.tally.rebuilds += 1
        self.tally.longestRebuildMicroseconds = max(
            self.tally.longestRebuildMicroseconds, took)
    }

    /// Shows readers another image; the one before goes when no reader has it any more.
    func publish(_ image: TableImage) {
        self.lookup.publish(image)
        self.image = image
        self.classesAtRebuild = image.classes.count
        self.endBatch()
    }

    // MARK: Dead classes

    /// Many classes that no address has any more: another image leaves them out.
    func noteClasses() {
        let most = 2 * self.classesAtRebuild + self.steps.deadClasses
        if self.shadow == nil, self.image.classes.count > most { self.requestRebuild() }
    }

    /// Begins to count classes anew, but not without a rest since the last time.
    private func considerReclaim() {
        guard self.wantsReclaim, self.shadow == nil,
            monotonicMicroseconds() >= self.reclaimNotBefore
        else { return }
        self.wantsReclaim = false
        self.requestRebuild()
    }

    // MARK: Bulk

    /// Microseconds that changes wait for readers at most, while there are more and more of them.
    private static let longestBulk: UInt64 = 3_000_000

    /// Where much waits in the queue, the changes of those who have much in it go to the routes
    /// alone, until it is short again: one rebuild costs less than so many paints. What the sites
    /// of others learn is shown as ever.
    ///
    /// - Parameters:
    ///   - weight: Changes that wait.
    ///   - feeds: Those with at least so many among them.
    func noteQueue(weight: Int, feeds: (Int) -> [FeedID]) {
        let now = monotonicMicroseconds()
        if self.isBulk {
            if weight < self.steps.bulk / 2 || now - self.bulkSince > Self.longestBulk {
                self.bulkSites = 0
                self.releaseHeld()
            }
        } else if weight > self.steps.bulk, self.shadow == nil, !self.isRebuildLate {
            self.bulkSites = feeds(self.steps.bulk / 16).reduce(0) {
                $0 | (self.feeds[Int($1.rawValue)]?.changingSites ?? 0)
            }
            self.bulkSince = now
            self.heldSites |= self.bulkSites
        }
    }

    var isBulk: Bool { self.bulkSites != 0 }

    /// Nothing is held any more, unless another image has to show something.
    func releaseHeld() {
        guard self.jobs.isEmpty, self.rebuildDue == nil, self.shadow == nil, !self.isBulk,
            !self.isRestoring,
            !self.revisions.contains(where: { $0.isBegun && $0.revision.showsAtOnce })
        else { return }
        self.heldSites = 0
    }
}
