// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix

/// Serves TCP listeners on an event loop of their own.
final class StreamFront: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let service: TCPService

    init(service: TCPService) { self.service = service }

    /// Accepts connections on a socket that listens already, and owns it.
    func start(
        _ socket: BoundSocket, _ listener: DNSListener
    ) async throws -> StreamListener {
        let service = self.service
        let readsSubnet = listener.usesClientSubnet
        return StreamListener(
            channel: try await ServerBootstrap(group: self.group)
                .childChannelOption(.autoRead, value: false)
                .childChannelOption(.allowRemoteHalfClosure, value: true)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            TCPConnection(service: service, readsSubnet: readsSubnet))
                    }
                }
                .withBoundSocket(socket.release()).get())
    }

    /// From here on connections come to their end: by their clients, or when they idle.
    func drain() {}

    var connectionCount: Int { get async { await self.count() } }

    private func count() async -> Int {
        let service = self.service
        return (try? await self.group.next().submit { service.connectionCount }.get()) ?? 0
    }

    /// Ends all that is left.
    func stop() async { try? await self.group.shutdownGracefully() }
}

/// One socket that connections are accepted on.
struct StreamListener: Sendable {
    fileprivate let channel: any Channel

    /// Accepts no more; connections go on.
    func close() async { try? await self.channel.close() }
}
