// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Glibc
import Logging
import NIOCore
import NIOPosix
import RouteTable

/// The speaker on its event loop: listeners, peers, and who a connection belongs to.
///
/// Not `Sendable`: ``BGPSpeaker`` keeps it bound to the loop.
final class SpeakerCore {
    let loop: any EventLoop
    let owner: TableOwner
    let logger: Logger
    let now: @Sendable () -> Int64
    let onFeedState: @Sendable (FeedID, FeedLiveness) -> Void
    private(set) var settings: SpeakerSettings
    private var peers: [Peer] = []
    private var listeners: [ListenAddress: any Channel] = [:]
    /// Connections that are open, those of strangers too.
    private var handlers: [ObjectIdentifier: ConnectionHandler] = [:]
    private var emptyPromise: EventLoopPromise<Void>?
    private(set) var isRunning = false
    private(set) var strangers = 0
    private var strangerLines = ComplaintLimiter()

    /// How long the kernel tries to connect for us.
    static let connectTimeout = TimeAmount.seconds(30)
    /// Bytes taken from a socket at once. A few such reads are one turn of the loop.
    static let readSize = 1 << 16

    init(
        settings: SpeakerSettings, loop: any EventLoop, owner: TableOwner, logger: Logger,
        now: @escaping @Sendable () -> Int64,
        onFeedState: @escaping @Sendable (FeedID, FeedLiveness) -> Void
    ) {
        self.settings = settings
        self.loop = loop
        self.owner = owner
        self.logger = logger
        self.now = now
        self.onFeedState = onFeedState
        self.peers = settings.peers.map { self.makePeer($0) }
    }

    private func makePeer(_ settings: PeerSettings, feed: FeedLink? = nil) -> Peer {
        Peer(settings: settings, core: self, seed: .random(in: 0 ... .max), feed: feed)
    }

    // MARK: Life

    func start() {
        guard !self.isRunning else { return }
        self.isRunning = true
        for peer in self.peers { peer.start() }
        // Who called since the listeners were bound has waited in their backlog.
        for listener in self.listeners.values {
            listener.setOption(.autoRead, value: true).whenFailure { _ in }
        }
    }

    /// Ends all sessions and listeners; the future succeeds once all connections have gone.
    func stop(_ notification: Notification) -> EventLoopFuture<Void> {
        self.isRunning = false
        for listener in self.listeners.values { listener.close(promise: nil) }
        self.listeners.removeAll()
        for peer in self.peers { peer.stop(notification) }
        guard !self.handlers.isEmpty else { return self.loop.makeSucceededVoidFuture() }
        for handler in self.handlers.values { handler.end() }
        let promise = self.emptyPromise ?? self.loop.makePromise(of: Void.self)
        self.emptyPromise = promise
        return promise.futureResult
    }

    func clear(_ feed: FeedID, _ notification: Notification) {
        guard let peer = self.peers.first(where: { $0.settings.feed == feed }) else { return }
        peer.stop(notification)
        if self.isRunning { peer.start() }
    }

    /// Feeds whose routes are in the table since before the start, or no longer are.
    func restored(_ feeds: Set<FeedID>, isGood: Bool) {
        for peer in self.peers where feeds.contains(peer.settings.feed) {
            if isGood { peer.feed.restored() } else { peer.feed.unrestored() }
        }
    }

    /// Takes new peers, drops old ones, and changes the others, with as few resets as can be.
    ///
    /// - Returns: What was reset, in words.
    func apply(_ peers: [PeerSettings]) -> [String] {
        var report: [String] = []
        var kept: [Peer] = []
        var rest = self.peers
        for settings in peers {
            let index = rest.firstIndex { $0.settings.feed == settings.feed }
            guard let index else {
                let peer = self.makePeer(settings)
                kept.append(peer)
                if self.isRunning { peer.start() }
                continue
            }
            let peer = rest.remove(at: index)
            let judge = peer.settings.judge
            if peer.settings == settings || peer.adjust(to: settings) {
                if settings.judge != judge { report.append(peer.judgeAgain()) }
                kept.append(peer)
                continue
            }
            report.append("feed \(settings.name): session reset, its settings have changed")
            let feed = peer.retire(.cease(.configurationChange))
            let isSameNeighbour =
                peer.settings.peerAddress == settings.peerAddress
                && peer.settings.peerAS == settings.peerAS
            if !isSameNeighbour { feed.remove() }
            let successor = self.makePeer(settings, feed: isSameNeighbour ? feed : nil)
            kept.append(successor)
            if self.isRunning { successor.start() }
        }
        for peer in rest {
            report.append("feed \(peer.settings.name): session ended, it is configured no more")
            peer.retire(.cease(.peerDeconfigured)).remove()
        }
        self.peers = kept
        self.settings.peers = peers
        return report
    }

    var statuses: [PeerStatus] { self.peers.map(\.status) }

    // MARK: The table

    /// Hands a command to the table; the peer of `feed` waits where that has enough to do.
    func submit(_ command: TableCommand, for feed: FeedID) {
        guard !self.owner.submit(command) else { return }
        self.peers.first { $0.settings.feed == feed }?.pause()
    }

