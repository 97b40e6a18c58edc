// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How often each rule of a feed has decided since it is in force.
public struct RuleCounts: Hashable, Sendable {
    /// Announcements that each rule decided, in the rules' order.
    public var rules: [Int]
    /// Announcements that no rule held for.
    public var others = 0
    /// Announcements that the options ignore.
    public var defaultRoutes = 0
    public var lengths = 0
    public var bogons = 0

    public init(rules: Int) { self.rules = Array(repeating: 0, count: rules) }

    mutating func add(_ other: RuleCounts) {
        for index in self.rules.indices where index < other.rules.count {
            self.rules[index] += other.rules[index]
        }
        self.others += other.others
        self.defaultRoutes += other.defaultRoutes
        self.lengths += other.lengths
        self.bogons += other.bogons
    }

    mutating func reset() {
        for index in self.rules.indices { self.rules[index] = 0 }
        self.others = 0
        self.defaultRoutes = 0
        self.lengths = 0
        self.bogons = 0
    }

    /// One announcement, by what ``RouteJudge/decide(_:_:validation:)`` said of it.
    @inlinable
    public mutating func count(_ decision: RouteJudge.Decision, times: Int = 1) {
        switch decision {
        case .rule(let index): self.rules[index] += times
        case .noRule: self.others += times
        }
    }

    @inlinable
    public mutating func count(_ reason: RouteJudge.Reason) {
        switch reason {
        case .defaultRoute: self.defaultRoutes += 1
        case .length: self.lengths += 1
        case .bogon: self.bogons += 1
        }
    }
}

/// Counts that several threads add to, a batch at a time.
public final class RuleTally: Sendable {
    private let counts: Mutex<RuleCounts>

    init(rules: Int) { self.counts = Mutex(RuleCounts(rules: rules)) }

    /// Adds what was counted, and begins it anew.
    public func take(_ counts: inout RuleCounts) {
        self.counts.withLock { $0.add(counts) }
        counts.reset()
    }

    public var total: RuleCounts { self.counts.withLock { $0 } }
}
