// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Choice
import RouteFiles
import RouteTable
import Testing

@Suite("Choosing by a real table", .enabled(if: RealTable.isThere))
struct RealTableTests {
    static let seed: UInt64 = 20_000_111
    static let clientCount = 10_000

    static let policies: [Policy] = {
        let sites = (0..<6).map { SiteID(rawValue: UInt8($0)) }
        return [
            Policy(sites: sites),
            Policy(sites: sites, hopCost: 12.5, tieBreaks: [.order]),
            Policy(sites: sites, measure: .hops),
            Policy(sites: sites, measure: .hops, slack: 1, tieBreaks: [.rtt, .location, .order]),
            Policy(sites: sites, measure: .hops, tieBreaks: [.weight], weightLengthIPv4: 20),
        ]
    }()

    /// Six places on five continents.
    static let places: [(Double, Double)] = [
        (52.4, 4.9), (35.7, 139.7), (-33.9, 151.2), (40.7, -74.0), (-33.9, 18.4), (-23.5, -46.6),
    ]

    /// Ranges that don't overlap and have gaps between them, each somewhere on the globe.
    static func locations(
        _ random: inout Seeded
    ) -> [(first: UInt32, last: UInt32, place: BruteForce.Place)] {
        let bounds = Set((0..<4000).map { _ in UInt32.random(in: 0 ... .max, using: &random) })
            .sorted()
        return stride(from: 0, to: bounds.count - 2, by: 2).map { index in
            // Some of them touch the next.
            let touches = Int.random(in: 0..<2, using: &random) == 0
            return (
                first: bounds[index], last: bounds[index + (touches ? 2 : 1)] - 1,
                place: BruteForce.Place(
                    latitude: Double(Int.random(in: -60...70, using: &random)),
                    longitude: Double(Int.random(in: -179...180, using: &random)))
            )
        }
    }

    /// Half of them anywhere, half of them under a route, so that long prefixes come up as well.
    static func clients(_ table: RealTable, _ random: inout Seeded) -> [UInt32] {
        var prefixes: [(bits: UInt32, length: Int)] = []
        for routes in table.routes {
            for length in routes.hops.indices {
                for bits in routes.hops[length].keys.sorted() where bits % 64 == 1 {
                    prefixes.append((bits, length))
                }
            }
        }
        return (0..<Self.clientCount).map { index in
            let address = UInt32.random(in: 0 ... .max, using: &random)
            guard index % 2 == 0, let (bits, length) = prefixes.randomElement(using: &random),
                length > 0
            else { return address }
            return bits << UInt32(32 - length) | (length == 32 ? 0 : address >> UInt32(length))
        }
    }

    @Test("agrees with a search by brute force, with and without locations, by every measure")
    func bruteForce() async throws {
        var random = Seeded(state: Self.seed)
        let table = try RealTable()
        let full = table.peers.indices.filter { table.routes[$0].count > 50_000 }
        try #require(full.count == 6)

        let owner = try TableOwner()
        defer { owner.shutdown() }
        for site in 0..<6 {
            let id = SiteID(rawValue: UInt8(site))
            let feed = FeedID(rawValue: UInt16(site))
            owner.submitAndWait(.defineSite(id, name: "site\(site)"))
            owner.submitAndWait(
                .addFeed(FeedDefinition(id: feed, name: "peer\(site)", site: id, order: site)))
        }
        let loader = DumpLoader(
            path: RealTable.path,
            feeds: full.enumerated().map { site, peer in
                (
                    FeedID(rawValue: UInt16(site)),
                    PeerSelector(address: table.peers[peer].address)
                )
            })
        let report = try loader.load(into: owner, replacing: false)
        #expect(report.feeds.map(\.malformed) == [0, 0, 0, 0, 0, 0])
        #expect(report.feeds.map(\.announced) == full.map { table.routes[$0].count })

        var force = BruteForce(
            names: (0..<6).map { "site\($0)" }, weights: [1, 2, 3, 4, 5, 6],
            places: Array(repeating: nil, count: 6), locations: [])
        let clients = Self.clients(table, &random)
        let distances = clients.map { client in
            full.map { table.routes[$0].distance(of: client) }
        }
        #expect(distances.contains { !$0.contains(nil) })
        #expect(distances.contains { $0.contains(nil) && $0.contains { $0 != nil } })

        try await Self.compare(force, owner, clients, distances)
        force.places = Self.places.map { BruteForce.Place(latitude: $0.0, longitude: $0.1) }
        force.locations = Self.locations(&random)
        let located = clients.count { force.place(of: $0) != nil }
        #expect(located > 2500 && located < 9500)
        owner.submitAndWait(
            .setLocations(
                LocationSet(
                    force.locations.map {
                        LocationRange(
                            first: IPAddress(ipv4: $0.first), last: IPAddress(ipv4: $0.last),
                            place: Place(
                                latitude: $0.place.latitude, longitude: $0.place.longitude,
                                name: "\($0.place.latitude) \($0.place.longitude)"))
                    })))
        try await Self.compare(force, owner, clients, distances)
    }

    /// Asks for every client under every policy; stops at the tenth difference.
    private static func compare(
        _ force: BruteForce, _ owner: TableOwner, _ clients: [UInt32], _ distances: [[Int?]]
    ) async throws {
        await owner.flush()
        let sites = force.names.indices.map { site in
            Site(
                id: SiteID(rawValue: UInt8(site)), name: force.names[site],
                asNumber: ASNumber(64600 + UInt32(site)), weight: force.weights[site],
                place: force.places[site].map {
                    Place(latitude: $0.latitude, longitude: $0.longitude, name: "site")
                })
        }
        let oracle = Oracle(
            lookup: owner.lookup, world: World(sites: sites, policies: Self.policies))
        var reader = try oracle.makeReader()
        var differences = 0
        for (client, distances) in zip(clients, distances) where differences < 10 {
            let address = IPAddress(ipv4: client)
            for policy in Self.policies.indices {
                let expected = force.ranking(
                    Self.policies[policy], client: client, distances: distances)
                let (ranking, order) = reader.withBatch { batch in
                    var order = SiteOrder()
                    _ = batch.order(policy: policy, family: nil, client: address, into: &order)
                    return (
                        batch.ranking(policy: policy, family: nil, client: address).ranking,
                        order.sites.map { Int($0.rawValue) }
                    )
                }
                let found = ranking.entries.map { entry in
                    BruteForce.Rank(
                        site: Int(entry.site.rawValue), distance: entry.distance,
                        cost: entry.cost.map { Int(($0 * 1000).rounded()) },
                        metres: entry.kilometres.map { Int(($0 * 1000).rounded()) })
                }
                guard found != expected || order != expected.map(\.site) else { continue }
                differences += 1
                Issue.record(
                    """
                    seed \(Self.seed), client \(address), policy \(policy): \
                    found \(found), order \(order), expected \(expected)
                    """)
            }
        }
    }
}
