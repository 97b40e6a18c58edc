// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice
import NIOCore
import NIOPosix

/// Serves DNS over streams, on an event loop of its own.
final class StreamFront: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let loop: any EventLoop
    private let service: TCPService

    init(service: TCPService) {
        self.group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        self.loop = self.group.next()
        self.service = service
    }

    /// Takes a listening socket, and serves those who connect to it.
    func start(
        _ socket: consuming BoundSocket, _ listener: DNSListener
    ) async throws -> StreamListener {
        let service = self.service
        let channel = try await ServerBootstrap(group: self.loop)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // What one connection has sent is answered before another's turn comes: a thousand
            // queries at the most.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 512, initial: 2048, maximum: 16_384)
            )
            // What is made for a client who reads nothing: this much, one answer, and what the
            // kernel keeps.
            .childChannelOption(
                .writeBufferWaterMark,
                value: .init(low: TCPConnection.outputLimit / 2, high: TCPConnection.outputLimit)
            )
            .childChannelOption(.socketOption(.so_sndbuf), value: 128 << 10)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        TCPConnection(service: service, listener: listener))
                }
            }
            .withBoundSocket(socket.release()).get()
        return StreamListener(channel: channel)
    }

    /// Lets other limits hold: the idle time and the numbers of connections.
    func apply(_ settings: DNSSettings) async {
        let service = self.service
        try? await self.loop.submit { service.apply(settings) }.get()
    }

    /// Tells clients that their connections are wanted no longer; they are answered while they stay.
    func drain() async {
        let service = self.service
        try? await self.loop.submit { service.drain() }.get()
    }

    /// Connections at the moment.
    var connectionCount: Int {
        get async {
            let service = self.service
            return (try? await self.loop.submit { service.connectionCount }.get()) ?? 0
        }
    }

    /// Ends all listeners and connections that are left, and the event loop.
    func stop() async throws { try await self.group.shutdownGracefully() }
}

/// A socket that is served.
struct StreamListener: Sendable {
    fileprivate let channel: any Channel

    /// Takes no more connections. Those that are there stay.
    func close() async { try? await self.channel.close() }
}
