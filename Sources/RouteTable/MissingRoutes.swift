// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What a feed has announced and the table refused since all of it was last asked for, or began to
/// come.
///
/// What isn't there is not known: the same prefix may have been refused twice, or withdrawn since.
struct MissingRoutes {
    /// Announcements.
    private(set) var counts: [RefusalReason: Int] = [:]
    /// Prefixes that had as many paths as may be, ``mostCrowded`` of them at most.
    private(set) var crowded: Set<IPPrefix> = []

    /// Where more prefixes have too many paths, others stand for the rest.
    static let mostCrowded = 256

    var isEmpty: Bool { self.counts.isEmpty }
    var total: Int { self.counts.values.reduce(0, +) }

    mutating func note(_ reason: RefusalReason) { self.counts[reason, default: 0] += 1 }

    /// A path of a prefix was left out for its others.
    mutating func note(crowded prefix: IPPrefix) {
        if self.crowded.count < Self.mostCrowded { self.crowded.insert(prefix) }
    }
}

/// A feed that has announced what is not in the table, though there would be room.
public struct FeedToAsk: Hashable, Sendable {
    public var feed: FeedID
    /// Announcements that were refused.
    public var missing: Int
}

extension TableEngine {
    /// Feeds whose first transfer is over, and of whose refused announcements some would be taken
    /// now.
    func feedsToAsk() -> [FeedToAsk] {
        self.feedsInOrder.filter { feed in
            !feed.missing.isEmpty && feed.isUp && feed.isComplete && feed.job == nil
                && self.hasRoom(for: feed)
        }.map { FeedToAsk(feed: $0.definition.id, missing: $0.missing.total) }
    }

    /// Whether it pays to ask: room for all that was refused for a limit, or for a sixteenth of
    /// what that limit allows.
    private func hasRoom(for feed: Feed) -> Bool {
        let missing = feed.missing.counts
        func hasRoom(_ free: Int, of limit: Int, for reason: RefusalReason) -> Bool {
            free >= max(1, min(missing[reason] ?? 0, limit / 16))
        }
        // These are in the way of every announcement, whatever it was refused for.
        guard self.hasMemoryToSpare, self.hasClassesToSpare(missing[.classes] ?? 0),
            hasRoom(
                self.limits.routesPerFeed - feed.kept, of: self.limits.routesPerFeed,
                for: .prefixesPerFeed)
        else { return false }
        let others = missing.filter { $0.key != .paths && $0.key != .space }
        let free = self.limits.prefixes - self.ipv4.count - self.ipv6.count
        if !others.isEmpty, hasRoom(free, of: self.limits.prefixes, for: .prefixes) { return true }
        return feed.missing.crowded.contains { prefix in
            let routes = feed.routes(prefix.family)
            let node = self.tree(prefix.family).find(
                key: prefix.address.leftAligned, length: prefix.length)
            return node == 0 ? free > 0 : self.hasRoomForPath(feed, routes, node)
        }
    }

    private var hasMemoryToSpare: Bool {
        guard let limit = self.limits.memory else { return true }
        self.weigh(isDue: true)
        return self.memoryInUse <= limit - limit / 16
    }

    /// Whether so many announcements that were refused for their classes, or a sixteenth of what
    /// the limit allows, would find some.
    private func hasClassesToSpare(_ missing: Int) -> Bool {
        guard !self.classesAreFull else { return false }
        guard missing > 0 else { return true }
        let spare = max(1, min(missing, self.limits.classes / 16))
        if self.image.classes.count + spare <= self.limits.classes { return true }
        // Many may be dead: that shows when they are counted again.
        if self.distanceChanges > 0 { self.wantsReclaim = true }
        return false
    }
}