    func whenTableDrained(_ body: @escaping () -> Void) {
        let bound = NIOLoopBound(body, eventLoop: self.loop)
        let loop = self.loop
        self.owner.whenDrained { loop.execute { bound.value() } }
    }

    // MARK: Connections

    /// Closes connections of strangers, gives the others to their peers.
    func accepted(_ handler: ConnectionHandler) {
        self.handlers[ObjectIdentifier(handler)] = handler
        let remote = IPAddress(handler.channel?.remoteAddress)
        let local = IPAddress(handler.channel?.localAddress)
        let candidates = self.peers.filter { $0.settings.peerAddress == remote }
        let peer =
            candidates.first { $0.settings.localAddress == local }
            ?? candidates.first { $0.settings.localAddress == nil }
        guard self.isRunning, let peer else {
            self.strangers += 1
            if let suppressed = self.strangerLines.admit(at: self.now()) {
                self.logger.info(
                    "connection of a stranger closed",
                    metadata: [
                        "address": "\(remote.map(\.description) ?? "unknown")",
                        "strangers": "\(self.strangers)", "suppressed": "\(suppressed)",
                    ])
            }
            handler.channel?.close(promise: nil)
            return
        }
        handler.adopt(by: peer)
        peer.accepted(handler)
    }

    func closed(_ handler: ConnectionHandler) {
        self.handlers[ObjectIdentifier(handler)] = nil
        guard self.handlers.isEmpty, let promise = self.emptyPromise else { return }
        self.emptyPromise = nil
        promise.succeed()
    }

    func dial(
        _ settings: PeerSettings, for peer: Peer,
        _ done: @escaping (Result<ConnectionHandler, any Error>) -> Void
    ) {
        let handler = ConnectionHandler(core: self, peer: peer, slot: .outgoing)
        let bound = NIOLoopBound(handler, eventLoop: self.loop)
        do {
            var bootstrap = ClientBootstrap(group: self.loop)
                .connectTimeout(Self.connectTimeout)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .channelOption(.recvAllocator, value: Self.allocator)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(bound.value)
                    }
                }
            if let local = settings.localAddress {
                bootstrap = bootstrap.bind(to: try SocketAddress(local, port: 0))
            }
            bootstrap.connect(to: try SocketAddress(settings.peerAddress, port: settings.port))
                .hop(to: self.loop).assumeIsolated().whenComplete { result in
                    switch result {
                    case .success:
                        self.handlers[ObjectIdentifier(handler)] = handler
                        done(.success(handler))
                    case .failure(let error): done(.failure(error))
                    }
                }
        } catch {
            // Never from within the caller's own turn.
            self.loop.assumeIsolated().execute { done(.failure(error)) }
        }
    }

    private static var allocator: AdaptiveRecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 4096, maximum: Self.readSize)
    }

    // MARK: Listeners

    /// Binds what is listed and not bound yet, and closes what is listed no more.
    ///
    /// - Returns: What can't be bound.
    func listen(on addresses: [ListenAddress]) -> EventLoopFuture<[BGPSpeaker.BindError]> {
        self.settings.listen = addresses
        for (address, channel) in self.listeners where !addresses.contains(address) {
            channel.close(promise: nil)
            self.listeners[address] = nil
        }
        let core = NIOLoopBound(self, eventLoop: self.loop)
        let futures = addresses.filter { self.listeners[$0] == nil }.map { address in
            self.bind(address, beside: addresses).map { channel -> BGPSpeaker.BindError? in
                core.value.listeners[address] = channel
                // It may have begun to run meanwhile.
                if core.value.isRunning {
                    channel.setOption(.autoRead, value: true).whenFailure { _ in }
                }
                return nil
            }.flatMapErrorThrowing { error in
                BGPSpeaker.BindError(address: address, reason: error.inWords)
            }
        }
        return EventLoopFuture.whenAllSucceed(futures, on: self.loop).map { errors in
            errors.compactMap { $0 }
        }
    }

    var listenerAddresses: [SocketAddress] {
        self.settings.listen.compactMap { self.listeners[$0]?.localAddress }
    }

    private func bind(
        _ address: ListenAddress, beside others: [ListenAddress]
    ) -> EventLoopFuture<any Channel> {
        let core = NIOLoopBound(self, eventLoop: self.loop)
        // One socket serves both families, unless IPv4 has one of its own on that port.
        let isAlone = !others.contains {
            $0.address.family == .ipv4 && $0.port == address.port && address.port != 0
        }
        var bootstrap = ServerBootstrap(group: self.loop, childGroup: self.loop)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.autoRead, value: self.isRunning)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.recvAllocator, value: Self.allocator)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ConnectionHandler(core: core.value, peer: nil, slot: .incoming))
                }
            }
        if address.address.family == .ipv6 {
            bootstrap = bootstrap.serverChannelOption(
                ChannelOptions.Types.SocketOption(
                    level: .ipv6, name: NIOBSDSocket.Option(rawValue: IPV6_V6ONLY)),
                value: isAlone ? 0 : 1)
        }
        do {
            return bootstrap.bind(to: try SocketAddress(address.address, port: address.port))
        } catch {
            return self.loop.makeFailedFuture(error)
        }
    }
}
