// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What waits for the writer.
enum OwnerWork: Sendable {
    case command(PreparedCommand)
    /// Runs between batches.
    case query(@Sendable (TableEngine) -> Void)
    /// Runs once all that came before is visible to readers.
    case barrier(@Sendable () -> Void)

    /// What of the other work it must not overtake, and what must not overtake it.
    enum Order {
        /// What was submitted before it and is waited for in the same lane.
        case inLane(Int)
        /// All that was submitted before it; what comes later may be done first.
        case behindAll
        /// All that was submitted before it, and it is before all that comes later.
        case betweenAll
    }

    /// Each feed has a lane: what comes of it is done in the order in which it came. So is what
    /// concerns no feed.
    var order: Order {
        switch self {
        case .query, .barrier: .behindAll
        case .command(.pins), .command(.locations), .command(.refused): .inLane(OwnerQueue.others)
        case .command(.revision(let job)):
            if let feeds = job.revision.feeds, feeds.count == 1, let feed = feeds.first {
                .inLane(OwnerQueue.lane(of: feed))
            } else {
                .behindAll
            }
        case .command(.plain(let command)):
            switch command.concerns {
            case .feed(let feed): .inLane(OwnerQueue.lane(of: feed))
            case .noFeed: .inLane(OwnerQueue.others)
            case .everything: .betweenAll
            }
        }
    }

    /// Changes it counts for in the queue's bound.
    var weight: Int {
        switch self {
        case .command(.plain(.routes(let batch))): max(1, batch.count)
        case .command(.plain(.observe(let trips))): max(1, trips.count)
        case .command, .query, .barrier: 1
        }
    }

    /// Memory that it holds.
    var byteCount: Int {
        let own = MemoryLayout<Self>.stride
        guard case .command(let command) = self else { return own }
        return switch command {
        case .plain(.routes(let batch)): own + batch.byteCount
        case .plain(.observe(let trips)), .plain(.setRoundTrips(let trips)):
            own + trips.capacity * MemoryLayout<RoundTrip>.stride
        case .plain(.restoreRoundTrips(let reports)):
            own + reports.capacity * MemoryLayout<RoundTripReport>.stride
        case .plain(.withdrawPaths(_, let ids)): own + ids.capacity * MemoryLayout<UInt32>.stride
        case .pins(let pins): own + pins.byteCount
        case .locations(let locations): own + locations.byteCount
        case .revision(let job):
            own + (job.blocks?.capacity ?? 0) * MemoryLayout<IPPrefix>.stride
        case .plain, .refused: own
        }
    }
}

/// A command as the writer takes it: what is long and needs no table was done by who submitted it.
enum PreparedCommand: Sendable {
    case plain(TableCommand)
    case pins(PinLayer)
    case locations(LocationLayer)
    case revision(RevisionJob)
    /// Counted, and nothing else.
    case refused

    var kind: StepKind {
        if case .plain(.routes) = self { return .batch }
        return .command
    }

    init(_ command: TableCommand, limits: TableLimits) {
        do throws(TableDefinitionError) {
            try command.validate()
            switch command {
            case .setPins(let pins):
                guard pins.count <= limits.ranges else {
                    throw .tooManyRanges(count: pins.count, limit: limits.ranges)
                }
                self = .pins(PinLayer(pins: pins))
            case .setLocations(let set):
                guard set.count <= limits.ranges else {
                    throw .tooManyRanges(count: set.count, limit: limits.ranges)
                }
                self = .locations(LocationLayer(set))
            case .revise(let revision): self = .revision(RevisionJob(revision))
            default: self = .plain(command)
            }
        } catch {
            self = .refused
        }
    }
}

extension TableCommand {
    /// Whose turn a command waits for.
    enum Concern {
        case feed(FeedID)
        case noFeed
        case everything
    }

    var concerns: Concern {
        switch self {
        case .defineSite, .removeSite, .setFlipHold, .revise: .everything
        case .setPins, .setLocations, .observe, .setRoundTrips, .restoreRoundTrips,
            .setRoundTripRules, .expireRoundTrips:
            .noFeed
        case .addFeed(let definition): .feed(definition.id)
        case .routes(let batch): .feed(batch.feed)
        case .removeFeed(let id), .feedUp(let id), .feedComplete(let id), .feedDown(let id),
            .feedFlush(let id), .familyComplete(let id, _), .refreshBegan(let id, _),
            .refreshEnded(let id, _), .longLivedStale(let id, _), .staleExpired(let id, _),
            .withdrawPaths(let id, pathIDs: _), .releaseGuard(let id), .routesRequested(let id):
            .feed(id)
        }
    }
}
