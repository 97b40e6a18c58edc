// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Choice
import DNSFront
import DNSWire
import Foundation
import RouteFiles
import RouteTable

/// A table with routes, pins, locations and round trips, and names of every kind over its sites.
struct ScopeScene {
    private(set) var prefixes: [IPPrefix] = []
    private var routes: Routes
    private var pins: [(IPPrefix, [SiteID])] = []
    private var locations: [LocationRange] = []
    private var roundTrips: [RoundTrip] = []
    let siteCount: Int

    private enum Routes {
        case random([(feed: Int, prefix: IPPrefix, hops: Int)])
        case dump(path: String, peers: [IPAddress])
    }

    // MARK: Tables

    /// A few thousand routes of few bits, so that they meet, of four sites.
    static func random(_ random: inout SeededGenerator) -> ScopeScene {
        var routes: [(feed: Int, prefix: IPPrefix, hops: Int)] = []
        var prefixes: Set<IPPrefix> = []
        for _ in 0..<3000 {
            let family: AddressFamily = Int.random(in: 0..<5, using: &random) < 3 ? .ipv4 : .ipv6
            var bits: UInt128 = 0
            for _ in 0..<3 { bits |= 1 << UInt128.random(in: 96...127, using: &random) }
            if family == .ipv6 { bits |= UInt128.random(in: 0...7, using: &random) << 60 }
            let prefix = IPPrefix(
                masking: IPAddress(family: family, leftAligned: bits),
                length: Int.random(in: 4...(family == .ipv4 ? 32 : 72), using: &random))
            prefixes.insert(prefix)
            routes.append(
                (.random(in: 0..<4, using: &random), prefix, .random(in: 1...4, using: &random)))
        }
        var scene = ScopeScene(routes: .random(routes), siteCount: 4)
        scene.prefixes = prefixes.sorted()
        scene.addLayers(count: 100, &random)
        return scene
    }

    /// The tables of a dump's full peers, at most eight, a site each.
    static func dump(_ path: String, _ random: inout SeededGenerator) throws -> ScopeScene {
        var reader = try MRTReader(path: path)
        var peers: [MRTPeer] = []
        var counts: [Int] = []
        var prefixes: [IPPrefix] = []
        try reader.forEachRecord { record, bytes in
            switch record.content {
            case .peerIndexTable:
                peers = try PeerIndexTable(parsing: bytes).peers
                counts = Array(repeating: 0, count: peers.count)
            case .rib(let form):
                try RIBRecord.forEachEntry(in: bytes, form: form) { entry in
                    counts[Int(entry.peerIndex)] += 1
                    if prefixes.last != entry.prefix { prefixes.append(entry.prefix) }
                }
            default: break
            }
        }
        let most = counts.max() ?? 0
        let full = peers.indices.filter { counts[$0] * 10 >= most * 8 }.prefix(8)
        var scene = ScopeScene(
            routes: .dump(path: path, peers: full.map { peers[$0].address }),
            siteCount: full.count)
        scene.prefixes = prefixes
        scene.addLayers(count: 4000, &random)
        return scene
    }

    private init(routes: Routes, siteCount: Int) {
        self.routes = routes
        self.siteCount = siteCount
    }

    private mutating func addLayers(count: Int, _ random: inout SeededGenerator) {
        let bounds = Set((0..<count).map { _ in UInt32.random(in: 0 ... .max, using: &random) })
            .sorted()
        for index in stride(from: 0, to: bounds.count - 2, by: 2) {
            // Some of them touch the next.
            let touches = Bool.random(using: &random)
            self.locations.append(
                LocationRange(
                    first: IPAddress(ipv4: bounds[index]),
                    last: IPAddress(ipv4: bounds[index + (touches ? 2 : 1)] - 1),
                    place: Place(
                        latitude: Double(Int.random(in: -60...70, using: &random)),
                        longitude: Double(Int.random(in: -179...180, using: &random)),
                        name: "\(index % 50)")))
        }
        for _ in 0..<count / 20 {
            guard let prefix = self.prefixes.randomElement(using: &random) else { break }
            let site = SiteID(UInt8.random(in: 0..<UInt8(self.siteCount), using: &random))
            self.pins.append((prefix, [site]))
        }
        for _ in 0..<count {
            guard let prefix = self.prefixes.randomElement(using: &random) else { break }
            let site = SiteID(UInt8.random(in: 0..<UInt8(self.siteCount), using: &random))
            self.roundTrips.append(
                RoundTrip(
                    prefix: prefix, site: site,
                    microseconds: .random(in: 1_000...200_000, using: &random)))
        }
    }

    /// All places where what is known may change.
    func line(_ family: AddressFamily) -> PartLine {
        var line = PartLine(family)
        for prefix in self.prefixes where prefix.family == family { line.cut(prefix) }
        for (prefix, _) in self.pins where prefix.family == family { line.cut(prefix) }
        for trip in self.roundTrips where trip.prefix.family == family { line.cut(trip.prefix) }
        for range in self.locations where range.first.family == family {
            line.cut(from: range.first, through: range.last)
        }
        line.finish()
        return line
    }

    // MARK: The bench

