// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A checkpoint on its way back into the table: first what readers see, at once, then the routes.
///
/// Until the routes are back, readers see the sites' distances of the checkpoint and nothing of
/// what sessions bring meanwhile; then all of it in one step. What a session has brought is
/// never replaced by what the checkpoint has.
public final class CheckpointRestore: Sendable {
    /// The feeds that get routes back: those that have the name of one in the checkpoint.
    public let feeds: [FeedID]
    /// Readers see the checkpoint's distances. Not so where a feed is gone, or is another site's
    /// now, that had a say in them: then they wait for the routes.
    public let isAnswering: Bool
    private let owner: TableOwner
    private let checkpoint: Checkpoint
    private let state: RestoreState
    private let hasRun = Atomic<Bool>(false)
    private let isOver = Atomic<Bool>(false)

    /// Begins a restore: sites and feeds have been defined, pins and locations set.
    ///
    /// - Throws: ``CheckpointError``; the table is as it was then.
    init(_ checkpoint: Checkpoint, into owner: TableOwner) throws {
        let lookup = try CheckpointLookup(checkpoint)
        let names = checkpoint.names
        // All that can be wrong but the routes is known before anything changes.
        let roundTrips = try CheckpointRoundTrips.read(
            checkpoint, columns: Array(names.sites.indices))
        let beginning = try owner.withEngine { try $0.beginRestore(names) }
        self.owner = owner
        self.checkpoint = checkpoint
        self.feeds = beginning.feeds
        let kept = roundTrips.compactMap { report in
            beginning.columns[Int(report.site.rawValue)].map { column in
                var report = report
                report.site = SiteID(UInt8(column))
                return report
            }
        }
        if !kept.isEmpty { owner.submit(.restoreRoundTrips(kept)) }
        self.state = beginning.state
        guard beginning.isWhole else {
            self.isAnswering = false
            return
        }
        do {
            let image = try CheckpointImage(
                lookup: lookup, columns: beginning.columns, pins: beginning.pins,
                locations: beginning.locations
            ).build(
                generation: beginning.generation, width: beginning.width, capacity: 1 << 16)
            try owner.withEngine { $0.publish(image) }
            self.isAnswering = true
        } catch {
            // No memory for it now: readers wait for the routes.
            self.isAnswering = false
        }
    }

    deinit { self.end(isGood: false) }

    /// Takes the routes in. Blocks until they are: it belongs on a plain thread.
    ///
    /// - Returns: How many there were whose feeds are configured and had not come back already.
    /// - Throws: ``CheckpointError/malformed(part:offset:)``; then what came back so far leaves
    ///   again.
    @discardableResult
    public func run() throws -> Int {
        guard !self.hasRun.exchange(true, ordering: .acquiringAndReleasing) else { return 0 }
        let state = self.state
        do {
            var reader = CheckpointRouteReader(self.checkpoint)
            while let slice = try reader.next(limit: Self.slice), !self.feeds.isEmpty {
                try self.owner.withEngine { $0.restore(slice, state) }
            }
        } catch {
            self.end(isGood: false)
            throw error
        }
        self.end(isGood: true)
        return state.restored
    }

    /// Routes that the writer takes in at once.
    private static let slice = 2048

    private func end(isGood: Bool) {
        guard !self.isOver.exchange(true, ordering: .acquiringAndReleasing) else { return }
        let (owner, state) = (self.owner, self.state)
        while (try? owner.withEngine { $0.forgetAttributes(state, limit: 4096) }) == true {}
        try? owner.withEngine { $0.endRestore(state, isGood: isGood) }
    }
}

extension TableOwner {
    /// Begins to restore a checkpoint into a table whose sites, feeds, pins and locations are set
    /// and that has no routes yet. When this returns, readers see what it had, if they can.
    ///
    /// Pins and locations are not in a checkpoint; observed round trips are, and count at once.
    ///
    /// - Returns: The rest of the work: ``CheckpointRestore/run()``.
    /// - Throws: ``CheckpointError``; the table is as it was then.
    public func beginRestore(_ checkpoint: Checkpoint) throws -> CheckpointRestore {
        try CheckpointRestore(checkpoint, into: self)
    }
}
