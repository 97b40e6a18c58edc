// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLinux
import Glibc
import Logging
import NIOCore
import NIOPosix

/// Where connections are accepted, and the keys by which it is known who may connect there.
///
/// A key stands on a listener before it listens. What can't be bound is tried again from time to
/// time, and what was bound before stays until it can. All of it stays on the event loop.
final class ListenerSet {
    /// What became of the wish to listen.
    struct Outcome: Sendable {
        /// What can't be bound.
        var errors: [BGPSpeaker.BindError] = []
        /// What is listed no more, and stays until the rest of its port can be bound.
        var kept: [ListenAddress] = []

        /// In words, for who has changed the configuration.
        var report: [String] {
            self.errors.map { "\($0); it is tried again" }
                + self.kept.map { "\($0) is listened on until then" }
        }
    }

    private struct Listener {
        var channel: any Channel
        var place: ListenPlace
    }

    private let service: String
    private let loop: any EventLoop
    private let logger: Logger
    /// Sets what is the service's own.
    private let configure: (ServerBootstrap) -> ServerBootstrap
    /// The handler of a connection that was accepted.
    private let makeHandler: () -> any ChannelHandler
    /// The wait before what couldn't be bound is tried again.
    var retryTime: Duration
    private var addresses: [ListenAddress] = []
    private var listeners: [ListenPlace: Listener] = [:]
    private var keys: [IPPrefix: Authentication] = [:]
    /// Keys that are missing on a listener, and why: whoever should have to use one is not let in.
    private(set) var problems: [IPPrefix: String] = [:]
    private var failures: [ListenPlace: BGPSpeaker.BindError] = [:]
    /// Binds follow one another.
    private lazy var turn = self.loop.makeSucceededVoidFuture()
    private var retry: Scheduled<Void>?
    /// Sockets of the process before this one, which listen already.
    private var inherited: [CInt] = []
    /// Connections are accepted.
    private(set) var isOpen = false
    private var isClosed = false
    private var acceptLines = ComplaintLimiter()

    init(
        service: String, loop: any EventLoop, logger: Logger, retryTime: Duration,
        configure: @escaping (ServerBootstrap) -> ServerBootstrap,
        makeHandler: @escaping () -> any ChannelHandler
    ) {
        self.service = service
        self.loop = loop
        self.logger = logger
        self.retryTime = retryTime
        self.configure = configure
        self.makeHandler = makeHandler
    }

    var localAddresses: [SocketAddress] {
        self.wanted.compactMap { self.listeners[$0]?.channel.localAddress }
    }

    /// Why a neighbour of a family can't connect everywhere where we should listen.
    func problem(of family: AddressFamily) -> String? {
        self.wanted.first { $0.takes(family) && self.failures[$0] != nil }
            .flatMap { self.failures[$0]?.description }
    }

    // MARK: Life

    /// Accepts from now on; who called before has waited in the backlog.
    func open() {
        self.isOpen = true
        for listener in self.listeners.values { self.accept(on: listener.channel) }
        self.tryAgainLater()
    }

    func close() {
        self.isOpen = false
        self.isClosed = true
        self.retry?.cancel()
        for listener in self.listeners.values { listener.channel.close(promise: nil) }
        self.listeners.removeAll()
    }

    private func accept(on channel: any Channel) {
        channel.setOption(.autoRead, value: true).whenFailure { _ in }
    }

    // MARK: Keys

    /// The keys from now on. One that is there already is not touched.
    func set(_ keys: [IPPrefix: Authentication]) {
        let old = self.keys
        self.keys = keys
        for (prefix, authentication) in old where keys[prefix] != authentication {
            self.problems[prefix] = nil
            // The new key of the same kind takes its place.
            if case .md5 = authentication, case .md5? = keys[prefix] { continue }
            for listener in self.listeners.values {
                self.options(listener)?.remove(authentication, for: prefix)
            }
        }
        for (prefix, authentication) in keys where old[prefix] != authentication {
            for listener in self.listeners.values {
                self.set(authentication, for: prefix, on: listener)
            }
        }
    }

    private func options(_ listener: Listener) -> SocketOptions? {
        SocketOptions(listener.channel, isIPv6: listener.place.isIPv6)
    }

    private func set(
        _ authentication: Authentication, for prefix: IPPrefix, on listener: Listener
    ) {
        guard listener.place.takes(prefix.family) else { return }
        do throws(SocketKeyError) {
            try self.options(listener)?.set(authentication, for: prefix, isConnection: false)
        } catch {
            self.problems[prefix] = error.description
        }
    }

