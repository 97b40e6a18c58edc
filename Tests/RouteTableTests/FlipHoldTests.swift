// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Synchronization
import Testing

@Suite("Prefixes that flip too often")
struct FlipHoldTests {
    static let rules = FlipHoldRules(flips: 2, within: 3, calm: 2)
    static let wide = IPPrefix(masking: IPAddress(ipv4: 0x0a00_0000), length: 8)

    /// A table with a clock of its own; site 0 has a feed, and site 1 has one that covers all.
    final class FlippingTable {
        let owner: TableOwner
        let second = Clock()

        final class Clock: Sendable {
            let now = Atomic<Int64>(10_000)
        }

        init(_ rules: FlipHoldRules?, units: Int? = nil) throws {
            let clock = self.second
            var steps = units.map { TableUnderTest.crumbs($0) } ?? StepPolicy()
            steps.uptime = { clock.now.load(ordering: .sequentiallyConsistent) }
            self.owner = try TableOwner(
                steps: steps,
                now: { clock.now.load(ordering: .sequentiallyConsistent) + 1_000_000 })
            for id in 0..<2 as Range<UInt16> {
                self.owner.submit(
                    .addFeed(
                        FeedDefinition(
                            id: FeedID(id), name: "\(id)", site: SiteID(UInt8(id)),
                            order: 0)))
                self.owner.submit(.feedComplete(FeedID(id)))
            }
            self.announce([FlipHoldTests.wide], 4, on: 1)
            self.owner.submit(.setFlipHold(rules))
            self.owner.flushAndWait()
        }

        deinit { self.owner.shutdown() }

        func advance(_ seconds: Int64) {
            self.owner.flushAndWait()
            self.second.now.add(seconds, ordering: .sequentiallyConsistent)
            self.owner.flushAndWait()
        }

        func announce(_ prefixes: [IPPrefix], _ hops: Int?, on feed: UInt16) {
            var batch = RouteBatch(feed: FeedID(feed))
            let index = hops.map { batch.intern(SteppedWriterTests.path($0)) }
            for prefix in prefixes {
                if let index {
                    batch.announce(prefix, attributes: index)
                } else {
                    batch.withdraw(prefix)
                }
            }
            self.owner.submit(.routes(batch))
        }

        /// What readers see of both sites.
        func shown(_ prefixes: [IPPrefix]) throws -> [[Int?]] {
            self.owner.flushAndWait()
            var reader = try self.owner.lookup.makeReader()
            return reader.withSnapshot { snapshot in
                var shown: [[Int?]] = []
                for prefix in prefixes {
                    let values = snapshot.values(
                        ofClass: snapshot.classID(of: prefix.address))
                    shown.append([SiteID(0), SiteID(1)].map { values.distance(of: $0) })
                }
                return shown
            }
        }

        func counts() throws -> TableCounts { try self.owner.querySync { $0.counts() } }
    }

    // MARK: Against a reference

    /// What a prefix has of its own, and what is shown of it.
    private struct Lane {
        var own: [Int?] = [nil, nil]
        var shown: [Int?] = [nil, nil]
        var flips: [Int64] = []
        /// The last flip while it is held, and who would be nearest.
        var held: (last: Int64, nearest: Set<Int>)?
        var holds = 0

        /// The sites that are nearest, with what they inherit: site 1 is four hops from all.
        static func nearest(_ own: [Int?]) -> Set<Int> {
            let all = [own[0], own[1] ?? 4]
            let least = all.compactMap { $0 }.min()
            return Set(all.indices.filter { all[$0] == least })
        }

        mutating func set(_ hops: Int?, of site: Int, at second: Int64) {
            self.own[site] = hops
            let nearest = Self.nearest(self.own)
            if let held = self.held {
                if held.nearest != nearest { self.held = (second, nearest) }
                return
            }
            if nearest != Self.nearest(self.shown) {
                self.flips = self.flips.filter { second - $0 < Int64(FlipHoldTests.rules.within) }
                if self.flips.count >= FlipHoldTests.rules.flips {
                    self.held = (second, nearest)
                    self.flips = []
                    self.holds += 1
                    return
                }
                self.flips.append(second)
            }
            self.shown = self.own
        }

        mutating func tick(at second: Int64) {
            guard let held = self.held, second - held.last >= Int64(FlipHoldTests.rules.calm)
            else { return }
            self.held = nil
            self.shown = self.own
        }

        var visible: [Int?] { [self.shown[0], self.shown[1] ?? 4] }
    }

    static let changes: [(site: Int, hops: Int?)] = [(0, 1), (0, 4), (0, nil), (1, 3), (1, nil)]
    #if DEBUG
        static let length = 4
    #else
        static let length = 6
    #endif
    /// Seconds that pass before each change.
    static let paces: [[Int64]] = [
        [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], [0, 1, 0, 2, 0, 1], [0, 0, 1, 0, 0, 2],
        [0, 2, 1, 0, 3, 0], [0, 0, 0, 2, 0, 0],
    ]

