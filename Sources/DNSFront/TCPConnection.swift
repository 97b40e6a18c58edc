// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire
import NIOCore

/// One TCP connection, or what is inside one of TLS: two bytes of length before each message, queries
/// answered as they come, as many as the client sends while it reads (RFC 7766 §6.2.1).
///
/// An answer is made while its query is read, so that none waits for a slower one before it, and
/// answers go out in the order of their queries. A client that doesn't read its answers isn't read
/// from; a connection on which for the idle time no whole query comes and no answers are taken is
/// closed, whether it is silent or brings a byte now and then. The same time bounds what comes
/// before the first query: a TLS handshake, a proxy's header.
final class TCPConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Bytes of answers that are made before the client must have taken some.
    static let outputLimit = 32 << 10

    private enum Phase {
        /// Not among those that count: not yet, or no longer.
        case out
        /// Its client is to be told by the proxy's header.
        case header
        case open
        /// The last answers are on their way.
        case closing
    }

    private let service: TCPService
    private let listener: DNSListener
    private var context: ChannelHandlerContext?
    private var phase = Phase.out
    private var place: ConnectionLimits.Place?
    private var client = IPAddress(ipv4: 0)
    private var input = ByteBuffer()
    private var inputIsClosed = false
    /// When the last whole query came, or the last answers were taken.
    private var lastProgress = NIODeadline.now()
    private var timer: Scheduled<Void>?

    init(service: TCPService, listener: DNSListener) {
        self.service = service
        self.listener = listener
    }

    // MARK: Beginning and end

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        let now = context.eventLoop.now
        guard let place = self.service.enter(self, at: now) else {
            context.close(promise: nil)
            return
        }
        self.place = place
        self.client = context.remoteAddress.flatMap(IPAddress.init(socketAddress:)) ?? self.client
        if self.listener.isProxy(self.client) {
            self.phase = .header
        } else if !self.open(for: self.client, at: now) {
            context.close(promise: nil)
            return
        }
        self.lastProgress = now
        self.startTimer(context, after: self.service.idleTimeout)
        context.read()
    }

    /// Counts the connection for its client, who is known from here on.
    private func open(for client: IPAddress, at now: NIODeadline) -> Bool {
        guard let place, self.service.assign(place, to: client, at: now) else { return false }
        self.client = client
        self.phase = .open
        return true
    }

    func channelInactive(context: ChannelHandlerContext) { self.leave() }

    private func leave() {
        self.timer?.cancel()
        self.phase = .out
        if let place { self.service.leave(self, place) }
        self.place = nil
    }

    /// Ends it at once, whatever is under way.
    func end() {
        self.leave()
        self.context?.channel.close(promise: nil)
    }

    /// Looks at the idle time anew, which has changed.
    func resumeTimer() {
        guard let context, self.phase != .out else { return }
        self.timer?.cancel()
        self.startTimer(context, after: self.service.idleTimeout)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch TLSContext.failure(error) {
        // TCP's end follows.
        case .uncleanEnd: return
        case .handshake: self.service.countFailedHandshake()
        // Resets and the like: an expected end.
        case .other: break
        }
        context.close(promise: nil)
    }

    // MARK: Queries

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard self.phase == .header || self.phase == .open else { return }
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
        } else if let header = event as? ProxyHeader {
            self.takeHeader(header, context)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    /// Answers what is there while the client takes the answers, then reads on.
    private func work(_ context: ChannelHandlerContext) {
        if self.phase == .header, !self.readHeader(context) { return }
        while self.phase == .open, context.channel.isWritable {
            var output = context.channel.allocator.buffer(capacity: 1024)
            let progress = self.service.answer(
                &self.input, from: self.client, readsSubnet: self.listener.usesClientSubnet,
                into: &output, limit: Self.outputLimit)
            if progress.queries > 0 {
                self.lastProgress = context.eventLoop.now
                if let place { self.service.touch(place, at: self.lastProgress) }
                self.write(output, context)
            }
            if progress.isSpoilt {
                self.closeWhenTaken(context)
                return
            }
            if progress.queries == 0 {
                self.waitForMore(context)
                return
            }
        }
    }

    /// Takes a proxy's header off the input; false where it isn't whole or isn't good.
    private func readHeader(_ context: ChannelHandlerContext) -> Bool {
        do throws(ProxyHeader.ReadingError) {
            return self.takeHeader(try self.input.readProxyHeader(), context)
        } catch {
            switch error {
            case .incomplete where !self.inputIsClosed: context.read()
            case .incomplete: context.close(promise: nil)
            case .malformed:
                self.service.countBadProxyHeader()
                context.close(promise: nil)
            }
            return false
        }
    }

    /// Lets the client of a proxy's header be the one that counts; false where that one has too many
    /// connections.
    @discardableResult
    private func takeHeader(_ header: ProxyHeader, _ context: ChannelHandlerContext) -> Bool {
        guard self.phase == .header,
            self.open(for: header.client ?? self.client, at: context.eventLoop.now)
        else {
            context.close(promise: nil)
            return false
        }
        return true
    }

    private func waitForMore(_ context: ChannelHandlerContext) {
        if self.input.readableBytes == 0 { self.input.clear() }
        self.input.discardReadBytes()
        if self.inputIsClosed {
            self.closeWhenTaken(context)
        } else {
            context.read()
        }
    }

    private func write(_ output: ByteBuffer, _ context: ChannelHandlerContext) {
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenSuccess {
            self.lastProgress = self.context?.eventLoop.now ?? self.lastProgress
        }
        context.writeAndFlush(self.wrapOutboundOut(output), promise: promise)
    }

    /// Closes when what was written before has left. Nothing more is answered.
    private func closeWhenTaken(_ context: ChannelHandlerContext) {
        guard self.phase != .out else { return }
        self.phase = .closing
        self.input.clear()
        let promise = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer()), promise: promise)
    }

    private func startTimer(_ context: ChannelHandlerContext, after delay: TimeAmount) {
        self.timer = context.eventLoop.assumeIsolated().scheduleTask(in: delay) {
            guard let context = self.context, self.phase != .out else { return }
            let end = self.lastProgress + self.service.idleTimeout
            if context.eventLoop.now >= end {
                self.end()
            } else {
                self.startTimer(context, after: end - context.eventLoop.now)
            }
        }
    }
}

extension ByteBuffer {
    /// Reads a proxy's header, and leaves the reader behind it. On a throw the reader hasn't moved.
    mutating func readProxyHeader() throws(ProxyHeader.ReadingError) -> ProxyHeader {
        let result = self.withUnsafeReadableBytes { bytes in
            Result { () throws(ProxyHeader.ReadingError) in
                try ProxyHeader(reading: bytes.bytes)
            }
        }
        let header = try result.get()
        self.moveReaderIndex(forwardBy: header.byteCount)
        return header
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
