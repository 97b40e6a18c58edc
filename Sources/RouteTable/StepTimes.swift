// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What the writer does in one go, while other work waits.
public enum StepKind: String, CaseIterable, Hashable, Sendable {
    /// A batch of changes.
    case batch
    /// Any other command.
    case command
    /// A query, or what waited for a flush.
    case query
    /// A slice of painting wide prefixes.
    case paint
    /// A slice of walking a feed's routes.
    case walk
    /// A slice of building another image, or the swap.
    case build
    /// A slice of giving memory back.
    case reclaim
}

/// The longest step of each kind since the table was made, and how many there were.
public struct StepTimes: Hashable, Sendable {
    public struct Step: Hashable, Sendable {
        /// Microseconds from its beginning to its end, other threads' turns included.
        public var elapsed: UInt64 = 0
        /// Microseconds that the writer's thread had of a processor: the longest of these, which
        /// may be another step.
        public var processor: UInt64 = 0
        /// Steps of the kind that there were.
        public var count: UInt64 = 0
    }

    private var steps = [Step](repeating: Step(), count: StepKind.allCases.count)

    private static func index(_ kind: StepKind) -> Int {
        switch kind {
        case .batch: 0
        case .command: 1
        case .query: 2
        case .paint: 3
        case .walk: 4
        case .build: 5
        case .reclaim: 6
        }
    }

    public subscript(kind: StepKind) -> Step { self.steps[Self.index(kind)] }

    mutating func note(_ kind: StepKind, elapsed: UInt64, processor: UInt64) {
        let index = Self.index(kind)
        self.steps[index].elapsed = max(self.steps[index].elapsed, elapsed)
        self.steps[index].processor = max(self.steps[index].processor, processor)
        self.steps[index].count += 1
    }
}