    // MARK: Sockets that are handed on

    /// Takes listening sockets, which serve what is to be listened on instead of new ones. They
    /// belong to the set from here on.
    func adopt(_ descriptors: [CInt]) { self.inherited += descriptors }

    /// Closes those that nobody has wanted.
    func dropInherited() {
        for descriptor in self.inherited { Glibc.close(descriptor) }
        self.inherited = []
    }

    /// Other descriptors of the sockets, for another process.
    var copies: [CInt] {
        self.listeners.values.compactMap { listener in
            let copy = try? listener.channel.pipeline.syncOperations
                .withUnsafeTransportIfAvailable { (descriptor: NIOBSDSocket.Handle) in
                    fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
                }
            return copy.flatMap { $0 >= 0 ? $0 : nil }
        }
    }

    /// An inherited socket that is bound where it should be.
    private func takeInherited(_ place: ListenPlace) -> CInt? {
        let index = self.inherited.firstIndex { descriptor in
            var endpoint = martlet_endpoint()
            guard martlet_local_endpoint(descriptor, &endpoint) == 0,
                place.address.port == 0 || endpoint.port == place.address.port
            else { return false }
            let count = endpoint.family == 4 ? 4 : 16
            let bytes = withUnsafeBytes(of: endpoint.bytes) { Array($0.prefix(count)) }
            let isDual = place.isIPv6 && martlet_is_only_ipv6(descriptor) == 0
            return IPAddress(bytes: bytes) == place.address.address && isDual == place.isDual
        }
        return index.map { self.inherited.remove(at: $0) }
    }

    // MARK: Binding

    private var wanted: [ListenPlace] {
        self.addresses.map { ListenPlace($0, among: self.addresses) }
    }

    /// Binds what is listed and not bound yet, and then closes what is listed no more, unless that
    /// can't be: then it stays.
    func listen(on addresses: [ListenAddress]) -> EventLoopFuture<Outcome> {
        self.addresses = addresses
        return self.update()
    }

    private func update() -> EventLoopFuture<Outcome> {
        let bound = NIOLoopBound(self, eventLoop: self.loop)
        let update = self.turn.flatMap {
            let set = bound.value
            return set.bind(set.wanted.filter { set.listeners[$0] == nil })
                .flatMap { bound.value.makeWay(for: $0) }
                .map { bound.value.settle($0) }
        }
        self.turn = update.map { _ in }
        return update
    }

    private typealias Failures = [ListenPlace: any Error]

    /// Closes what is listed no more and stands in the way of what is, and binds that; where it
    /// can't be bound all the same, what was there comes back.
    private func makeWay(for failures: Failures) -> EventLoopFuture<Failures> {
        let blocked = failures.filter { ($0.value as? IOError)?.errnoCode == EADDRINUSE }.keys
        let wanted = self.wanted
        let old = self.listeners.keys.filter { place in
            !wanted.contains(place) && blocked.contains { $0.overlaps(place) }
        }
        guard !old.isEmpty else { return self.loop.makeSucceededFuture(failures) }
        let bound = NIOLoopBound(self, eventLoop: self.loop)
        let closings = old.compactMap { self.listeners.removeValue(forKey: $0)?.channel.close() }
        return EventLoopFuture.andAllComplete(closings, on: self.loop).flatMap {
            bound.value.bind(Array(blocked))
        }.flatMap { again in
            let lost = old.filter { place in again.keys.contains { $0.overlaps(place) } }
            let rest = failures.filter { !blocked.contains($0.key) }
            return bound.value.bind(lost).map { _ in rest.merging(again) { $1 } }
        }
    }

    private func settle(_ failures: Failures) -> Outcome {
        let wanted = self.wanted
        let before = self.failures
        self.failures = Dictionary(
            failures.map { ($0, self.error($0, $1)) }, uniquingKeysWith: { $1 })
        for place in wanted where before[place] != nil && self.failures[place] == nil {
            self.logger.notice(
                "listening", metadata: ["for": "\(self.service)", "address": "\(place.address)"])
        }
        let missing = Set(self.failures.keys.map(\.address.port))
        var outcome = Outcome(errors: wanted.compactMap { self.failures[$0] })
        for (place, listener) in self.listeners where !wanted.contains(place) {
            if missing.contains(place.address.port) {
                outcome.kept.append(place.address)
            } else {
                listener.channel.close(promise: nil)
                self.listeners[place] = nil
            }
        }
        outcome.kept.sort { $0.description < $1.description }
        self.tryAgainLater()
        return outcome
    }

