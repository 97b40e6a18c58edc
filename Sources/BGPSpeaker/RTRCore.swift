// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Logging
import NIOCore
import NIOPosix
import OriginValidation

/// The caches on their event loop. Not `Sendable`: `RTRClient` keeps it bound to the loop.
final class RTRCore {
    /// What is known of a cache besides its session.
    private struct Journal {
        var answered: Int64?
        var refreshes: Int64?
        var expires: Int64?
        var lastError: String?
    }

    private let loop: any EventLoop
    private let logger: Logger
    private let now: @Sendable () -> Int64
    private let onTable: @Sendable (VRPTable?) -> Void
    private var group: RTRGroup
    private var connections: [RTRCache: RTRConnection] = [:]
    /// Tries, numbered, so that one that was given up is known when it comes about.
    private var dials: [RTRCache: Int] = [:]
    private var lastDial = 0
    private var timers: [RTRCache: [RTRTimer: Scheduled<Void>]] = [:]
    private var journals: [RTRCache: Journal] = [:]
    /// Connections that are open, those too that we end.
    private var open: [ObjectIdentifier: RTRConnection] = [:]
    private var emptyPromise: EventLoopPromise<Void>?
    private var isRunning = false

    private static let connectTimeout = TimeAmount.seconds(30)

    init(
        settings: RTRClientSettings, loop: any EventLoop, logger: Logger,
        now: @escaping @Sendable () -> Int64, onTable: @escaping @Sendable (VRPTable?) -> Void
    ) {
        self.group = RTRGroup(caches: settings.caches, settings: settings.session)
        self.loop = loop
        self.logger = logger
        self.now = now
        self.onTable = onTable
    }

    // MARK: Life

    func start() {
        guard !self.isRunning else { return }
        self.isRunning = true
        self.perform(self.group.start())
    }

    /// Ends all; the future succeeds once all connections have gone. The payloads stay with who
    /// has them.
    func stop() -> EventLoopFuture<Void> {
        self.isRunning = false
        self.perform(self.group.stop())
        guard !self.open.isEmpty else { return self.loop.makeSucceededVoidFuture() }
        let promise = self.emptyPromise ?? self.loop.makePromise(of: Void.self)
        self.emptyPromise = promise
        return promise.futureResult
    }

    func apply(_ settings: RTRClientSettings) {
        self.perform(self.group.apply(caches: settings.caches, settings: settings.session))
        let known = Set(self.group.members.map(\.cache))
        self.journals = self.journals.filter { known.contains($0.key) }
    }

    // MARK: Events

    func handle(_ event: RTREvent, of connection: RTRConnection) {
        guard self.connections[connection.cache] === connection else { return }
        if case .closed = event { self.connections[connection.cache] = nil }
        self.perform(self.group.handle(event, of: connection.cache))
    }

    func closed(_ connection: RTRConnection) {
        self.open[ObjectIdentifier(connection)] = nil
        guard self.open.isEmpty, let promise = self.emptyPromise else { return }
        self.emptyPromise = nil
        promise.succeed()
    }

    // MARK: Actions

    private func perform(_ actions: [RTRGroup.Action]) {
        for action in actions {
            switch action {
            case .perform(let cache, let action): self.perform(action, for: cache)
            case .publish: if self.isRunning { self.onTable(self.group.table) }
            }
        }
    }

    private func perform(_ action: RTRAction, for cache: RTRCache) {
        switch action {
        case .connect: self.dial(cache)
        case .send(let request, let version):
            self.connections[cache]?.send(request.encoded(version: version))
        case .close:
            self.dials[cache] = nil
            self.connections.removeValue(forKey: cache)?.end()
        case .startTimer(let timer, let duration): self.start(timer, duration, cache)
        case .stopTimer(let timer):
            self.timers[cache]?.removeValue(forKey: timer)?.cancel()
            self.note(timer, nil, cache)
        case .synchronised: self.synchronised(cache)
        case .expired:
            self.logger.error(
                "the payloads of an RPKI cache have expired: none has come for too long",
                metadata: ["cache": "\(cache)"])
        case .failed(let reason):
            // Once for each failure that differs from the last one.
            if self.journals[cache]?.lastError != reason {
                self.logger.warning(
                    "RPKI cache failed", metadata: ["cache": "\(cache)", "reason": "\(reason)"])
            }
            self.journals[cache, default: Journal()].lastError = reason
        }
    }

