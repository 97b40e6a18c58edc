// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

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
        var isClosing = false
    }

    private let service: RemoteBackendService
    private let maximumConnections: Int
    private let logger: Logger
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
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

/// One connection of PowerDNS: lines of requests, each answered before the next is looked at.
///
/// Who doesn't read the replies isn't read from; a line that doesn't end within the bound ends the
/// connection.
final class RemoteBackendConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let service: RemoteBackendService
    private let logger: Logger
    private var input = ByteBuffer()
    private var inputIsClosed = false

    init(service: RemoteBackendService, logger: Logger) {
        self.service = service
        self.logger = logger
    }

    func channelActive(context: ChannelHandlerContext) { context.read() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var data = self.unwrapInboundIn(data)
        self.input.writeBuffer(&data)
    }

    func channelReadComplete(context: ChannelHandlerContext) { self.work(context) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { self.work(context) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent {
            self.inputIsClosed = true
            self.work(context)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Resets and the like: an expected end.
        context.close(promise: nil)
    }

    private func work(_ context: ChannelHandlerContext) {
        while context.channel.isWritable, context.channel.isActive {
            let view = self.input.readableBytesView
            guard let end = view.firstIndex(of: 0x0a) else {
                guard view.count <= RemoteBackendRequest.maximumByteCount else {
                    self.logger.warning("PowerDNS sent a request without an end")
                    context.close(promise: nil)
                    return
                }
                self.input.discardReadBytes()
                if self.inputIsClosed {
                    self.close(context)
                } else {
                    context.read()
                }
                return
            }
            let (text, goesOn) = self.service.reply(to: view[..<end])
            self.input.moveReaderIndex(to: end + 1)
            context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
            guard goesOn else {
                self.logger.warning("PowerDNS sent a line that is no request")
                self.close(context)
                return
            }
        }
    }

    /// Closes when what was written before has left.
    private func close(_ context: ChannelHandlerContext) {
        let promise = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer()), promise: promise)
    }
}
