// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Synchronization
import Testing

/// A client of the line protocol that knows nothing of it: octets out, text in.
final class LineClient: Sendable {
    private final class Collector: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let sink: AsyncStream<[UInt8]>.Continuation
        init(_ sink: AsyncStream<[UInt8]>.Continuation) { self.sink = sink }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.sink.yield(Array(self.unwrapInboundIn(data).readableBytesView))
        }
        func channelInactive(context: ChannelHandlerContext) { self.sink.finish() }
        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }

    let channel: any Channel
    private let stream: AsyncStream<[UInt8]>
    /// What has arrived and was not asked for yet.
    private let kept = Mutex<[UInt8]>([])

    init(to address: SocketAddress) async throws {
        let (stream, sink) = AsyncStream<[UInt8]>.makeStream()
        self.stream = stream
        self.channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.allowRemoteHalfClosure, value: false)
            .channelInitializer { channel in
                channel.pipeline.addHandler(Collector(sink))
            }
            .connect(to: address).get()
    }

    func send(_ text: String) { self.send(bytes: Array(text.utf8)) }

    func send(bytes: [UInt8]) {
        self.channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
    }

    func closeOutput() async throws { try await self.channel.close(mode: .output).get() }
    func close() { self.channel.close(promise: nil) }

    /// What arrives up to the first `end`, or until the connection ends.
    func text(upTo end: String) async -> String {
        String(decoding: await self.bytes(upTo: Array(end.utf8)), as: UTF8.self)
    }

    func bytes(upTo end: [UInt8]) async -> [UInt8] {
        var bytes = self.takeKept()
        var pieces = self.stream.makeAsyncIterator()
        var searched = 0
        while true {
            if let found = bytes[searched...].firstRange(of: end) {
                let rest = Array(bytes[found.upperBound...])
                self.kept.withLock { $0 = rest }
                return Array(bytes[..<found.upperBound])
            }
            searched = max(0, bytes.count - end.count)
            guard let piece = await pieces.next() else { return bytes }
            bytes += piece
        }
    }

    /// All that arrives until the connection ends.
    func rest() async -> [UInt8] {
        var bytes = self.takeKept()
        for await piece in self.stream { bytes += piece }
        return bytes
    }

    private func takeKept() -> [UInt8] {
        self.kept.withLock { kept in
            defer { kept = [] }
            return kept
        }
    }
}
