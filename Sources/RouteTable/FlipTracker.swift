// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Counts how often the nearest sites of prefixes change, and knows which are held for it.
///
/// Sparse: prefixes that have flipped within the rules' time, some tens of thousands at most, in
/// two tables of which the older one is given up as a whole; further ones aren't counted until
/// then. `second` is of a clock that never goes back. Belongs to the writer's thread.
struct FlipTracker {
    /// A prefix that isn't held: when it flipped, the oldest first from `first` on, in a ring.
    private struct Entry {
        var times = InlineArray<16, UInt32>(repeating: 0)
        var first: UInt8 = 0
        var count: UInt8 = 0
    }

    struct Held {
        var node: PrefixTree.Node
        /// Unix seconds.
        var since: Int64
        var lastFlip: Int64
        /// The sites that would be nearest, as bits.
        var nearest: UInt64
        var flips = 0
    }

    /// Prefixes in one table, and prefixes that are held, at most.
    static let most = 65_536

    let rules: FlipHoldRules
    private var recent: [IPPrefix: Entry] = [:]
    private var older: [IPPrefix: Entry] = [:]
    private var turned: Int64 = 0
    private(set) var held: [IPPrefix: Held] = [:]
    private var nodes: (ipv4: Set<PrefixTree.Node>, ipv6: Set<PrefixTree.Node>) = ([], [])
    /// Those that have calmed, or are let go: they are shown in slices.
    private(set) var ending: [IPPrefix] = []

    init(_ rules: FlipHoldRules) { self.rules = rules }

    var tracked: Int { self.recent.count + self.older.count }

    var byteCount: Int {
        (self.recent.capacity + self.older.capacity)
            * (MemoryLayout<Entry>.stride + MemoryLayout<IPPrefix>.stride)
            + self.held.capacity * (MemoryLayout<Held>.stride + MemoryLayout<IPPrefix>.stride)
            + (self.nodes.ipv4.capacity + self.nodes.ipv6.capacity) * 4
    }

    @inline(__always)
    func holds(_ node: PrefixTree.Node, _ family: AddressFamily) -> Bool {
        if self.held.isEmpty { return false }
        return family == .ipv4 ? self.nodes.ipv4.contains(node) : self.nodes.ipv6.contains(node)
    }

    /// Notes that a prefix is about to flip.
    ///
    /// - Returns: Whether that is one too many: it isn't to be shown.
    mutating func isTooMany(_ prefix: IPPrefix, at second: Int64) -> Bool {
        self.turn(at: second)
        var entry = self.recent[prefix] ?? self.older[prefix] ?? Entry()
        let now = UInt32(truncatingIfNeeded: second)
        // What is as old as the time is not within it.
        while entry.count > 0, now &- entry.times[Int(entry.first)] >= UInt32(self.rules.within) {
            entry.first = (entry.first + 1) % 16
            entry.count -= 1
        }
        if Int(entry.count) >= self.rules.flips, self.held.count < Self.most {
            self.recent[prefix] = nil
            self.older[prefix] = nil
            return true
        }
        // Where no more can be held the oldest is forgotten.
        if Int(entry.count) >= self.rules.flips {
            entry.first = (entry.first + 1) % 16
            entry.count -= 1
        }
        entry.times[(Int(entry.first) + Int(entry.count)) % 16] = now
        entry.count += 1
        guard self.recent.count < Self.most || self.recent[prefix] != nil else { return false }
        self.recent[prefix] = entry
        self.older[prefix] = nil
        return false
    }

    /// What hasn't flipped for the time is forgotten.
    private mutating func turn(at second: Int64) {
        guard second - self.turned >= Int64(self.rules.within) else { return }
        self.older = second - self.turned >= 2 * Int64(self.rules.within) ? [:] : self.recent
        self.recent = [:]
        self.turned = second
    }

    mutating func hold(
        _ prefix: IPPrefix, _ node: PrefixTree.Node, nearest: UInt64, since: Int64,
        at second: Int64
    ) {
        self.held[prefix] = Held(
            node: node, since: since, lastFlip: second, nearest: nearest, flips: 1)
        if prefix.family == .ipv4 {
            self.nodes.ipv4.insert(node)
        } else {
            self.nodes.ipv6.insert(node)
        }
    }

    /// Notes which sites would be nearest at a prefix that is held.
    mutating func note(_ prefix: IPPrefix, nearest: UInt64, at second: Int64) {
        guard var held = self.held[prefix], held.nearest != nearest else { return }
        held.nearest = nearest
        held.lastFlip = second
        held.flips += 1
        self.held[prefix] = held
    }

    /// Looks which have calmed: once a second is enough.
    mutating func tick(at second: Int64) {
        guard self.ending.isEmpty else { return }
        for (prefix, held) in self.held where second - held.lastFlip >= Int64(self.rules.calm) {
            self.ending.append(prefix)
        }
    }

    /// All are let go.
    mutating func endAll() { self.ending = Array(self.held.keys) }

    /// The next prefix to be shown as it is, and its node: it is held no more. Those that have
    /// flipped since stay, unless `isForced`; nil where there is none.
    mutating func takeEnding(at second: Int64, isForced: Bool) -> (IPPrefix, PrefixTree.Node)? {
        while let prefix = self.ending.popLast() {
            guard let held = self.held[prefix],
                isForced || second - held.lastFlip >= Int64(self.rules.calm)
            else { continue }
            self.held[prefix] = nil
            if prefix.family == .ipv4 {
                self.nodes.ipv4.remove(held.node)
            } else {
                self.nodes.ipv6.remove(held.node)
            }
            return (prefix, held.node)
        }
        return nil
    }
}
