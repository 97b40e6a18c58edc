// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Logging
import NIOCore
import NIOPosix
public import RouteTable

/// The speaker on its event loop: its peers, what they hand to the table, and what an operator
/// asks of them.
///
/// Not `Sendable`: ``BGPSpeaker`` keeps it bound to the loop.
final class SpeakerCore {
    let loop: any EventLoop
    let owner: TableOwner
    let validator: OriginValidator
    let logger: Logger
    let now: @Sendable () -> Int64
    let listener: any SpeakerListener
    var settings: SpeakerSettings
    let peers = PeerList()
    private(set) lazy var listeners = ListenerSet(
        service: "BGP", loop: self.loop, logger: self.logger, retryTime: self.settings.listenRetry
    ) {
        $0.childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.recvAllocator, value: Self.allocator)
    } makeHandler: { [unowned self] in
        ConnectionHandler(core: self, peer: nil, slot: .incoming)
    }
    let taps = TapBoard()
    /// Connections that are open, those of strangers too.
    var handlers: [ObjectIdentifier: ConnectionHandler] = [:]
    private var emptyPromise: EventLoopPromise<Void>?
    private(set) var isRunning = false
    var strangers = 0
    var strangerLines = ComplaintLimiter()

    init(
        settings: SpeakerSettings, loop: any EventLoop, owner: TableOwner,
        validator: OriginValidator, logger: Logger, now: @escaping @Sendable () -> Int64,
        listener: any SpeakerListener
    ) {
        self.settings = settings
        self.loop = loop
        self.owner = owner
        self.validator = validator
        self.logger = logger
        self.now = now
        self.listener = listener
        for settings in settings.peers { self.peers.add(self.makePeer(settings)) }
        self.listeners.set(settings.keys)
    }

    /// Whole seconds of a clock that never goes back.
    var loopSeconds: Int64 { Int64(self.loop.now.uptimeNanoseconds / 1_000_000_000) }

    func makePeer(
        _ settings: PeerSettings, range: FeedID? = nil, predecessor: Peer? = nil
    ) -> Peer {
        Peer(
            settings: settings, core: self, seed: .random(in: 0 ... .max), range: range,
            predecessor: predecessor)
    }

    // MARK: Life

    func start() {
        guard !self.isRunning else { return }
        self.isRunning = true
        for peer in self.peers.all { peer.start() }
        self.listeners.open()
    }

    /// Ends all sessions and listeners; the future succeeds once all connections have gone.
    func stop(_ notification: Notification) -> EventLoopFuture<Void> {
        self.isRunning = false
        self.listeners.close()
        for peer in self.peers.all { peer.stop(notification) }
        guard !self.handlers.isEmpty else { return self.loop.makeSucceededVoidFuture() }
        for handler in self.handlers.values { handler.end() }
        let promise = self.emptyPromise ?? self.loop.makePromise(of: Void.self)
        self.emptyPromise = promise
        return promise.futureResult
    }

    /// Hands all that has come on to the table.
    func flush() {
        for peer in self.peers.all { peer.feed.flush() }
    }

    func closed(_ handler: ConnectionHandler) {
        self.handlers[ObjectIdentifier(handler)] = nil
        guard self.handlers.isEmpty, let promise = self.emptyPromise else { return }
        self.emptyPromise = nil
        promise.succeed()
    }

    /// Feeds whose routes are in the table since before the start, or no longer are; among them
    /// those of `members`, who are peers from now on.
    func restored(_ feeds: Set<FeedID>, members: [RangeMember], isGood: Bool) {
        for member in members {
            let range = self.settings.ranges.first { $0.template.feed == member.range }
            guard let range else { continue }
            _ = self.addGuest(member.address, of: range, feed: member.definition.id)
        }
        for peer in self.peers.all where feeds.contains(peer.settings.feed) {
            guard isGood else {
                peer.feed.unrestored()
                continue
            }
            peer.feed.restored()
            peer.judgeHeld(showsAtOnce: false)
        }
    }

    // MARK: The table

    /// Hands a command to the table; the peer of `feed` waits where enough of it is to be done.
    func submit(_ command: TableCommand, for feed: FeedID) {
        guard !self.owner.submit(command) else { return }
        self.peers[feed]?.pause()
    }

    /// Calls once the table has done most of what waits of a feed.
    func whenTableDrained(of feed: FeedID, _ body: @escaping () -> Void) {
        let bound = NIOLoopBound(body, eventLoop: self.loop)
        let loop = self.loop
        self.owner.whenDrained(of: feed) { loop.execute { bound.value() } }
    }

    /// Has the prefixes of a feed's present session counted, behind all that was submitted.
    func countPrefixes(of feed: FeedID, _ done: @escaping ((ipv4: Int, ipv6: Int)?) -> Void) {
        let bound = NIOLoopBound(done, eventLoop: self.loop)
        let (loop, owner) = (self.loop, self.owner)
        Task {
            let summary = try? await owner.query { rib in
                rib.feedSummaries().first { $0.id == feed }
            }
            loop.execute { bound.value(summary.map { ($0.freshIPv4, $0.freshIPv6) }) }
        }
    }

    func feed(_ feed: FeedID, became liveness: FeedLiveness) {
        self.listener.feed(feed, became: liveness)
        if let peer = self.peers[feed] { self.changed(peer) }
    }

    // MARK: Reports

    /// Logs which keys can't be set where we listen.
    func tellOfKeys() {
        for (prefix, problem) in self.listeners.problems {
            self.logger.error(
                "who would have to sign can't connect",
                metadata: ["peer": "\(prefix)", "reason": "\(problem)"])
        }
    }

    var statuses: [PeerStatus] { self.peers.all.map(\.status) }

    func rangeName(_ feed: FeedID?) -> String? {
        feed.flatMap { feed in
            self.settings.ranges.first { $0.template.feed == feed }?.template.name
        }
    }

    /// Why this peer may not be able to connect.
    func problem(of peer: Peer) -> String? {
        if let problem = self.keyProblem(of: peer) { return problem }
        guard peer.settings.connect.accepts, peer.machine.state != .established else { return nil }
        return self.listeners.problem(of: peer.settings.peerAddress.family)
    }

    /// Why nobody can connect as this peer: it would have to sign.
    func keyProblem(of peer: Peer) -> String? {
        guard peer.settings.authentication != nil, peer.settings.connect.accepts else {
            return nil
        }
        let range = self.settings.ranges.first { $0.template.feed == peer.range }
        let prefix = range?.prefix ?? IPPrefix(host: peer.settings.peerAddress)
        return self.listeners.problems[prefix]
    }

    // MARK: Neighbours of a range

    /// Makes a neighbour of a range a peer.
    func addGuest(_ address: IPAddress, of range: PeerRange, feed: FeedID) -> Peer {
        let peer = self.makePeer(
            range.settings(of: address, feed: feed), range: range.template.feed)
        self.peers.add(peer)
        self.appeared(peer, range.definition(of: address, feed: feed))
        if self.isRunning { peer.start() }
        return peer
    }

    /// A neighbour of a range has come: the table hears of it before its first route.
    func appeared(_ peer: Peer, _ definition: FeedDefinition) {
        self.owner.submit(.addFeed(definition))
        self.listener.appeared(definition, peer.settings)
    }

    /// Looks whether a neighbour of a range has gone, once all that is under way is done.
    func changed(_ peer: Peer) {
        guard peer.range != nil, peer.isGone else { return }
        let bound = NIOLoopBound((self, peer), eventLoop: self.loop)
        self.loop.execute {
            let (core, peer) = bound.value
            if peer.isGone, core.peers.contains(peer) { core.removeGuest(peer) }
        }
    }

    /// Takes a range's neighbour out for good.
    func removeGuest(_ peer: Peer) {
        peer.retire(.cease(.peerDeconfigured))
        peer.feed.remove()
        self.peers.remove(peer)
        self.taps.remove(peer.settings.feed)
        self.owner.submit(.removeFeed(peer.settings.feed))
        self.listener.disappeared(peer.settings.feed, name: peer.settings.name)
    }
}

/// Who hears of what becomes of feeds: called on the event loop of the sessions.
public protocol SpeakerListener: Sendable {
    /// Routes of a feed begin or cease to be had.
    func feed(_ feed: FeedID, became liveness: FeedLiveness)

    /// A neighbour of a range has connected, and is a feed of its own from now.
    func appeared(_ definition: FeedDefinition, _ settings: PeerSettings)

    /// It is no more: its number will be another's.
    func disappeared(_ feed: FeedID, name: String)

    /// A session has begun, with a router that calls itself so (RFC 4271 §4.2).
    func feed(_ feed: FeedID, identified identifier: UInt32)
}
