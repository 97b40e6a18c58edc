// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import NIOCore

/// One TCP connection: two bytes of length before each message, queries answered in order, as many
/// as the client sends while it reads (RFC 7766 §6.2.1).
///
/// A client that doesn't read its answers isn't read from; one that brings no whole query for the
/// idle time is closed, whether it sends nothing or a byte now and then.
final class TCPConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Answers that are made before the client must have read some.
    private static let outputLimit = 64 << 10

    private let service: TCPService
    private let readsSubnet: Bool
    private var client = IPAddress(ipv4: 0)
    private var input = ByteBuffer()
    private var isAdmitted = false
    private var inputIsClosed = false
    private var lastQuery = NIODeadline.now()
    private var timer: Scheduled<Void>?

    init(service: TCPService, readsSubnet: Bool) {
        self.service = service
        self.readsSubnet = readsSubnet
    }

    func channelActive(context: ChannelHandlerContext) {
        guard self.service.admit() else {
            context.close(promise: nil)
            return
        }
        self.isAdmitted = true
        self.client = context.remoteAddress.flatMap(IPAddress.init(socketAddress:)) ?? self.client
        self.lastQuery = context.eventLoop.now
        self.startTimer(context, after: self.service.idleTimeout)
        context.read()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.timer?.cancel()
        if self.isAdmitted { self.service.leave() }
        self.isAdmitted = false
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard self.isAdmitted else { return }
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

    /// Answers what is there while the client takes the answers, then reads on.
    private func work(_ context: ChannelHandlerContext) {
        guard self.isAdmitted else { return }
        while context.channel.isWritable {
            var output = context.channel.allocator.buffer(capacity: 1024)
            let count = self.service.answer(
                &self.input, from: self.client, readsSubnet: self.readsSubnet, into: &output,
                limit: Self.outputLimit)
            guard count > 0 else {
                if self.input.readableBytes == 0 { self.input.clear() }
                self.input.discardReadBytes()
                if self.inputIsClosed {
                    // What was written before leaves first.
                    context.writeAndFlush(
                        self.wrapOutboundOut(ByteBuffer()),
                        promise: self.closing(context))
                } else {
                    context.read()
                }
                return
            }
            self.lastQuery = context.eventLoop.now
            if output.readableBytes > 0 {
                context.writeAndFlush(self.wrapOutboundOut(output), promise: nil)
            }
        }
    }

    private func closing(_ context: ChannelHandlerContext) -> EventLoopPromise<Void> {
        let promise = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
        return promise
    }

    private func startTimer(_ context: ChannelHandlerContext, after delay: TimeAmount) {
        let context = NIOLoopBound(context, eventLoop: context.eventLoop)
        let connection = NIOLoopBound(self, eventLoop: context.value.eventLoop)
        self.timer = context.value.eventLoop.scheduleTask(in: delay) {
            let connection = connection.value
            let context = context.value
            let end = connection.lastQuery + connection.service.idleTimeout
            if context.eventLoop.now >= end {
                context.close(promise: nil)
            } else {
                connection.startTimer(context, after: end - context.eventLoop.now)
            }
        }
    }
}

extension IPAddress {
    /// The address of a TCP peer; nil for a Unix socket.
    init?(socketAddress: SocketAddress) {
        let found = socketAddress.withSockAddr { address, length -> IPAddress? in
            let bytes = UnsafeRawBufferPointer(start: address, count: length)
            // The layouts of sockaddr_in and sockaddr_in6: the address at byte 4, or at byte 8.
            switch socketAddress {
            case .v4: return IPAddress(bytes: bytes.dropFirst(4).prefix(4))
            case .v6: return IPAddress(bytes: bytes.dropFirst(8).prefix(16))
            case .unixDomainSocket: return nil
            }
        }
        guard let found else { return nil }
        self = found.unmapped
    }
}
