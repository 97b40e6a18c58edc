// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc
import RouteTable
import Testing

@Suite("Several paths of a feed for one prefix")
struct SeveralPathsTests {
    static let feed = FeedID(0)
    static let prefix = IPPrefix(masking: IPAddress(ipv4: 0x0a01_0000), length: 16)

    static func path(_ hops: Int) -> RouteAttributes {
        RouteAttributes(asPath: ASPath([ASNumber](repeating: 64_500, count: hops)))
    }

    static func table(
        limits: TableLimits = TableLimits(), steps: StepPolicy = StepPolicy()
    ) throws -> TableUnderTest {
        let table = try TableUnderTest(limits: limits, steps: steps)
        table.apply(.defineSite(SiteID(0), name: "a"))
        table.apply(
            .addFeed(FeedDefinition(id: self.feed, name: "f", site: SiteID(0), order: 0)))
        table.apply(.feedComplete(self.feed))
        return table
    }

    private func held(_ table: TableUnderTest) throws -> [[Int]] {
        try table.owner.querySync { rib in
            rib.routes(at: Self.prefix).map { [Int($0.pathID), $0.distance] }
        }
    }

    private func deciding(_ table: TableUnderTest) throws -> [[Int]] {
        try table.owner.querySync { rib in
            rib.routes(covering: Self.prefix.address).map { [Int($0.pathID), $0.distance] }
        }
    }

