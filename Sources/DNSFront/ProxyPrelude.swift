// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire
import NIOCore

/// Takes off the header that a proxy puts before TLS, and tells it to those behind.
///
/// A proxy that does TLS by itself puts its header inside; what begins as TLS does is let through, and
/// its header is awaited there.
final class ProxyPrelude: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let service: TCPService
    private var held = ByteBuffer()
    private var isOver = false

    init(service: TCPService) { self.service = service }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isOver else {
            context.fireChannelRead(data)
            return
        }
        var data = self.unwrapInboundIn(data)
        self.held.writeBuffer(&data)
        if self.held.getInteger(at: self.held.readerIndex) == ProxyHeader.firstByte {
            do throws(ProxyHeader.ReadingError) {
                context.fireUserInboundEventTriggered(try self.held.readProxyHeader())
            } catch {
                guard error == .malformed else { return }
                self.service.countBadProxyHeader()
                context.close(promise: nil)
                return
            }
        }
        self.isOver = true
        let rest = self.held
        self.held = ByteBuffer()
        if rest.readableBytes > 0 { context.fireChannelRead(self.wrapInboundOut(rest)) }
    }
}
