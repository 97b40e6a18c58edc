// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

@Suite("A feed's life")
struct FeedLifeTests {
    let block = IPPrefix(masking: IPAddress(ipv4: 0x0a00_0000), length: 8)
    let longer = IPPrefix(masking: IPAddress(ipv4: 0x0a01_0000), length: 16)

    func feed(_ id: UInt16, site: UInt8, order: Int = 0) -> FeedDefinition {
        FeedDefinition(id: FeedID(id), name: "f\(id)", site: SiteID(site), order: order)
    }

    func path(_ hops: Int) -> RouteAttributes {
        RouteAttributes(asPath: ASPath([ASNumber](repeating: 64_500, count: hops)))
    }

    /// The site's distance at an address, as readers see it.
    func distance(_ table: TableUnderTest, _ site: UInt8, _ address: IPAddress) throws -> Int? {
        table.owner.flushAndWait()
        var reader = try table.owner.lookup.makeReader()
        return reader.withSnapshot { snapshot in
            snapshot.values(ofClass: snapshot.classID(of: address)).distance(of: SiteID(site))
        }
    }

    @Test("begins out of sight, until its first transfer is complete")
    func firstTransfer() throws {
        let table = try TableUnderTest()
        table.apply(.addFeed(self.feed(0, site: 0)))
        table.apply(.feedUp(FeedID(0)))
        table.change(FeedID(0), announce: [(self.block, self.path(2))])
        #expect(try self.distance(table, 0, self.block.address) == nil)
        #expect(try table.owner.querySync { $0.routes(covering: self.block.address) } == [])
        #expect(try table.owner.querySync { $0.routes(at: self.block) }.count == 1)
        // Half a transfer, then another session: what it doesn't confirm never shows.
        table.apply(.feedDown(FeedID(0)))
        table.apply(.feedComplete(FeedID(0)))
        #expect(try self.distance(table, 0, self.block.address) == nil)
        table.apply(.feedUp(FeedID(0)))
        table.change(FeedID(0), announce: [(self.longer, self.path(3))])
        table.apply(.feedComplete(FeedID(0)))
        #expect(try self.distance(table, 0, self.block.address) == nil)
        #expect(try self.distance(table, 0, self.longer.address) == 3)
        #expect(try table.check("after the second transfer"))
    }

    @Test("keeps its routes as stale through a loss, and loses those not confirmed")
    func restart() throws {
        let table = try TableUnderTest()
        table.apply(.addFeed(self.feed(0, site: 0)))
        table.change(
            FeedID(0), announce: [(self.block, self.path(2)), (self.longer, self.path(4))])
        table.apply(.feedComplete(FeedID(0)))
        table.apply(.feedDown(FeedID(0)))
        #expect(try self.distance(table, 0, self.longer.address) == 4)
        var summary = try table.owner.querySync { $0.feedSummaries() }[0]
        #expect(summary.stalePrefixes == 2)
        #expect(!summary.isUp && !summary.isComplete && !summary.isFirstTransfer)
        table.apply(.feedUp(FeedID(0)))
        #expect(try table.owner.querySync { $0.feedSummaries() }[0].stalePrefixes == 2)
        table.change(FeedID(0), announce: [(self.block, self.path(2))])
        #expect(try table.owner.querySync { $0.feedSummaries() }[0].stalePrefixes == 1)
        #expect(try self.distance(table, 0, self.longer.address) == 4)
        table.apply(.feedComplete(FeedID(0)))
        #expect(try self.distance(table, 0, self.longer.address) == 2)
        summary = try table.owner.querySync { $0.feedSummaries() }[0]
        #expect(summary.isUp && summary.isComplete && summary.ipv4Prefixes == 1)
        #expect(try table.check("after the restart"))
    }

    @Test("stale, loses to a fresh one of its site, and wins again when both are stale")
    func staleness() throws {
        let table = try TableUnderTest()
        table.apply(.addFeed(self.feed(0, site: 0, order: 0)))
        table.apply(.addFeed(self.feed(1, site: 0, order: 1)))
        for (id, hops) in [(0, 2), (1, 5)] as [(UInt16, Int)] {
            table.change(FeedID(id), announce: [(self.block, self.path(hops))])
            table.apply(.feedComplete(FeedID(id)))
        }
        #expect(try self.distance(table, 0, self.block.address) == 2)
        table.apply(.feedDown(FeedID(0)))
        #expect(try self.distance(table, 0, self.block.address) == 5)
        table.apply(.feedDown(FeedID(1)))
        #expect(try self.distance(table, 0, self.block.address) == 2)
        table.apply(.feedUp(FeedID(1)))
        table.change(FeedID(1), announce: [(self.block, self.path(6))])
        #expect(try self.distance(table, 0, self.block.address) == 6)
        #expect(try table.check("with one fresh"))
    }

