// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Why the table takes an announcement not in.
public enum RefusalReason: String, Hashable, Sendable, CaseIterable {
    /// ``TableLimits/memory``.
    case memory
    /// ``TableLimits/prefixes``.
    case prefixes
    /// ``TableLimits/routesPerFeed``.
    case prefixesPerFeed = "prefixes-per-feed"
    /// ``TableLimits/classes``.
    case classes
    /// ``TableLimits/pathsPerPrefix``, or ``FeedDefinition/pathsPerPrefix``.
    case paths = "paths-per-prefix"
    /// The address space reserved for something is used up.
    case space
}

extension TableEngine {
    /// Counts an announcement that isn't taken in.
    func refuse(_ feed: Feed, for reason: RefusalReason = .space) {
        feed.refused += 1
        feed.missing.note(reason)
        self.tally.refused += 1
        self.tally.refusals[reason, default: 0] += 1
    }

    /// What keeps a further route of a feed out, for a prefix of the tree or a new one (0); nil
    /// where nothing does.
    @inline(__always)
    func obstacle(
        to feed: Feed, _ routes: FeedRoutes, _ node: PrefixTree.Node, held: Int
    ) -> RefusalReason? {
        if self.memoryIsFull { return .memory }
        if held >= self.limits.routesPerFeed { return .prefixesPerFeed }
        if node == 0 {
            return self.ipv4.count + self.ipv6.count < self.limits.prefixes ? nil : .prefixes
        }
        return self.hasRoomForPath(feed, routes, node) ? nil : .paths
    }
}
