// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLinux
import Glibc
public import Logging
public import NIOCore
import NIOPosix
public import RouteTable
import Synchronization

/// Serves the line protocol on TCP and on a Unix socket, on an event loop of its own.
public final class ConsoleServer: Sendable {
    private struct State {
        var settings: ConsoleSettings
        var listeners: [any Channel] = []
        var socket: UnixSocket?
        var connections: [ObjectIdentifier: any Channel] = [:]
        var isClosing = false
    }

    public let counters = ConsoleCounters()
    private let tasks = RunningTasks()
    private let interpreter: Interpreter
    private let answerer: Answerer
    private let logger: Logger
    private let group: MultiThreadedEventLoopGroup
    private let state: Mutex<State>

    /// Throws where the table has no place for two more readers. `now` is the time that ages are
    /// counted to, in Unix seconds.
    public init(
        backend: any ConsoleBackend, settings: ConsoleSettings, logger: Logger,
        now: @escaping @Sendable () -> Int64 = TableOwner.systemTime
    ) throws {
        self.interpreter = try Interpreter(backend: backend, now: now)
        self.answerer = try Answerer(backend.oracle)
        self.logger = logger
        self.group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        // Whoever asks much takes no time from DNS answers.
        self.group.next().execute { giveWay() }
        self.state = Mutex(State(settings: settings))
    }

    /// Binds all listeners, or none. To be called before privileges are dropped. Who connects waits
    /// until ``run()``.
    ///
    /// - Parameter sockets: Listening sockets of the process before this one, which still serves;
    ///   nil where there is none. Those that fit serve instead of new ones, the others are closed.
    /// - Returns: The addresses, with the ports that were chosen where 0 was asked for.
    /// - Throws: ``UnixSocketError``, or what the system says to a port.
    @discardableResult
    public func bind(adopting sockets: [Int32]? = nil) async throws -> [SocketAddress] {
        let settings = self.state.withLock { $0.settings }
        var addresses: [SocketAddress] = []
        var inherited = sockets ?? []
        defer { for descriptor in inherited { Glibc.close(descriptor) } }
        do {
            for listener in settings.listeners {
                let bootstrap = self.bootstrap(face: listener.face, isTrusted: false)
                let channel: any Channel
                if let index = inherited.firstIndex(where: { listener.address.isOf($0) }) {
                    channel = try await bootstrap.withBoundSocket(inherited.remove(at: index)).get()
                } else {
                    channel = try await bootstrap.bind(to: listener.address).get()
                }
                self.state.withLock { $0.listeners.append(channel) }
                if let address = channel.localAddress { addresses.append(address) }
            }
            if let path = settings.socketPath {
                let (socket, descriptor) = try UnixSocket.listen(
                    path: path, group: settings.socketGroup, waits: sockets != nil)
                self.state.withLock { $0.socket = socket }
                let channel = try await self.bootstrap(face: .people, isTrusted: true)
                    .withBoundSocket(descriptor).get()
                self.state.withLock { $0.listeners.append(channel) }
            }
        } catch {
            await self.close()
            throw error
        }
        return addresses
    }

    /// Serves until the task is cancelled, then ends all connections. Can be called once.
    public func run() async throws {
        let (listeners, socket) = self.state.withLock { ($0.listeners, $0.socket) }
        do {
            try socket?.takeName()
        } catch {
            self.logger.error("the console's socket isn't this process's: \(error)")
        }
        for listener in listeners { try? await listener.setOption(.autoRead, value: true).get() }
        let (cancellation, end) = AsyncStream.makeStream(of: Void.self)
        for await _ in cancellation {}
        end.finish()
        await self.close()
    }

    /// Accepts no more connections by TCP, since another process does; those that are there go on.
    /// The Unix socket is served until that process has taken its name.
    public func leave() {
        for listener in self.state.withLock({ $0.listeners })
        where listener.localAddress?.port != nil {
            listener.close(promise: nil)
        }
    }

