// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What changes the layer of round trips, in the order it came.
struct RoundTripJob {
    enum Work {
        case observe([RoundTrip])
        case file([RoundTrip])
        case restore([RoundTripReport])
        case sweep(RoundTripLayer.Sweep)
        case rules(RoundTripRules)
    }

    let work: Work
    /// What has been done: observations, or prefixes up to this one.
    var position = 0
    var prefix: IPPrefix?
    /// Codes that it has changed.
    var changes = 0
}

extension TableEngine {
    /// Codes that one job changes before the rest of it, and all that comes after, waits for the
    /// next image: painting so much costs more than to build it.
    private static let mostPainted = 16_384

    /// Takes work in. What is short is done at once, unless something came before it.
    func takeRoundTrips(_ work: RoundTripJob.Work) {
        self.roundTripJobs.append(RoundTripJob(work: work))
        if self.roundTripJobs.count == 1 { self.stepRoundTrips() }
    }

    /// A slice of a millisecond.
    func stepRoundTrips() {
        let start = monotonicMicroseconds()
        while !self.roundTripJobs.isEmpty {
            var job = self.roundTripJobs[0]
            var isDone = false
            repeat {
                isDone = self.advance(&job)
            } while !isDone && monotonicMicroseconds() - start < self.steps.roundTripMicroseconds
            guard isDone else {
                self.roundTripJobs[0] = job
                return
            }
            self.roundTripJobs.removeFirst()
            if monotonicMicroseconds() - start >= self.steps.roundTripMicroseconds { return }
        }
    }

    /// One observation, or one prefix of a walk.
    ///
    /// - Returns: Whether the job is done.
    private func advance(_ job: inout RoundTripJob) -> Bool {
        switch job.work {
        case .observe(let trips):
            guard job.position < trips.count else { return true }
            let trip = trips[job.position]
            self.takeIn(&job) { self.roundTrips.observe(trip, at: self.now()) }
            job.position += 1
            return job.position == trips.count
        case .file(let trips):
            if job.position == 0 { self.roundTrips.beginFiling() }
            guard job.position < trips.count else {
                // Before anything else: what is left of the reading before can still be told.
                self.roundTripJobs.insert(
                    RoundTripJob(work: .sweep(.unfiled), changes: job.changes), at: 1)
                return true
            }
            let trip = trips[job.position]
            self.takeIn(&job) { self.roundTrips.file(trip) }
            job.position += 1
            return false
        case .restore(let reports):
            guard job.position < reports.count else { return true }
            let report = reports[job.position]
            job.position += 1
            if let average = report.average, let time = report.observed {
                let trip = RoundTrip(
                    prefix: report.prefix, site: report.site,
                    microseconds: UInt32(max(1, min(average, 4e9).rounded())))
                // Of the future is none: it would never be forgotten.
                let observed = min(time, self.now())
                self.takeIn(&job) { self.roundTrips.restore(trip, observed: observed) }
            }
            return false
        case .sweep(let sweep): return self.advance(sweep, &job)
        case .rules(let rules):
            self.roundTrips.rules = rules
            return true
        }
    }

    private func advance(_ sweep: RoundTripLayer.Sweep, _ job: inout RoundTripJob) -> Bool {
        guard let (tree, node) = self.roundTripPosition(after: job.prefix) else { return true }
        job.prefix = tree.prefix(node)
        for column in 0..<tree.distances.count {
            guard let change = self.roundTrips.sweep(sweep, tree, node, column) else { continue }
            let isLast = change.code == .none && tree.routeCount(node) == 1
            self.show(change, &job)
            if isLast { break }
        }
        return false
    }

    /// The first prefix with round trips after another one, first in IPv4, then in IPv6.
    func roundTripPosition(
        after prefix: IPPrefix?, including: Bool = false
    ) -> (PrefixTree, PrefixTree.Node)? {
        let from = prefix ?? .all(.ipv4)
        let tree = self.roundTrips.tree(from.family)
        var node = tree.first(notBefore: from.address.leftAligned, length: from.length)
        if node != 0, prefix != nil, !including, tree.prefix(node) == from {
            node = tree.next(after: node)
        }
        if node != 0 { return (tree, node) }
        guard from.family == .ipv4 else { return nil }
        return self.roundTripPosition(after: .all(.ipv6), including: true)
    }

    /// Lets the layer take in what was measured, and shows it; what is beyond the limits of
    /// prefixes or classes is refused and counted.
    private func takeIn(_ job: inout RoundTripJob, _ take: () -> RoundTripLayer.Change?) {
        guard !self.classesAreFull, let change = take() else {
            self.tally.refusedObservations += 1
            return
        }
        self.show(change, &job)
    }

    /// Stores a code and shows it to readers.
    private func show(_ change: RoundTripLayer.Change, _ job: inout RoundTripJob) {
        let old = self.roundTrips.code(change.tree, change.node, change.column)
        if old != change.code {
            job.changes += 1
            if job.changes > Self.mostPainted { self.holdsRoundTrips = true }
            self.store(
                change.code.rawValue, change.column, change.tree, change.node, in: .roundTrips)
        }
        self.roundTrips.didStore(change, after: old)
        self.gauge.set(roundTripPrefixes: self.roundTrips.count)
    }

    // MARK: Queries

    func roundTrips(
        after cursor: RoundTripCursor?, within block: IPPrefix?, limit: Int
    ) -> (reports: [RoundTripReport], next: RoundTripCursor?) {
        var reports: [RoundTripReport] = []
        var from = cursor?.prefix ?? block
        var after = cursor?.site
        var isFirst = true
        while limit > 0, let (tree, node) = self.roundTripPosition(after: from, including: isFirst)
        {
            let prefix = tree.prefix(node)
            if let block, !block.contains(prefix) { return (reports, nil) }
            if !isFirst || prefix != cursor?.prefix { after = nil }
            for column in 0..<tree.distances.count {
                let site = SiteID(UInt8(column))
                if let after, site <= after { continue }
                guard let report = self.roundTrips.report(tree, node, column) else { continue }
                if reports.count == limit {
                    return (reports, RoundTripCursor(prefix: prefix, site: after))
                }
                reports.append(report)
                after = site
            }
            isFirst = false
            from = prefix
        }
        return (reports, limit > 0 ? nil : cursor)
    }
}
