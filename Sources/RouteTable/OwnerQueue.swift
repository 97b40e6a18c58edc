// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The bounded queue between those who submit and the writer, who takes from each feed in turn: a
/// feed that has more to say than can be done makes no other one wait but for a turn of its own.
///
/// Each lane has its bound, a share of the whole; where the whole is full, those that have more than
/// a small share in it stop. What has to come after several lanes' work waits until that is done.
///
/// Unchecked: every stored property but the monitor is used under its lock.
final class OwnerQueue: @unchecked Sendable {
    /// One piece of work, as it waits.
    struct Item {
        let work: OwnerWork
        /// Counts what was submitted: the order of lanes among each other.
        let number: UInt64
        let weight: Int
        let bytes: Int
        /// Nil for what concerns all.
        let lane: Int?
    }

    enum Outcome { case accepted, full, closed }

    enum Patience {
        case none
        case milliseconds(Int)
        case endless
    }

    enum Turn {
        case work(Item)
        /// Patience is over.
        case nothing
        case closed
    }

    /// The lane of what concerns no feed.
    static let others = FeedID.limit

    /// A feed that can't be there is refused, whenever that is.
    static func lane(of feed: FeedID) -> Int { min(Int(feed.rawValue), Self.others) }

    private let monitor = Monitor()
    private var lanes = Array(repeating: OwnerLane(), count: FeedID.limit + 1)
    /// Lanes in which something waits, the one whose turn it is first.
    private var turns: [Int] = []
    /// What the lane whose turn it is may still have done in it.
    private var credit = OwnerQueue.turnWeight
    /// What has to come after others' work.
    private var fences = OwnerLane()
    /// How many of them nothing that comes later may overtake.
    private var strictFences = 0
    /// The oldest work of all comes next, whoever's turn it is.
    private var oldestIsNext = false
    private var number: UInt64 = 0
    private var weight = 0
    private var bytes = 0
    /// Those who block until a lane has room.
    private var blocked = 0
    private var isClosed = false
    private let highMark: Int
    private let lowMark: Int
    private let laneHighMark: Int
    private let laneLowMark: Int
    /// What each may have waiting, even where the whole is full.
    private let share: Int

    /// Changes that a lane has done in one turn: about as many as come in one batch.
    private static let turnWeight = 2048
    /// Of a turn, what each piece of work takes besides its changes.
    private static let workWeight = 32

    init(highMark: Int) {
        self.highMark = highMark
        self.lowMark = highMark / 2
        self.laneHighMark = max(1, highMark / 4)
        self.laneLowMark = self.laneHighMark / 2
        self.share = highMark / 64
    }

    // MARK: Those who submit

    /// Takes work in, also above the high mark: then the answer is `full`, and the producer stops.
    func add(_ work: OwnerWork) -> Outcome {
        self.monitor.withLock {
            guard !self.isClosed else { return .closed }
            guard let lane = self.append(work) else { return .accepted }
            return self.isFull(lane) ? .full : .accepted
        }
    }

    func isLaneFull(_ lane: Int) -> Bool { self.monitor.withLock { self.isFull(lane) } }

    /// Blocks until there is room.
    func addWaiting(_ work: OwnerWork) {
        self.monitor.withLock {
            if case .inLane(let lane) = work.order {
                self.blocked += 1
                while self.isFull(lane), !self.isClosed { self.monitor.wait() }
                self.blocked -= 1
            }
            guard !self.isClosed else { return }
            self.append(work)
        }
    }

    /// - Returns: The lane it is in.
    @discardableResult
    private func append(_ work: OwnerWork) -> Int? {
        self.number += 1
        var lane: Int?
        if case .inLane(let index) = work.order { lane = index }
        let item = Item(
            work: work, number: self.number, weight: work.weight, bytes: work.byteCount,
            lane: lane)
        self.weight += item.weight
        self.bytes += item.bytes
        if let lane {
            if self.lanes[lane].isEmpty { self.turns.append(lane) }
            self.lanes[lane].append(item)
            self.lanes[lane].weight += item.weight
        } else {
            self.fences.append(item)
            if item.isStrict { self.strictFences += 1 }
        }
        self.monitor.wakeAll()
        return lane
    }

    private func isFull(_ lane: Int) -> Bool {
        let weight = self.lanes[lane].weight
        return weight > self.laneHighMark || self.weight > self.highMark && weight > self.share
    }

    private func isDrained(_ lane: Int) -> Bool {
        let weight = self.lanes[lane].weight
        return weight <= self.laneLowMark
            && (self.weight <= self.lowMark || weight <= self.share / 2)
    }

    /// Registers a body to run below the low mark; false where the lane is there already.
    func addDrainWaiter(_ lane: Int, _ body: @escaping @Sendable () -> Void) -> Bool {
        self.monitor.withLock {
            guard !self.isDrained(lane), !self.isClosed else { return false }
            self.lanes[lane].waiters.append(body)
            return true
        }
    }

    // MARK: The writer

    /// What is to be done next.
    func take(_ patience: Patience) -> Turn {
        self.monitor.withLock {
            switch patience {
            case .none: break
            case .milliseconds(let bound):
                if self.isEmpty, !self.isClosed { self.monitor.wait(milliseconds: bound) }
            case .endless:
                while self.isEmpty, !self.isClosed { self.monitor.wait() }
            }
            guard !self.isClosed else { return .closed }
            return self.isEmpty ? .nothing : .work(self.next())
        }
    }

