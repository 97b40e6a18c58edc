// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire
import Synchronization

/// The tallies of all threads, over all sets of zones since the start.
///
/// A thread that takes in new zones goes over to another tally, which is there already: whoever
/// replaces the zones has made it, so that an answering thread makes, clears and adds up nothing. What
/// it leaves is added up by whoever calls ``tidy()`` or ``counters(names:)``, and only then its zones
/// go: those before the ones that are served are there no longer than it takes all threads to leave
/// them.
final class TallyBook: ZoneFollower {
    fileprivate struct State {
        /// By thread: the one that it writes.
        var current: [Int: NameTally] = [:]
        /// By thread: the one that it is to write next.
        var next: [Int: NameTally] = [:]
        /// Nobody writes them any more.
        var closed: [NameTally] = []
    }

    /// Held for a few lines, as answering threads take it.
    private let state = Mutex(State())
    /// What was added up. Who takes both takes this one first.
    private let past = Mutex<[DomainName: ZoneCounters]>([:])
    private let threads = Atomic<Int>(0)

    func newThread() -> Int { self.threads.add(1, ordering: .relaxed).newValue }

    /// Makes the tallies that all threads need for `set`.
    func prepare(for set: ZoneSet) {
        let threads = self.state.withLock { Array($0.current.keys) }
        let tallies = threads.map { ($0, NameTally(set)) }
        // What was prepared before and nobody wanted goes after the lock.
        var unwanted: [Int: NameTally] = [:]
        self.state.withLock { state in
            swap(&unwanted, &state.next)
            for (thread, tally) in tallies where state.current[thread] != nil {
                state.next[thread] = tally
            }
            state.closed.reserveCapacity(state.closed.count + state.current.count)
        }
    }

    /// Begins a thread's tally of `set`; what it counted in before is closed.
    func begin(_ set: ZoneSet, thread: Int) -> NameTally.Writer {
        if let writer = self.take(set, thread: thread) { return writer }
        // A thread that is new, or zones that have been replaced again meanwhile.
        let tally = NameTally(set)
        self.state.withLock { $0.begin(tally, thread: thread) }
        return tally.writer
    }

    private func take(_ set: ZoneSet, thread: Int) -> NameTally.Writer? {
        self.state.withLock { state in
            guard let tally = state.next[thread], tally.set === set else { return nil }
            state.next.removeValue(forKey: thread)
            state.begin(tally, thread: thread)
            return tally.writer
        }
    }

    /// The thread counts no more.
    func end(thread: Int) {
        self.state.withLock { state in
            state.next.removeValue(forKey: thread)
            if let last = state.current.removeValue(forKey: thread) { state.closed.append(last) }
        }
    }

    /// Adds up what is closed.
    ///
    /// - Returns: What it found: whether something was closed, and whether all threads have gone over
    ///   to the zones that are served.
    func tidy() -> (hasClosed: Bool, isDone: Bool) {
        self.past.withLock { past in
            let (closed, isDone) = self.state.withLock { state in
                (state.takeClosed(), state.next.isEmpty)
            }
            for tally in closed { tally.add(to: &past, names: .all) }
            return (!closed.isEmpty, isDone)
        }
    }

    /// The sum over all threads.
    func counters(names: NamesWanted) -> [DomainName: ZoneCounters] {
        let (before, current) = self.past.withLock { past in
            // Both at once: a tally that is closed between would be missed.
            let (closed, current) = self.state.withLock { state in
                (state.takeClosed(), Array(state.current.values))
            }
            for tally in closed { tally.add(to: &past, names: .all) }
            return (past, current)
        }
        var sum = before.mapValues { zone in
            var zone = zone
            zone.names = [:]
            return zone
        }
        if names != .none {
            for (apex, zone) in before where names.includes(apex) { sum[apex]?.names = zone.names }
        }
        for tally in current { tally.add(to: &sum, names: names) }
        return sum
    }
}

extension TallyBook.State {
    fileprivate mutating func begin(_ tally: NameTally, thread: Int) {
        if let before = self.current.updateValue(tally, forKey: thread) {
            self.closed.append(before)
        }
    }

    fileprivate mutating func takeClosed() -> [NameTally] {
        var taken: [NameTally] = []
        swap(&taken, &self.closed)
        return taken
    }
}
