// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The writer's account of a feed.
///
/// A route is stale where the feed is down, or where it was last announced in another epoch than
/// the feed's current one; so a session's end marks all routes without touching any.
final class Feed {
    var definition: FeedDefinition
    /// Modulo 16, as ``RouteSlot`` keeps it.
    var epoch: UInt32 = 0
    /// Epochs begun since no older ones were left.
    var epochsSinceSweep = 0
    /// Old epochs that are made one, in both families or in none.
    var ipv4Join: EpochJoin?
    var ipv6Join: EpochJoin?
    var isUp = false
    var isDown = false
    var isComplete = false
    /// Its routes don't count: they have not all come yet, or are on their way out.
    var isHidden = true
    /// Taken out of the configuration; its routes are on their way out.
    var isRemoved = false
    /// A walk over its routes, in slices.
    var job: FeedJob?
    /// A checkpoint's routes of it are on their way back.
    var isRestoring = false
    var ipv4 = RoutePages.Directory()
    var ipv6 = RoutePages.Directory()
    var ipv4Count = 0
    var ipv6Count = 0
    /// Routes of the current epoch.
    var fresh = 0
    var refused = 0
    /// Watches what it loses.
    var loss = FeedGuard()
    /// What it withdrew while it was watched.
    var withdrawals = WithdrawalLog()
    /// What has looked at the feed's routes but not at its withdrawals, which may come back.
    var laterRevision: TableRevision?
    /// The withdrawals come back as stale routes.
    var restoresWithdrawals = false
    /// When the guard began to hold; Unix seconds.
    var heldSince: Int64 = 0

    init(_ definition: FeedDefinition) { self.definition = definition }

    var total: Int { self.ipv4Count + self.ipv6Count }
    var stale: Int { self.isDown ? self.total : self.total - self.fresh }

    @inline(__always)
    func isStale(_ slot: RouteSlot) -> Bool { self.isDown || slot.epoch != self.epoch }

    /// The columns it can have a say in, as bits.
    var sites: UInt64 { self.definition.columns }

    /// The same, and those that a walk looks at: it had a say in them before.
    var changingSites: UInt64 { self.sites | (self.job?.sites ?? 0) }

    /// Its routes but for those that a walk will take out.
    var kept: Int { self.total - (self.job?.leaving ?? 0) }

    /// Whether a walk will take the route at a node out.
    @inline(__always)
    func isLeaving(
        _ slot: RouteSlot, _ family: AddressFamily, _ node: PrefixTree.Node
    ) -> Bool {
        guard var first = self.job?.keptSince else { return false }
        if let join = family == .ipv4 ? self.ipv4Join : self.ipv6Join,
            join.hasVisited(page: Int(node) / RoutePages.slotsPerPage)
        {
            first = join.keptSince(first, at: self.epoch)
        }
        return (self.epoch &- slot.epoch) & 15 > (self.epoch &- first) & 15
    }

    /// A route of another epoch was announced again.
    @inline(__always)
    func noteRefreshed(
        _ old: RouteSlot, _ family: AddressFamily, _ node: PrefixTree.Node
    ) {
        self.fresh += 1
        if self.isLeaving(old, family, node) { self.job?.leaving -= 1 }
    }

    /// A route left.
    @inline(__always)
    func noteDropped(_ slot: RouteSlot, _ family: AddressFamily, _ node: PrefixTree.Node) {
        if slot.epoch == self.epoch { self.fresh -= 1 }
        if self.isLeaving(slot, family, node) { self.job?.leaving -= 1 }
    }

    /// No route is of an older epoch than so many before the current one.
    func forgetEpochs(before count: Int) {
        self.epochsSinceSweep = min(self.epochsSinceSweep, count)
        guard self.epochsSinceSweep < EpochJoin.epochsBefore else { return }
        self.ipv4Join = nil
        self.ipv6Join = nil
    }
}
