// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The writer's account of a feed.
final class Feed {
    var definition: FeedDefinition
    var isUp = false
    var isDown = false
    var isComplete = false
    /// Taken out of the configuration; its routes are on their way out.
    var isRemoved = false
    /// A walk over its routes, in slices.
    var job: FeedJob?
    let ipv4: FeedRoutes
    let ipv6: FeedRoutes
    var refused = 0
    var missing = MissingRoutes()
    /// Watches what it loses.
    var loss = FeedGuard()
    /// What it withdrew while it was watched.
    var withdrawals = WithdrawalLog()
    /// The withdrawals come back as stale routes, in families that take them.
    var restoresWithdrawals = false
    /// When the guard began to hold; Unix seconds.
    var heldSince: Int64 = 0

    init(_ definition: FeedDefinition, pages: RoutePages, pool: PathPool) {
        self.definition = definition
        self.ipv4 = FeedRoutes(family: .ipv4, pages: pages, pool: pool)
        self.ipv6 = FeedRoutes(family: .ipv6, pages: pages, pool: pool)
    }

    @inline(__always)
    func routes(_ family: AddressFamily) -> FeedRoutes {
        family == .ipv4 ? self.ipv4 : self.ipv6
    }

    /// The routes of both families.
    var both: [FeedRoutes] { [self.ipv4, self.ipv6] }

    /// Routes; several paths of a prefix are as many.
    var total: Int { self.ipv4.total + self.ipv6.total }
    /// Those of this session.
    var fresh: Int { self.ipv4.ledger.fresh + self.ipv6.ledger.fresh }
    var stale: Int { self.total - self.fresh }
    /// Those that a walk will take out.
    var leaving: Int { self.ipv4.ledger.leaving + self.ipv6.ledger.leaving }
    /// All but those.
    var kept: Int { self.total - self.leaving }
    /// None of its routes counts.
    var isHidden: Bool { self.ipv4.isHidden && self.ipv6.isHidden }

    /// The columns it can have a say in, as bits.
    var sites: UInt64 { self.definition.columns }

    /// The same, and those that a walk looks at: it had a say in them before.
    var changingSites: UInt64 { self.sites | (self.job?.sites ?? 0) }

    /// The state of what is announced now.
    var currentState: EpochLedger.State { self.isDown ? .stale : .fresh }
}
