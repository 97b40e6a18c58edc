// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import NIOCore

/// One TCP connection: cuts the stream into messages and hands them to its peer, in the
/// event loop's turn in which they came.
///
/// It holds at most one incomplete message, and stops reading while the table has enough to do.
/// All of it stays on the event loop.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// How long a connection that we end is drained, so that the peer can read our last words:
    /// closing with bytes unread would make the kernel take them back.
    static let drainTime = TimeAmount.seconds(2)

    private let core: SpeakerCore
    private(set) var peer: Peer?
    private(set) var slot: ConnectionSlot
    private(set) var channel: (any Channel)?
    private var context: ChannelHandlerContext?
    /// What has come of a message that is not complete.
    private var buffer: ByteBuffer?
    private var isReadWanted = false
    /// Its key was changed, and nothing has come since that is signed by the new one.
    var isKeyUnproven = false
    /// Messages of this turn of the loop.
    private var messages = 0
    /// Nothing that comes from now on is looked at.
    private var isEnding = false

    init(core: SpeakerCore, peer: Peer?, slot: ConnectionSlot) {
        self.core = core
        self.peer = peer
        self.slot = slot
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.channel = context.channel
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        if self.slot == .incoming { self.core.accepted(self) }
    }

    /// The core has found whose connection this is.
    func adopt(by peer: Peer) { self.peer = peer }

    // MARK: Report

    var options: SocketOptions? { self.channel.flatMap { SocketOptions(accepted: $0) } }
    var localAddress: IPAddress? { IPAddress(self.channel?.localAddress) }
    var localEnd: String? { Self.text(self.channel?.localAddress) }
    var remoteEnd: String? { Self.text(self.channel?.remoteAddress) }
    var bufferedBytes: Int { self.buffer?.readableBytes ?? 0 }

    private static func text(_ address: SocketAddress?) -> String? {
        guard let end = IPAddress(address), let port = address?.port else { return nil }
        return ListenAddress(address: end, port: UInt16(clamping: port)).description
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isEnding, let peer = self.peer else { return }
        self.isKeyUnproven = false
        var input = self.unwrapInboundIn(data)
        if var rest = self.buffer {
            self.buffer = nil
            rest.writeBuffer(&input)
            input = rest
        }
        let used = self.process(input.readableBytesSpan, for: peer)
        input.moveReaderIndex(forwardBy: used)
        if input.readableBytes > 0, !self.isEnding {
            // The rest is copied off, so that a few bytes don't keep a large buffer.
            self.buffer = context.channel.allocator.buffer(
                capacity: MessageFrame.maximumLength)
            self.buffer?.writeBuffer(&input)
        }
    }

    /// - Returns: How many bytes were whole messages.
    private func process(_ bytes: RawSpan, for peer: Peer) -> Int {
        var position = 0
        while !self.isEnding {
            let extended = peer.extendedMessages(on: self.slot)
            do throws(Notification) {
                guard
                    let frame = try MessageFrame.read(
                        bytes, at: position, extendedMessages: extended),
                    frame.length <= bytes.byteCount - position
                else { break }
                let body = bytes.extracting(
                    position + MessageFrame.headerLength..<position + frame.length)
                peer.show(bytes.extracting(position..<position + frame.length), .received)
                position += frame.length
                self.messages += 1
                try peer.received(frame.type, body, on: self.slot)
            } catch {
                peer.handle(.malformed(self.slot, error))
                break
            }
        }
        return position
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        let messages = self.messages
        self.messages = 0
        guard !self.isEnding, let peer = self.peer else { return }
        peer.readCompleted(on: self.slot, messages: messages)
    }

    /// Reading waits while the table is behind.
    func read(context: ChannelHandlerContext) {
        if self.peer?.isPaused == true, !self.isEnding {
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

    // MARK: Writing and closing

    func send(_ message: OutgoingMessage) {
        guard let channel = self.channel, let context = self.context else { return }
        let bytes = message.encoded()
        self.peer?.show(bytes.span.bytes, .sent)
        context.writeAndFlush(
            self.wrapOutboundOut(channel.allocator.buffer(bytes: bytes))
        ).assumeIsolated().whenSuccess { [weak self] in
            guard let self, !self.isEnding else { return }
            self.peer?.flushed(self)
        }
    }

    /// Ends the connection: what was sent leaves, what comes is dropped, and soon it is closed.
    func end() {
        guard !self.isEnding else { return }
        self.isEnding = true
        self.buffer = nil
        guard let context = self.context else { return }
        self.peer?.drains(self)
        context.close(mode: .output, promise: nil)
        self.resumeReading()
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.drainTime) { [weak self] in
            self?.context?.close(promise: nil)
        }
    }

    /// Closes a connection that has ended: others need its place.
    func closeNow() { self.context?.close(promise: nil) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            self.lost(nil)
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.lost(nil)
        self.peer?.drained(self)
        self.core.closed(self)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.lost(error.inWords)
        context.close(promise: nil)
    }

    private func lost(_ reason: String?) {
        guard !self.isEnding else { return }
        self.isEnding = true
        self.peer?.lost(self, reason)
    }
}