    @Test("with an equal path, decides by its order and not by its arrival")
    func order() throws {
        let table = try TableUnderTest()
        table.apply(.addFeed(self.feed(0, site: 0, order: 2)))
        table.apply(.addFeed(self.feed(1, site: 0, order: 1)))
        for id in [0, 1] as [UInt16] {
            table.change(FeedID(id), announce: [(self.block, self.path(3))])
            table.apply(.feedComplete(FeedID(id)))
        }
        table.owner.flushAndWait()
        let address = self.block.address
        #expect(try table.owner.querySync { $0.routes(covering: address) }[0].feed == FeedID(1))
        table.apply(.addFeed(self.feed(1, site: 0, order: 3)))
        table.owner.flushAndWait()
        #expect(try table.owner.querySync { $0.routes(covering: address) }[0].feed == FeedID(0))
    }

    @Test("survives more sessions than there are epoch numbers")
    func manySessions() throws {
        let table = try TableUnderTest()
        table.apply(.addFeed(self.feed(0, site: 0)))
        let prefixes = (0..<70).map {
            IPPrefix(masking: IPAddress(ipv4: UInt32($0) << 24), length: 8)
        }
        table.change(FeedID(0), announce: prefixes.map { ($0, self.path(1)) })
        table.apply(.feedComplete(FeedID(0)))
        for session in 0..<60 {
            if session % 3 == 0 { table.apply(.feedDown(FeedID(0))) }
            table.apply(.feedUp(FeedID(0)))
            table.change(FeedID(0), announce: [(prefixes[session], self.path(2))])
            let summary = try table.owner.querySync { $0.feedSummaries() }[0]
            #expect(summary.stalePrefixes == 69, "session \(session)")
        }
        #expect(try table.check("before the last"))
        table.apply(.feedComplete(FeedID(0)))
        #expect(try table.check("after it"))
        #expect(try table.owner.querySync { $0.counts() }.routes == 1)
    }

    @Test("ends with its site, and gives its number to another")
    func removal() throws {
        let table = try TableUnderTest()
        table.apply(.defineSite(SiteID(40), name: "far"))
        table.apply(.addFeed(self.feed(0, site: 40)))
        table.apply(.addFeed(self.feed(1, site: 1)))
        for id in [0, 1] as [UInt16] {
            table.change(FeedID(id), announce: [(self.block, self.path(3))])
            table.apply(.feedComplete(FeedID(id)))
        }
        #expect(try self.distance(table, 40, self.block.address) == 3)
        table.apply(.removeSite(SiteID(40)))
        table.apply(.addFeed(self.feed(0, site: 2)))
        #expect(try self.distance(table, 40, self.block.address) == nil)
        #expect(try self.distance(table, 1, self.block.address) == 3)
        table.change(FeedID(0), announce: [(self.block, self.path(1))])
        table.apply(.feedComplete(FeedID(0)))
        #expect(try self.distance(table, 2, self.block.address) == 1)
        #expect(try table.check("after the change"))
    }

    @Test("read through sites, gives each the hops after its number")
    func throughSites() throws {
        let table = try TableUnderTest()
        table.apply(
            .addFeed(
                FeedDefinition(
                    id: FeedID(0), name: "", site: SiteID(0), order: 0,
                    throughSites: [SiteID(1): 64_602, SiteID(2): 64_700])))
        let numbers = [64_600, 64_602, 64_701, 64_602, 64_703].map { ASNumber(UInt32($0)) }
        table.change(
            FeedID(0), announce: [(self.block, RouteAttributes(asPath: ASPath(numbers)))])
        table.apply(.feedComplete(FeedID(0)))
        #expect(try self.distance(table, 0, self.block.address) == 5)
        #expect(try self.distance(table, 1, self.block.address) == 1)
        #expect(try self.distance(table, 2, self.block.address) == nil)
        let address = self.block.address
        let routes = try table.owner.querySync { $0.routes(covering: address) }
        #expect(routes.map(\.distance) == [5, 1])
        let paths = try table.owner.querySync { $0.paths(covering: address)?.prefix }
        #expect(paths == self.block)
    }

    @Test("shows the longest prefix of any site, and each site's own path")
    func paths() throws {
        let table = try TableUnderTest()
        for (id, prefix) in [(0, self.block), (1, self.longer)] as [(UInt16, IPPrefix)] {
            table.apply(.addFeed(self.feed(id, site: UInt8(id))))
            table.change(FeedID(id), announce: [(prefix, self.path(3))])
            table.apply(.feedComplete(FeedID(id)))
        }
        let address = self.longer.address
        let found = try table.owner.querySync { rib in
            rib.paths(covering: address).map { ($0.prefix, $0.paths.map(\.prefix)) }
        }
        #expect(found?.0 == self.longer)
        #expect(found?.1 == [self.block, self.longer])
        let none = try table.owner.querySync { $0.paths(covering: IPAddress(ipv4: 1)) == nil }
        #expect(none)
    }
}
