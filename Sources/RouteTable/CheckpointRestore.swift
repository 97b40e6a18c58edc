// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A checkpoint on its way back into the table: first what readers see, at once, then the routes.
///
/// Until the routes are back, readers see the sites' distances and round trips of the checkpoint and
/// nothing of what sessions and observations bring meanwhile; then all of it in one step. What a session has brought is
/// never replaced by what the checkpoint has.
public final class CheckpointRestore: Sendable {
    /// The feeds that get routes back: those that have the name of one in the checkpoint.
    public let feeds: [FeedID]
    /// Readers see the checkpoint's distances. Not so where a feed is gone, or is another site's
    /// now, that had a say in them: then they wait for the routes.
    public let isAnswering: Bool
    private let owner: TableOwner
    private let checkpoint: Checkpoint
    private let roundTrips: CheckpointRoundTrips
    /// For each site of the checkpoint its column; nil where it is no more.
    private let columns: [Int?]
    private let state: RestoreState
    private let leftOutBox = Mutex<[(feed: String, routes: Int)]>([])
    private let hasRun = Atomic<Bool>(false)
    private let isOver = Atomic<Bool>(false)

    /// Begins a restore: sites and feeds have been defined, pins and locations set.
    ///
    /// - Throws: ``CheckpointError``; the table is as it was then.
    init(_ checkpoint: Checkpoint, into owner: TableOwner) throws {
        // All that can be wrong but the routes is known before anything changes.
        let lookup = try CheckpointLookup(checkpoint)
        let roundTrips = try CheckpointRoundTrips(checkpoint)
        let names = checkpoint.names
        let beginning = try owner.withEngine { try $0.beginRestore(names) }
        self.owner = owner
        self.checkpoint = checkpoint
        self.roundTrips = roundTrips
        self.feeds = beginning.feeds
        self.columns = beginning.columns
        self.state = beginning.state
        guard beginning.isWhole else {
            self.isAnswering = false
            return
        }
        do {
            let image = try CheckpointImage(
                lookup: lookup, columns: beginning.columns, pins: beginning.pins,
                locations: beginning.locations,
                roundTrips: try owner.restoredRoundTrips(roundTrips, sites: beginning.columns),
                limits: beginning.limits
            ).build(
                generation: beginning.generation, width: beginning.width, capacity: 1 << 16)
            try owner.withEngine { $0.publish(image) }
            self.isAnswering = true
        } catch {
            // No memory for it now: readers wait for the routes.
            self.isAnswering = false
        }
    }

    /// Feeds of the checkpoint that aren't configured, in its order, with how many routes each had
    /// there; none before ``run()`` has come to its end.
    public var leftOut: [(feed: String, routes: Int)] { self.leftOutBox.withLock { $0 } }

    deinit { self.end(isGood: false) }

    /// Takes the round trips and the routes in. Blocks until they are: it belongs on a plain thread.
    ///
    /// - Returns: How many routes there were whose feeds are configured and had not come back already.
    /// - Throws: ``CheckpointError/malformed(part:offset:)``; then what came back so far leaves
    ///   again.
    @discardableResult
    public func run() throws -> Int {
        guard !self.hasRun.exchange(true, ordering: .acquiringAndReleasing) else { return 0 }
        let state = self.state
        do {
            try self.restoreRoundTrips()
            var reader = CheckpointRouteReader(self.checkpoint)
            var counts = [Int](repeating: 0, count: self.checkpoint.names.feeds.count)
            while let slice = try reader.next(limit: Self.slice) {
                for route in slice.routes { counts[Int(route.feed)] += 1 }
                if !self.feeds.isEmpty { try self.owner.withEngine { $0.restore(slice, state) } }
            }
            let names = self.checkpoint.names.feeds.map(\.name)
            let leftOut = names.indices.filter { !state.isKnown($0) }.map {
                (feed: names[$0], routes: counts[$0])
            }
            self.leftOutBox.withLock { $0 = leftOut }
        } catch {
            self.end(isGood: false)
            throw error
        }
        self.end(isGood: true)
        return state.restored
    }

    /// Routes that the writer takes in at once.
    private static let slice = 2048
    /// Round trips, likewise.
    private static let sliceOfRoundTrips = 512

    private func restoreRoundTrips() throws {
        var walk = self.roundTrips.walk
        var reports: [RoundTripReport] = []
        func hand() throws {
            let slice = reports
            try self.owner.withEngine { $0.apply(.plain(.restoreRoundTrips(slice))) }
            reports.removeAll()
        }
        while let record = try walk.next() {
            guard let column = self.columns[record.site] else { continue }
            reports.append(
                RoundTripReport(
                    prefix: record.place.prefix, site: SiteID(UInt8(column)),
                    average: Double(record.microseconds), observed: record.observed,
                    used: .microseconds(record.microseconds)))
            if reports.count == Self.sliceOfRoundTrips { try hand() }
        }
        if !reports.isEmpty { try hand() }
    }

    private func end(isGood: Bool) {
        guard !self.isOver.exchange(true, ordering: .acquiringAndReleasing) else { return }
        let (owner, state) = (self.owner, self.state)
        while (try? owner.withEngine { $0.forgetAttributes(state, limit: 4096) }) == true {}
        try? owner.withEngine { $0.endRestore(state, isGood: isGood) }
    }
}

extension TableOwner {
    /// What round trips there will be once a checkpoint's are back beside those that files say.
    fileprivate func restoredRoundTrips(
        _ saved: CheckpointRoundTrips, sites: [Int?]
    ) throws -> RestoredRoundTrips {
        // What files say is taken in in slices.
        while try self.withEngine({ !$0.roundTripJobs.isEmpty }) {}
        let (columns, limit) = try self.withEngine {
            ($0.roundTrips.columns, $0.limits.roundTripPrefixes)
        }
        let highest = saved.isEmpty ? nil : sites.compactMap { $0 }.max()
        let width = max(columns, highest.map { $0 + 1 } ?? 0)
        guard width > 0 else { return RestoredRoundTrips(columns: 0) }
        var reports: ArraySlice<RoundTripReport> = []
        var cursor: RoundTripCursor?
        var isOver = columns == 0
        return try RestoredRoundTrips(saved, sites: sites, columns: width, limit: limit) {
            while reports.isEmpty, !isOver {
                let after = cursor
                let found = try self.withEngine {
                    $0.roundTrips(after: after, within: nil, limit: 1024)
                }
                reports = found.reports[...]
                cursor = found.next
                isOver = cursor == nil
            }
            return reports.popFirst()
        }
    }

    /// Begins to restore a checkpoint into a table whose sites, feeds, pins and locations are set
    /// and that has no routes yet. When this returns, readers see what it had, if they can.
    ///
    /// Pins and locations are not in a checkpoint; observed round trips are, and count at once,
    /// beside those that files say.
    ///
    /// - Returns: The rest of the work: ``CheckpointRestore/run()``.
    /// - Throws: ``CheckpointError``; the table is as it was then.
    public func beginRestore(_ checkpoint: Checkpoint) throws -> CheckpointRestore {
        try CheckpointRestore(checkpoint, into: self)
    }
}