    @Test("are shown as a reference shows them, after every sequence", arguments: Self.paces)
    func sequences(pace: [Int64]) throws {
        let all = Array(repeating: Self.changes.count, count: Self.length).reduce(1, *)
        for first in stride(from: 0, to: all, by: 4000) {
            let table = try FlippingTable(Self.rules, units: first == 0 ? 64 : nil)
            var lanes = Array(repeating: Lane(), count: min(4000, all - first))
            let prefixes = lanes.indices.map { SteppedWriterTests.prefix($0) }
            for step in 0..<Self.length {
                table.advance(pace[step])
                let second = table.second.now.load(ordering: .relaxed)
                var groups: [[IPPrefix]] = Array(repeating: [], count: Self.changes.count)
                for index in lanes.indices {
                    var number = first + index
                    for _ in 0..<step { number /= Self.changes.count }
                    let change = number % Self.changes.count
                    groups[change].append(prefixes[index])
                    lanes[index].tick(at: second)
                    lanes[index].set(
                        Self.changes[change].hops, of: Self.changes[change].site, at: second)
                }
                for (change, group) in zip(Self.changes, groups) {
                    table.announce(group, change.hops, on: UInt16(change.site))
                }
                guard try Self.isShown(lanes, prefixes, table, "\(pace), step \(step)") else {
                    return
                }
            }
            for _ in 0..<4 {
                table.advance(1)
                let second = table.second.now.load(ordering: .relaxed)
                for index in lanes.indices { lanes[index].tick(at: second) }
                guard try Self.isShown(lanes, prefixes, table, "\(pace), later") else { return }
            }
            let counts = try table.counts()
            #expect(counts.heldPrefixes == 0)
            #expect(counts.flipHolds == UInt64(lanes.reduce(0) { $0 + $1.holds }))
            let prefixesWithRoutes = lanes.count { $0.own != [nil, nil] }
            #expect(counts.ipv4Prefixes == prefixesWithRoutes + 1, "what was held has left")
        }
    }

    private static func isShown(
        _ lanes: [Lane], _ prefixes: [IPPrefix], _ table: FlippingTable, _ context: String
    ) throws -> Bool {
        let shown = try table.shown(prefixes)
        for (index, lane) in lanes.enumerated() where shown[index] != lane.visible {
            Issue.record("\(context), lane \(index): \(shown[index]), not \(lane)")
            return false
        }
        let held = try table.counts().heldPrefixes
        guard held == lanes.count(where: { $0.held != nil }) else {
            Issue.record("\(context): \(held) are held")
            return false
        }
        return true
    }

    // MARK: Beside all else

    private static let prefix = SteppedWriterTests.prefix(7)

    /// Site 0 comes and goes until the prefix is held, shown without it.
    private func held() throws -> FlippingTable {
        let table = try FlippingTable(Self.rules)
        for hops in [1, nil, 1] as [Int?] { table.announce([Self.prefix], hops, on: 0) }
        #expect(try table.shown([Self.prefix]) == [[nil, 4]])
        #expect(try table.counts().heldPrefixes == 1)
        return table
    }

    @Test("are told of: since when, and how often they have flipped since")
    func reports() throws {
        let table = try self.held()
        table.announce([Self.prefix], nil, on: 0)
        table.announce([Self.prefix], 2, on: 0)
        let address = Self.prefix.address
        let holds = try table.owner.querySync { $0.flipHolds(covering: address) }
        #expect(holds == [FlipHold(prefix: Self.prefix, since: 1_010_000, flips: 3)])
        #expect(
            try table.owner.querySync { $0.flipHolds(covering: IPAddress(ipv4: 1)) }.isEmpty)
        // The RIB has the truth.
        let routes = try table.owner.querySync { $0.routes(at: Self.prefix) }
        #expect(routes.map(\.distance) == [2])
        let bytes = try table.owner.querySync { rib in
            rib.memory().first { $0.name == "flips" }?.bytes ?? 0
        }
        #expect(bytes > 0)
        let counts = try table.counts()
        #expect(counts.flips == 3 && counts.flipHolds == 1)
    }

    @Test("are let go where the rules change, and where a feed goes")
    func letGo() throws {
        let changed = try self.held()
        changed.owner.submit(.setFlipHold(FlipHoldRules(flips: 9, within: 3, calm: 2)))
        #expect(try changed.shown([Self.prefix]) == [[1, 4]])
        let off = try self.held()
        off.owner.submit(.setFlipHold(nil))
        #expect(try off.shown([Self.prefix]) == [[1, 4]])
        for hops in [nil, 1, nil, 1, nil] as [Int?] { off.announce([Self.prefix], hops, on: 0) }
        #expect(try off.shown([Self.prefix]) == [[nil, 4]])
        #expect(try off.counts().heldPrefixes == 0)
        let flushed = try self.held()
        flushed.owner.submit(.feedFlush(FeedID(1)))
        #expect(try flushed.shown([Self.prefix]) == [[1, nil]])
        let moved = try self.held()
        moved.owner.submit(
            .addFeed(FeedDefinition(id: FeedID(0), name: "0", site: SiteID(1), order: 0)))
        #expect(try moved.shown([Self.prefix]) == [[nil, 1]])
        let removed = try self.held()
        removed.owner.submit(.removeSite(SiteID(1)))
        #expect(try removed.shown([Self.prefix]) == [[1, nil]])
        #expect(try removed.counts().ipv4Prefixes == 1)
    }

    @Test("are not those of feeds that come, go or turn stale as a whole")
    func wholeFeeds() throws {
        let table = try FlippingTable(Self.rules)
        for _ in 0..<6 {
            table.owner.submit(.feedUp(FeedID(0)))
            table.announce([Self.prefix], 1, on: 0)
            table.owner.submit(.feedComplete(FeedID(0)))
            #expect(try table.shown([Self.prefix]) == [[1, 4]])
            table.owner.submit(.feedFlush(FeedID(0)))
            #expect(try table.shown([Self.prefix]) == [[nil, 4]])
        }
        #expect(try table.counts().flipHolds == 0)
    }

    @Test("cost nothing while nobody asked")
    func off() throws {
        let table = try FlippingTable(nil)
        for _ in 0..<20 {
            for hops in [1, nil] as [Int?] { table.announce([Self.prefix], hops, on: 0) }
        }
        #expect(try table.shown([Self.prefix]) == [[nil, 4]])
        let counts = try table.counts()
        #expect(counts.flips == 0 && counts.flipHolds == 0)
    }
}
