// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
public import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Where PowerDNS asks for records, and how often at once.
public struct RemoteBackendSettings: Hashable, Sendable {
    public var socketPath: String
    /// The group that may open the socket; nil: the process's own.
    public var socketGroup: UInt32?
    public var maximumConnections: Int

    public init(socketPath: String, socketGroup: UInt32? = nil, maximumConnections: Int = 64) {
        self.socketPath = socketPath
        self.socketGroup = socketGroup
        self.maximumConnections = maximumConnections
    }
}

/// Serves PowerDNS's remote backend protocol on a Unix socket, on an event loop of its own.
public final class RemoteBackendServer: Sendable, ZoneFollower {
    private struct State {
        var listener: (any Channel)?
        var connections: [ObjectIdentifier: any Channel] = [:]
        /// Another process serves what is there.
        var hasLeft = false
        var isClosing = false
    }

    private let service: RemoteBackendService
    private let maximumConnections: Int
    private let logger: Logger
    private let group = ThreadStarter.run { MultiThreadedEventLoopGroup(numberOfThreads: 1) }
    private let state = Mutex(State())

    /// PowerDNS has a connection for each of its threads.
    public init(backend: consuming RemoteBackend, maximumConnections: Int, logger: Logger) {
        let zones = backend.store
        self.service = RemoteBackendService(backend)
        self.maximumConnections = maximumConnections
        self.logger = logger
        zones.add(self)
    }

    func follow() {
        guard !self.state.withLock({ $0.isClosing }) else { return }
        self.group.next().execute { [service = self.service] in service.refresh() }
    }

    /// Takes a listening socket, which belongs to the server from here on.
    public func listen(adopting descriptor: CInt) async throws {
        let listener = try await ServerBootstrap(group: self.group)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.welcome(channel) }
            }
            .withBoundSocket(descriptor).get()
        self.state.withLock { $0.listener = listener }
    }

    /// Serves until the task is cancelled, then ends all connections.
    public func run() async {
        if let listener = self.state.withLock({ $0.listener }) {
            await withTaskCancellationHandler {
                try? await listener.closeFuture.get()
            } onCancel: {
                listener.close(promise: nil)
            }
        }
        // Who has left waits for the other parts' end.
        if self.state.withLock({ $0.hasLeft }) { await Gate().wait() }
        let connections = self.state.withLock { state in
            state.isClosing = true
            return Array(state.connections.values)
        }
        for channel in connections {
            channel.close(promise: nil)
            try? await channel.closeFuture.get()
        }
        try? await self.group.shutdownGracefully()
    }

    private func welcome(_ channel: any Channel) throws {
        let identifier = ObjectIdentifier(channel)
        let isWelcome = self.state.withLock { state in
            guard !state.isClosing, state.connections.count < self.maximumConnections else {
                return false
            }
            state.connections[identifier] = channel
            return true
        }
        guard isWelcome else {
            self.logger.warning(
                "PowerDNS is turned away: too many connections",
                metadata: ["maximum": "\(self.maximumConnections)"])
            channel.close(promise: nil)
            return
        }
        channel.closeFuture.whenComplete { _ in
            self.state.withLock { _ = $0.connections.removeValue(forKey: identifier) }
        }
        try channel.pipeline.syncOperations.addHandler(
            RemoteBackendConnection(service: self.service, logger: self.logger))
    }
}

// MARK: - From one process to the next

extension RemoteBackendServer {
    /// Another descriptor of the listening socket, for another process, which closes it.
    public func listeningSocket() async -> CInt? {
        guard let listener = self.state.withLock({ $0.listener }) else { return nil }
        return try? await listener.eventLoop.submit { RemoteBackendConnection.copy(listener) }.get()
    }

    /// Ends its part in all connections, each once what was asked there is answered, and accepts no
    /// more of them. If one broke, PowerDNS would not ask again, and its client get SERVFAIL.
    ///
    /// - Parameter time: How long; who has not sent the rest of a request by then, or not read the
    ///   replies, loses the connection.
    /// - Returns: The connections, for another process, which closes them.
    public func handOver(within time: Duration = .seconds(1)) async -> [CInt] {
        let loop = self.group.next()
        let listener = self.state.withLock { state in
            state.hasLeft = true
            return state.listener
        }
        // What it has accepted is among the connections then.
        try? await listener?.close().get()
        let channels = self.state.withLock { Array($0.connections.values) }
        let leaving = try? await loop.submit {
            channels.map { channel in
                let handler = try? channel.pipeline.syncOperations.handler(
                    type: RemoteBackendConnection.self)
                return handler?.handOver() ?? loop.makeSucceededFuture(nil)
            }
        }.get()
        let limit = loop.scheduleTask(in: TimeAmount(time)) {
            for channel in channels { channel.close(promise: nil) }
        }
        defer { limit.cancel() }
        var found: [CInt] = []
        for connection in leaving ?? [] {
            if let descriptor = try? await connection.get() { found.append(descriptor) }
        }
        return found
    }

    /// Goes on with connections that another process has handed over, and owns them from here on.
    public func adopt(_ connections: [CInt]) async {
        for descriptor in connections {
            do {
                _ = try await ClientBootstrap(group: self.group)
                    .channelOption(.autoRead, value: false)
                    .channelOption(.maxMessagesPerRead, value: 1)
                    .channelOption(.allowRemoteHalfClosure, value: true)
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture { try self.welcome(channel) }
                    }
                    .withConnectedSocket(descriptor).get()
            } catch {
                // One that its client has closed meanwhile.
                self.logger.info("a connection of PowerDNS's has ended: \(error)")
            }
        }
    }
}

/// What all connections share.
///
/// All of them are on one event loop, and nothing else touches it once they serve.
final class RemoteBackendService: @unchecked Sendable {
    // Sendable: see above; before, it is touched by its maker alone.

    private var backend: RemoteBackend

    init(_ backend: consuming RemoteBackend) { self.backend = backend }

    func reply(to line: some Collection<UInt8>) -> (text: String, goesOn: Bool) {
        self.backend.reply(to: line)
    }

    func refresh() { self.backend.refresh() }
}
