// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The time in a recording that is being played.
public final class ReplayClock: Sendable {
    private let microseconds = Atomic<Int64>(0)

    public init() {}

    /// Unix seconds; 0 before the first record.
    public var seconds: Int64 { self.microseconds.load(ordering: .relaxed) / 1_000_000 }

    /// Never goes back, also where a recording does.
    func advance(to time: Int64) {
        if time > self.microseconds.load(ordering: .relaxed) {
            self.microseconds.store(time, ordering: .relaxed)
        }
    }
}

/// How fast a recording is played.
public struct ReplayPace: Hashable, Sendable {
    /// How many recorded seconds pass in one; nil: as fast as can be.
    public var factor: Double?
    /// Before this, in Unix seconds, it is played as fast as can be.
    public var from: Int64?
    /// After this nothing is played.
    public var until: Int64?

    public init(factor: Double? = 1, from: Int64? = nil, until: Int64? = nil) {
        self.factor = factor
        self.from = from
        self.until = until
    }
}
