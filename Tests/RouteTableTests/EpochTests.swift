// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Synchronization
import Testing

/// Sessions that end before they were complete, more of them than there are numbers for epochs.
@Suite("Epochs of a feed")
struct EpochTests {
    /// A feed's pages and its epochs, each route with its full epoch and what it is stored as.
    private struct Model {
        struct Route {
            var epoch: Int
            var number: UInt32
        }

        static let routesPerPage = 3
        var pages: [[Route]]
        var epoch = 0
        var inUse = 0
        var join: EpochJoin?
        /// Routes before this one leave, and the number that says so.
        var keptSince: (epoch: Int, number: UInt32)?

        init(pages: Int) {
            self.pages = Array(
                repeating: Array(repeating: Route(epoch: 0, number: 0), count: Self.routesPerPage),
                count: pages)
        }

        var number: UInt32 { UInt32(self.epoch) & 15 }

        mutating func begin(_ visits: inout [Int]) {
            if self.join == nil, self.inUse >= EpochJoin.epochsBefore {
                self.join = EpochJoin(first: self.number, pages: self.pages.count)
            }
            if var join = self.join {
                let numbers = join.numbers(at: self.number, keptSince: self.keptSince?.number)
                let visited = join.takePages()
                visits.append(visited.count)
                for page in visited {
                    for index in self.pages[page].indices {
                        let old = self.pages[page][index].number
                        self.pages[page][index].number =
                            UInt32(truncatingIfNeeded: numbers >> UInt64(4 * old)) & 15
                    }
                }
                self.join = join
                if join.isDone {
                    self.join = nil
                    self.keptSince = self.keptSince.map {
                        ($0.epoch, join.keptSince($0.number, at: self.number))
                    }
                    self.inUse = join.epochsInUse(at: self.number)
                }
            }
            self.epoch += 1
            self.inUse += 1
        }

        /// As the table tells stale routes and leaving ones by their numbers alone.
        func check(_ context: String) -> Bool {
            for (page, routes) in self.pages.enumerated() {
                for route in routes {
                    let age = (self.number &- route.number) & 15
                    guard (age == 0) == (route.epoch == self.epoch) else {
                        Issue.record("\(context), page \(page): \(route) is mistaken for fresh")
                        return false
                    }
                    guard let since = self.keptSince else { continue }
                    let isVisited = self.join?.hasVisited(page: page) ?? false
                    let first =
                        isVisited
                        ? self.join?.keptSince(since.number, at: self.number) : since.number
                    let isLeaving = age > (self.number &- (first ?? 0)) & 15
                    guard isLeaving == (route.epoch < since.epoch) else {
                        Issue.record("\(context), page \(page): \(route) leaves, or doesn't")
                        return false
                    }
                }
            }
            return true
        }
    }

    @Test(
        "are never mistaken for each other, whenever End-of-RIB comes",
        arguments: 0..<40 as Range<UInt64>)
    func numbers(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var model = Model(pages: 1 + random.below(40))
        var visits: [Int] = []
        for step in 0..<400 {
            // Some of what there is is announced again, or for the first time.
            for _ in 0..<1 + random.below(6) {
                let page = random.below(model.pages.count)
                let index = random.below(Model.routesPerPage)
                model.pages[page][index] = .init(epoch: model.epoch, number: model.number)
            }
            if random.chance(10) {
                model.keptSince = (model.epoch, model.number)
            } else if random.chance(4) {
                // The walk has taken out what had to leave; others are in its place.
                if let since = model.keptSince {
                    for page in model.pages.indices {
                        for index in model.pages[page].indices
                        where model.pages[page][index].epoch < since.epoch {
                            model.pages[page][index] = .init(
                                epoch: model.epoch, number: model.number)
                        }
                    }
                    model.inUse = min(
                        model.inUse, Int((model.number &- since.number) & 15) + 1)
                    if model.inUse < EpochJoin.epochsBefore { model.join = nil }
                    model.keptSince = nil
                }
            }
            model.begin(&visits)
            guard model.check("seed \(seed), step \(step)") else { return }
        }
        let most = visits.max() ?? 0
        #expect(!visits.isEmpty && most <= (model.pages.count + 4) / 5, "a fifth at a time")
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
                Dictionary(uniqueKeysWithValues: routes.map { ($0.prefix, $0.isStale) })
                    == expected.routes.mapValues { expected.isStale($0) }, "round \(round)")
            if round % 6 == 5 {
                guard try table.check("\(units) units, round \(round)") else { return }
            }
        }
    }
}
