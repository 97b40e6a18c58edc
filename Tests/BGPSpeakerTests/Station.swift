// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Foundation
import Logging
import NIOCore
import NIOPosix
import RouteTable
import Synchronization
import Testing

/// A speaker with its table, as the daemon would run it.
final class Station: Sendable {
    let owner: TableOwner
    let speaker: BGPSpeaker
    let addresses: [SocketAddress]
    private let livenessLog = Mutex<[FeedLiveness]>([])
    private let running: Task<Void, any Error>

    static let feed = FeedID(1)

    init(
        _ settings: SpeakerSettings, limits: TableLimits = TableLimits(), log: Logger? = nil
    ) async throws {
        self.owner = try TableOwner(limits: limits)
        self.owner.submit(.defineSite(SiteID(0), name: "here"))
        for peer in settings.peers {
            self.owner.submit(
                .addFeed(
                    FeedDefinition(id: peer.feed, name: peer.name, site: SiteID(0), order: 0)))
        }
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        if ProcessInfo.processInfo.environment["MARTLET_TEST_LOG"] != nil {
            logger = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
            logger.logLevel = .debug
        }
        if let log { logger = log }
        let box = Box()
        self.speaker = BGPSpeaker(
            settings: settings, group: MultiThreadedEventLoopGroup.singleton, owner: self.owner,
            logger: logger
        ) { _, liveness in
            box.station?.note(liveness)
        }
        self.addresses = try await self.speaker.bind()
        let speaker = self.speaker
        self.running = Task { try await speaker.run() }
        box.set(self)
    }

    private func note(_ liveness: FeedLiveness) {
        self.livenessLog.withLock { $0.append(liveness) }
    }

    /// What the speaker said of the feed, in order.
    var liveness: [FeedLiveness] { self.livenessLog.withLock { $0 } }

    var port: UInt16? { self.addresses.first?.port.map { UInt16($0) } }

    /// Lets a callback that is made before the station find it.
    private final class Box: Sendable {
        private let content = Mutex<WeakStation>(WeakStation())
        struct WeakStation { weak var station: Station? }
        var station: Station? { self.content.withLock { $0.station } }
        func set(_ station: Station) { self.content.withLock { $0.station = station } }
    }

    func stop(message: String? = nil) async throws {
        self.speaker.beginShutdown(message: message)
        try await self.running.value
        self.owner.shutdown()
    }

    /// Prefix and AS path of each route, in tree order; stale ones with a star.
    func routes() async throws -> [String] {
        try await self.owner.query { rib in
            rib.routes(after: nil, feed: nil, within: nil, limit: 1000).routes.map { route in
                let path = route.attributes.asPath
                return "\(route.isStale ? "*" : "")\(route.prefix)\(path.isEmpty ? "" : " ")\(path)"
            }
        }
    }

    func status() async throws -> PeerStatus { try #require(await self.speaker.status().first) }

    /// Waits until the table holds these routes.
    func expect(
        _ routes: [String], _ comment: Comment? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        var seen: [String] = []
        let isSo = try await eventually {
            seen = try await self.routes()
            return seen == routes
        }
        let status = try await self.status()
        #expect(
            isSo,
            "\(comment?.rawValue ?? ""): \(seen), \(status.state), \(status.lastError ?? "-")",
            sourceLocation: sourceLocation)
    }
}

/// Looks again and again until something is so, for a bounded time.
func eventually(
    within limit: Duration = .seconds(20), _ condition: () async throws -> Bool
) async throws -> Bool {
    let clock = ContinuousClock()
    let end = clock.now + limit
    while clock.now < end {
        if try await condition() { return true }
        try await clock.sleep(for: .milliseconds(10))
    }
    return try await condition()
}
