// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The zones that are served now: swapped whole, read without a lock.
public final class ZoneStore: Sendable {
    private struct Current {
        var set = ZoneSet()
        var zones: [Zone] = []
    }

    private let current: Mutex<Current>
    private let generation = Atomic<UInt64>(1)

    /// No zones: every question is refused.
    public init() {
        self.current = Mutex(Current())
    }

    /// Serves `zones` from now on, each responder from its next batch.
    ///
    /// Where they name policies by index, let the world have those policies before.
    ///
    /// - Throws: ``ZoneError``; what was served before stays then.
    public func replace(_ zones: [Zone]) throws(ZoneError) {
        let set = try ZoneSet(zones)
        self.current.withLock { current in
            current = Current(set: set, zones: zones)
            self.generation.add(1, ordering: .releasing)
        }
    }

    /// Rises with each replacement.
    @inline(__always)
    func currentGeneration() -> UInt64 { self.generation.load(ordering: .acquiring) }

    func set() -> ZoneSet { self.current.withLock { $0.set } }

    /// The zones as they were given.
    func zones() -> [Zone] { self.current.withLock { $0.zones } }
}
