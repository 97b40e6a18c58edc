// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// The fewest prefixes whose longest match gives every address the answer that it has.
///
/// This is ORTC (Draves, King, Venkatachary and Zill, "Constructing optimal IP routing tables", 1999):
/// from the bottom of the binary tree up each block gets the answers that are as good as any for
/// its top, those that both halves have in common or else those of either; from the top down each
/// block takes over its parent's answer where that is one of them, and else gets a prefix of its own.
/// Where the halves have nothing in common a prefix for both would save none, and each gets its own.
///
/// Addresses may have no answer, which no prefix can say: a block with such an address in it gets no
/// prefix, and what it holds is aggregated for itself.
public struct PrefixAggregation: Sendable {
    /// From an address on, until the next run begins, this is the answer; nil: none.
    public struct Run: Hashable, Sendable {
        /// Left-aligned in 128 bits, also of IPv4.
        public var start: UInt128
        public var answer: UInt32?

        public init(start: UInt128, answer: UInt32?) {
            self.start = start
            self.answer = answer
        }
    }

    /// A prefix, and the answer for all addresses that it is the longest match of.
    public struct Entry: Hashable, Sendable {
        public var prefix: IPPrefix
        public var answer: UInt32

        public init(prefix: IPPrefix, answer: UInt32) {
            self.prefix = prefix
            self.answer = answer
        }
    }

    /// In tree order.
    public private(set) var entries: [Entry] = []

    private let family: AddressFamily
    private let starts: [UInt128]
    private let answers: [Reference]
    private var nodes: [Node] = []
    /// Sorted answers, those of one node after another.
    private var sets: [UInt32] = []

    /// A block of addresses that all have one answer, or none; or a node's number.
    private enum Reference: Hashable {
        case hole
        case answer(UInt32)
        case node(Int)
    }

    /// A block whose halves have different answers, none of them none.
    private struct Node {
        var halves: (low: Reference, high: Reference)
        var set: Range<Int>
        /// Whether the halves have the set in common.
        var isShared: Bool
    }

    /// Aggregates a whole address family.
    ///
    /// - Parameters:
    ///   - family: The addresses' family.
    ///   - runs: In ascending order; before the first there is no answer. Neighbours may be equal.
    /// - Complexity: the runs times the depth that they part at; the memory likewise.
    public init(_ family: AddressFamily, runs: some Sequence<Run>) {
        self.family = family
        var starts: [UInt128] = [0]
        var answers: [Reference] = [.hole]
        for run in runs {
            let answer: Reference = run.answer.map { .answer($0) } ?? .hole
            if run.start == starts[starts.count - 1] {
                answers[answers.count - 1] = answer
                if answers.count > 1, answers[answers.count - 2] == answer {
                    starts.removeLast()
                    answers.removeLast()
                }
                continue
            }
            precondition(run.start > starts[starts.count - 1], "runs ascend")
            guard answer != answers[answers.count - 1] else { continue }
            starts.append(run.start)
            answers.append(answer)
        }
        self.starts = starts
        self.answers = answers
        let top = self.build(0..<starts.count, start: 0, depth: 0)
        self.finish(top, start: 0, depth: 0, mark: (0, 0))
        self.entries.sort { $0.prefix < $1.prefix }
        self.nodes = []
        self.sets = []
    }

    // MARK: From the bottom up

    /// The block of `depth` bits at `start`, which has these runs or parts of them.
    private mutating func build(_ runs: Range<Int>, start: UInt128, depth: Int) -> Reference {
        guard runs.count > 1 else { return self.answers[runs.lowerBound] }
        let middle = start | UInt128(1) &<< UInt128(truncatingIfNeeded: 127 - depth)
        let split = self.firstRun(of: runs, from: middle)
        let isParted = split == runs.upperBound || self.starts[split] > middle
        let mark = (self.nodes.count, self.sets.count)
        let low = self.build(runs.lowerBound..<split, start: start, depth: depth + 1)
        let highMark = (self.nodes.count, self.sets.count)
        let high = self.build(
            (isParted ? split - 1 : split)..<runs.upperBound, start: middle, depth: depth + 1)
        guard low != .hole, high != .hole else {
            // Nothing above can have a prefix: what is whole here is finished for itself.
            self.finish(high, start: middle, depth: depth + 1, mark: highMark)
            self.finish(low, start: start, depth: depth + 1, mark: mark)
            return .hole
        }
        if low == high { return low }
        let (set, isShared) = self.combine(low, high)
        self.nodes.append(Node(halves: (low, high), set: set, isShared: isShared))
        return .node(self.nodes.count - 1)
    }