    private func error(_ place: ListenPlace, _ error: any Error) -> BGPSpeaker.BindError {
        var reason = error.inWords
        if (error as? IOError)?.errnoCode == EACCES {
            reason += " (a port below 1024 may be had at the start only, as root)"
        }
        return BGPSpeaker.BindError(service: self.service, address: place.address, reason: reason)
    }

    private func tryAgainLater() {
        self.retry?.cancel()
        self.retry = nil
        guard self.isOpen, !self.failures.isEmpty else { return }
        self.retry = self.loop.assumeIsolated().scheduleTask(in: self.retryTime.timeAmount) {
            [weak self] in _ = self?.update()
        }
    }

    /// - Returns: What can't be bound.
    private func bind(_ places: [ListenPlace]) -> EventLoopFuture<Failures> {
        EventLoopFuture.whenAllComplete(places.map { self.bind($0) }, on: self.loop)
            .assumeIsolated().map { results in
                var failures: Failures = [:]
                for (place, result) in zip(places, results) {
                    switch result {
                    case .success(let channel):
                        if self.isClosed { channel.close(promise: nil) }
                        // It may have begun to run meanwhile.
                        if self.isOpen { self.accept(on: channel) }
                    case .failure(let error):
                        self.listeners[place] = nil
                        failures[place] = error
                    }
                }
                return failures
            }.nonisolated()
    }

    private func bind(_ place: ListenPlace) -> EventLoopFuture<any Channel> {
        let bound = NIOLoopBound(self, eventLoop: self.loop)
        let inherited = self.takeInherited(place)
        var bootstrap = self.configure(ServerBootstrap(group: self.loop, childGroup: self.loop))
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.autoRead, value: self.isOpen)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                // Before it is bound: nobody gets in unsigned meanwhile.
                channel.eventLoop.makeCompletedFuture {
                    bound.value.prepare(
                        Listener(channel: channel, place: place), isInherited: inherited != nil)
                    try channel.pipeline.syncOperations.addHandlers([
                        // Who waits stays in the backlog: there is no use in asking all the time.
                        AcceptBackoffHandler {
                            [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains($0.errnoCode)
                                ? .seconds(1) : nil
                        },
                        AcceptWatch { bound.value.note($0, on: place) },
                    ])
                }
            }
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(bound.value.makeHandler())
                }
            }
        if let inherited { return bootstrap.withBoundSocket(inherited) }
        if place.isIPv6 {
            bootstrap = bootstrap.serverChannelOption(
                ChannelOptions.Types.SocketOption(
                    level: .ipv6, name: NIOBSDSocket.Option(rawValue: IPV6_V6ONLY)),
                value: place.isDual ? 0 : 1)
        }
        do {
            return bootstrap.bind(
                to: try SocketAddress(place.address.address, port: place.address.port))
        } catch {
            return self.loop.makeFailedFuture(error)
        }
    }

    /// A connection can't be accepted: there are no more descriptors, say.
    private func note(_ error: any Error, on place: ListenPlace) {
        let seconds = Int64(self.loop.now.uptimeNanoseconds / 1_000_000_000)
        guard let suppressed = self.acceptLines.admit(at: seconds) else { return }
        self.logger.error(
            "a connection can't be accepted",
            metadata: [
                "for": "\(self.service)", "address": "\(place.address)",
                "reason": "\(error.inWords)", "suppressed": "\(suppressed)",
            ])
    }

    private func prepare(_ listener: Listener, isInherited: Bool) {
        self.listeners[listener.place] = listener
        // A system that refuses this has neighbours that check TTLs time out.
        try? self.options(listener)?.setFullReach()
        for (prefix, authentication) in self.keys {
            // A key tuple can't be set twice.
            if isInherited, case .ao = authentication {
                self.options(listener)?.remove(authentication, for: prefix)
            }
            self.set(authentication, for: prefix, on: listener)
        }
    }
}

/// Tells of connections that a listener can't accept.
private final class AcceptWatch: ChannelInboundHandler {
    typealias InboundIn = any Channel
    private let tell: (any Error) -> Void

    init(tell: @escaping (any Error) -> Void) { self.tell = tell }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { self.tell(error) }
}
