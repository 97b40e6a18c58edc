// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Configuration
import Logging
import NIOCore
import NIOPosix
import OriginValidation
import RouteTable
import ServiceLifecycle
import Synchronization

/// Keeps up with the RPKI caches: what they tell judges the routes that come, and those that are
/// held under the prefixes that have changed.
final class OriginService: Service, CustomStringConvertible {
    let description = "rpki"

    /// What is to be in force.
    private struct Wanted {
        /// What the caches tell; nil where none of it counts.
        var told: VRPTable?
        /// A cache has told something since the start.
        var hasTold = false
        var isConfigured: Bool
        var ignoresInvalid: Bool

        var snapshot: OriginSnapshot {
            // Where all has expired, no payload covers anything: nothing is found.
            OriginSnapshot(
                table: self.isConfigured && self.hasTold ? self.told ?? VRPTable() : nil,
                ignoresInvalid: self.ignoresInvalid, isAwaited: self.isConfigured && !self.hasTold)
        }
    }

    /// What the client's event loop leaves for the service.
    private final class Inbox: Sendable {
        let wanted: Mutex<Wanted>
        private let source: AsyncStream<Void>.Continuation
        let signals: AsyncStream<Void>

        init(_ wanted: Wanted) {
            self.wanted = Mutex(wanted)
            (self.signals, self.source) = AsyncStream.makeStream(
                bufferingPolicy: .bufferingNewest(1))
        }

        func change(_ body: (inout Wanted) -> Void) {
            self.wanted.withLock { body(&$0) }
            self.source.yield()
        }
    }

    let validator: OriginValidator
    private let client: RTRClient
    private let group = MultiThreadedEventLoopGroup.givingWay()
    private let owner: TableOwner
    private let speaker: BGPSpeaker
    private let station: BMPStation
    private let logger: Logger
    private let inbox: Inbox

    init(
        plan: Plan, validator: OriginValidator, owner: TableOwner, speaker: BGPSpeaker,
        station: BMPStation, logger: Logger, now: @escaping @Sendable () -> Int64
    ) {
        let wanted = Wanted(
            isConfigured: !plan.origins.caches.isEmpty, ignoresInvalid: plan.ignoresInvalid)
        let inbox = Inbox(wanted)
        self.inbox = inbox
        self.validator = validator
        self.owner = owner
        self.speaker = speaker
        self.station = station
        self.logger = logger
        self.client = RTRClient(
            settings: plan.origins, group: self.group, logger: logger, now: now
        ) { table in
            inbox.change { wanted in
                wanted.told = table
                wanted.hasTold = wanted.hasTold || table != nil
            }
        }
        validator.snapshot = wanted.snapshot
        validator.define(plan.validated)
    }

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.client.run() }
                for await _ in self.inbox.signals {
                    await self.publish(self.inbox.wanted.withLock { $0.snapshot })
                }
                try await group.waitForAll()
            }
        }
        try await self.group.shutdownGracefully()
    }

    /// Who the feeds are, before their sessions are told.
    func define(_ plan: Plan) { self.validator.define(plan.validated) }

    /// Takes another configuration.
    func apply(_ plan: Plan) async {
        let isConfigured = !plan.origins.caches.isEmpty
        self.inbox.change { wanted in
            // What was told under other caches doesn't stand for those that come later.
            if !isConfigured { (wanted.told, wanted.hasTold) = (nil, false) }
            wanted.isConfigured = isConfigured
            wanted.ignoresInvalid = plan.ignoresInvalid
        }
        await self.client.apply(plan.origins)
    }

    func status() async -> RTRStatus { await self.client.status() }

    private func publish(_ new: OriginSnapshot) async {
        let old = self.validator.snapshot
        guard let revision = self.validator.replaceSnapshot(by: new) else { return }
        // What was judged by the old payloads is on its way to the table before the revision is.
        await self.speaker.flush()
        await self.station.flush()
        self.owner.submit(.revise(revision))
        if new.table?.isEmpty == true, old.table?.isEmpty == false {
            self.logger.error(
                "no RPKI cache has payloads that count: no route is valid or invalid any more")
        }
        self.logger.info(
            "routes are judged by new RPKI payloads",
            metadata: [
                "payloads": "\(new.table?.count ?? 0)",
                "changed": "\(revision.within.map { "\($0.count) prefixes" } ?? "all")",
            ])
    }
}
