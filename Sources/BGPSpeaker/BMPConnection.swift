// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPWire
import NIOCore

/// A router's connection to the station: cuts the stream into messages and hands them to its
/// router, in the turn of the event loop in which they came.
///
/// It holds at most one incomplete message, and isn't read while the table has enough to do.
final class BMPConnection: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private unowned let core: BMPCore
    private(set) var router: BMPRouter?
    private(set) var channel: (any Channel)?
    private var context: ChannelHandlerContext?
    private var buffer: ByteBuffer?
    private var isReadWanted = false
    /// Nothing that comes from now on is looked at.
    private var isEnding = false

    init(core: BMPCore) { self.core = core }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.channel = context.channel
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) { self.core.accepted(self) }

    /// The core has found whose connection this is.
    func adopt(by router: BMPRouter) { self.router = router }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isEnding, let router = self.router else { return }
        var input = self.unwrapInboundIn(data)
        if var rest = self.buffer {
            self.buffer = nil
            rest.writeBuffer(&input)
            input = rest
        }
        input.moveReaderIndex(forwardBy: self.process(input.readableBytesSpan, for: router))
        if input.readableBytes > 0, !self.isEnding {
            // The rest is copied off, so that a few bytes don't keep a large buffer.
            self.buffer = context.channel.allocator.buffer(buffer: input)
        }
    }

    /// - Returns: How many bytes were whole messages.
    private func process(_ bytes: RawSpan, for router: BMPRouter) -> Int {
        var position = 0
        while !self.isEnding {
            do throws(BMPError) {
                guard let frame = try BMPFrame.read(bytes, at: position),
                    frame.length <= bytes.byteCount - position
                else { break }
                let body = bytes.extracting(
                    position + BMPFrame.headerLength..<position + frame.length)
                position += frame.length
                router.received(frame.type, body, on: self)
            } catch {
                // Where the next message begins, nobody knows.
                self.end("\(error)")
            }
        }
        return position
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard !self.isEnding else { return }
        self.router?.readCompleted(on: self)
    }

    /// Reading waits while the table is behind.
    func read(context: ChannelHandlerContext) {
        if self.router?.isPaused == true, !self.isEnding {
            self.isReadWanted = true
        } else {
            context.read()
        }
    }

    func resumeReading() {
        guard self.isReadWanted, let context = self.context else { return }
        self.isReadWanted = false
        context.read()
    }

    /// Ends the connection for a reason; nil: the router hears of nothing.
    func end(_ reason: String?) {
        guard !self.isEnding else { return }
        self.isEnding = true
        self.buffer = nil
        if let reason { self.router?.lost(self, reason) }
        self.context?.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.lost("the router closed the connection")
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
        self.router?.lost(self, reason)
    }
}
