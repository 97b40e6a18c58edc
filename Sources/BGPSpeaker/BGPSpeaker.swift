// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSession
public import BGPWire
public import Logging
public import NIOCore
public import RouteTable
import Synchronization

/// Listens and dials, runs a session with each peer, and feeds the table. It never announces:
/// what it can send has no form for a route.
///
/// All sessions run on one event loop of the group, which nobody else should keep busy: so
/// keepalives leave in time, whatever a console or a web page asks for. Nothing on that loop
/// waits for the table; where the table has enough to do, the sockets are not read.
public final class BGPSpeaker: Sendable {
    private let loop: any EventLoop
    private let core: NIOLoopBoundBox<SpeakerCore>
    private let life = Mutex(Life())

    private struct Life {
        var isShutDown = false
        var message: String?
        var waiter: CheckedContinuation<Void, Never>?
    }

    /// A speaker that does nothing yet.
    ///
    /// - Parameters:
    ///   - settings: Listeners and peers.
    ///   - group: One of its loops carries all sessions.
    ///   - owner: The table. Feeds are defined there by the caller, before they are applied here.
    ///   - validator: Judges the routes' origins.
    ///   - logger: Gets a line for each session that comes or goes, and for what is malformed.
    ///   - listener: Hears, on the event loop, what becomes of feeds.
    ///   - now: Unix seconds, for reports.
    public init(
        settings: SpeakerSettings, group: any EventLoopGroup, owner: TableOwner,
        validator: OriginValidator = OriginValidator(), logger: Logger,
        listener: any SpeakerListener,
        now: @escaping @Sendable () -> Int64 = { TableOwner.systemTime() }
    ) {
        let loop = group.next()
        self.loop = loop
        self.core = .makeBoxSendingValue(
            SpeakerCore(
                settings: settings, loop: loop, owner: owner, validator: validator,
                logger: logger, now: now, listener: listener),
            eventLoop: loop)
    }

    /// The same for who wants to know of nothing but whether routes are to be had: `onFeedState` is
    /// called on the event loop.
    public convenience init(
        settings: SpeakerSettings, group: any EventLoopGroup, owner: TableOwner, logger: Logger,
        onFeedState: @escaping @Sendable (FeedID, FeedLiveness) -> Void = { _, _ in },
        now: @escaping @Sendable () -> Int64 = { TableOwner.systemTime() }
    ) {
        self.init(
            settings: settings, group: group, owner: owner, logger: logger,
            listener: LivenessListener(body: onFeedState), now: now)
    }

    private struct LivenessListener: SpeakerListener {
        let body: @Sendable (FeedID, FeedLiveness) -> Void
        func feed(_ feed: FeedID, became liveness: FeedLiveness) { self.body(feed, liveness) }
        func appeared(_: FeedDefinition, _: PeerSettings) {}
        func disappeared(_: FeedID, name: String) {}
        func feed(_: FeedID, identified _: UInt32) {}
    }

    /// Binds the listeners: before privileges are dropped. Who calls waits until ``run()``.
    ///
    /// - Parameter sockets: Listening sockets of the process before this one. Those that fit serve
    ///   instead of new ones, the others are closed.
    /// - Returns: Where it listens, ports that the system chose filled in.
    /// - Throws: ``BindError`` for the first that can't be bound; the others are bound then.
    @discardableResult
    public func bind(adopting sockets: [Int32] = []) async throws -> [SocketAddress] {
        let core = self.core
        let wanted = try await self.loop.submit {
            core.value.listeners.adopt(sockets)
            return core.value.settings.listen
        }.get()
        defer { self.loop.execute { core.value.listeners.dropInherited() } }
        if let error = try await self.listen(on: wanted).errors.first { throw error }
        return try await self.loop.submit { core.value.listeners.localAddresses }.get()
    }

    /// Other descriptors of the listening sockets, for another process, which closes them.
    public func sockets() async -> [Int32] {
        let core = self.core
        return (try? await self.loop.submit { core.value.listeners.copies }.get()) ?? []
    }

    private func listen(on addresses: [ListenAddress]) async throws -> ListenerSet.Outcome {
        let core = self.core
        let outcome = try await self.loop.flatSubmit {
            core.value.settings.listen = addresses
            return core.value.listeners.listen(on: addresses)
        }.get()
        try await self.loop.submit { core.value.tellOfKeys() }.get()
        return outcome
    }

    /// A listener that can't be had.
    public struct BindError: Error, Sendable, Hashable, CustomStringConvertible {
        /// BGP or BMP.
        public var service: String
        public var address: ListenAddress
        public var reason: String
        public var description: String {
            "can't listen for \(self.service) on \(self.address): \(self.reason)"
        }
    }

