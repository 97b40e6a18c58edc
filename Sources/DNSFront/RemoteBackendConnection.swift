// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import NIOCore

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
    private var context: ChannelHandlerContext?
    /// There once the connection is to go over to another process, which gets it here.
    private var successor: EventLoopPromise<CInt?>?
    /// Waits under way for what was written to leave.
    private var flushes = 0

    init(service: RemoteBackendService, logger: Logger) {
        self.service = service
        self.logger = logger
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        self.successor?.succeed(nil)
        self.successor = nil
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
                } else if self.successor != nil, view.isEmpty {
                    self.leave(context)
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
        let channel = context.channel
        self.flush(context).whenComplete { _ in channel.close(promise: nil) }
    }

    /// Succeeds when what was written before has left.
    private func flush(_ context: ChannelHandlerContext) -> EventLoopFuture<Void> {
        let promise = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer()), promise: promise)
        return promise.futureResult
    }

    // MARK: To another process

    /// Ends its part in the connection, without ending the connection, once what was asked is answered.
    ///
    /// - Returns: Another descriptor of it; nil where it ends before.
    func handOver() -> EventLoopFuture<CInt?>? {
        guard let context = self.context, self.successor == nil else { return nil }
        let promise = context.eventLoop.makePromise(of: CInt?.self)
        self.successor = promise
        self.work(context)
        return promise.futureResult
    }

    /// Goes when the replies have left, if no more was asked by then.
    private func leave(_ context: ChannelHandlerContext) {
        self.flushes += 1
        self.flush(context).assumeIsolated().whenComplete { _ in
            self.flushes -= 1
            guard self.flushes == 0, self.input.readableBytes == 0, let context = self.context,
                let successor = self.successor
            else { return }
            self.successor = nil
            let copy = Self.copy(context.channel)
            // What arrives from here on waits in the socket.
            context.close(promise: nil)
            successor.succeed(copy)
        }
    }

    /// Another descriptor of a channel's socket, whose owner is the caller.
    static func copy(_ channel: any Channel) -> CInt? {
        let copy = try? channel.pipeline.syncOperations
            .withUnsafeTransportIfAvailable { (descriptor: NIOBSDSocket.Handle) in
                fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            }
        return copy.flatMap { $0 >= 0 ? $0 : nil }
    }
}
