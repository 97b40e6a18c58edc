// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The zones that are served now: swapped whole, read without a lock.
public final class ZoneStore: Sendable {
    private let current: Mutex<ZoneSet>
    private let generation = Atomic<UInt64>(1)

    /// No zones: every question is refused.
    public init() {
        self.current = Mutex(ZoneSet())
    }

    /// Serves `zones` from now on, each responder from its next batch.
    ///
    /// Where they name policies by index, let the world have those policies before.
    ///
    /// - Throws: ``ZoneError``; what was served before stays then.
    public func replace(_ zones: [Zone]) throws(ZoneError) {
        let set = try ZoneSet(zones)
        self.current.withLock { current in
            current = set
            self.generation.add(1, ordering: .releasing)
        }
    }

    /// Rises with each replacement.
    @inline(__always)
    func currentGeneration() -> UInt64 { self.generation.load(ordering: .acquiring) }

    func set() -> ZoneSet { self.current.withLock { $0 } }
}
