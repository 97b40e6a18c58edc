// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Random changes of a sample table, as routes flap: each changes one site's route to one prefix,
/// and takes it back some changes later, so that the table stays near what it was.
///
/// Half of the changes that aren't ways back withdraw the route, half give it another distance.
struct ChangeStream {
    struct Change {
        let row: Int
        let site: Int
        /// The distance + 1, or 0: withdrawn.
        let stored: UInt8
    }

    private let sample: SampleTable
    private var random: RandomSource
    /// Rows that may be changed.
    private let rows: [Int]
    /// What is changed and not yet taken back, a ring.
    private var outstanding: [(row: Int, site: Int)?]
    private var next = 0
    private var isWayBack = false
    /// The table as it is after all changes so far.
    private(set) var current: [UInt8]

    /// - Parameters:
    ///   - sample: The table before all changes.
    ///   - window: Changes that stand at a time.
    ///   - shortest: Prefixes of fewer bits stay as they are.
    ///   - seed: Of the random choices.
    init(_ sample: SampleTable, window: Int, shortest: Int, seed: UInt64) {
        self.sample = sample
        self.random = RandomSource(seed: seed)
        self.rows = sample.prefixes.indices.filter { sample.prefixes[$0].length >= shortest }
        self.outstanding = Array(repeating: nil, count: window)
        self.current = sample.stored
    }

    mutating func change() -> Change {
        self.isWayBack.toggle()
        let place = self.next
        if !self.isWayBack {
            // The place whose change was just taken back gets another.
            self.next = (place + 1) % self.outstanding.count
            let row = self.rows[self.random.below(self.rows.count)]
            let site = self.random.below(self.sample.sites)
            self.outstanding[place] = (row, site)
            let old = self.current[row * self.sample.sites + site]
            if old != 0, self.random.next() & 1 == 0 { return self.set(row, site, 0) }
            let step = 1 + self.random.below(2)
            let other = Int(old) + (self.random.next() & 1 == 0 ? step : -step)
            return self.set(row, site, UInt8(max(2, min(other, 250))))
        }
        guard let (row, site) = self.outstanding[place] else { return self.change() }
        return self.set(row, site, self.sample.stored[row * self.sample.sites + site])
    }

    private mutating func set(_ row: Int, _ site: Int, _ stored: UInt8) -> Change {
        self.current[row * self.sample.sites + site] = stored
        return Change(row: row, site: site, stored: stored)
    }
}
