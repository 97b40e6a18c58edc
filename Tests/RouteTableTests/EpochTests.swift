// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Synchronization
import Testing

/// Sessions that end before they were complete, more of them than there are numbers for epochs.
@Suite("Epochs of a feed")
struct EpochTests {
    /// Routes on pages, each with its number and with what is true of it.
    private struct Model {
        struct Route {
            var number: UInt32
            var state: EpochLedger.State
        }

        static let routesPerPage = 3
        var pages: [[Route?]] = []
        var ledger = EpochLedger()
        var current = EpochLedger.State.fresh
        var visits: [Int] = []

        mutating func put(_ route: Route?, on page: Int, at index: Int) {
            if let old = self.pages[page][index] { self.ledger.remove(old.number) }
            if let route { self.ledger.add(route.number) }
            self.pages[page][index] = route
        }

        mutating func turn(_ old: [EpochLedger.State], into new: EpochLedger.State) {
            var count = 0
            for page in self.pages.indices {
                for index in self.pages[page].indices {
                    guard let route = self.pages[page][index], old.contains(route.state) else {
                        continue
                    }
                    self.pages[page][index]?.state = new
                    count += 1
                }
            }
            #expect(self.ledger.turn(old, into: new) == count)
            if old.contains(self.current) { self.current = new }
        }

        mutating func begin(as state: EpochLedger.State) {
            if self.ledger.isCurrentUsed { self.visit() }
            self.ledger.begin(as: state)
            self.current = state
        }

        mutating func staleNumber() -> UInt32 {
            if let number = self.ledger.staleNumber { return number }
            self.visit()
            return self.ledger.staleNumber ?? self.ledger.newStaleNumber()
        }

        private mutating func visit() {
            if let visit = self.ledger.visit(pages: self.pages.count) {
                self.visits.append(visit.pages.count)
                self.renumber(visit)
            }
        }

        /// Visits some pages while nothing needs another number.
        mutating func visitInTime(_ limit: Int) {
            if let visit = self.ledger.visit(pages: self.pages.count, atMost: limit) {
                #expect(visit.pages.count <= limit)
                self.renumber(visit)
            }
        }

        private mutating func renumber(_ visit: (pages: Range<Int>, numbers: UInt64)) {
            var moved = InlineArray<16, Int>(repeating: 0)
            for page in visit.pages {
                for index in self.pages[page].indices {
                    guard let old = self.pages[page][index]?.number else { continue }
                    let new = UInt32(visit.numbers >> UInt64(4 * old) & 15)
                    if new != old { moved[Int(old)] += 1 }
                    self.pages[page][index]?.number = new
                }
            }
            self.ledger.renumbered(moved, by: visit.numbers)
        }

        func check(_ context: String) -> Bool {
            let routes = self.pages.joined().compactMap { $0 }
            for route in routes where self.ledger.state(route.number) != route.state {
                Issue.record("\(context): \(self.ledger.state(route.number)) is told of \(route)")
                return false
            }
            for state in EpochLedger.State.allCases {
                guard self.ledger.count(state) == routes.count(where: { $0.state == state }) else {
                    Issue.record("\(context): \(self.ledger.count(state)) are \(state)")
                    return false
                }
            }
            let isCurrent = self.ledger.state(self.ledger.current) == self.current
            let fresh = routes.count { $0.state == .fresh || $0.state == .unconfirmed }
            let leaving = routes.count { $0.state == .leaving }
            guard isCurrent, self.ledger.fresh == fresh, self.ledger.leaving == leaving else {
                Issue.record("\(context): \(self.ledger.fresh) are fresh, not \(fresh)")
                return false
            }
            return true
        }
    }

