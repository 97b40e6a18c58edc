// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import Console
import Foundation
import RouteTable
import Synchronization

/// A daemon in small: three sites, two feeds, a pin, locations.
final class Fixture: ConsoleBackend {
    static let startTime: Int64 = 1_000_000_000

    let owner: TableOwner
    let oracle: Oracle
    let router = RouterReport(asNumber: 65000, identifier: IPAddress(ipv4: 0xc000_0201))
    let version = VersionReport(version: "1.2.3", started: startTime - 60)
    private let reloads = Mutex<[Result<[String], CommandFailure>]>([])
    private let checkpoint = Mutex<CheckpointReport?>(nil)
    private let origins = Mutex<OriginReport?>(nil)
    private let servesDNS = Mutex(false)
    private let state = Mutex(Readiness.ready)
    private let orders = Mutex<[FeedOrder]>([])
    private let watchers = Mutex<[AsyncStream<String>.Continuation]>([])

    static let sydney = SiteID(0)
    static let tokyo = SiteID(1)
    static let london = SiteID(2)
    static let core = FeedID(0)
    static let edge = FeedID(1)

    init(limits: TableLimits = TableLimits()) async throws {
        self.owner = try TableOwner(limits: limits, now: { Fixture.startTime })
        let australia = Place(latitude: -25, longitude: 133, name: "AU")
        let japan = Place(latitude: 36, longitude: 138, name: "JP")
        let sites = [
            Site(
                id: Self.sydney, name: "sydney", asNumber: 64600,
                addresses: [
                    try IPAddress(parsing: "2001:db8:1::1"),
                    try IPAddress(parsing: "210.18.215.100"),
                ], place: australia),
            Site(
                id: Self.tokyo, name: "tokyo", asNumber: 64602,
                addresses: [try IPAddress(parsing: "192.0.2.80")], place: japan),
            Site(
                id: Self.london, name: "london", asNumber: 64603, weight: 5,
                place: Place(latitude: 54, longitude: -2, name: "GB")),
        ]
        let world = World(
            sites: sites,
            policies: [
                Policy(sites: sites.map(\.id)),
                Policy(sites: [Self.tokyo, Self.london]),
            ],
            status: [
                Self.sydney: SiteStatus(feeds: .live), Self.tokyo: SiteStatus(feeds: .live),
                Self.london: SiteStatus(feeds: .stale),
            ])
        self.oracle = Oracle(lookup: self.owner.lookup, world: world)
        for site in sites { self.owner.submit(.defineSite(site.id, name: site.name)) }
        for (id, site, name) in [
            (Self.core, Self.sydney, "sydney-core"), (Self.edge, Self.tokyo, "tokyo-edge"),
        ] {
            self.owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: id, name: name, site: site, order: Int(id.rawValue), throughSites: [:])
                ))
            self.owner.submit(.feedUp(id))
        }
        var batch = RouteBatch(feed: Self.core)
        var route = batch.intern(
            RouteAttributes(
                asPath: ASPath([1221, 38803, 56203]), nextHop: IPAddress(ipv4: 0xcb00_7101),
                multiExitDiscriminator: 7, localPreference: 100))
        batch.announce(try IPPrefix(parsing: "1.0.4.0/24"), attributes: route)
        batch.announce(try IPPrefix(parsing: "2001:db8::/32"), attributes: route)
        self.owner.submit(.routes(batch))
        batch = RouteBatch(feed: Self.edge)
        route = batch.intern(
            RouteAttributes(
                origin: .incomplete, asPath: ASPath([2500, 7660, 4637, 38803]),
                nextHop: IPAddress(ipv4: 0xca00_0001)))
        batch.announce(try IPPrefix(parsing: "1.0.4.0/22"), attributes: route)
        self.owner.submit(.routes(batch))
        self.owner.submit(.feedComplete(Self.core))
        self.owner.submit(.feedComplete(Self.edge))
        self.owner.submit(.setPins([(try IPPrefix(parsing: "10.0.0.0/8"), [Self.london])]))
        self.owner.submit(
            .setLocations([
                LocationRange(
                    first: try IPAddress(parsing: "1.0.4.0"),
                    last: try IPAddress(parsing: "1.0.4.255"), place: australia)
            ]))
        await self.owner.flush()
    }

    /// Many routes of one feed: `count` host routes from 172.16.0.0 on.
    func fill(_ count: Int) async {
        var batch = RouteBatch(feed: Self.core)
        let attributes = batch.intern(RouteAttributes(asPath: ASPath([1221, 1, 2, 3])))
        for index in 0..<count {
            batch.announce(
                IPPrefix(host: IPAddress(ipv4: 0xac10_0000 + UInt32(index))),
                attributes: attributes)
            if batch.count == 4096 {
                self.owner.submit(.routes(batch))
                batch = RouteBatch(feed: Self.core)
                _ = batch.intern(RouteAttributes(asPath: ASPath([1221, 1, 2, 3])))
            }
        }
        self.owner.submit(.routes(batch))
        await self.owner.flush()
    }

    func interpreter() throws -> Interpreter {
        try Interpreter(
            backend: self, now: { Fixture.startTime + 17 }, date: { "<\($0)>" })
    }

    func policy(named name: String) -> Int? { name == "www.example.com" ? 1 : nil }
    var names: [String] { ["www.example.com"] }
    /// What names say beside their sites.
    let nearestNames = Mutex<[String: NearestNameReport]>([:])

    func nearestName(_ name: String) -> NearestNameReport? {
        self.nearestNames.withLock { $0[name] }
    }

    func feedIdentities() -> [FeedIdentity] {
        [
            FeedIdentity(
                id: Self.core, name: "sydney-core", site: Self.sydney, kind: .bgp, peerAS: 65000,
                peerAddress: IPAddress(ipv4: 0xcb00_7101),
                peerIdentifier: IPAddress(ipv4: 0xcb00_71fe), isInternal: true),
            FeedIdentity(
                id: Self.edge, name: "tokyo-edge", site: Self.tokyo, kind: .mrt, peerAS: 2500,
                peerAddress: IPAddress(ipv4: 0xca00_0001)),
        ] + self.furtherReports.withLock { $0.map(\.identity) }
    }

    /// Of feeds that a test has added.
    let furtherReports = Mutex<[FeedReport]>([])

    func feedReports() async -> [FeedReport] {
        let identities = self.feedIdentities()
        return [
            FeedReport(
                identity: identities[0], state: "established", isUp: true,
                since: Self.startTime, messagesReceived: 12, messagesSent: 3),
            FeedReport(
                identity: identities[1], state: "failed", isUp: false,
                lastError: "record 7 ends early"),
        ] + self.furtherReports.withLock { $0 }
    }

    /// Since when feeds, and sites as a whole, have no session.
    let staleFeeds = Mutex<[FeedID: Int64]>([:])
    let staleSites = Mutex<[SiteID: Int64]>([:])

    func staleSince(feed: FeedID) -> Int64? { self.staleFeeds.withLock { $0[feed] } }
    func staleSince(site: SiteID) -> Int64? { self.staleSites.withLock { $0[site] } }

    func readiness() -> Readiness { self.state.withLock { $0 } }
    func setReadiness(_ readiness: Readiness) { self.state.withLock { $0 = readiness } }
    func configuration() -> String? { "router: { as: 65000 }\nsites: {}\n" }

    /// What was ordered of sessions.
    var seenOrders: [FeedOrder] { self.orders.withLock { $0 } }

    func carryOut(_ order: FeedOrder, on feed: FeedID) async -> Result<String, CommandFailure> {
        guard feed == Self.core else {
            return .failure(CommandFailure(.noSuchThing, "feed has no session"))
        }
        self.orders.withLock { $0.append(order) }
        return .success("done")
    }

    func watchFeed(_ feed: FeedID) async -> FeedWatch? {
        guard feed == Self.core else { return nil }
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        self.watchers.withLock { $0.append(continuation) }
        continuation.yield("first")
        return FeedWatch(lines: stream) { continuation.finish() }
    }

    /// Shows a line to all who watch.
    func show(_ line: String) {
        for watcher in self.watchers.withLock({ $0 }) { watcher.yield(line) }
    }
    let ruleReports = Mutex<[FeedID: RuleReport]>([:])
    func ruleReport(_ feed: FeedID) -> RuleReport? { self.ruleReports.withLock { $0[feed] } }

    /// What sets the distances of feeds' routes.
    let distanceReasons = Mutex<[FeedID: DistanceReason]>([:])

    func distanceReason(_ route: SiteRoute) -> DistanceReason? {
        self.distanceReasons.withLock { $0[route.feed] }
    }

    func originReport() async -> OriginReport? { self.origins.withLock { $0 } }
    func setOrigins(_ report: OriginReport) { self.origins.withLock { $0 = report } }

    func originPayloads(covering prefix: IPPrefix) -> [OriginReport.Payload] {
        let payload = OriginReport.Payload(
            prefix: IPPrefix(masking: IPAddress(ipv4: 0x0100_0400), length: 22), maximumLength: 24,
            asNumber: 56203)
        return payload.prefix.contains(prefix) ? [payload] : []
    }

    func serveDNS() { self.servesDNS.withLock { $0 = true } }

    func dnsReport() -> DNSReport? {
        guard self.servesDNS.withLock({ $0 }) else { return nil }
        return DNSReport(counters: [
            .init("queries", "udp", 12), .init("queries", "tcp", 0), .init("codes", "NOERROR", 11),
            .init("sites", "new york", 3), .init("scopes", "/24", .max),
        ])
    }

    func dnsZones() async -> [DNSReport.Zone] {
        [
            DNSReport.Zone(name: "example.net.", queries: 2, missing: 1, withSubnet: 0),
            DNSReport.Zone(name: "example.com.", queries: 10, missing: 0, withSubnet: 9),
        ]
    }

    func dnsListeners() async -> [DNSReport.Listener] {
        [
            DNSReport.Listener(
                endpoint: "[::]:53", transports: ["udp", "tcp"], usesClientSubnet: false,
                proxies: ["192.0.2.0/24", "2001:db8::/32"]),
            DNSReport.Listener(
                endpoint: "[::]:853", transports: ["tls"], usesClientSubnet: true, proxies: [],
                certificate: "/etc/martlet/dot.pem", expiry: "2026-12-01 10:00 UTC",
                problem: "it expires"),
        ]
    }

    func dnsNames(zone: String?) async -> [DNSReport.Name] {
        [
            DNSReport.Name(
                name: "a.example.com.", zone: "example.com.", queries: 1, sites: []),
            DNSReport.Name(
                name: "www.example.com.", zone: "example.com.", queries: 9,
                sites: [.init("sites", "sydney", 6), .init("sites", "tokyo", 3)]),
            DNSReport.Name(name: "b.example.net.", zone: "example.net.", queries: 1, sites: []),
        ].filter { zone == nil || $0.zone == zone }
    }

    var zoneNames: [String] { ["example.com.", "example.net."] }

    func checkpointReport() -> CheckpointReport? { self.checkpoint.withLock { $0 } }

    func writeCheckpoint() async -> Result<CheckpointReport, CommandFailure> {
        self.checkpointReport().map { report in
            if let error = report.writing.error {
                return .failure(CommandFailure(.ourFault, error))
            }
            return .success(report)
        } ?? .failure(CommandFailure(.noSuchThing, "none"))
    }

    func set(checkpoint: CheckpointReport?) { self.checkpoint.withLock { $0 = checkpoint } }

    func reload() async -> Result<[String], CommandFailure> {
        self.reloads.withLock { $0.popLast() } ?? .success([])
    }
    func nextReload(_ result: Result<[String], CommandFailure>) {
        self.reloads.withLock { $0.append(result) }
    }
}