    private func synchronised(_ cache: RTRCache) {
        let isFirst =
            self.journals[cache]?.answered == nil || self.journals[cache]?.lastError != nil
        self.journals[cache, default: Journal()].answered = self.now()
        self.journals[cache]?.lastError = nil
        guard let session = self.group.members.first(where: { $0.cache == cache })?.session,
            let table = session.table
        else { return }
        self.logger.log(
            level: isFirst ? .notice : .debug, "RPKI cache synchronised",
            metadata: [
                "cache": "\(cache)", "version": "\(session.version)",
                "serial": "\(session.position?.serial ?? 0)",
                "ipv4": "\(table.count(.ipv4))", "ipv6": "\(table.count(.ipv6))",
            ])
    }

    private func start(_ timer: RTRTimer, _ duration: Duration, _ cache: RTRCache) {
        self.timers[cache]?.removeValue(forKey: timer)?.cancel()
        let time = duration.timeAmount
        self.timers[cache, default: [:]][timer] = self.loop.assumeIsolated().scheduleTask(in: time)
        { [weak self] in
            guard let self else { return }
            self.timers[cache]?[timer] = nil
            self.note(timer, nil, cache)
            self.perform(self.group.handle(.expired(timer), of: cache))
        }
        self.note(timer, self.now() + duration.components.seconds, cache)
    }

    /// When a timer will run out.
    private func note(_ timer: RTRTimer, _ time: Int64?, _ cache: RTRCache) {
        switch timer {
        case .refresh, .retry: self.journals[cache, default: Journal()].refreshes = time
        case .expire: self.journals[cache, default: Journal()].expires = time
        case .answer: break
        }
    }

    private func dial(_ cache: RTRCache) {
        self.lastDial += 1
        let number = self.lastDial
        self.dials[cache] = number
        let connection = RTRConnection(cache: cache, core: self)
        let bound = NIOLoopBound(connection, eventLoop: self.loop)
        do {
            ClientBootstrap(group: self.loop)
                .connectTimeout(Self.connectTimeout)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelOption(.socketOption(.so_keepalive), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(bound.value)
                    }
                }
                .connect(to: try SocketAddress(cache.address, port: cache.port))
                .hop(to: self.loop).assumeIsolated().whenComplete { [weak self] result in
                    self?.dialled(connection, number, result.map { _ in })
                }
        } catch {
            self.loop.assumeIsolated().execute { [weak self] in
                self?.dialled(connection, number, .failure(error))
            }
        }
    }

    private func dialled(
        _ connection: RTRConnection, _ number: Int, _ result: Result<Void, any Error>
    ) {
        if case .success = result { self.open[ObjectIdentifier(connection)] = connection }
        guard self.dials[connection.cache] == number else {
            connection.end()
            return
        }
        self.dials[connection.cache] = nil
        switch result {
        case .success:
            self.connections[connection.cache] = connection
            self.perform(self.group.handle(.connected, of: connection.cache))
        case .failure(let error):
            self.perform(self.group.handle(.closed(error.inWords), of: connection.cache))
        }
    }

    // MARK: Report

    var status: RTRStatus {
        let inForce = self.group.cacheInForce
        return RTRStatus(
            caches: self.group.members.map { member in
                let session = member.session
                let journal = self.journals[member.cache]
                return RTRStatus.Cache(
                    cache: member.cache, state: session.state, version: session.version,
                    session: session.position?.session, serial: session.position?.serial,
                    ipv4Payloads: session.table?.count(.ipv4) ?? 0,
                    ipv6Payloads: session.table?.count(.ipv6) ?? 0,
                    isInForce: member.cache == inForce, answered: journal?.answered,
                    refreshes: journal?.refreshes,
                    expires: session.table == nil ? nil : journal?.expires,
                    lastError: journal?.lastError)
            })
    }
}