    @Test(
        "are never mistaken for each other, whatever happens", arguments: 0..<40 as Range<UInt64>,
        [0, 3, 60]
    )
    func numbers(seed: UInt64, chanceOfSlice: Int) {
        var random = SplitMix(seed: seed)
        var model = Model()
        for step in 0..<1500 {
            if model.pages.isEmpty || random.chance(2) {
                model.pages.append(Array(repeating: nil, count: Model.routesPerPage))
            }
            // Some routes are announced, again or for the first time; some leave.
            for _ in 0..<random.below(8) {
                let (page, index) = (
                    random.below(model.pages.count), random.below(Model.routesPerPage)
                )
                var route: Model.Route?
                if random.chance(70) {
                    route = .init(number: model.ledger.current, state: model.current)
                } else if random.chance(30) {
                    route = .init(number: model.staleNumber(), state: .stale)
                }
                model.put(route, on: page, at: index)
            }
            while random.chance(chanceOfSlice) { model.visitInTime(1 + random.below(3)) }
            switch random.below(12) {
            case 0, 1, 2, 3:
                model.turn([.fresh, .unconfirmed], into: .stale)
                model.begin(as: .fresh)
            case 4: model.turn([.fresh, .unconfirmed], into: .stale)
            case 5: model.turn([.stale], into: .longLived)
            case 6, 7:
                model.turn([.fresh], into: .unconfirmed)
                model.begin(as: .fresh)
            case 8: model.turn([.unconfirmed, .stale, .longLived], into: .leaving)
            case 9:
                model.turn(
                    [.fresh, .unconfirmed, .stale, .longLived], into: .leaving)
                model.begin(as: random.chance(50) ? .stale : .fresh)
            case 10:
                // The walk has taken out what had to leave.
                for page in model.pages.indices {
                    for index in model.pages[page].indices
                    where model.pages[page][index]?.state == .leaving {
                        model.put(nil, on: page, at: index)
                    }
                }
            default: break
            }
            guard model.check("seed \(seed), step \(step)") else { return }
        }
        let most = model.visits.max() ?? 0
        if chanceOfSlice == 0 {
            #expect(!model.visits.isEmpty && most <= (model.pages.count + 4) / 5, "a fifth a time")
        } else {
            #expect(most <= (model.pages.count + 3) / 4, "a quarter at a time")
        }
    }

    @Test("are few again before another is needed, where there is time")
    func inTime() {
        var random = SplitMix(seed: 1)
        var model = Model()
        model.pages = Array(
            repeating: Array(repeating: nil, count: Model.routesPerPage), count: 50)
        for session in 0..<100 {
            model.turn([.fresh, .unconfirmed], into: .stale)
            model.begin(as: .fresh)
            for _ in 0..<20 {
                model.put(
                    .init(number: model.ledger.current, state: .fresh), on: random.below(50),
                    at: random.below(Model.routesPerPage))
            }
            while model.ledger.wantsVisits { model.visitInTime(1) }
            guard model.check("session \(session)") else { return }
        }
        #expect(model.visits.isEmpty)
    }

    @Test("show what is stale and what leaves, however fast sessions follow", arguments: [1, 64])
    func sessions(units: Int) async throws {
        var random = SplitMix(seed: UInt64(units))
        let table = try SteppedWriterTests.table(units, routes: 2_000)
        let owner = table.owner
        let feed = FeedID(0)
        for round in 0..<12 {
            // All of it waits for the writer: a slice of a walk is done between two commands.
            let isReady = Atomic<Bool>(false)
            async let held = owner.query { _ in
                while !isReady.load(ordering: .acquiring) {}
                return true
            }
            for _ in 0..<random.below(40) {
                table.apply(
                    random.chance(80)
                        ? .feedUp(feed) : random.chance(70) ? .feedComplete(feed) : .feedDown(feed))
                let start = random.below(1_900)
                table.change(
                    feed,
                    announce: (start..<start + random.below(random.chance(20) ? 100 : 3)).map {
                        (SteppedWriterTests.prefix($0), SteppedWriterTests.path($0 % 5))
                    }, withdraw: [SteppedWriterTests.prefix(random.below(2_000))])
            }
            isReady.store(true, ordering: .releasing)
            #expect(try await held)
            owner.flushAndWait()
            let routes = try await owner.query {
                $0.routes(after: nil, feed: feed, limit: 10_000).routes
            }
            let expected = try #require(table.reference.feeds[feed])
            #expect(
                Dictionary(
                    uniqueKeysWithValues: routes.map {
                        (ReferenceTable.RouteKey(prefix: $0.prefix), $0.isStale)
                    }) == expected.routes.mapValues(\.isStale), "round \(round)")
            if round % 6 == 5 {
                guard try table.check("\(units) units, round \(round)") else { return }
            }
        }
    }
}
