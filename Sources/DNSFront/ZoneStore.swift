// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Who does something when other zones are served.
protocol ZoneFollower: AnyObject, Sendable {
    /// Makes what is needed for a set that is about to be served: on the thread that replaces the
    /// zones, so that those who answer needn't.
    func prepare(for set: ZoneSet)

    /// Lets go of the set before, now that another is served.
    func follow()
}

extension ZoneFollower {
    func prepare(for set: ZoneSet) {}
    func follow() {}
}

/// The zones that are served now: swapped whole, read without a lock.
public final class ZoneStore: Sendable {
    private struct Current {
        var set = ZoneSet()
        var zones: [Zone] = []
    }

    private struct Follower {
        weak var object: (any ZoneFollower)?
    }

    private let current: Mutex<Current>
    private let followers = Mutex<[Follower]>([])
    private let generation = Atomic<UInt64>(1)

    /// No zones: every question is refused.
    public init() {
        self.current = Mutex(Current())
    }

    /// Serves `zones` from now on, each responder from its next batch. Where they are those that are
    /// served, to the letter, nothing is done.
    ///
    /// Where they name policies by index, let the world have those policies before.
    ///
    /// - Returns: Whether they are others than before.
    /// - Throws: ``ZoneError``; what was served before stays then.
    @discardableResult
    public func replace(_ zones: [Zone]) throws(ZoneError) -> Bool {
        guard !self.zones().elementsEqual(zones, by: { $0.isIdentical(to: $1) }) else {
            return false
        }
        let set = try ZoneSet(zones)
        let followers = self.followers.withLock { followers in
            followers.removeAll { $0.object == nil }
            return followers.compactMap(\.object)
        }
        for follower in followers { follower.prepare(for: set) }
        // The last of what was before goes after the lock.
        var next = Current(set: set, zones: zones)
        self.current.withLock { current in
            swap(&current, &next)
            self.generation.add(1, ordering: .releasing)
        }
        for follower in followers { follower.follow() }
        return true
    }

    /// Lets somebody know of replacements, as long as it is there.
    func add(_ follower: any ZoneFollower) {
        self.followers.withLock { followers in
            guard !followers.contains(where: { $0.object === follower }) else { return }
            followers.append(Follower(object: follower))
        }
    }

    /// Rises with each replacement.
    @inline(__always)
    func currentGeneration() -> UInt64 { self.generation.load(ordering: .acquiring) }

    func set() -> ZoneSet { self.current.withLock { $0.set } }

    /// The zones as they were given.
    func zones() -> [Zone] { self.current.withLock { $0.zones } }
}
