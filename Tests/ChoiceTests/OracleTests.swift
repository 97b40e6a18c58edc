// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable
import Testing

/// A table that is filled by hand, and an oracle over it.
struct Fixture {
    let owner: TableOwner
    let oracle: Oracle

    init(_ sites: [Site], policies: [Policy] = []) throws {
        self.owner = try TableOwner()
        self.oracle = Oracle(
            lookup: self.owner.lookup, world: World(sites: sites, policies: policies))
        for site in sites {
            self.owner.submit(.defineSite(site.id, name: site.name))
            self.owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(rawValue: UInt16(site.id.rawValue)), name: site.name,
                        site: site.id, order: Int(site.id.rawValue))))
        }
    }

    /// Announces `prefix: hops` at each site; nil withdraws.
    func announce(_ routes: [(site: UInt8, prefix: String, hops: Int?)]) async throws {
        for (site, prefix, hops) in routes {
            var batch = RouteBatch(feed: FeedID(rawValue: UInt16(site)))
            if let hops {
                let attributes = batch.intern(
                    RouteAttributes(
                        origin: .igp, asPath: ASPath(Array(repeating: 64500, count: hops))))
                batch.announce(try IPPrefix(parsing: prefix), attributes: attributes)
            } else {
                batch.withdraw(try IPPrefix(parsing: prefix))
            }
            self.owner.submit(.routes(batch))
        }
        await self.owner.flush()
    }

    func complete(_ sites: UInt8...) async {
        for site in sites { self.owner.submit(.feedComplete(FeedID(rawValue: UInt16(site)))) }
        await self.owner.flush()
    }
}

@Suite("Asking the oracle")
struct OracleTests {
    static func sites(_ count: Int) -> [Site] {
        (0..<count).map { index in
            Site(
                id: SiteID(rawValue: UInt8(index)), name: Scene.names[index],
                asNumber: ASNumber(64600 + UInt32(index)),
                addresses: [IPAddress(ipv4: 0xc633_6400 + UInt32(index))])
        }
    }

    static func ask(
        _ reader: inout OracleReader, _ address: String, policy: Int = 0,
        family: AddressFamily? = nil, places: Int = 64
    ) throws -> (sites: [UInt8], scope: Int) {
        let client = try IPAddress(parsing: address)
        return reader.withBatch { batch in
            var order = SiteOrder()
            let match = batch.order(
                policy: policy, family: family, client: client, places: places, into: &order)
            return (order.sites.map(\.rawValue), Int(match.scope))
        }
    }

    @Test("orders sites by the table's distances, and follows what changes")
    func follows() async throws {
        let fixture = try Fixture(Self.sites(2))
        defer { fixture.owner.shutdown() }
        try await fixture.announce([
            (0, "10.0.0.0/8", 1), (1, "10.0.0.0/8", 2), (1, "10.1.0.0/16", 1),
            (0, "10.1.0.0/16", 3),
        ])
        await fixture.complete(0, 1)
        var reader = try fixture.oracle.makeReader()
        #expect(try Self.ask(&reader, "10.2.0.1").sites == [0, 1])
        #expect(try Self.ask(&reader, "10.1.0.1") == ([1, 0], 16))

        fixture.oracle.update { $0.status[SiteID(rawValue: 1)] = SiteStatus(health: .down) }
        #expect(try Self.ask(&reader, "10.1.0.1").sites == [0])
        fixture.oracle.update { $0.status = [:] }
        #expect(try Self.ask(&reader, "10.1.0.1").sites == [1, 0])

        try await fixture.announce([(1, "10.1.0.0/16", nil)])
        #expect(try Self.ask(&reader, "10.1.0.1").sites == [1, 0], "the /8 has 2 hops, not 3")
        try await fixture.announce([(1, "10.0.0.0/8", nil)])
        #expect(try Self.ask(&reader, "10.1.0.1").sites == [0, 1])
    }

