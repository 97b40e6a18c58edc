// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import NIOCore

/// What all TCP connections share: one reader, one responder, the room for an answer.
///
/// All listeners are on one event loop, and nothing else touches it once they serve.
final class TCPService: @unchecked Sendable {
    // Sendable: see above; before, it is touched by its maker alone.

    let idleTimeout: TimeAmount
    private let maximumConnections: Int
    private var connections = 0
    var connectionCount: Int { self.connections }
    private var reader: OracleReader
    private var responder: Responder
    private let room: UnsafeMutableRawBufferPointer

    init(
        reader: consuming OracleReader, responder: consuming Responder, settings: DNSSettings
    ) {
        self.reader = reader
        self.responder = responder
        self.idleTimeout = TimeAmount(settings.idleTimeout)
        self.maximumConnections = settings.maximumConnections
        self.room = .allocate(byteCount: 65_535, alignment: 8)
    }

    deinit { self.room.deallocate() }

    /// Takes in a connection, where there is room for one more.
    func admit() -> Bool {
        guard self.connections < self.maximumConnections else {
            self.responder.countRefusedConnection()
            return false
        }
        self.connections += 1
        return true
    }

    func leave() { self.connections -= 1 }

    /// Answers the whole queries at the front of `input`, as many as make `output` about
    /// `limit` bytes long, and takes them away.
    ///
    /// - Returns: How many queries there were.
    func answer(
        _ input: inout ByteBuffer, from client: IPAddress, readsSubnet: Bool,
        into output: inout ByteBuffer, limit: Int
    ) -> Int {
        var count = 0
        self.reader.withBatch { batch in
            self.responder.begin(&batch)
            while output.readableBytes < limit,
                let length = input.getInteger(at: input.readerIndex, as: UInt16.self),
                input.readableBytes >= 2 + Int(length)
            {
                input.moveReaderIndex(forwardBy: 2)
                var span = self.room.mutableBytes
                let size = input.withUnsafeReadableBytes { bytes in
                    self.responder.respond(
                        to: UnsafeRawBufferPointer(rebasing: bytes.prefix(Int(length))).bytes,
                        from: client, over: .tcp, readsSubnet: readsSubnet, using: &batch,
                        into: &span)
                }
                input.moveReaderIndex(forwardBy: Int(length))
                count += 1
                guard size > 0 else { continue }
                output.writeInteger(UInt16(size))
                output.writeBytes(UnsafeRawBufferPointer(rebasing: self.room.prefix(size)))
            }
        }
        return count
    }
}
