// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Logging
public import NIOCore
public import RouteTable

/// Listens for routers that monitor their peers (RFC 7854), and feeds the table with what they
/// tell. It says nothing to them: BMP has no message from a station.
///
/// All sessions run on one event loop of the group: not the speaker's, so that a router with many
/// peers delays no keepalive.
public final class BMPStation: Sendable {
    private let loop: any EventLoop
    private let core: NIOLoopBoundBox<BMPCore>

    /// A station that does nothing yet.
    ///
    /// - Parameters:
    ///   - settings: Listeners and routers.
    ///   - group: One of its loops carries all sessions.
    ///   - owner: The table. Feeds are defined there by the caller, but for those of ranges.
    ///   - validator: Judges the routes' origins.
    ///   - logger: Gets a line for each session that comes or goes.
    ///   - listener: Hears of feeds that come and go.
    ///   - now: Unix seconds, for reports.
    public init(
        settings: BMPSettings, group: any EventLoopGroup, owner: TableOwner,
        validator: OriginValidator = OriginValidator(), logger: Logger,
        listener: any BMPListener,
        now: @escaping @Sendable () -> Int64 = { TableOwner.systemTime() }
    ) {
        let loop = group.next()
        self.loop = loop
        self.core = .makeBoxSendingValue(
            BMPCore(
                settings: settings, loop: loop, owner: owner, validator: validator,
                logger: logger, now: now, listener: listener),
            eventLoop: loop)
    }

    /// Binds the listeners. Who calls waits until ``run()``.
    ///
    /// - Parameter sockets: Listening sockets of the process before this one. Those that fit serve
    ///   instead of new ones, the others are closed.
    /// - Returns: Where it listens, ports that the system chose filled in.
    /// - Throws: ``BGPSpeaker/BindError`` for the first that can't be bound.
    @discardableResult
    public func bind(adopting sockets: [Int32] = []) async throws -> [SocketAddress] {
        let core = self.core
        let outcome = try await self.loop.flatSubmit {
            core.value.listeners.adopt(sockets)
            return core.value.listeners.listen(on: core.value.settings.listen)
        }.get()
        try await self.loop.submit { core.value.listeners.dropInherited() }.get()
        if let error = outcome.errors.first { throw error }
        return try await self.loop.submit { core.value.listeners.localAddresses }.get()
    }

    /// Other descriptors of the listening sockets, for another process, which closes them.
    public func sockets() async -> [Int32] {
        let core = self.core
        return (try? await self.loop.submit { core.value.listeners.copies }.get()) ?? []
    }

    /// Runs until the task is cancelled, and returns when all connections have gone.
    public func run() async throws {
        let core = self.core
        try await self.loop.submit { core.value.start() }.get()
        await Task.untilCancelled()
        try await self.loop.flatSubmit { core.value.stop() }.get()
    }

    /// Takes a new configuration. Sessions of routers that are as before go on.
    ///
    /// - Returns: What was reset, and what can't be listened on, in words.
    public func apply(_ settings: BMPSettings) async -> [String] {
        let core = self.core
        do {
            let report = try await self.loop.submit { core.value.apply(settings) }.get()
            let outcome = try await self.loop.flatSubmit {
                core.value.listeners.listen(on: settings.listen)
            }.get()
            return report + outcome.report
        } catch {
            return ["the BMP station is gone: \(error)"]
        }
    }

    /// Hands all that has come on to the table.
    public func flush() async {
        let core = self.core
        try? await self.loop.submit { core.value.flush() }.get()
    }

    /// The table has got these feeds' routes back from a checkpoint, or not after all; among them
    /// those of `members`, routers of ranges.
    public func restored(
        _ feeds: [FeedID], members: [RangeMember] = [], isGood: Bool = true
    ) async {
        let core = self.core
        let feeds = Set(feeds)
        try? await self.loop.submit {
            core.value.restored(feeds, members: members, isGood: isGood)
        }.get()
    }

    /// All routers that are configured by address or have connected.
    public func status() async -> [BMPRouterStatus] {
        let core = self.core
        return (try? await self.loop.submit { core.value.statuses }.get()) ?? []
    }

    /// Connections of addresses that no router has, closed at once.
    public func strangers() async -> Int {
        let core = self.core
        return (try? await self.loop.submit { core.value.strangers }.get()) ?? 0
    }

    /// Ends a router's session; its routes stay, stale, until they come again.
    ///
    /// - Returns: Whether the feed is a router's.
    @discardableResult
    public func clear(_ feed: FeedID) async -> Bool {
        let core = self.core
        return (try? await self.loop.submit { core.value.reset(feed) }.get()) ?? false
    }
}
