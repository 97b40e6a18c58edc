// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

@Suite("What is kept of attributes")
struct KeptAttributesTests {
    static let whole = RouteAttributes(
        origin: .egp, asPath: ASPath([64_496, 64_497, 64_498]), nextHop: IPAddress(ipv4: 1),
        multiExitDiscriminator: 5, localPreference: 100, penalty: 2,
        communities: RouteCommunities(
            standard: [0xfd, 0xe8, 0, 1], extended: [0, 2, 0xfd, 0xe8, 0, 0, 0, 100],
            large: [0, 0, 0xfd, 0xe8, 0, 0, 0, 1, 0, 0, 0, 2]))

    @Test(
        "comes back from the table, and the distance is the same",
        arguments: KeptAttributes.allCases)
    func roundTrip(kept: KeptAttributes) throws {
        let table = try TableUnderTest()
        let feed = FeedID(1)
        let prefix = try IPPrefix(parsing: "192.0.2.0/24")
        let attributes = Self.whole.keeping(kept)
        #expect(attributes.distance == 5)
        #expect(attributes.communities.isEmpty == (kept != .communities))
        #expect(attributes.asPath.isEmpty == (kept == .length))
        table.apply(.addFeed(FeedDefinition(id: feed, name: "f", site: SiteID(0), order: 0)))
        table.change(feed, announce: [(prefix, attributes)])
        table.apply(.feedComplete(feed))
        #expect(try table.check("\(kept)"))
        let routes = try table.owner.querySync { $0.routes(at: prefix) }
        #expect(routes.map(\.attributes) == [attributes])
        #expect(routes.map(\.distance) == [5])
    }

    @Test("communities are told in the usual forms")
    func descriptions() {
        let communities = Self.whole.communities
        #expect(communities.standardDescriptions == ["65000:1"])
        #expect(communities.extendedDescriptions == ["rt:65000:100"])
        #expect(communities.largeDescriptions == ["65000:1:2"])
        let wellKnown = RouteCommunities(standard: [0xff, 0xff, 0xff, 1, 0xff, 0xff, 2, 0x9a])
        #expect(wellKnown.standardDescriptions == ["no-export", "blackhole"])
        let extended = RouteCommunities(
            extended: [1, 3, 192, 0, 2, 1, 0, 7, 2, 2, 0, 3, 0x0d, 0x40, 0, 9]
                + [0x40, 4, 0xfd, 0xe8, 0x4c, 0xee, 0x6b, 0x28, 0x40, 2, 0xfd, 0xe8, 0, 0, 0, 1])
        #expect(
            extended.extendedDescriptions == [
                "soo:192.0.2.1:7", "rt:200000:9", "0x4004fde84cee6b28", "0x4002fde800000001",
            ], "bandwidth, and what ends at the AS border, as they are")
        #expect(RouteCommunities().isEmpty)
    }

    @Test("many sets of attributes come and go, and what is left is found")
    func churn() throws {
        let table = try TableUnderTest()
        let feed = FeedID(1)
        table.apply(.addFeed(FeedDefinition(id: feed, name: "f", site: SiteID(0), order: 0)))
        table.apply(.feedComplete(feed))
        func attributes(_ number: Int) -> RouteAttributes {
            RouteAttributes(
                asPath: ASPath((0...number % 5).map { ASNumber(UInt32(1 + number * 7 + $0)) }))
        }
        func prefix(_ number: Int) -> IPPrefix {
            IPPrefix(masking: IPAddress(ipv4: UInt32(number) << 12), length: 20)
        }
        for round in 0..<3 {
            table.change(
                feed,
                announce: (0..<4000).map { (prefix($0), attributes($0 + round * 4000)) })
            #expect(try table.owner.querySync { $0.counts().attributeSets } == 4000)
        }
        table.change(feed, withdraw: (0..<4000).filter { $0 % 2 == 0 }.map(prefix))
        #expect(try table.owner.querySync { $0.counts().attributeSets } == 2000)
        let bytes = try table.owner.querySync { rib in
            rib.memory().first { $0.name == "paths" }?.bytes ?? 0
        }
        table.change(
            feed, announce: (0..<4000).filter { $0 % 2 == 0 }.map { (prefix($0), attributes($0)) })
        for number in stride(from: 0, to: 4000, by: 131) {
            let wanted = prefix(number)
            let routes = try table.owner.querySync { $0.routes(at: wanted) }
            let expected = number % 2 == 0 ? number : number + 8000
            #expect(routes.map(\.attributes) == [attributes(expected)])
        }
        let after = try table.owner.querySync { rib in
            rib.memory().first { $0.name == "paths" }?.bytes ?? 0
        }
        #expect(after <= bytes, "records that came free are used again")
    }
}