    /// Runs the sessions until the task is cancelled or ``beginShutdown(message:)`` is called;
    /// then ends each with Cease/Administrative Shutdown, and returns when all have gone.
    public func run() async throws {
        let core = self.core
        try await self.loop.submit { core.value.start() }.get()
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = self.life.withLock { life in
                    if !life.isShutDown { life.waiter = continuation }
                    return life.isShutDown
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            self.beginShutdown()
        }
        let message = self.life.withLock { $0.message }
        try await self.loop.flatSubmit {
            core.value.stop(.cease(.administrativeShutdown, message: message))
        }.get()
    }

    /// Lets ``run()`` come to its end. May be called from anywhere, more than once.
    public func beginShutdown(message: String? = nil) {
        let waiter = self.life.withLock { life in
            if !life.isShutDown { life.message = message }
            life.isShutDown = true
            defer { life.waiter = nil }
            return life.waiter
        }
        waiter?.resume()
    }

    /// Takes a new configuration. Sessions of peers that are as before go on, as do those of
    /// which only waits, limits and the way of connecting have changed. A listener that can't be had
    /// is tried again from time to time.
    ///
    /// - Returns: What was reset, and what can't be listened on, in words.
    public func apply(_ settings: SpeakerSettings) async -> [String] {
        let core = self.core
        do {
            let report = try await self.loop.submit { core.value.apply(settings) }.get()
            return report + (try await self.listen(on: settings.listen)).report
        } catch {
            return ["the speaker is gone: \(error)"]
        }
    }

    /// The table has got these feeds' routes back from a checkpoint: without a session they go
    /// after the stale time. To be told before ``run()``.
    ///
    /// - Parameters:
    ///   - feeds: Those of peers count.
    ///   - members: Neighbours of ranges whose feeds are among them: they are peers from now on,
    ///     until they have neither a connection nor a route.
    ///   - isGood: False, later, where what came back turned out bad: then they go at once.
    public func restored(
        _ feeds: [FeedID], members: [RangeMember] = [], isGood: Bool = true
    ) async {
        let core = self.core
        let feeds = Set(feeds)
        try? await self.loop.submit {
            core.value.restored(feeds, members: members, isGood: isGood)
        }.get()
    }

    /// Hands all that has come on to the table.
    public func flush() async {
        let core = self.core
        try? await self.loop.submit { core.value.flush() }.get()
    }

    /// All peers, in the order of the configuration.
    public func status() async -> [PeerStatus] {
        let core = self.core
        return (try? await self.loop.submit { core.value.statuses }.get()) ?? []
    }

    /// Connections of addresses that no peer has, closed at once.
    public func strangers() async -> Int {
        let core = self.core
        return (try? await self.loop.submit { core.value.strangers }.get()) ?? 0
    }

    // MARK: Orders

    /// Resets a session: Cease/Administrative Reset, with a sentence for the peer's log. The
    /// routes stay, stale, until they come again. One that a limit keeps down begins again.
    ///
    /// In all orders a range's feed means all of its neighbours.
    @discardableResult
    public func clear(_ feed: FeedID, message: String? = nil) async -> SessionOrder {
        await self.order { $0.clear(feed, .cease(.administrativeReset, message: message)) }
    }

    /// Asks the peer for its routes again (RFC 2918), without the loss of the session.
    public func refresh(_ feed: FeedID, _ families: FamilySet = .both) async -> SessionOrder {
        await self.order { $0.refresh(feed, families) }
    }

    /// Ends a session with Cease/Administrative Shutdown and a sentence for the peer's log
    /// (RFC 9003), lets the routes go, and keeps it down until ``resume(_:)``: over changes of
    /// the configuration, not over a restart.
    public func shutDown(_ feed: FeedID, message: String? = nil) async -> SessionOrder {
        await self.order { $0.shutDown(feed, message: message) }
    }

    /// Lets a session begin that was shut down, or that a limit keeps down.
    public func resume(_ feed: FeedID) async -> SessionOrder {
        await self.order { $0.resume(feed) }
    }

    private func order(
        _ body: @escaping @Sendable (SpeakerCore) -> SessionOrder
    ) async -> SessionOrder {
        let core = self.core
        return (try? await self.loop.submit { body(core.value) }.get()) ?? .noSuchPeer
    }

    // MARK: Taps

    /// Shows a feed's messages to a tap from now on; for a range's feed those of all of its
    /// neighbours.
    public func attach(_ tap: any SessionTap, to feed: FeedID) async {
        let core = self.core
        try? await self.loop.submit { core.value.taps.attach(tap, to: feed) }.get()
    }

    /// Shows a tap nothing more, of any feed.
    public func detach(_ tap: any SessionTap) async {
        let core = self.core
        try? await self.loop.submit { core.value.taps.detach(tap) }.get()
    }
}
