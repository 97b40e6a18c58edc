// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Synchronization
import Testing

/// A table and its reference, given the same commands.
final class TableUnderTest {
    let owner: TableOwner
    var reference = ReferenceTable()
    let clock: Clock

    final class Clock: Sendable {
        let now = Atomic<Int64>(1_000_000)
    }

    /// Steps of the writer so small that everything happens between everything else.
    static func crumbs(_ units: Int) -> StepPolicy {
        var steps = StepPolicy()
        steps.units = units
        steps.unitsAtOnce = max(1, units / 16)
        steps.unitsOfBatch = max(1, units / 4)
        steps.roundTripMicroseconds = 0
        steps.deadClasses = 16
        steps.bulk = 24
        steps.patience = 0
        steps.reclaimRest = 0
        return steps
    }

    init(limits: TableLimits = TableLimits(), steps: StepPolicy = StepPolicy()) throws {
        let clock = Clock()
        self.clock = clock
        self.owner = try TableOwner(
            limits: limits, steps: steps,
            now: { clock.now.load(ordering: .sequentiallyConsistent) })
        self.reference.now = 1_000_000
    }

    deinit { self.owner.shutdown() }

    func tick() {
        self.reference.now += 1
        self.owner.flushAndWait()
        self.clock.now.store(self.reference.now, ordering: .sequentiallyConsistent)
    }

    func apply(_ command: TableCommand) {
        self.reference.apply(command)
        self.owner.submit(command)
    }

    func change(
        _ feed: FeedID, announce: [(IPPrefix, RouteAttributes)] = [], withdraw: [IPPrefix] = []
    ) {
        var batch = RouteBatch(feed: feed)
        for (prefix, attributes) in announce {
            batch.announce(prefix, attributes: batch.intern(attributes))
            self.reference.announce(prefix, attributes, on: feed)
        }
        for prefix in withdraw {
            batch.withdraw(prefix)
            self.reference.withdraw(prefix, on: feed)
        }
        self.owner.submit(.routes(batch))
    }

    /// The same with several paths for a prefix.
    func change(
        _ feed: FeedID, paths: [(IPPrefix, UInt32, RouteAttributes)],
        withdraw: [(IPPrefix, UInt32)] = []
    ) {
        var batch = RouteBatch(feed: feed)
        for (prefix, id, attributes) in paths {
            batch.announce(prefix, pathID: id, attributes: batch.intern(attributes))
            self.reference.announce(prefix, pathID: id, attributes, on: feed)
        }
        for (prefix, id) in withdraw {
            batch.withdraw(prefix, pathID: id)
            self.reference.withdraw(prefix, pathID: id, on: feed)
        }
        self.owner.submit(.routes(batch))
    }

    /// Compares every elementary interval and every scope in it, and further addresses, with the
    /// reference. The first difference is recorded, with the context: then the answer is false.
    /// It waits until all is visible, unless told not to.
    func check(
        _ context: String, probes: [IPAddress] = [], waits: Bool = true
    ) throws -> Bool {
        if waits { self.owner.flushAndWait() }
        var reader = try self.owner.lookup.makeReader()
        for family in AddressFamily.allCases {
            let starts = self.reference.boundaries(family)
            let values = starts.map { self.reference.values(at: $0) }
            var questions: [(address: IPAddress, interval: Int)] = []
            for (index, start) in starts.enumerated() {
                questions.append((start, index))
                questions.append((Self.last(index, starts), index))
            }
            for probe in probes where probe.family == family {
                questions.append((probe, Self.interval(of: probe, starts)))
            }
            // One snapshot for all, and no closure that captures it.
            let answers = reader.withSnapshot { snapshot in
                var cache: [UInt32: ClassValues] = [:]
                var answers: [(values: ClassValues, scope: Int, isSame: Bool)] = []
                for question in questions {
                    let match = snapshot.lookup(question.address)
                    let known = cache[match.classID]
                    let values = known ?? snapshot.values(ofClass: match.classID)
                    cache[match.classID] = values
                    let isSame = snapshot.classID(of: question.address) == match.classID
                    answers.append((values, Int(match.scope), isSame))
                }
                return answers
            }
            for (question, answer) in zip(questions, answers) {
                let expected = values[question.interval]
                guard answer.values == expected, answer.isSame else {
                    Issue.record(
                        "\(context): \(question.address) is \(answer.values), not \(expected)")
                    return false
                }
                let scope = Self.scope(of: question.address, starts, values)
                guard answer.scope == scope else {
                    // Of wrong values the scopes around them tell first.
                    let wrong = zip(questions, answers).first { $1.values != values[$0.interval] }
                    let also = wrong.map {
                        ", and \($0.address) is \($1.values), not \(values[$0.interval])"
                    }
                    Issue.record(
                        "\(context): \(question.address) has scope \(answer.scope), not \(scope)\(also ?? "")"
                    )
                    return false
                }
            }
        }
        return true
    }

    private static func last(_ index: Int, _ starts: [IPAddress]) -> IPAddress {
        let family = starts[index].family
        guard index + 1 < starts.count else { return IPPrefix.all(family).last }
        let step: UInt128 = family == .ipv4 ? 1 << 96 : 1
        return IPAddress(family: family, leftAligned: starts[index + 1].leftAligned - step)
    }

    private static func interval(of address: IPAddress, _ starts: [IPAddress]) -> Int {
        var low = 0
        var high = starts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= address { low = middle } else { high = middle }
        }
        return low
    }

    /// The largest block around an address in which all values are equal, by exhaustion.
    private static func scope(
        of address: IPAddress, _ starts: [IPAddress], _ values: [ClassValues]
    ) -> Int {
        let own = values[self.interval(of: address, starts)]
        for length in 0...address.family.width {
            let block = IPPrefix(masking: address, length: length)
            let first = self.interval(of: block.address, starts)
            let last = self.interval(of: block.last, starts)
            if (first...last).allSatisfy({ values[$0] == own }) { return length }
        }
        return address.family.width
    }
}