    /// Everything in place, each site with one feed.
    func bench() async throws -> Bench {
        let bench = try Bench([try self.zone()], world: self.world)
        let owner = bench.owner
        for site in 0..<self.siteCount {
            owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(UInt16(site)), name: "feed\(site)", site: SiteID(UInt8(site)),
                        order: site)))
        }
        switch self.routes {
        case .random(let routes):
            for (feed, prefix, hops) in routes {
                var batch = RouteBatch(feed: FeedID(UInt16(feed)))
                let attributes = batch.intern(
                    RouteAttributes(
                        origin: .igp, asPath: ASPath(Array(repeating: 64500, count: hops))))
                batch.announce(prefix, attributes: attributes)
                owner.submit(.routes(batch))
            }
            for site in 0..<self.siteCount { owner.submit(.feedComplete(FeedID(UInt16(site)))) }
        case .dump(let path, let peers):
            let loader = DumpLoader(
                path: path,
                feeds: peers.enumerated().map { (FeedID(UInt16($0)), PeerSelector(address: $1)) })
            _ = try await blocking { try loader.load(into: owner, replacing: false) }
        }
        owner.submit(.setPins(self.pins))
        owner.submit(.setLocations(LocationSet(self.locations)))
        owner.submit(.setRoundTrips(self.roundTrips))
        await owner.flush()
        return bench
    }

    /// Sites with one to three addresses of a family, or none.
    private var world: World {
        let all = (0..<self.siteCount).map { SiteID(UInt8($0)) }
        let sites = all.map { id in
            let number = Int(id.rawValue)
            var addresses = (0...number % 3).map { address("192.0.2.\(10 * number + $0)") }
            if number != 3 {
                addresses += (0...number % 2).map { address("2001:db8:\(number)::\($0 + 1)") }
            }
            return Site(
                id: id, name: "site\(number)", asNumber: ASNumber(64600 + UInt32(number)),
                addresses: addresses,
                services: [
                    "web": [
                        address("203.0.113.\(10 * number + 1)"),
                        address("203.0.113.\(10 * number + 2)"),
                        address("2001:db8:77:\(number)::1"),
                    ]
                ],
                weight: (number + 1) % 4,
                place: Place(
                    latitude: Double(number * 40 % 120 - 60), longitude: Double(number * 50 - 170),
                    name: "site\(number)"))
        }
        return World(
            sites: sites,
            policies: [
                Policy(sites: all),
                Policy(sites: all.reversed(), measure: .hops, tieBreaks: [.order]),
                Policy(
                    sites: all, measure: .hops, slack: 1, tieBreaks: [.weight],
                    weightLengthIPv4: 20, weightLengthIPv6: 40),
                Policy(
                    sites: [all[0], all[2]], measure: .hops, tieBreaks: [.location, .order],
                    allDown: .last),
                Policy(sites: all, hopCost: 12.5, tieBreaks: [.order], service: "web"),
                Policy(sites: [all[1]], allDown: .none),
            ])
    }

    /// What is asked.
    static let questions: [ScopeQuestion] = {
        let wanted: [(String, RecordType)] = [
            ("cost", .a), ("cost", .aaaa), ("two", .a), ("all", .a), ("all", .aaaa), ("hops", .a),
            ("turned", .a), ("turned", .aaaa), ("weighted", .a), ("subset", .a), ("web", .a),
            ("web", .aaaa), ("alias", .a), ("alias", .txt), ("service", .https), ("only", .a),
            ("short", .a), ("made.wild", .a), ("own", .a),
        ]
        return wanted.map { owner, type in
            ScopeQuestion(
                "\(owner).example.com", type,
                isDirect: !["alias", "short", "own"].contains(owner))
        }
    }()

    private func zone() throws -> Zone {
        var zone = Zone(
            apex: name("example.com"),
            startOfAuthority: StartOfAuthority(
                host: name("ns.other.net"), mailbox: name("x.other.net")),
            nameServers: [name("ns.other.net")])
        func nearest(
            _ owner: String, policy: Int, answers: Int = 1, rotates: Bool = false,
            _ change: (inout NearestRecord) -> Void = { _ in }
        ) {
            var record = NearestRecord(policy: policy, timeToLive: 60, answers: answers)
            record.minimumTimeToLive = 5
            record.rotates = rotates
            change(&record)
            zone.nearest[name(owner + ".example.com")] = record
        }
        nearest("cost", policy: 0)
        nearest("two", policy: 0, answers: 2)
        nearest("all", policy: 1, answers: SiteOrder.capacity)
        nearest("hops", policy: 1)
        nearest("turned", policy: 1, rotates: true)
        nearest("weighted", policy: 2)
        nearest("subset", policy: 3)
        nearest("web", policy: 4, answers: 2, rotates: true)
        nearest("service", policy: 1)
        nearest("only", policy: 5)
        nearest("*.wild", policy: 1)
        nearest("own", policy: 1) { $0.usesClientSubnet = false }
        nearest("alias", policy: 1) { record in
            for site in 0..<self.siteCount {
                let target = ["hops.example.com", "near.example.com", "site\(site).example.net"]
                record.aliases[SiteID(UInt8(site))] = name(target[min(site, 2)])
            }
        }
        zone.add(
            name("near.example.com"), timeToLive: 300, .address(address("192.0.2.200")))
        zone.add(
            name("short.example.com"), timeToLive: 300, .alias(name("cost.example.com")))
        zone.add(
            name("service.example.com"), timeToLive: 300,
            try RecordData(parsing: "1 . alpn=h2", type: .https))
        return zone
    }

    /// Half of them anywhere, half of them under a prefix, so that long ones come up as well.
    func clients(_ count: Int, _ random: inout SeededGenerator) -> [IPAddress] {
        (0..<count).map { index in
            let family: AddressFamily = index % 4 == 3 ? .ipv6 : .ipv4
            let line = PartLine(family)
            let anywhere = line.random(from: 0, through: line.last(0), using: &random)
            guard index % 2 == 0, let prefix = self.prefixes.randomElement(using: &random) else {
                return line.address(anywhere)
            }
            let own = PartLine(prefix.family)
            return own.address(
                own.random(
                    from: prefix.address.leftAligned, through: prefix.last.leftAligned,
                    using: &random))
        }
    }
}
