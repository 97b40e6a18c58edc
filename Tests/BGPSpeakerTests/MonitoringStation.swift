// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import BGPWire
import Logging
import NIOCore
import NIOPosix
import RouteTable
import Synchronization
import Testing

/// A station for BMP with its table, as the daemon would run it.
final class MonitoringStation: Sendable {
    let owner: TableOwner
    let station: BMPStation
    let port: UInt16
    private let log: Log
    private let running: Task<Void, any Error>

    /// What the station has told of its feeds.
    private final class Log: BMPListener {
        let lines = Mutex<[String]>([])
        func feed(_ feed: FeedID, became liveness: FeedLiveness) {
            self.lines.withLock { $0.append("\(feed.rawValue) \(liveness)") }
        }
        func appeared(_ definition: FeedDefinition, router: IPAddress) {
            self.lines.withLock {
                $0.append("\(definition.name) at site \(definition.site.rawValue)")
            }
        }
        func disappeared(_ feed: FeedID, name: String) {
            self.lines.withLock { $0.append("\(name) gone") }
        }
    }

    static let feed = FeedID(1)

    /// The router at 127.0.0.2.
    static func router(
        view: String = "pre", address: String = "127.0.0.2"
    ) throws -> BMPRouterSettings {
        BMPRouterSettings(
            name: "edge", feed: Self.feed, router: try IPPrefix(parsing: "\(address)/32"),
            view: try #require(.init(rawValue: view)), staleTime: .seconds(30),
            quietTime: .seconds(30))
    }

    /// Routers in 127.0.0.0/28, two at most.
    static func range(site: UInt8 = 0) throws -> BMPRouterSettings {
        var settings = try Self.router()
        settings.name = "edges"
        settings.router = try IPPrefix(parsing: "127.0.0.0/28")
        settings.range = .init(
            definition: FeedDefinition(id: Self.feed, name: "edges", site: SiteID(site), order: 0),
            slots: [FeedID(8), FeedID(9)])
        return settings
    }

    static func settings(
        _ routers: [BMPRouterSettings], listen: [String] = ["127.0.0.1:0"]
    ) throws -> BMPSettings {
        var settings = BMPSettings(
            listen: try listen.map { try ListenAddress(parsing: $0) }, routers: routers)
        settings.listenRetry = .milliseconds(50)
        return settings
    }

    init(_ settings: BMPSettings) async throws {
        self.owner = try TableOwner()
        for site in 0..<2 as Range<UInt8> {
            self.owner.submit(.defineSite(SiteID(site), name: "site\(site)"))
        }
        for router in settings.routers where router.range == nil {
            self.owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: router.feed, name: router.name, site: SiteID(0), order: 0,
                        pathsPerPrefix: router.maximumPeers)))
        }
        self.log = Log()
        self.station = BMPStation(
            settings: settings, group: MultiThreadedEventLoopGroup.singleton, owner: self.owner,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, listener: self.log)
        let addresses = try await self.station.bind()
        self.port = UInt16(addresses.first?.port ?? 0)
        let station = self.station
        self.running = Task { try await station.run() }
    }

    var events: [String] { self.log.lines.withLock { $0 } }

    func stop() async throws {
        self.running.cancel()
        let running = self.running
        try await within { try await running.value }
        self.owner.shutdown()
    }

    func connect(from address: String = "127.0.0.2") async throws -> LoopbackConnection {
        try await LoopbackConnection.dial(port: self.port, from: address)
    }

    func status(_ name: String = "edge") async throws -> BMPRouterStatus {
        try #require(await self.station.status().first { $0.name == name })
    }

    /// Waits until the table holds these routes: prefix and AS path, stale ones with a star.
    func expect(
        _ expected: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        var seen: [String] = []
        let isSo = try await eventually {
            seen = try await self.owner.query { rib in
                rib.routes(after: nil, feed: nil, within: nil, limit: 1000).routes.map {
                    "\($0.isStale ? "*" : "")\($0.prefix) \($0.attributes.asPath)"
                }
            }
            return seen == expected
        }
        #expect(isSo, "\(seen)", sourceLocation: sourceLocation)
    }

    /// Waits until a router's status is so.
    func expect(
        _ name: String = "edge", sourceLocation: SourceLocation = #_sourceLocation,
        _ condition: @escaping (BMPRouterStatus) -> Bool
    ) async throws {
        let isSo = try await eventually {
            await self.station.status().first { $0.name == name }.map(condition) ?? false
        }
        let status = await self.station.status().first { $0.name == name }
        #expect(
            isSo, "\(status.map { "\($0.counters), \($0.lastError ?? "-")" } ?? "none")",
            sourceLocation: sourceLocation)
    }
}
