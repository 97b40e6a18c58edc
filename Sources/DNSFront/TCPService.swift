// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
package import Choice
import DNSWire
package import NIOCore

/// What all connections of one event loop share: one reader, one responder, the room for an answer,
/// the limits.
///
/// Nothing else touches it once they serve.
final class TCPService: @unchecked Sendable {
    // Sendable: see above; before, it is touched by its maker alone.

    /// A connection that is asked nothing for so long is closed.
    private(set) var idleTimeout: TimeAmount
    private let transport: DNSTransport
    private let limits: ConnectionLimits
    private var connections: [ObjectIdentifier: TCPConnection] = [:]
    private var reader: OracleReader
    private var responder: Responder
    private let room: UnsafeMutableRawBufferPointer
    private var isDraining = false

    init(
        reader: consuming OracleReader, responder: consuming Responder,
        over transport: DNSTransport, settings: DNSSettings
    ) {
        self.reader = reader
        self.responder = responder
        self.transport = transport
        self.idleTimeout = TimeAmount(settings.idleTimeout)
        self.limits = ConnectionLimits(Self.bounds(settings))
        self.room = .allocate(byteCount: 65_535, alignment: 8)
    }

    deinit { self.room.deallocate() }

    private static func bounds(_ settings: DNSSettings) -> ConnectionLimits.Bounds {
        ConnectionLimits.Bounds(
            connections: settings.maximumConnections, perClient: settings.connectionsPerClient,
            quietTime: TimeAmount(settings.quietTime))
    }

    // MARK: Connections

    /// Takes in a connection, where there is room for one more.
    func enter(_ connection: TCPConnection, at now: NIODeadline) -> ConnectionLimits.Place? {
        let place = self.limits.enter(at: now) { [unowned self, unowned connection] in
            self.connections[ObjectIdentifier(connection)] = nil
            self.responder.counters.count(CounterBlock.Slot.replacedConnections)
            connection.end()
        }
        guard let place else {
            self.responder.counters.count(CounterBlock.Slot.refusedConnections)
            return nil
        }
        self.connections[ObjectIdentifier(connection)] = connection
        self.responder.counters.count(CounterBlock.Slot.connections)
        return place
    }

    /// Counts a connection for its client; false where the client has too many.
    func assign(
        _ place: ConnectionLimits.Place, to client: IPAddress, at now: NIODeadline
    ) -> Bool {
        guard self.limits.assign(place, to: client, at: now) else {
            self.responder.counters.count(CounterBlock.Slot.refusedConnections)
            return false
        }
        return true
    }

    func touch(_ place: ConnectionLimits.Place, at now: NIODeadline) {
        self.limits.touch(place, at: now)
    }

    func leave(_ connection: TCPConnection, _ place: ConnectionLimits.Place) {
        self.limits.leave(place)
        self.connections[ObjectIdentifier(connection)] = nil
    }

    func countFailedHandshake() {
        self.responder.counters.count(CounterBlock.Slot.failedHandshakes)
    }

    func countBadProxyHeader() {
        self.responder.counters.count(CounterBlock.Slot.badProxyHeaders)
    }

    /// Lets other limits hold. Connections beyond them stay; idle ones are looked at anew.
    func apply(_ settings: DNSSettings) {
        self.limits.bounds = Self.bounds(settings)
        self.idleTimeout = TimeAmount(settings.idleTimeout)
        if !self.isDraining { self.responder.setKeepalive(settings.idleTimeout) }
        for connection in self.connections.values { connection.resumeTimer() }
    }

    /// Tells clients that ask for it that their connections are wanted no longer (RFC 7828 §3.2.2).
    /// They are answered as long as they stay.
    func drain() {
        self.isDraining = true
        self.responder.setKeepalive(.zero)
    }

    var connectionCount: Int { self.limits.count }

    /// Takes in what has changed, though nobody asks.
    func refresh() { self.reader.withBatch { self.responder.begin(&$0) } }

    // MARK: Answers

    /// What has become of a connection's input.
    struct Progress {
        /// Queries that were answered.
        var queries = 0
        /// What came can't be answered, so that what follows isn't worth reading.
        var isSpoilt = false
    }

    /// Answers the whole queries at the front of `input`, as many as make `output` about
    /// `limit` bytes long, and takes them away.
    func answer(
        _ input: inout ByteBuffer, from client: IPAddress, readsSubnet: Bool,
        into output: inout ByteBuffer, limit: Int
    ) -> Progress {
        var progress = Progress()
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
                        from: client, over: self.transport, readsSubnet: readsSubnet,
                        using: &batch, into: &span)
                }
                input.moveReaderIndex(forwardBy: Int(length))
                guard size > 0 else {
                    progress.isSpoilt = true
                    return
                }
                progress.queries += 1
                output.writeInteger(UInt16(size))
                output.writeBytes(UnsafeRawBufferPointer(rebasing: self.room.prefix(size)))
            }
        }
        return progress
    }
}

/// Makes connections for channels that have no sockets: to see what becomes of any bytes.
package struct ConnectionMaker: Sendable {
    private let service: TCPService

    package init(
        oracle: Oracle, zones: ZoneStore, readiness: DNSReadiness, settings: DNSSettings
    ) throws {
        self.service = TCPService(
            reader: try oracle.makeReader(),
            responder: Responder(
                zones: zones, readiness: readiness, rules: AnswerRulesBox(settings.rules)),
            over: .tcp, settings: settings)
    }

    /// The one handler of a channel. All channels are on one thread.
    package func makeHandler(for listener: DNSListener) -> any ChannelHandler {
        TCPConnection(service: self.service, listener: listener)
    }
}
