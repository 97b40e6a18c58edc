// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Watches how many prefixes one feed announces, and says when it lost too many at once.
///
/// Compared are numbers, not withdrawals: a prefix that goes and comes back within the window is
/// no loss. It knows no routes and no clock: `at` is in seconds of a clock that never goes back,
/// and who asks keeps the routes.
struct FeedGuard {
    enum State: Hashable {
        case off
        case watching
        /// `lastLoss`: when the feed was last seen to have lost too many.
        case holding(before: Int, lastLoss: Int64)
    }

    private(set) var state = State.off
    var rules: FeedGuardRules? {
        didSet { self.highWater.resize(window: self.rules?.window ?? 1) }
    }
    private var highWater = HighWater()
    /// With fewer live prefixes than this the feed has lost too many.
    private(set) var floor = 0
    /// Live prefixes that the table's limits took away: to the guard they are still there, until
    /// as many others have come.
    private var excused = 0

    var isOff: Bool { self.state == .off }
    var isWatching: Bool { self.state == .watching }
    var isHolding: Bool { if case .holding = self.state { true } else { false } }

    /// The most live prefixes within the window.
    var highest: Int { self.highWater.highest }

    /// The most there were when the feed lost too many; else within the window.
    var before: Int {
        if case .holding(let before, _) = self.state { before } else { self.highest }
    }

    /// The feed is whole, or is believed from now on.
    mutating func begin(live: Int, at second: Int64) {
        guard self.rules != nil else { return self.end() }
        self.state = .watching
        self.excused = 0
        self.highWater.begin(live, at: second)
        self.fit()
    }

    /// There is nothing to guard until it is whole again.
    mutating func end() {
        self.state = .off
        self.floor = 0
    }

    /// Moves on to a moment, at which the feed has so many live prefixes.
    ///
    /// - Returns: Whether a feed whose losses were held has settled.
    mutating func advance(live: Int, at second: Int64) -> Bool {
        guard let rules = self.rules, self.state != .off else { return false }
        self.highWater.note(live + self.excused, at: second)
        self.fit()
        self.note(live: live, at: second)
        guard case .holding(_, let lastLoss) = self.state else { return false }
        return second - lastLoss >= Int64(rules.settle)
    }

    /// Whether a feed with so many live prefixes has lost too many.
    @inline(__always)
    func isLoss(live: Int) -> Bool { live + self.excused < self.floor }

    /// A live prefix left because the table had no room for what replaces its route: that is no
    /// loss of the feed's.
    mutating func excuse() { if !self.isOff { self.excused += 1 } }

    /// A prefix came.
    @inline(__always)
    mutating func noteArrival() { if self.excused > 0 { self.excused -= 1 } }

    /// Notes that a feed whose losses are held loses more.
    mutating func note(live: Int, at second: Int64) {
        guard case .holding(let before, let lastLoss) = self.state, self.isLoss(live: live) else {
            return
        }
        self.state = .holding(before: before, lastLoss: max(lastLoss, second))
    }

    /// From now on what the feed withdraws is kept.
    mutating func hold(at second: Int64) {
        self.state = .holding(before: self.highWater.highest, lastLoss: second)
    }

    private mutating func fit() {
        let highest = self.highWater.highest
        guard let rules = self.rules, highest >= FeedGuardRules.smallestFeed else {
            self.floor = 0
            return
        }
        self.floor = highest - rules.allowedLoss(of: highest)
    }
}

/// The highest of the numbers seen within a window of time, which moves on in up to 60 steps.
private struct HighWater {
    private static let stepCount: Int64 = 60
    private var stepSeconds: Int64 = 1
    private var steps: Int64 = 1
    /// The highest in each step of the window and in the one that is under way, in a ring.
    private var maxima: [Int] = [0, 0]
    private var current: Int64 = 0
    private(set) var highest = 0

    /// Forgets all but the highest.
    mutating func resize(window: Int) {
        let second = self.current * self.stepSeconds
        self.stepSeconds = max(1, (Int64(window) + Self.stepCount - 1) / Self.stepCount)
        self.steps = max(1, (Int64(window) + self.stepSeconds - 1) / self.stepSeconds)
        self.begin(self.highest, at: second)
    }

    mutating func begin(_ count: Int, at second: Int64) {
        self.maxima = Array(repeating: count, count: Int(self.steps) + 1)
        self.current = second / self.stepSeconds
        self.highest = count
    }

    /// Takes a number that has held since the last one, or since just now.
    mutating func note(_ count: Int, at second: Int64) {
        let step = max(second / self.stepSeconds, self.current)
        let size = Int64(self.maxima.count)
        if step > self.current {
            for passed in max(self.current + 1, step - size + 1)...step {
                self.maxima[Int(passed % size)] = count
            }
            self.current = step
            self.maxima[Int(step % size)] = count
            self.highest = self.maxima.max() ?? count
        } else if count > self.maxima[Int(step % size)] {
            self.maxima[Int(step % size)] = count
            self.highest = max(self.highest, count)
        }
    }
}