    private var isEmpty: Bool { self.turns.isEmpty && self.fences.isEmpty }

    /// Takes out what is next; there is something.
    private func next() -> Item {
        guard let fence = self.fences.first else { return self.nextInTurn() }
        // Where something waits for others' work, every second is the oldest: so it waits about as
        // long as if there were one lane.
        var oldest: (turn: Int, number: UInt64)?
        for (turn, lane) in self.turns.enumerated() {
            guard let number = self.lanes[lane].first?.number else { continue }
            if number < oldest?.number ?? fence.number { oldest = (turn, number) }
        }
        guard let oldest else {
            if fence.isStrict { self.strictFences -= 1 }
            return self.fences.removeFirst()
        }
        self.oldestIsNext.toggle()
        guard self.strictFences > 0 || self.oldestIsNext else { return self.nextInTurn() }
        let lane = self.turns[oldest.turn]
        let item = self.lanes[lane].removeFirst()
        if self.lanes[lane].isEmpty {
            self.turns.remove(at: oldest.turn)
            if oldest.turn == 0 { self.credit = Self.turnWeight }
        }
        return item
    }

    private func nextInTurn() -> Item {
        let lane = self.turns[0]
        let item = self.lanes[lane].removeFirst()
        self.credit -= item.weight + Self.workWeight
        if self.lanes[lane].isEmpty || self.credit <= 0 {
            self.turns.removeFirst()
            if !self.lanes[lane].isEmpty { self.turns.append(lane) }
            self.credit = Self.turnWeight
        }
        return item
    }

    /// Work has been done: gives its weight back, and whom to tell.
    func finish(_ item: Item) -> [@Sendable () -> Void] {
        self.monitor.withLock {
            let wasAbove = self.weight > self.lowMark
            self.weight -= item.weight
            self.bytes -= item.bytes
            if let lane = item.lane { self.lanes[lane].weight -= item.weight }
            if self.blocked > 0 { self.monitor.wakeAll() }
            if wasAbove, self.weight <= self.lowMark {
                return self.lanes.indices.flatMap { self.takeWaiters($0) }
            }
            return item.lane.map { self.takeWaiters($0) } ?? []
        }
    }

    private func takeWaiters(_ lane: Int) -> [@Sendable () -> Void] {
        guard !self.lanes[lane].waiters.isEmpty, self.isDrained(lane) else { return [] }
        defer { self.lanes[lane].waiters = [] }
        return self.lanes[lane].waiters
    }

    /// Changes that wait, and are being made.
    var currentWeight: Int { self.monitor.withLock { self.weight } }

    /// Memory of what waits, and of what is being done.
    var byteCount: Int { self.monitor.withLock { self.bytes } }

    /// Feeds that have at least so many changes waiting.
    func feeds(above weight: Int) -> [FeedID] {
        self.monitor.withLock {
            self.turns.filter { $0 != Self.others && self.lanes[$0].weight >= weight }
                .map { FeedID(UInt16($0)) }
        }
    }

    /// Takes nothing more in.
    ///
    /// - Returns: What was left, in the order in which it was submitted, and who waits for room.
    func close() -> (left: [OwnerWork], waiters: [@Sendable () -> Void]) {
        self.monitor.withLock {
            self.isClosed = true
            var left = self.fences.removeAll()
            var waiters: [@Sendable () -> Void] = []
            for lane in self.lanes.indices {
                left += self.lanes[lane].removeAll()
                waiters += self.lanes[lane].waiters
                self.lanes[lane].waiters = []
            }
            self.turns = []
            self.monitor.wakeAll()
            return (left.sorted { $0.number < $1.number }.map(\.work), waiters)
        }
    }
}

extension OwnerQueue.Item {
    /// Nothing that comes later may be done before it.
    fileprivate var isStrict: Bool {
        if case .betweenAll = self.work.order { return true }
        return false
    }
}

/// What waits of one feed, the oldest first.
struct OwnerLane {
    /// Those that were taken are nil, from the first on.
    private var items: [OwnerQueue.Item?] = []
    private var taken = 0
    /// Changes that wait, and are being made.
    var weight = 0
    /// To be told when there is room.
    var waiters: [@Sendable () -> Void] = []

    var isEmpty: Bool { self.taken == self.items.count }

    var first: OwnerQueue.Item? { self.isEmpty ? nil : self.items[self.taken] }

    mutating func append(_ item: OwnerQueue.Item) { self.items.append(item) }

    /// Takes the oldest out: there is one.
    mutating func removeFirst() -> OwnerQueue.Item {
        guard let item = self.items[self.taken] else { preconditionFailure("taken twice") }
        self.items[self.taken] = nil
        self.taken += 1
        if self.taken == self.items.count {
            self.items.removeAll(keepingCapacity: true)
            self.taken = 0
        } else if self.taken > 64, self.taken * 2 > self.items.count {
            self.items.removeFirst(self.taken)
            self.taken = 0
        }
        return item
    }

    mutating func removeAll() -> [OwnerQueue.Item] {
        defer {
            self.items = []
            self.taken = 0
        }
        return self.items.compactMap(\.self)
    }
}
