// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable

/// Finds out where the answers to all questions change, and publishes it.
///
/// For one thread at a time. What it knows of classes it keeps from round to round, as long as
/// their numbers mean the same: a round is then little more than a walk over the lookup.
final class ScopeIndexer {
    enum Outcome {
        /// All questions that are asked have an index.
        case done
        /// The world has changed meanwhile, or somebody has asked something new.
        case incomplete
        /// Another image of the lookup came in between.
        case outdated
        /// Memory of rounds before is still in use, or there is none.
        case busy
        case stopped
    }

    /// One question's answers by class, and where they change.
    private final class Column {
        let question: ScopeQuestion
        /// By class id the answer's number, from 1; 0 where it isn't known.
        var answers: [UInt32] = []
        private var numbers: [[UInt8]: UInt32] = [:]
        var draft = AnswerDraft()

        init(_ question: ScopeQuestion) { self.question = question }

        func learn(_ id: Int, _ values: ClassValues) {
            let answer = self.question.answer(for: values)
            let number = self.numbers[answer] ?? UInt32(self.numbers.count + 1)
            self.numbers[answer] = number
            self.answers[id] = number
        }

        func forget() {
            self.answers = []
            self.numbers = [:]
        }
    }

    private let owner: TableOwner
    private let oracle: Oracle
    private var reader: TableReader
    private var columns: [Column] = []
    /// The generation of classes that the columns' answers speak of.
    private var classGeneration: UInt64 = 0
    /// The index of each question in the published set.
    private var indexes: [ScopeQuestion: Int] = [:]
    /// Questions that would need more memory than there is for all.
    private var refused: Set<ScopeQuestion> = []
    /// A round was begun: until the table is told, it marks what changes.
    private var hasBegunRounds = false
    let memoryLimit: Int

    /// Entries of the lookup seen between two looks at the world; a fraction of a millisecond.
    private static let slice = 16_384
    /// Classes whose values are read under one pin.
    private static let bunch = 256

    /// For the indexes of all questions there are `memoryLimit` bytes; those beyond have none.
    init(owner: TableOwner, oracle: Oracle, memoryLimit: Int) throws {
        self.owner = owner
        self.oracle = oracle
        self.memoryLimit = memoryLimit
        self.reader = try oracle.lookup.makeReader()
    }

    /// Whether the published set is of another image than readers have.
    func isOutdated() -> Bool {
        guard let set = self.oracle.scopes.published else { return true }
        return self.reader.withSnapshot { $0.classGeneration } != set.classGeneration
    }

    /// Frees what readers have left.
    ///
    /// - Returns: Whether there is more that they haven't.
    func reclaim() -> Bool {
        let board = self.oracle.scopes
        guard board.hasRetired else { return false }
        // A query fails only by what its body throws.
        return (try? self.owner.querySync { $0.reclaim(board) }) ?? false
    }

    /// Makes indexes for all questions that are asked.
    func build(shouldStop: () -> Bool) -> Outcome {
        self.listColumns()
        guard !self.columns.isEmpty else {
            self.withdraw()
            return .done
        }
        guard let marks = ChangeMarks(signal: self.oracle.signal),
            let generation = self.beginRound(marks)
        else { return .busy }
        if generation != self.classGeneration {
            self.classGeneration = generation
            for column in self.columns { column.forget() }
        }
        for column in self.columns { column.draft = AnswerDraft() }
        for family in AddressFamily.allCases {
            var walk = AnswerWalk(family)
            for column in self.columns { column.draft.begin() }
            while !walk.isDone {
                if shouldStop() { return .stopped }
                guard self.step(&walk), self.learnClasses(of: walk) else { return .outdated }
                for column in self.columns { column.draft.append(walk, by: column.answers) }
                self.keepToMemoryLimit()
            }
        }
        let made = self.columns.map { AnswerIndex($0.draft) }
        for column in self.columns { column.draft = AnswerDraft() }
        self.indexes = Dictionary(
            uniqueKeysWithValues: self.columns.enumerated().map { ($1.question, $0) })
        let isComplete = self.publish(made, marks: marks, classGeneration: generation)
        _ = self.reclaim()
        return isComplete ? .done : .incomplete
    }

    /// Publishes the indexes that there are for the world as it is now: those whose questions are
    /// still the same.
    ///
    /// - Returns: Whether no question lacks one.
    func carryOver() -> Bool {
        guard let set = self.oracle.scopes.published else { return false }
        guard set.worldGeneration != self.oracle.currentGeneration() else { return true }
        return self.publish(
            set.indexes, marks: set.marks, classGeneration: set.classGeneration)
    }

