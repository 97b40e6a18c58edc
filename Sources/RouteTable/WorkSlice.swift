// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// How much of something long the writer does before it looks after others.
///
/// Work is counted in units of a few nanoseconds. A slice ends after so many, or at a time that it
/// looks at now and then.
struct WorkSlice {
    private(set) var isSpent = false
    private var left: Int
    private let deadline: UInt64
    private let unitsOfRest: Int

    /// Units between two looks at the clock: some ten microseconds.
    private static let quantum = 4096

    init(units: Int) {
        self.left = units
        self.deadline = 0
        self.unitsOfRest = max(1, units / 4)
    }

    init(microseconds: Int) {
        self.left = Self.quantum
        self.deadline = monotonicMicroseconds() + UInt64(microseconds)
        self.unitsOfRest = 4 * Self.quantum
    }

    /// Counts work that was done.
    @inline(__always)
    mutating func spend(_ units: Int) {
        self.left &-= units
        if self.left <= 0 { self.look() }
    }

    @inline(never)
    private mutating func look() {
        if self.deadline == 0 || monotonicMicroseconds() >= self.deadline {
            self.isSpent = true
        } else {
            self.left = Self.quantum
        }
    }

    /// A little more, to use what was found out when the slice ended: else it would have to be found
    /// out again.
    var rest: WorkSlice { WorkSlice(units: self.unitsOfRest) }

    /// Units left of a slice that counts them.
    var unitsLeft: Int { max(0, self.left) }
}

/// How the writer divides its work; tests divide it into crumbs, so that everything happens
/// between everything else.
package struct StepPolicy: Sendable {
    /// The slice of long work between two batches: a time, or where set a number of units.
    package var microseconds = 1500
    package var units: Int?
    /// Microseconds of work on round trips at a time.
    package var roundTripMicroseconds: UInt64 = 1000
    /// Units of painting that one change does at once; the rest waits for slices.
    package var unitsAtOnce = 1 << 14
    /// Units of painting that all changes of a batch do at once.
    package var unitsOfBatch = 1 << 19
    /// Classes that may be dead before the lookup is built anew, beside as many as are alive.
    package var deadClasses = 65_536
    /// Changes that wait in the queue before readers see none of those of the feeds that have most
    /// of them until most are done.
    package var bulk = 100_000
    /// Microseconds that a due rebuild waits for others to share it, while there is other work.
    package var patience: UInt64 = 200_000

    /// How many times as long as the last rebuild took the next one waits that only counts
    /// classes near their limit.
    package var reclaimRest: UInt64 = 4

    /// Microseconds after which a due rebuild no longer waits for feeds' walks to end: they may
    /// begin again and again.
    package var overdue: UInt64 = 10_000_000
    /// Prefixes of a family from which on its lookup is of huge pages.
    package var hugePagesFrom = 50_000

    /// Seconds of a clock that never goes back.
    package var uptime: @Sendable () -> Int64 = { Int64(monotonicMicroseconds() / 1_000_000) }

    package init() {}

    /// A slice for one kind of work.
    ///
    /// - Parameter kinds: Kinds of work that get a slice each before others are looked after.
    /// - Returns: The slice, shorter where there are many.
    func slice(among kinds: Int = 1) -> WorkSlice {
        self.units.map { WorkSlice(units: $0) }
            ?? WorkSlice(microseconds: 2 * self.microseconds / max(2, kinds))
    }
}
