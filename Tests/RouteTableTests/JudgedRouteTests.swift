// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

@Suite("What rules and validators say of a route")
struct JudgedRouteTests {
    static let block = IPPrefix(masking: IPAddress(ipv4: 0x0a00_0000), length: 8)
    static let longer = IPPrefix(masking: IPAddress(ipv4: 0x0a01_0000), length: 16)

    static func path(_ hops: Int) -> RouteAttributes {
        RouteAttributes(asPath: ASPath([ASNumber](repeating: 64_500, count: hops)))
    }

    static func table() throws -> TableUnderTest {
        let table = try TableUnderTest()
        for id in 0..<2 as Range<UInt16> {
            table.apply(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(id), name: "f\(id)", site: SiteID(0), order: Int(id))))
            table.apply(.feedComplete(FeedID(id)))
        }
        return table
    }

    private func distance(_ table: TableUnderTest) throws -> Int? {
        table.owner.flushAndWait()
        var reader = try table.owner.lookup.makeReader()
        return reader.withSnapshot { snapshot in
            snapshot.values(ofClass: snapshot.classID(of: Self.longer.address))
                .distance(of: SiteID(0))
        }
    }

    @Test(
        "a distance in place of the path's length, and the penalty on top",
        arguments: [
            (nil, 0, 3), (nil, 4, 7), (0, 0, 0), (9, 0, 9), (1, 2, 3), (255, 0, 254),
            (250, 250, 254), (nil, 255, 254),
        ] as [(UInt8?, UInt8, Int)])
    func override(set: UInt8?, penalty: UInt8, distance: Int) throws {
        var attributes = Self.path(3)
        attributes.distanceOverride = set
        attributes.penalty = penalty
        #expect(attributes.distance == distance)
        let table = try Self.table()
        table.change(FeedID(0), announce: [(Self.longer, attributes)])
        #expect(try self.distance(table) == distance)
        #expect(try table.check("set to \(distance)"))
    }

    @Test("an ignored route is held and shown, and what it would hide shows through")
    func ignored() throws {
        let table = try Self.table()
        var invalid = Self.path(1)
        invalid.validation = .invalid
        invalid.isIgnored = true
        table.change(FeedID(0), announce: [(Self.block, Self.path(5)), (Self.longer, invalid)])
        #expect(try self.distance(table) == 5)
        let address = Self.longer.address
        let deciding = try table.owner.querySync { $0.routes(covering: address) }
        #expect(deciding.map(\.prefix) == [Self.block])
        #expect(try table.owner.querySync { $0.paths(covering: address)?.prefix } == Self.block)
        let longer = Self.longer
        let held = try table.owner.querySync { $0.routes(at: longer) }
        #expect(held.map(\.attributes) == [invalid])
        #expect(held.map(\.distance) == [1], "what it would be")
        #expect(try table.owner.querySync { $0.ignoredRoutes(covering: address) } == held)
        #expect(
            try table.owner.querySync { $0.ignoredRoutes(covering: address, limit: 0) }.isEmpty)

        // Another feed's word for the same prefix counts, although it is farther.
        table.change(FeedID(1), announce: [(Self.longer, Self.path(8))])
        #expect(try self.distance(table) == 8)
        table.change(FeedID(1), withdraw: [Self.longer])
        #expect(try self.distance(table) == 5)
        // It is believed after all; then it isn't.
        table.change(FeedID(0), announce: [(Self.longer, Self.path(1))])
        #expect(try self.distance(table) == 1)
        table.change(FeedID(0), announce: [(Self.longer, invalid)])
        #expect(try self.distance(table) == 5)
        #expect(try table.check("at the end"))
        #expect(try table.owner.querySync { $0.counts() }.routes == 2)
    }

    @Test("an ignored route tells no other site anything, either")
    func ignoredThroughSites() throws {
        let table = try TableUnderTest()
        table.apply(
            .addFeed(
                FeedDefinition(
                    id: FeedID(0), name: "", site: SiteID(0), order: 0,
                    throughSites: [SiteID(1): 64_602])))
        table.apply(.feedComplete(FeedID(0)))
        var attributes = RouteAttributes(asPath: ASPath([64_600, 64_602, 64_701]))
        attributes.distanceOverride = 7
        table.change(FeedID(0), announce: [(Self.longer, attributes)])
        let address = Self.longer.address
        let distances = try table.owner.querySync { $0.routes(covering: address) }.map(\.distance)
        #expect(distances == [7, 1])
        attributes.isIgnored = true
        table.change(FeedID(0), announce: [(Self.longer, attributes)])
        #expect(try table.owner.querySync { $0.routes(covering: address) }.isEmpty)
        #expect(try table.check("ignored"))
    }

    /// One set of attributes for each thing that can be said, and one with all.
    static let judged: [RouteAttributes] = {
        let plain = KeptAttributesTests.whole
        var sets: [RouteAttributes] = []
        func add(_ change: (inout RouteAttributes) -> Void) {
            var attributes = plain
            change(&attributes)
            sets.append(attributes)
        }
        for state in OriginValidationState.allCases { add { $0.validation = state } }
        for origin in [RouteAttributes.Origin.igp, .egp, .incomplete] {
            add {
                $0.origin = origin
                $0.isIgnored = true
            }
        }
        add { $0.distanceOverride = 0 }
        add { $0.tags = ["satellite"] }
        add { $0.tags = ["a", "", String(repeating: "é", count: 127)] }
        add { $0.tags = (0..<255).map { "\($0)" } }
        add { $0.hasLongLivedStale = true }
        add { $0.refusesLongLivedStale = true }
        add {
            $0.validation = .invalid
            $0.isIgnored = true
            $0.distanceOverride = 200
            $0.tags = ["one", "two"]
            $0.hasLongLivedStale = true
            $0.refusesLongLivedStale = true
        }
        return sets
    }()

    @Test("all of it comes back from the table", arguments: KeptAttributes.allCases)
    func roundTrip(kept: KeptAttributes) throws {
        let table = try Self.table()
        let sets = Set(Self.judged.map { $0.keeping(kept) })
        #expect(sets.count == (kept == .length ? Self.judged.count - 2 : Self.judged.count))
        for (number, attributes) in sets.enumerated() {
            let prefix = SteppedWriterTests.prefix(number)
            table.change(FeedID(0), announce: [(prefix, attributes)])
            let found = try table.owner.querySync { $0.routes(at: prefix) }
            #expect(found.map(\.attributes) == [attributes])
            #expect(found.map(\.distance) == [attributes.distance])
        }
        #expect(try table.owner.querySync { $0.counts() }.attributeSets == sets.count)
        #expect(try table.check("\(kept)"))
    }

    @Test("routes of which nothing is said cost no byte for it")
    func memory() throws {
        func bytes(_ change: (inout RouteAttributes) -> Void) throws -> Int {
            let table = try Self.table()
            var announce: [(IPPrefix, RouteAttributes)] = []
            for number in 0..<512 {
                var attributes = RouteAttributes(
                    asPath: ASPath([ASNumber(UInt32(number)), 1, 2, 3]))
                change(&attributes)
                announce.append((SteppedWriterTests.prefix(number), attributes))
            }
            table.change(FeedID(0), announce: announce)
            return try table.owner.querySync { rib in
                rib.memory().first { $0.name == "paths" }?.bytes ?? 0
            }
        }
        // A record has 8 bytes before the packed form's 6, and the path's 18: in whole pages.
        let plain = try bytes { _ in }
        #expect(plain == 512 * 4 * 8 + 1024 * 4)
        #expect(try bytes { $0.validation = .valid } == plain + 512 * 8)
    }

    private static func restored(_ bytes: [UInt8]) throws -> [RouteAttributes] {
        let table = try TableUnderTest()
        table.apply(.defineSite(SiteID(0), name: "a"))
        table.apply(
            .addFeed(FeedDefinition(id: FeedID(0), name: "f0", site: SiteID(0), order: 0)))
        try table.owner.beginRestore(try Checkpoint(bytes: bytes)).run()
        return try CheckpointTests.routes(table.owner).map(\.attributes)
    }

    @Test("all of it comes back from a checkpoint; what makes no sense of it is refused")
    func checkpoint() throws {
        let table = try Self.table()
        table.apply(.defineSite(SiteID(0), name: "a"))
        let judged = Self.judged
        table.change(
            FeedID(0),
            announce: judged.enumerated().map { (SteppedWriterTests.prefix($0), $1) })
        table.owner.flushAndWait()
        let bytes = try table.owner.checkpoint()
        #expect(try Self.restored(bytes) == judged)

        // The last set of attributes has all flags: further ones than those are nobody's.
        var blocks = CheckpointBlocks(bytes)
        let routes = try #require(blocks.blocks.firstIndex { $0.kind == 4 })
        let body = blocks.blocks[routes].body
        let tags: [UInt8] = [200, 2, 3] + Array("one".utf8) + [3] + Array("two".utf8)
        let place = try #require(
            body.indices.last { body[$0...].starts(with: tags) }, "distance and tags")
        for (offset, byte) in [(-1, 3), (-2, 0xff), (1, 0), (3, 0xff)] as [(Int, UInt8)] {
            blocks.blocks[routes].body = body
            blocks.blocks[routes].body[place + offset] = byte
            let damaged = blocks.sealed
            #expect(throws: CheckpointError.self, "\(offset)") { try Self.restored(damaged) }
        }
    }

    @Test("a checkpoint of the version before is read as ever")
    func olderCheckpoint() throws {
        let table = try Self.table()
        table.apply(.defineSite(SiteID(0), name: "a"))
        table.change(FeedID(0), announce: [(Self.longer, KeptAttributesTests.whole)])
        table.owner.flushAndWait()
        var blocks = CheckpointBlocks(try table.owner.checkpoint())
        #expect(blocks.header[8] == 2)
        blocks.header[8] = 1
        #expect(try Self.restored(blocks.sealed) == [KeptAttributesTests.whole])
    }
}
