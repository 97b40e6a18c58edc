// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Synchronization
import Testing

struct TimedOut: Error {}
struct Closed: Error {}

/// What `body` gives, within a bounded time.
func within<Value: Sendable>(
    _ limit: Duration = .seconds(10), _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await ContinuousClock().sleep(for: limit)
            throw TimedOut()
        }
        defer { group.cancelAll() }
        return try #require(try await group.next())
    }
}

/// One end of a TCP connection on loopback, which a test reads and writes byte by byte. It has one
/// reader.
final class LoopbackConnection: Sendable {
    private let channel: any Channel
    private let stream: AsyncStream<[UInt8]>
    /// What came with what was read, and after it.
    private let rest = Mutex<[UInt8]>([])

    fileprivate init(_ channel: any Channel, _ stream: AsyncStream<[UInt8]>) {
        self.channel = channel
        self.stream = stream
    }

    static func dial(
        _ host: String = "127.0.0.1", port: UInt16, from local: String? = nil
    ) async throws -> LoopbackConnection {
        let (stream, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(continuation))
                }
            }
        if let local {
            bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: local, port: 0))
        }
        let address = try SocketAddress(ipAddress: host, port: Int(port))
        return LoopbackConnection(try await bootstrap.connect(to: address).get(), stream)
    }

    fileprivate final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let continuation: AsyncStream<[UInt8]>.Continuation

        init(_ continuation: AsyncStream<[UInt8]>.Continuation) {
            self.continuation = continuation
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.continuation.yield(Array(self.unwrapInboundIn(data).readableBytesView))
        }

        func channelInactive(context: ChannelHandlerContext) { self.continuation.finish() }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }

    func send(_ bytes: [UInt8]) async throws {
        try await self.channel.writeAndFlush(self.channel.allocator.buffer(bytes: bytes)).get()
    }

    func sendByteByByte(_ bytes: [UInt8]) async throws {
        for byte in bytes { try await self.send([byte]) }
    }

    /// So many bytes; waits for them for a bounded time.
    ///
    /// - Throws: ``Closed`` where the connection ends before they have come.
    func read(_ count: Int) async throws -> [UInt8] {
        try await within {
            while self.rest.withLock({ $0.count }) < count {
                var iterator = self.stream.makeAsyncIterator()
                guard let bytes = await iterator.next() else { throw Closed() }
                self.rest.withLock { $0 += bytes }
            }
            return self.rest.withLock { rest in
                defer { rest.removeFirst(count) }
                return Array(rest.prefix(count))
            }
        }
    }

    /// Waits for its end, whatever comes before that.
    func end() async throws { try await within { for await _ in self.stream {} } }

    func close() async { try? await self.channel.close().get() }
}

/// Accepts connections on loopback.
final class LoopbackServer: Sendable {
    private let channel: any Channel
    private let stream: AsyncStream<LoopbackConnection>

    let port: UInt16

    private init(_ channel: any Channel, _ stream: AsyncStream<LoopbackConnection>) {
        self.channel = channel
        self.stream = stream
        self.port = UInt16(channel.localAddress?.port ?? 0)
    }

    static func listen(
        _ host: String = "127.0.0.1", port: UInt16 = 0
    ) async throws -> LoopbackServer {
        let (stream, continuation) = AsyncStream.makeStream(of: LoopbackConnection.self)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let (bytes, incoming) = AsyncStream.makeStream(of: [UInt8].self)
                    try channel.pipeline.syncOperations.addHandler(
                        LoopbackConnection.Handler(incoming))
                    continuation.yield(LoopbackConnection(channel, bytes))
                }
            }
            .bind(to: try SocketAddress(ipAddress: host, port: Int(port))).get()
        return LoopbackServer(channel, stream)
    }

    /// The next connection; waits for it for a bounded time.
    func accept() async throws -> LoopbackConnection {
        try await within {
            var iterator = self.stream.makeAsyncIterator()
            guard let connection = await iterator.next() else { throw Closed() }
            return connection
        }
    }

    func close() async { try? await self.channel.close().get() }

    /// A port that nobody has, at this moment; not one of those that the system gives to who connects:
    /// while nobody listens there, that may happen at any time.
    static func freePort(_ host: String = "127.0.0.1") async throws -> UInt16 {
        while true {
            let port = UInt16.random(in: 10_240..<32_768)
            guard let server = try? await Self.listen(host, port: port) else { continue }
            await server.close()
            return port
        }
    }
}