    @Test("says the same as the whole ranking, for every policy, family and client")
    func agrees() async throws {
        var random = Seeded(state: 4)
        var sites = Self.sites(5)
        for index in sites.indices {
            sites[index].weight = index
            if index == 2 { sites[index].addresses = [IPAddress(ipv6High: 1, low: 1)] }
        }
        let all = sites.map(\.id)
        let policies = [
            Policy(sites: all), Policy(sites: all.reversed(), measure: .hops, slack: 1),
            Policy(sites: Array(all.prefix(2)), tieBreaks: [.order], weightLengthIPv4: 28),
            Policy(sites: [all[4], all[3]], measure: .hops, slack: 9, weightLengthIPv4: 16),
        ]
        let fixture = try Fixture(sites, policies: policies)
        defer { fixture.owner.shutdown() }
        var routes: [(site: UInt8, prefix: String, hops: Int?)] = []
        for _ in 0..<300 {
            let prefix = IPPrefix(
                masking: IPAddress(ipv4: 0x0a00_0000 | .random(in: 0...0xff_ffff, using: &random)),
                length: .random(in: 8...24, using: &random))
            routes.append(
                (
                    .random(in: 0..<5, using: &random), prefix.description,
                    .random(in: 1...3, using: &random)
                ))
        }
        try await fixture.announce(routes)
        await fixture.complete(0, 1, 2, 3, 4)
        fixture.oracle.update { $0.status[all[1]] = SiteStatus(health: .down) }
        var reader = try fixture.oracle.makeReader()
        reader.withBatch { batch in
            var order = SiteOrder()
            for _ in 0..<3000 {
                let client = IPAddress(
                    ipv4: 0x0a00_0000 | .random(in: 0...0xff_ffff, using: &random))
                let policy = Int.random(in: 0..<policies.count, using: &random)
                let family = [nil, AddressFamily.ipv4, .ipv6][.random(in: 0..<3, using: &random)]
                let match = batch.order(
                    policy: policy, family: family, client: client, into: &order)
                let (ranking, scope) = batch.ranking(
                    policy: policy, family: family, client: client)
                #expect(order.sites == ranking.usable.map(\.site))
                #expect(Int(match.scope) == scope)
            }
        }
    }

    @Test("narrows the scope to what was hashed, where a hash decides a place that is used")
    func scope() async throws {
        let fixture = try Fixture(Self.sites(3))
        defer { fixture.owner.shutdown() }
        try await fixture.announce([
            (0, "0.0.0.0/0", 1), (1, "0.0.0.0/0", 2), (2, "0.0.0.0/0", 2),
        ])
        await fixture.complete(0, 1, 2)
        var reader = try fixture.oracle.makeReader()
        #expect(try Self.ask(&reader, "10.0.0.1").scope == 24)
        #expect(try Self.ask(&reader, "10.0.0.1", places: 2).scope == 24)
        #expect(try Self.ask(&reader, "10.0.0.1", places: 1).scope == 0)
        var seen: Set<[UInt8]> = []
        for index in 0..<64 { seen.insert(try Self.ask(&reader, "10.0.\(index).1").sites) }
        #expect(seen == [[0, 1, 2], [0, 2, 1]])
    }

    @Test("gives nothing for a policy that isn't there")
    func unknownPolicy() throws {
        let fixture = try Fixture(Self.sites(1))
        defer { fixture.owner.shutdown() }
        var reader = try fixture.oracle.makeReader()
        for policy in [1, -1, .max, .min] {
            #expect(try Self.ask(&reader, "10.0.0.1", policy: policy).sites.isEmpty)
        }
        let ranking = reader.withBatch { batch in
            batch.ranking(policy: 7, family: nil, client: IPAddress(ipv4: 1)).ranking
        }
        #expect(ranking.entries.isEmpty)
    }

    @Test("keeps more policies and families than the cache begins with")
    func manyPolicies() throws {
        let sites = Self.sites(2)
        let policies = (0..<3000).map { index in
            Policy(
                sites: index % 3 == 0 ? [sites[1].id, sites[0].id] : [sites[index & 1].id],
                tieBreaks: [])
        }
        let fixture = try Fixture(sites, policies: policies)
        defer { fixture.owner.shutdown() }
        var reader = try fixture.oracle.makeReader()
        for _ in 0..<2 {
            for (index, policy) in policies.enumerated() {
                let sites = try Self.ask(&reader, "10.0.0.1", policy: index).sites
                #expect(sites == policy.sites.map(\.rawValue))
            }
        }
    }

    @Test("shows a batch one world, and the next batch the next")
    func batches() throws {
        let fixture = try Fixture(Self.sites(1))
        defer { fixture.owner.shutdown() }
        var reader = try fixture.oracle.makeReader()
        let oracle = fixture.oracle
        reader.withBatch { batch in
            oracle.update { $0.sites[0].name = "z" }
            #expect(batch.world.sites[0].name == "a")
        }
        reader.withBatch { batch in #expect(batch.world.sites[0].name == "z") }
        #expect(oracle.world.generation == 1)
    }
}