    /// The first of the runs that begins at an address or behind it.
    private func firstRun(of runs: Range<Int>, from address: UInt128) -> Int {
        var low = runs.lowerBound
        var high = runs.upperBound
        while low < high {
            let middle = (low + high) / 2
            if self.starts[middle] < address { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// What two halves have in common; where that is nothing, what either has.
    private mutating func combine(
        _ low: Reference, _ high: Reference
    ) -> (set: Range<Int>, isShared: Bool) {
        let begin = self.sets.count
        self.merge(low, high) { inLow, inHigh in inLow && inHigh }
        let isShared = self.sets.count > begin
        if !isShared { self.merge(low, high) { _, _ in true } }
        return (begin..<self.sets.count, isShared)
    }

    private mutating func merge(
        _ low: Reference, _ high: Reference, _ isTaken: (Bool, Bool) -> Bool
    ) {
        let (lowCount, highCount) = (self.count(of: low), self.count(of: high))
        var (a, b) = (0, 0)
        while a < lowCount || b < highCount {
            let first = a < lowCount ? self.element(a, of: low) : nil
            let second = b < highCount ? self.element(b, of: high) : nil
            let next = min(first ?? .max, second ?? .max)
            if first == next { a += 1 }
            if second == next { b += 1 }
            if isTaken(first == next, second == next) { self.sets.append(next) }
        }
    }

    private func count(of reference: Reference) -> Int {
        switch reference {
        case .hole: 0
        case .answer: 1
        case .node(let number): self.nodes[number].set.count
        }
    }

    private func element(_ index: Int, of reference: Reference) -> UInt32? {
        switch reference {
        case .hole: nil
        case .answer(let answer): answer
        case .node(let number): self.sets[self.nodes[number].set.lowerBound + index]
        }
    }

    // MARK: From the top down

    /// Gives out the prefixes of a block that has no part in a larger one's, and forgets its nodes:
    /// those from `mark` on.
    private mutating func finish(
        _ reference: Reference, start: UInt128, depth: Int, mark: (nodes: Int, sets: Int)
    ) {
        self.assign(reference, start: start, depth: depth, inherited: nil)
        self.nodes.removeSubrange(mark.nodes...)
        self.sets.removeSubrange(mark.sets...)
    }

    private mutating func assign(
        _ reference: Reference, start: UInt128, depth: Int, inherited: UInt32?
    ) {
        var answer: UInt32?
        var halves: (low: Reference, high: Reference)?
        switch reference {
        case .hole: return
        case .answer(let only): answer = only
        case .node(let number):
            let node = self.nodes[number]
            halves = node.halves
            if let inherited, self.contains(node.set, inherited) {
                answer = inherited
            } else {
                answer = node.isShared ? self.sets[node.set.lowerBound] : inherited
            }
        }
        if let answer, answer != inherited {
            let address = IPAddress(family: self.family, leftAligned: start)
            self.entries.append(
                Entry(prefix: IPPrefix(masking: address, length: depth), answer: answer))
        }
        guard let halves else { return }
        let middle = start | UInt128(1) &<< UInt128(truncatingIfNeeded: 127 - depth)
        self.assign(halves.low, start: start, depth: depth + 1, inherited: answer)
        self.assign(halves.high, start: middle, depth: depth + 1, inherited: answer)
    }

    private func contains(_ set: Range<Int>, _ answer: UInt32) -> Bool {
        var (low, high) = (set.lowerBound, set.upperBound)
        while low < high {
            let middle = (low + high) / 2
            if self.sets[middle] < answer { low = middle + 1 } else { high = middle }
        }
        return low < set.upperBound && self.sets[low] == answer
    }
}