    @Test("the shortest counts, of equal ones the lowest id; all are shown by their ids")
    func shortest() throws {
        let table = try Self.table()
        table.change(
            Self.feed,
            paths: [
                (Self.prefix, 7, Self.path(3)), (Self.prefix, 2, Self.path(5)),
                (Self.prefix, .max, Self.path(3)), (Self.prefix, 9, Self.path(4)),
            ])
        #expect(try self.held(table) == [[2, 5], [7, 3], [9, 4], [Int(UInt32.max), 3]])
        #expect(try self.deciding(table) == [[7, 3]])
        table.change(Self.feed, paths: [(Self.prefix, 7, Self.path(6))])
        #expect(try self.deciding(table) == [[Int(UInt32.max), 3]])
        table.change(Self.feed, paths: [], withdraw: [(Self.prefix, .max), (Self.prefix, 1)])
        #expect(try self.deciding(table) == [[9, 4]])
        let summary = try table.owner.querySync { $0.feedSummaries() }[0]
        #expect(summary.ipv4Prefixes == 1 && summary.furtherPaths == 2 && summary.freshIPv4 == 3)
        #expect(try table.owner.querySync { $0.counts() }.furtherPaths == 2)
        #expect(try table.check("three are left"))
        // A path without an id is another one.
        table.change(Self.feed, announce: [(Self.prefix, Self.path(1))])
        #expect(try self.deciding(table) == [[0, 1]])
        table.change(
            Self.feed, paths: [],
            withdraw: [(Self.prefix, 2), (Self.prefix, 7), (Self.prefix, 0), (Self.prefix, 9)])
        #expect(try self.held(table).isEmpty)
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.routes == 0 && counts.ipv4Prefixes == 0 && counts.attributeSets == 0)
        #expect(try table.check("none is left"))
    }

    @Test("a stale path loses to a fresh one, and each is swept for itself")
    func stale() throws {
        let table = try Self.table()
        table.change(
            Self.feed, paths: [(Self.prefix, 1, Self.path(2)), (Self.prefix, 2, Self.path(3))])
        table.apply(.feedDown(Self.feed))
        #expect(try self.deciding(table) == [[1, 2]])
        table.apply(.feedUp(Self.feed))
        table.change(Self.feed, paths: [(Self.prefix, 2, Self.path(3))])
        #expect(try self.deciding(table) == [[2, 3]])
        #expect(try table.check("one came again"))
        table.apply(.feedComplete(Self.feed))
        table.owner.flushAndWait()
        #expect(try self.held(table) == [[2, 3]])
        table.apply(.refreshBegan(Self.feed, .ipv4))
        table.change(Self.feed, paths: [(Self.prefix, 4, Self.path(9))])
        #expect(try self.deciding(table) == [[2, 3]])
        table.apply(.refreshEnded(Self.feed, .ipv4))
        table.owner.flushAndWait()
        #expect(try self.held(table) == [[4, 9]])
        #expect(try table.check("refreshed"))
    }

    @Test("beyond the limit the longest path is left out, whichever came first")
    func limit() throws {
        let table = try Self.table(limits: TableLimits(pathsPerPrefix: 3))
        for id in 1...5 as ClosedRange<UInt32> {
            table.change(Self.feed, paths: [(Self.prefix, id, Self.path(Int(id)))])
        }
        #expect(try self.held(table) == [[1, 1], [2, 2], [3, 3]])
        #expect(try table.owner.querySync { $0.counts() }.refused == 2)
        table.change(
            Self.feed, paths: [(Self.prefix, 5, Self.path(0)), (Self.prefix, 2, Self.path(7))])
        #expect(try self.held(table) == [[1, 1], [2, 7], [5, 0]])
        #expect(try self.deciding(table) == [[5, 0]])
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.refused == 3 && counts.refusals[.paths] == 3 && counts.routes == 3)
        // What is as long as the longest changes nothing; what was given up is no more there.
        table.change(
            Self.feed, paths: [(Self.prefix, 9, Self.path(7))], withdraw: [(Self.prefix, 3)])
        #expect(try self.held(table) == [[1, 1], [2, 7], [5, 0]])
        // A stale path makes room for any.
        table.apply(.feedDown(Self.feed))
        table.apply(.feedUp(Self.feed))
        table.change(Self.feed, paths: [(Self.prefix, 9, Self.path(8))])
        #expect(try self.held(table) == [[1, 1], [5, 0], [9, 8]])
        #expect(try self.deciding(table) == [[9, 8]])
        table.change(Self.feed, paths: [], withdraw: [1, 5, 9].map { (Self.prefix, $0) })
        #expect(try self.held(table).isEmpty)
        let routes = try Self.table(limits: TableLimits(routesPerFeed: 2))
        for id in 1...3 as ClosedRange<UInt32> {
            routes.change(Self.feed, paths: [(Self.prefix, id, Self.path(Int(id)))])
        }
        #expect(try self.held(routes) == [[1, 1], [2, 2]])
    }

    @Test("a feed may be allowed more of them than others are, and fewer again")
    func ownLimit() throws {
        let table = try Self.table(limits: TableLimits(pathsPerPrefix: 3))
        let definition = { (paths: Int) in
            FeedDefinition(
                id: Self.feed, name: "f", site: SiteID(0), order: 0, pathsPerPrefix: paths)
        }
        #expect(definition(65_000).pathsPerPrefix == 1024)
        table.apply(.addFeed(definition(5)))
        for id in 1...6 as ClosedRange<UInt32> {
            table.change(Self.feed, paths: [(Self.prefix, id, Self.path(2))])
        }
        #expect(try self.held(table).map { $0[0] } == [1, 2, 3, 4, 5])
        // What is there stays.
        table.apply(.addFeed(definition(1)))
        table.change(
            Self.feed, paths: [(Self.prefix, 7, Self.path(2))], withdraw: [(Self.prefix, 1)])
        #expect(try self.held(table).map { $0[0] } == [2, 3, 4, 5])
        #expect(try table.owner.querySync { $0.counts() }.refused == 2)
    }

    @Test("memory is taken where there is more than one, and given back")
    func memory() throws {
        func further(_ table: TableUnderTest) throws -> Int {
            try table.owner.querySync { rib in
                rib.memory().first { $0.name == "further paths" }?.bytes ?? -1
            }
        }
        let table = try Self.table()
        let prefixes = (0..<1000).map { SteppedWriterTests.prefix($0) }
        // A monitored peer's routes have its id, and are alone.
        table.change(Self.feed, paths: prefixes.map { ($0, 77, Self.path(2)) })
        #expect(try further(table) == 0)
        table.change(Self.feed, paths: prefixes.prefix(100).map { ($0, 78, Self.path(3)) })
        #expect(try further(table) == 100 * 2 * 16)
        table.change(Self.feed, paths: [], withdraw: prefixes.prefix(100).map { ($0, 78) })
        // What comes in their place takes no more.
        table.change(Self.feed, paths: prefixes.suffix(100).map { ($0, 80, Self.path(3)) })
        #expect(try further(table) == 100 * 2 * 16)
        #expect(try table.check("at the end"))
    }

    @Test("all paths of an id leave at one word, also while others of it come", arguments: [1, 64])
    func peerDown(units: Int) throws {
        let table = try Self.table(steps: TableUnderTest.crumbs(units))
        let prefixes = (0..<300).map { SteppedWriterTests.prefix($0) }
        table.change(Self.feed, paths: prefixes.map { ($0, 5, Self.path(2)) })
        table.change(Self.feed, paths: prefixes.prefix(200).map { ($0, 6, Self.path(3)) })
        table.owner.flushAndWait()
        for round in 0..<12 {
            for id in [5, 6] as [UInt32] {
                table.apply(.withdrawPaths(Self.feed, pathIDs: [id]))
                table.change(
                    Self.feed,
                    paths: stride(from: round, to: 300, by: 7).map {
                        (prefixes[$0], id, Self.path(round % 4))
                    }, withdraw: [(prefixes[round * 7], id)])
            }
            if round % 4 == 3 {
                guard try table.check("\(units) units, round \(round)") else { return }
                try RandomTableTests.checkRoutes(table, "\(units) units, round \(round)")
            }
        }
        #expect(try table.owner.querySync { $0.counts() }.refused == 0)
    }

    @Test("all paths of many ids leave by one walk, and the ids may be used again")
    func manyIDs() throws {
        let table = try Self.table(steps: TableUnderTest.crumbs(1))
        let prefixes = (0..<100).map { SteppedWriterTests.prefix($0) }
        for id in 0..<20 as Range<UInt32> {
            table.change(
                Self.feed, paths: prefixes[Int(id)...].prefix(40).map { ($0, id, Self.path(2)) })
        }
        table.owner.flushAndWait()
        table.apply(.withdrawPaths(Self.feed, pathIDs: Array(1..<20)))
        table.change(
            Self.feed,
            paths: [(prefixes[99], 3, Self.path(1)), (prefixes[4], 4, Self.path(1))])
        #expect(try table.check("after the walk"))
        let routes = try table.owner.querySync { $0.routes(after: nil, limit: 1_000).routes }
        #expect(routes == table.reference.allRoutes && routes.count == 42)
        table.apply(.withdrawPaths(Self.feed, pathIDs: []))
        table.apply(.withdrawPaths(Self.feed, pathIDs: Array(0..<50)))
        #expect(try table.check("none is left"))
        #expect(try table.owner.querySync { $0.counts() }.routes == 0)
    }

    @Test("to end an id costs no more for those that were ended before")
    func manyEnds() throws {
        let owner = try Self.table().owner
        /// What the writer's thread takes for so many ids, a few at a time.
        func seconds(_ ids: Range<UInt32>) throws -> Double {
            func now() throws -> Double {
                try owner.querySync { _ in
                    var time = timespec()
                    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
                    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
                }
            }
            let begun = try now()
            for start in stride(from: ids.lowerBound, to: ids.upperBound, by: 16) {
                owner.submit(.withdrawPaths(Self.feed, pathIDs: Array(start..<start + 16)))
            }
            return try now() - begun
        }
        _ = try seconds(0..<4_096)
        let few = try seconds(4_096..<8_192)
        // By now there are sixteen times as many.
        _ = try seconds(8_192..<126_976)
        let many = try seconds(126_976..<131_072)
        #expect(many < 6 * few, "\(many) s, \(few) s before")
    }

    @Test("an id that is withdrawn without end in one walk is closed till the walk is over")
    func lives() {
        var lives = PathLives()
        #expect(lives.isEmpty && lives.life(of: 3) == 0 && !lives.isOver(0, of: 3))
        for life in 0..<15 as Range<UInt8> {
            #expect(lives.life(of: 3) == life && !lives.isOver(life, of: 3))
            lives.end(3)
            for old in 0...life { #expect(lives.isClosed(3) || lives.isOver(old, of: 3)) }
        }
        #expect(lives.isClosed(3) && lives.isOver(lives.life(of: 3), of: 3))
        lives.end(3)
        #expect(!lives.isClosed(4) && !lives.isOver(0, of: 4))
        lives.settle()
        #expect(!lives.isClosed(3) && !lives.isOver(lives.life(of: 3), of: 3))
    }

    @Test("all come back from a checkpoint, each with its id")
    func checkpoint() throws {
        var random = SplitMix(seed: 5)
        let table = try Self.table()
        for _ in 0..<20 {
            table.change(
                Self.feed,
                paths: (0..<30).map { _ in
                    let ids: [UInt32] = [0, 1, 2, 900_000, .max]
                    return (
                        SteppedWriterTests.prefix(random.below(60)), ids[random.below(5)],
                        Self.path(random.below(5))
                    )
                }, withdraw: [(SteppedWriterTests.prefix(random.below(60)), 0)])
        }
        table.owner.flushAndWait()
        let bytes = try table.owner.checkpoint()
        let restored = try TableUnderTest()
        restored.apply(.defineSite(SiteID(0), name: "a"))
        restored.apply(
            .addFeed(FeedDefinition(id: Self.feed, name: "f", site: SiteID(0), order: 0)))
        try restored.owner.beginRestore(try Checkpoint(bytes: bytes)).run()
        restored.reference = table.reference.restarted(sites: { $0 }, feeds: { $0 }, now: 0)
        #expect(try restored.check("restored"))
        let expected = restored.reference.allRoutes
        #expect(try CheckpointTests.routes(restored.owner) == expected && expected.count > 60)
        // Some of its bytes changed: it is refused, or comes in whole, and stops nothing.
        for _ in 0..<200 {
            var blocks = CheckpointBlocks(bytes)
            let block = try #require(blocks.blocks.firstIndex { $0.kind == 4 })
            for _ in 0..<1 + random.below(2) {
                let place = random.below(blocks.blocks[block].body.count)
                blocks.blocks[block].body[place] = UInt8(random.below(256))
            }
            let another = try TableUnderTest()
            another.apply(.defineSite(SiteID(0), name: "a"))
            another.apply(
                .addFeed(FeedDefinition(id: Self.feed, name: "f", site: SiteID(0), order: 0)))
            let damaged = blocks.sealed
            do {
                try another.owner.beginRestore(try Checkpoint(bytes: damaged)).run()
            } catch is CheckpointError {
                another.owner.flushAndWait()
                #expect(try another.owner.querySync { $0.counts() }.routes == 0)
            }
        }
    }

    /// As many feeds as that, a site, and so many paths of each for one prefix.
    private static func crowd(_ paths: [Int]) throws -> TableUnderTest {
        let table = try TableUnderTest(
            limits: TableLimits(pathsPerPrefix: TableLimits.mostPathsPerPrefix))
        table.owner.submit(.defineSite(SiteID(0), name: "a"))
        let attributes = self.path(2)
        for (index, count) in paths.enumerated() {
            let feed = FeedID(UInt16(index))
            table.owner.submit(
                .addFeed(
                    FeedDefinition(id: feed, name: "f\(index)", site: SiteID(0), order: index)))
            guard count > 0 else { continue }
            table.owner.submit(.feedComplete(feed))
            var batch = RouteBatch(feed: feed)
            let number = batch.intern(attributes)
            for id in 1...UInt32(count) {
                batch.announce(self.prefix, pathID: id, attributes: number)
            }
            table.owner.submit(.routes(batch))
        }
        table.owner.flushAndWait()
        return table
    }

    /// The second has fewer than 65,536 paths, though as many feeds times its most are more.
    @Test(
        "more than a 16-bit number counts come back from a checkpoint, too",
        arguments: [
            [Int](repeating: TableLimits.mostPathsPerPrefix, count: 65),
            [TableLimits.mostPathsPerPrefix] + [Int](repeating: 1, count: 79),
        ])
    func checkpointOfMany(paths: [Int]) throws {
        let table = try Self.crowd(paths)
        let held = try table.owner.querySync { $0.counts() }.routes
        #expect(held == paths.reduce(0, +))
        let checkpoint = try Checkpoint(bytes: try table.owner.checkpoint())
        let restored = try Self.crowd(paths.map { _ in 0 })
        #expect(try restored.owner.beginRestore(checkpoint).run() == held)
        #expect(
            try CheckpointTests.routes(restored.owner).map(\.pathID)
                == CheckpointTests.routes(table.owner).map(\.pathID))
    }
}
