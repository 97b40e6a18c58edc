// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What has become of a feed's routes in one family, by the epoch in which each was announced last.
///
/// A route carries the number of its epoch, four bits, and the ledger says what is true of all
/// routes with that number: so the beginning and the end of a session, of a refresh, of a
/// transfer touch no route.
///
/// Numbers with equal states stay equal whatever happens, so they can be made one at any time. When
/// six are in use beside the current one that begins, page by page between other things
/// (``visit(pages:atMost:)``). Where sessions follow so fast that eight are in use before that, or
/// further ones are needed meanwhile, each of these visits its share of the pages: a fifth of all,
/// or a quarter of what is left. At its end there is one number for each state, and five more. So
/// no more than fifteen are ever in use.
package struct EpochLedger {
    package enum State: UInt8, CaseIterable {
        /// Announced in this session.
        case fresh = 0
        /// The same, but a refresh is under way that has yet to confirm it (RFC 7313).
        case unconfirmed
        /// Of a session that is over (RFC 4724).
        case stale
        /// A walk takes it out; till then it is as a stale one.
        case leaving
        /// Stale for long (RFC 9494): any other route is better.
        case longLived
    }

    /// Numbers in use from which on they are made fewer before there is another.
    package static let most = 8
    /// Numbers in use, beside the current one, from which on they are made fewer in time: more than
    /// there are states.
    package static let many = 6
    /// Visits that this takes.
    package static let visits = 5

    /// The number of what is announced now.
    package private(set) var current: UInt32 = 0
    /// Routes that are fresh or unconfirmed.
    package private(set) var fresh = 0
    /// Routes that leave.
    package private(set) var leaving = 0
    /// The state of each number, in the four bits at its place.
    private var states: UInt64 = 0
    private var counts = InlineArray<16, Int>(repeating: 0)
    private var merge: Merge?

    private struct Merge {
        /// What becomes of each number, in the four bits at its place.
        var numbers: UInt64
        /// The numbers that become another, and those that they become, as bits.
        var taken: UInt16
        var position = 0
        let end: Int
        /// Further numbers that there may be before the end.
        var visitsLeft: Int
    }

    package init() {}

    // MARK: States

    @inline(__always)
    package func state(_ number: UInt32) -> State {
        State(rawValue: UInt8(truncatingIfNeeded: self.states &>> UInt64(4 &* number) & 15))
            ?? .stale
    }

    private mutating func set(_ number: UInt32, _ state: State) {
        let shift = UInt64(4 * number)
        self.states = self.states & ~(15 << shift) | UInt64(state.rawValue) << shift
    }

    /// Whether routes with a number are not of this session.
    @inline(__always)
    package func isStale(_ number: UInt32) -> Bool {
        self.states &>> UInt64(4 &* number) & 15 > UInt64(State.unconfirmed.rawValue)
    }

    package func count(_ state: State) -> Int {
        var sum = 0
        for number in 0..<16 as Range<UInt32> where self.state(number) == state {
            sum += self.counts[Int(number)]
        }
        return sum
    }

    // MARK: Routes

    /// Counts a route with a number.
    @inline(__always)
    package mutating func add(_ number: UInt32) { self.note(number, 1) }

    /// Counts a route less.
    @inline(__always)
    package mutating func remove(_ number: UInt32) { self.note(number, -1) }

    @inline(__always)
    private mutating func note(_ number: UInt32, _ change: Int) {
        self.counts[Int(number)] &+= change
        switch self.state(number) {
        case .fresh, .unconfirmed: self.fresh &+= change
        case .leaving: self.leaving &+= change
        case .stale, .longLived: break
        }
    }

    // MARK: What happens to all

    /// All routes that are in one of some states are in another from now on.
    ///
    /// - Returns: How many these are.
    @discardableResult
    package mutating func turn(_ old: [State], into new: State) -> Int {
        var turned = 0
        for number in 0..<16 as Range<UInt32> where old.contains(self.state(number)) {
            self.set(number, new)
            turned += self.counts[Int(number)]
        }
        self.fresh = self.count(.fresh) + self.count(.unconfirmed)
        self.leaving = self.count(.leaving)
        return turned
    }

    /// Whether another epoch needs another number: routes have the current one.
    package var isCurrentUsed: Bool { self.counts[Int(self.current)] != 0 }

    /// What is announced from now on has a number of its own, and a state: fresh, or stale where
    /// there is no session. Where another number is needed ``visit(pages:)`` comes first.
    package mutating func begin(as state: State) {
        // In a visit its routes may have got another number.
        if self.isCurrentUsed || self.isTaken(self.current) { self.current = self.unused }
        self.set(self.current, state)
    }

    /// A number that stale routes have, for routes that are stale although they come now: a guard's,
    /// or a checkpoint's.
    package var staleNumber: UInt32? {
        for number in 0..<16 as Range<UInt32>
        where number != self.current && self.state(number) == .stale {
            guard let merge = self.merge else { return number }
            // One that becomes another may have been visited for the last time.
            if merge.numbers >> UInt64(4 * number) & 15 == UInt64(number) { return number }
        }
        return nil
    }

    /// The same where stale routes have none; ``visit(pages:)`` comes first.
    package mutating func newStaleNumber() -> UInt32 {
        let number = self.unused
        self.set(number, .stale)
        return number
    }

    /// A number that no route has, nor will have.
    private var unused: UInt32 {
        for number in 0..<16 as Range<UInt32>
        where number != self.current && self.counts[Int(number)] == 0 && !self.isTaken(number) {
            return number
        }
        preconditionFailure("sixteen numbers are enough for five states")
    }

    private func isTaken(_ number: UInt32) -> Bool {
        self.merge.map { $0.taken >> UInt16(number) & 1 != 0 } ?? false
    }

    // MARK: Fewer numbers

    /// What to visit as another number is needed.
    ///
    /// - Parameter count: The pages that there are. Those that come later have later numbers.
    /// - Returns: Pages, and what becomes of each number there, in the four bits at its place; nil
    ///   where nothing is to do.
    package mutating func visit(pages count: Int) -> (pages: Range<Int>, numbers: UInt64)? {
        if self.merge == nil { self.merge = self.newMerge(pages: count, isInTime: false) }
        guard var merge = self.merge else { return nil }
        let start = merge.position
        merge.position += (merge.end - start + merge.visitsLeft - 1) / merge.visitsLeft
        merge.visitsLeft -= 1
        self.merge = merge.visitsLeft == 0 ? nil : merge
        return (start..<merge.position, merge.numbers)
    }

    /// Whether ``visit(pages:atMost:)`` has something to do.
    package var wantsVisits: Bool {
        self.merge != nil || self.used(besides: self.current) >= Self.many
    }

    /// What to visit while nothing needs another number: so many pages at most.
    ///
    /// - Returns: As ``visit(pages:)``.
    package mutating func visit(
        pages count: Int, atMost limit: Int
    ) -> (pages: Range<Int>, numbers: UInt64)? {
        if self.merge == nil { self.merge = self.newMerge(pages: count, isInTime: true) }
        guard var merge = self.merge else { return nil }
        let start = merge.position
        merge.position = min(merge.end, start + limit)
        self.merge = merge.position == merge.end ? nil : merge
        return (start..<merge.position, merge.numbers)
    }

    private func used(besides current: UInt32?) -> Int {
        (0..<16).count { self.counts[$0] != 0 && $0 != current.map(Int.init) }
    }

    /// So many routes of each number were given another in a visit.
    package mutating func renumbered(_ moved: InlineArray<16, Int>, by numbers: UInt64) {
        for old in 0..<16 where moved[old] != 0 {
            let new = Int(truncatingIfNeeded: numbers >> UInt64(4 * old) & 15)
            self.counts[old] -= moved[old]
            self.counts[new] += moved[old]
        }
    }

    /// In time, the current number stays what it is: routes go on coming with it.
    private func newMerge(pages count: Int, isInTime: Bool) -> Merge? {
        let spared = isInTime ? self.current : nil
        guard self.used(besides: spared) >= (isInTime ? Self.many : Self.most) else { return nil }
        var firsts: [State: UInt32] = [:]
        var numbers: UInt64 = 0
        var taken: UInt16 = 0
        for number in 0..<16 as Range<UInt32> {
            var new = number
            if self.counts[Int(number)] != 0, number != spared {
                new = firsts[self.state(number)] ?? number
                firsts[self.state(number)] = new
                taken |= 1 << UInt16(number)
            }
            numbers |= UInt64(new) << UInt64(4 * number)
        }
        return Merge(
            numbers: numbers, taken: taken, end: count,
            visitsLeft: isInTime ? Self.visits - 1 : Self.visits)
    }
}