    /// Takes passwords, bounds and times for connections to come.
    ///
    /// - Returns: What can't be changed while serving, a sentence each.
    public func apply(_ settings: ConsoleSettings) -> [String] {
        self.state.withLock { state in
            var left: [String] = []
            if state.settings.listeners != settings.listeners {
                left.append("the console's listeners change at the next start")
            }
            if state.settings.socketPath != settings.socketPath
                || state.settings.socketGroup != settings.socketGroup
            {
                left.append("the console's Unix socket changes at the next start")
            }
            state.settings = settings
            return left
        }
    }

    /// Other descriptors of the listening sockets but the Unix socket's, for another process, which
    /// closes them.
    public func sockets() async -> [Int32] {
        let listeners = self.state.withLock { $0.listeners }
        return
            (try? await self.group.next().submit {
                listeners.filter { $0.localAddress?.port != nil }.compactMap(Self.copy)
            }.get()) ?? []
    }

    private static func copy(_ listener: any Channel) -> Int32? {
        let copy = try? listener.pipeline.syncOperations
            .withUnsafeTransportIfAvailable { (descriptor: NIOBSDSocket.Handle) in
                fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            }
        return copy.flatMap { $0 >= 0 ? $0 : nil }
    }

    /// Ends listeners, connections and the event loop.
    private func close() async {
        let (channels, socket) = self.state.withLock { state in
            state.isClosing = true
            defer { state.socket = nil }
            return (state.listeners + Array(state.connections.values), state.socket)
        }
        socket?.remove()
        for channel in channels {
            channel.close(promise: nil)
            try? await channel.closeFuture.get()
        }
        await self.tasks.wait()
        try? await self.group.shutdownGracefully()
    }

    private func bootstrap(face: Face, isTrusted: Bool) -> ServerBootstrap {
        let bootstrap = ServerBootstrap(group: self.group)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.autoRead, value: false)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 2048, maximum: 65_536)
            )
            .childChannelOption(
                .writeBufferWaterMark, value: .init(low: 32_768, high: 131_072)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try self.welcome(channel, face: face, isTrusted: isTrusted)
                }
            }
        guard !isTrusted else { return bootstrap }
        return bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
    }

    /// Gives a new connection its handler, or refuses it where there are too many.
    private func welcome(_ channel: any Channel, face: Face, isTrusted: Bool) throws {
        let identifier = ObjectIdentifier(channel)
        let settings: ConsoleSettings? = self.state.withLock { state in
            guard !state.isClosing, state.connections.count < state.settings.maximumConnections
            else { return nil }
            state.connections[identifier] = channel
            return state.settings
        }
        guard let settings else {
            self.counters.countRefusal()
            try channel.pipeline.syncOperations.addHandler(RefusalHandler(face: face))
            return
        }
        self.counters.countConnection()
        channel.closeFuture.whenComplete { _ in
            self.state.withLock { _ = $0.connections.removeValue(forKey: identifier) }
        }
        try channel.pipeline.syncOperations.addHandler(
            ConnectionHandler(
                interpreter: self.interpreter, answerer: self.answerer, settings: settings,
                counters: self.counters, tasks: self.tasks, logger: self.logger, face: face,
                isTrusted: isTrusted))
    }
}

extension SocketAddress {
    /// Whether a socket is bound here; any port counts where this one is 0.
    fileprivate func isOf(_ descriptor: CInt) -> Bool {
        var endpoint = martlet_endpoint()
        guard let text = self.ipAddress, let address = try? IPAddress(parsing: text),
            martlet_local_endpoint(descriptor, &endpoint) == 0,
            self.port == 0 || self.port == Int(endpoint.port)
        else { return false }
        let count = endpoint.family == 4 ? 4 : 16
        return withUnsafeBytes(of: endpoint.bytes) {
            IPAddress(bytes: Array($0.prefix(count))) == address
        }
    }
}

/// Says that there are too many connections, and closes.
private final class RefusalHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let face: Face

    init(face: Face) { self.face = face }

    func channelActive(context: ChannelHandlerContext) {
        var text = ""
        Presentation(face: self.face, newline: self.face == .people ? "\r\n" : "\n")
            .write(.failure(.tooMuch, "too many connections"), prompt: "", to: &text)
        let channel = context.channel
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text))).whenComplete { _ in
            channel.close(promise: nil)
        }
    }
}