    /// Forgets questions that weren't asked for some time.
    func age() { self.oracle.frozen().asked.age() }

    /// Gives all memory back: from now on scopes are by class.
    func withdraw() {
        self.indexes = [:]
        if self.oracle.scopes.published != nil { self.oracle.scopes.publish(nil) }
        // Also where nothing was published: a walk may have ended before its end.
        guard self.hasBegunRounds else { return }
        let board = self.oracle.scopes
        let isLeft = (try? self.owner.querySync { $0.reclaim(board) }) ?? false
        self.hasBegunRounds = isLeft
    }

    // MARK: Parts of a round

    /// The questions that are asked now, with what is known of each.
    private func listColumns() {
        let frozen = self.oracle.frozen()
        var known = Dictionary(uniqueKeysWithValues: self.columns.map { ($0.question, $0) })
        var columns: [Column] = []
        var seen: Set<ScopeQuestion> = []
        for slot in frozen.asked.take() {
            let question = Self.question(slot, in: frozen.world)
            guard seen.insert(question).inserted else { continue }
            columns.append(known.removeValue(forKey: question) ?? Column(question))
        }
        self.refused.formIntersection(seen)
        self.columns = columns.filter { !self.refused.contains($0.question) }
    }

    private static func question(_ slot: Int, in world: World) -> ScopeQuestion {
        let (policy, family, places) = AskedQuestions.question(slot)
        return ScopeQuestion(
            world.policies[policy], world: world, family: family, places: places)
    }

    private func beginRound(_ marks: ChangeMarks) -> UInt64? {
        let board = self.oracle.scopes
        let begun = try? self.owner.querySync { rib in
            // Also ends a round whose walk didn't.
            _ = rib.reclaim(board)
            return rib.beginRound(marks)
        }
        self.hasBegunRounds = true
        return begun ?? nil
    }

    /// False where readers have another image by now.
    private func step(_ walk: inout AnswerWalk) -> Bool {
        let generation = self.classGeneration
        return self.reader.withSnapshot { snapshot in
            guard snapshot.classGeneration == generation else { return false }
            walk.step(snapshot, entries: Self.slice)
            return true
        }
    }

    /// Finds out what the answers to clients of the walk's classes are, where that isn't known.
    private func learnClasses(of walk: AnswerWalk) -> Bool {
        var unknown: Set<UInt32> = []
        for column in self.columns {
            let count = Int(walk.runs.lazy.map(\.classID).max() ?? 0) + 1
            if column.answers.count < count {
                column.answers += repeatElement(0, count: 2 * count - column.answers.count)
            }
            for run in walk.runs where column.answers[Int(run.classID)] == 0 {
                unknown.insert(run.classID)
            }
        }
        guard !unknown.isEmpty else { return true }
        let ids = Array(unknown)
        for start in stride(from: 0, to: ids.count, by: Self.bunch) {
            let bunch = ids[start..<min(start + Self.bunch, ids.count)]
            guard let values = self.values(of: bunch) else { return false }
            for (id, values) in zip(bunch, values) {
                for column in self.columns where column.answers[Int(id)] == 0 {
                    column.learn(Int(id), values)
                }
            }
        }
        return true
    }

    private func values(of ids: ArraySlice<UInt32>) -> [ClassValues]? {
        let generation = self.classGeneration
        return self.reader.withSnapshot { snapshot in
            guard snapshot.classGeneration == generation else { return nil }
            var values: [ClassValues] = []
            for id in ids { values.append(snapshot.values(ofClass: id)) }
            return values
        }
    }

    /// Leaves out the questions asked last while all need too much.
    private func keepToMemoryLimit() {
        var bytes = self.columns.reduce(0) { $0 + $1.draft.byteCount }
        while bytes > self.memoryLimit, let last = self.columns.popLast() {
            bytes -= last.draft.byteCount
            self.refused.insert(last.question)
        }
    }

    private func publish(
        _ made: [AnswerIndex], marks: ChangeMarks, classGeneration: UInt64
    ) -> Bool {
        let frozen = self.oracle.frozen()
        var slots: [Int?] = Array(repeating: nil, count: frozen.asked.slotCount)
        var isComplete = true
        for slot in frozen.asked.take() {
            let question = Self.question(slot, in: frozen.world)
            slots[slot] = self.indexes[question]
            if slots[slot] == nil, !self.refused.contains(question) { isComplete = false }
        }
        self.oracle.scopes.publish(
            AnswerScopeSet(
                classGeneration: classGeneration, worldGeneration: frozen.world.generation,
                marks: marks, indexes: made, slots: slots))
        return isComplete
    }
}
