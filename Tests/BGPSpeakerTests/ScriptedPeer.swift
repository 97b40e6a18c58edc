// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// A peer that says what a test tells it to, byte by byte, and keeps what it is told.
final class ScriptedPeer: Sendable {
    enum Received: Sendable, Equatable {
        case message(MessageType, [UInt8])
        case closed
    }

    private let channel: any Channel
    private let stream: AsyncStream<Received>
    private let counter: Counter

    /// Of KEEPALIVEs.
    private final class Counter: Sendable { let count = Atomic(0) }

    private init(channel: any Channel, stream: AsyncStream<Received>, counter: Counter) {
        self.channel = channel
        self.stream = stream
        self.counter = counter
    }

    /// KEEPALIVEs that have come.
    var keepalives: Int { self.counter.count.load(ordering: .relaxed) }

    /// Dials a speaker on loopback.
    static func dial(port: UInt16, from local: String = "127.0.0.2") async throws -> ScriptedPeer {
        let (stream, continuation) = AsyncStream.makeStream(of: Received.self)
        let counter = Counter()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(to: try SocketAddress(ipAddress: local, port: 0))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Handler(continuation, counter))
                }
            }
            .connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: Int(port))).get()
        return ScriptedPeer(channel: channel, stream: stream, counter: counter)
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let continuation: AsyncStream<Received>.Continuation
        private let counter: Counter
        private var bytes: [UInt8] = []

        init(_ continuation: AsyncStream<Received>.Continuation, _ counter: Counter) {
            self.continuation = continuation
            self.counter = counter
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.bytes += self.unwrapInboundIn(data).readableBytesView
            while let frame = try? MessageFrame.read(
                self.bytes.span.bytes, at: 0, extendedMessages: false),
                frame.length <= self.bytes.count
            {
                if frame.type == .keepalive {
                    self.counter.count.add(1, ordering: .relaxed)
                }
                self.continuation.yield(
                    .message(frame.type, Array(self.bytes[19..<frame.length])))
                self.bytes.removeFirst(frame.length)
            }
        }

        func channelInactive(context: ChannelHandlerContext) {
            self.continuation.yield(.closed)
            self.continuation.finish()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }

    /// The next message, keepalives left out; waits a bounded time.
    func next() async throws -> Received {
        try await within {
            for await received in self.stream {
                if case .message(.keepalive, _) = received { continue }
                return received
            }
            return .closed
        }
    }

    /// The NOTIFICATION that must come next.
    func notification() async throws -> Notification {
        guard case .message(.notification, let body) = try await self.next() else {
            throw TimedOut()
        }
        let notification = Notification(body: body.span.bytes)
        return try #require(notification)
    }

    func send(_ bytes: [UInt8]) async throws {
        try await self.channel.writeAndFlush(self.channel.allocator.buffer(bytes: bytes)).get()
    }

    func send(_ message: OutgoingMessage) async throws { try await self.send(message.encoded()) }

    func close() async { try? await self.channel.close().get() }

    /// OPEN and KEEPALIVE, both ways.
    func establish(
        asNumber: ASNumber = 65001, holdTime: UInt16 = 0, capabilities: [Capability]? = nil
    ) async throws {
        guard case .message(.open, _) = try await self.next() else { throw TimedOut() }
        try await self.send(
            .open(
                OpenMessage(
                    asNumber: asNumber, holdTimeSeconds: holdTime, identifier: 20,
                    capabilities: capabilities ?? [
                        .multiprotocol(.ipv4), .multiprotocol(.ipv6), .routeRefresh,
                    ])))
        // Whoever refuses the OPEN may have closed by now.
        try? await self.send(.keepalive)
    }

    /// An UPDATE that announces IPv4 prefixes, with a sound path of one AS unless told otherwise.
    static func announce(
        _ prefixes: [String], origin: [UInt8] = [0x40, 1, 1, 0], asNumber: UInt8 = 7,
        more: [UInt8] = []
    ) throws -> [UInt8] {
        let attributes =
            origin + [0x40, 2, 6, 2, 1, 0, 0, 0, asNumber, 0x40, 3, 4, 192, 0, 2, 1] + more
        return Self.update(
            attributes: attributes, announced: try prefixes.flatMap(Self.encoded))
    }

    static func withdraw(_ prefixes: [String]) throws -> [UInt8] {
        Self.update(withdrawn: try prefixes.flatMap(Self.encoded))
    }

    static func encoded(_ text: String) throws -> [UInt8] {
        let prefix = try IPPrefix(parsing: text)
        return [UInt8(prefix.length)] + prefix.address.bytes.prefix((prefix.length + 7) / 8)
    }

    static func update(
        withdrawn: [UInt8] = [], attributes: [UInt8] = [], announced: [UInt8] = []
    ) -> [UInt8] {
        func length(_ count: Int) -> [UInt8] { [UInt8(count >> 8), UInt8(count & 255)] }
        let body =
            length(withdrawn.count) + withdrawn + length(attributes.count) + attributes + announced
        return [UInt8](repeating: 0xff, count: 16) + length(body.count + 19) + [2] + body
    }
}
