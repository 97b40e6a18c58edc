// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import OriginValidation

/// A TCP connection to an RPKI cache: cuts the stream into messages and hands them on in the turn
/// of the event loop in which they came. It holds at most one incomplete message.
final class RTRConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let cache: RTRCache
    private unowned let core: RTRCore
    private var context: ChannelHandlerContext?
    private var buffer: ByteBuffer?
    /// Nothing that comes from now on is looked at.
    private var isEnding = false

    init(cache: RTRCache, core: RTRCore) {
        self.cache = cache
        self.core = core
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isEnding else { return }
        var input = self.unwrapInboundIn(data)
        if var rest = self.buffer {
            self.buffer = nil
            rest.writeBuffer(&input)
            input = rest
        }
        input.moveReaderIndex(forwardBy: self.process(input.readableBytesSpan))
        if input.readableBytes > 0, !self.isEnding {
            // The rest is copied off, so that a few bytes don't keep a large buffer.
            self.buffer = context.channel.allocator.buffer(buffer: input)
        }
    }

    /// - Returns: How many bytes were whole messages.
    private func process(_ bytes: RawSpan) -> Int {
        var position = 0
        while !self.isEnding {
            do throws(RTRFault) {
                guard let frame = try RTRFrame.read(bytes, at: position) else { break }
                position += frame.length
                self.core.handle(.received(frame), of: self)
            } catch {
                self.core.handle(.malformed(error), of: self)
                // The session has ended the connection; if it had already, nobody else will.
                self.end()
            }
        }
        return position
    }

    func send(_ bytes: [UInt8]) {
        guard !self.isEnding, let context = self.context else { return }
        context.writeAndFlush(
            self.wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: nil)
    }

    /// Closes the connection once what was sent has left.
    func end() {
        guard !self.isEnding else { return }
        self.isEnding = true
        self.buffer = nil
        guard let context = self.context else { return }
        context.writeAndFlush(
            self.wrapOutboundOut(context.channel.allocator.buffer(capacity: 0))
        ).assumeIsolated().whenComplete { [weak self] _ in self?.context?.close(promise: nil) }
        context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(2)) { [weak self] in
            self?.context?.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.lost("the cache closed the connection")
        self.core.closed(self)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.lost(error.inWords)
        context.close(promise: nil)
    }

    private func lost(_ reason: String) {
        guard !self.isEnding else { return }
        self.isEnding = true
        self.core.handle(.closed(reason), of: self)
    }
}
