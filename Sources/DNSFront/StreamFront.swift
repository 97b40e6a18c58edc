// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import NIOCore
import NIOPosix
import Synchronization

/// Serves DNS over streams: TCP on one event loop, TLS on another, so that no plain query waits for
/// somebody's handshake.
final class StreamFront: Sendable {
    /// One event loop with what all its connections share.
    private struct Lane: Sendable {
        let group: MultiThreadedEventLoopGroup
        let service: TCPService

        var loop: any EventLoop { self.group.next() }

        /// Does something with the service, on its event loop.
        func withService<T: Sendable>(
            _ body: @escaping @Sendable (TCPService) -> T
        ) async throws -> T {
            let service = self.service
            return try await self.loop.submit { body(service) }.get()
        }
    }

    private let lanes = Mutex<[DNSTransport: Lane]>([:])
    private let certificates: TLSCertificates
    private let makeService: @Sendable (DNSTransport) throws -> TCPService

    /// A front whose lanes are made when a listener first needs them, with services of their own.
    init(
        certificates: TLSCertificates,
        makeService: @escaping @Sendable (DNSTransport) throws -> TCPService
    ) {
        self.certificates = certificates
        self.makeService = makeService
    }

    /// Takes a listening socket, and serves those who connect to it. One call at a time.
    func start(
        _ socket: consuming BoundSocket, _ listener: DNSListener
    ) async throws -> StreamListener {
        let certificate = try listener.tls.map { try self.certificates.certificate(in: $0) }
        let lane = try self.lane(certificate == nil ? .tcp : .tls)
        let service = lane.service
        let channel = try await Self.bootstrap(lane.loop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let certificate {
                        let peer = channel.remoteAddress.flatMap {
                            IPAddress(socketAddress: $0)
                        }
                        if let peer, listener.isProxy(peer) {
                            try channel.pipeline.syncOperations.addHandler(
                                ProxyPrelude(service: service))
                        }
                        try certificate.context.begin(on: channel)
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        TCPConnection(service: service, listener: listener))
                }
            }
            .withBoundSocket(socket.release()).get()
        return StreamListener(channel: channel)
    }

    private static func bootstrap(_ loop: any EventLoop) -> ServerBootstrap {
        ServerBootstrap(group: loop)
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
    }

    private func lane(_ transport: DNSTransport) throws -> Lane {
        if let lane = self.lanes.withLock({ $0[transport] }) { return lane }
        let lane = Lane(
            group: ThreadStarter.run { MultiThreadedEventLoopGroup(numberOfThreads: 1) },
            service: try self.makeService(transport))
        self.lanes.withLock { $0[transport] = lane }
        return lane
    }

    private var allLanes: [Lane] { self.lanes.withLock { Array($0.values) } }

    /// Lets other limits hold: the idle time and the numbers of connections.
    func apply(_ settings: DNSSettings) async {
        for lane in self.allLanes { try? await lane.withService { $0.apply(settings) } }
    }

    /// Lets go of zones that are served no longer, soon.
    func refresh() {
        for lane in self.allLanes {
            lane.loop.execute { [service = lane.service] in service.refresh() }
        }
    }

    /// Tells clients that their connections are wanted no longer; they are answered while they stay.
    func drain() async {
        for lane in self.allLanes { try? await lane.withService { $0.drain() } }
    }

    /// Connections at the moment.
    var connectionCount: Int {
        get async {
            var count = 0
            for lane in self.allLanes {
                count += (try? await lane.withService { $0.connectionCount }) ?? 0
            }
            return count
        }
    }

    /// Ends all listeners and connections that are left, and the event loops.
    func stop() async throws {
        for lane in self.allLanes { try await lane.group.shutdownGracefully() }
    }
}

/// A socket that is served.
struct StreamListener: Sendable {
    fileprivate let channel: any Channel

    /// Takes no more connections. Those that are there stay.
    func close() async { try? await self.channel.close() }
}
