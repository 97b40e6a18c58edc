// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
import Glibc
import Logging
import NIOCore
import NIOPosix
public import RouteTable

/// Who hears of what becomes of routers' feeds: called on the station's event loop.
public protocol BMPListener: Sendable {
    /// Routes of a feed begin or cease to be had.
    func feed(_ feed: FeedID, became liveness: FeedLiveness)

    /// A router of a range has connected, and is a feed of its own from now.
    func appeared(_ definition: FeedDefinition, router: IPAddress)

    /// It is no more: its number will be another's.
    func disappeared(_ feed: FeedID, name: String)
}

/// The station on its event loop: listeners, routers, and who a connection belongs to.
///
/// Not `Sendable`: `BMPStation` keeps it bound to the loop.
final class BMPCore {
    let loop: any EventLoop
    let owner: TableOwner
    let validator: OriginValidator
    let logger: Logger
    let now: @Sendable () -> Int64
    let listener: any BMPListener
    private(set) var settings: BMPSettings
    private var routers: [BMPRouter] = []
    private(set) lazy var listeners = ListenerSet(
        service: "BMP", loop: self.loop, logger: self.logger, retryTime: self.settings.listenRetry
    ) {
        // A router that is gone without a word is found out: BMP has no keepalives.
        $0.childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: 60)
            .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: 20)
            .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: 6)
            .childChannelOption(
                .recvAllocator,
                value: FixedSizeRecvByteBufferAllocator(capacity: SpeakerCore.readSize))
    } makeHandler: { [unowned self] in
        BMPConnection(core: self)
    }
    /// Connections that are open, those of strangers too.
    private var connections: [ObjectIdentifier: BMPConnection] = [:]
    private var emptyPromise: EventLoopPromise<Void>?
    private var isRunning = false
    private(set) var strangers = 0
    private var strangerLines = ComplaintLimiter()

    init(
        settings: BMPSettings, loop: any EventLoop, owner: TableOwner,
        validator: OriginValidator, logger: Logger, now: @escaping @Sendable () -> Int64,
        listener: any BMPListener
    ) {
        self.settings = settings
        self.loop = loop
        self.owner = owner
        self.validator = validator
        self.logger = logger
        self.now = now
        self.listener = listener
        self.routers = settings.routers.filter { $0.range == nil }.map {
            BMPRouter(settings: $0, core: self)
        }
    }

    func makeSink(_ settings: BMPRouterSettings) -> UpdateSink {
        UpdateSink(
            feed: settings.feed, keeping: settings.kept, judge: settings.judge,
            validator: self.validator)
    }

    // MARK: Life

    func start() {
        self.isRunning = true
        self.listeners.open()
    }

    /// Ends all; the future succeeds once all connections have gone.
    func stop() -> EventLoopFuture<Void> {
        self.isRunning = false
        self.listeners.close()
        for router in self.routers { router.stop() }
        for connection in self.connections.values { connection.end(nil) }
        guard !self.connections.isEmpty else { return self.loop.makeSucceededVoidFuture() }
        let promise = self.emptyPromise ?? self.loop.makePromise(of: Void.self)
        self.emptyPromise = promise
        return promise.futureResult
    }

    /// Hands all that has come on to the table.
    func flush() {
        for router in self.routers { router.flush() }
    }

    func restored(_ feeds: Set<FeedID>, members: [RangeMember], isGood: Bool) {
        for member in members {
            let range = self.settings.routers.first {
                $0.range != nil && $0.feed == member.range
            }
            guard let range else { continue }
            _ = self.addRouter(at: member.address, of: range, feed: member.definition.id)
        }
        for router in self.routers where feeds.contains(router.settings.feed) {
            router.restored(isGood: isGood)
        }
    }

    func reset(_ feed: FeedID) -> Bool {
        guard let router = self.routers.first(where: { $0.settings.feed == feed }) else {
            return false
        }
        return router.reset()
    }

    var statuses: [BMPRouterStatus] { self.routers.map(\.status) }

    func whenTableDrained(of feed: FeedID, _ body: @escaping () -> Void) {
        let bound = NIOLoopBound(body, eventLoop: self.loop)
        let loop = self.loop
        self.owner.whenDrained(of: feed) { loop.execute { bound.value() } }
    }

    // MARK: Configuration

    /// Takes new routers, drops old ones, and changes the others, with as few resets as can be.
    ///
    /// - Returns: What was reset, in words.
    func apply(_ settings: BMPSettings) -> [String] {
        var report: [String] = []
        self.settings = settings
        self.listeners.retryTime = settings.listenRetry
        for router in self.routers {
            let (wanted, definition) = self.wanted(for: router)
            let judge = router.settings.judge
            if let wanted, wanted == router.settings || router.adjust(to: wanted) {
                if wanted.judge != judge { report.append(router.wordsOfOtherRules) }
                if let definition { self.appeared(router, definition) }
                continue
            }
            report.append(
                wanted == nil
                    ? "feed \(router.settings.name): session ended, it is configured no more"
                    : "feed \(router.settings.name): session reset, its settings have changed")
            self.remove(router)
        }
        for settings in settings.routers where settings.range == nil {
            guard !self.routers.contains(where: { $0.settings.feed == settings.feed }) else {
                continue
            }
            self.routers.append(BMPRouter(settings: settings, core: self))
        }
        return report
    }

    /// What a router's settings are to be now, and the table's feed of one of a range; nil where it
    /// is not wanted, or another feed names its address.
    private func wanted(for router: BMPRouter) -> (BMPRouterSettings?, FeedDefinition?) {
        let (feed, host) = (router.settings.feed, router.settings.router)
        guard let range = router.range else {
            return (self.settings.routers.first { $0.range == nil && $0.feed == feed }, nil)
        }
        let isNamed = self.settings.routers.contains { $0.range == nil && $0.router == host }
        let settings = self.settings.routers.first {
            $0.feed == range && $0.range?.slots.contains(feed) == true && $0.router.contains(host)
        }
        guard let settings, !isNamed else { return (nil, nil) }
        let (wanted, definition) = settings.member(host.address, feed: feed)
        return (wanted, definition)
    }

    /// A router of a range is there: the table hears of it before its first route.
    private func appeared(_ router: BMPRouter, _ definition: FeedDefinition) {
        self.owner.submit(.addFeed(definition))
        self.listener.appeared(definition, router: router.settings.router.address)
    }

    private func remove(_ router: BMPRouter) {
        router.remove()
        self.routers.removeAll { $0 === router }
        guard router.range != nil else { return }
        self.owner.submit(.removeFeed(router.settings.feed))
        self.listener.disappeared(router.settings.feed, name: router.settings.name)
    }

    /// Looks whether a router of a range has gone, once all that is under way is done.
    func changed(_ router: BMPRouter) {
        guard router.range != nil, router.isGone else { return }
        let bound = NIOLoopBound((self, router), eventLoop: self.loop)
        self.loop.execute {
            let (core, router) = bound.value
            if router.isGone, core.routers.contains(where: { $0 === router }) {
                core.remove(router)
            }
        }
    }

    // MARK: Connections

    /// Closes connections of strangers, gives the others to their routers.
    func accepted(_ connection: BMPConnection) {
        self.connections[ObjectIdentifier(connection)] = connection
        let remote = IPAddress(connection.channel?.remoteAddress)
        guard self.isRunning, let remote, let router = self.router(at: remote) else {
            self.strangers += 1
            if let suppressed = self.strangerLines.admit(at: self.now()) {
                self.logger.info(
                    "connection of a stranger closed",
                    metadata: [
                        "address": "\(remote.map(\.description) ?? "unknown")",
                        "strangers": "\(self.strangers)", "suppressed": "\(suppressed)",
                    ])
            }
            connection.end(nil)
            return
        }
        connection.adopt(by: router)
        router.accepted(connection)
    }

    func closed(_ connection: BMPConnection) {
        self.connections[ObjectIdentifier(connection)] = nil
        guard self.connections.isEmpty, let promise = self.emptyPromise else { return }
        self.emptyPromise = nil
        promise.succeed()
    }

    /// The router at an address: the one that is named, or one of a range, the narrowest first,
    /// as long as that has numbers left.
    private func router(at address: IPAddress) -> BMPRouter? {
        let host = IPPrefix(host: address)
        if let router = self.routers.first(where: { $0.settings.router == host }) {
            return router
        }
        let ranges = self.settings.routers.filter {
            $0.range != nil && $0.router.contains(address)
        }
        guard let range = ranges.max(by: { $0.router.length < $1.router.length }) else {
            return nil
        }
        let taken = Set(self.routers.map(\.settings.feed))
        guard let feed = range.range?.slots.first(where: { !taken.contains($0) }) else {
            return nil
        }
        return self.addRouter(at: address, of: range, feed: feed)
    }

    private func addRouter(
        at address: IPAddress, of range: BMPRouterSettings, feed: FeedID
    ) -> BMPRouter? {
        let (settings, definition) = range.member(address, feed: feed)
        guard let definition else { return nil }
        let router = BMPRouter(settings: settings, core: self, range: range.feed)
        self.appeared(router, definition)
        self.routers.append(router)
        return router
    }
}
