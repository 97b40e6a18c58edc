// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLinux
import Choice
import Glibc
import Synchronization

/// Serves one UDP socket from one thread.
final class UDPWorker: @unchecked Sendable {
    // Sendable: made on one thread, then handed whole to the thread that runs it.

    private let socket: BoundSocket
    private var reader: OracleReader?
    private var responder: Responder?
    private let batch: OpaquePointer
    private let replySize: Int
    private let readsSubnet: Bool
    private let gate: ProxyGate

    /// Longer queries are dropped: no query needs as much.
    private static var querySize: Int { 4096 }

    init(
        socket: BoundSocket, reader: consuming OracleReader, responder: consuming Responder,
        settings: DNSSettings, listener: DNSListener
    ) throws(DNSServerError) {
        self.replySize = min(max(settings.payloadSize, 512), 65_535)
        self.readsSubnet = listener.usesClientSubnet
        self.gate = ProxyGate(listener.proxies)
        guard
            let memory = martlet_batch_create(
                CInt(min(max(settings.batch, 1), 1024)), Self.querySize, self.replySize)
        else { throw .outOfMemory }
        self.socket = socket
        self.reader = .some(reader)
        self.responder = .some(responder)
        self.batch = memory
    }

    deinit { martlet_batch_destroy(self.batch) }

    /// Lets a thread that waits in ``run(until:)`` look at its flag.
    func wake() { _ = martlet_udp_wake(self.socket.descriptor) }

    /// Answers until `stop` is set. Once.
    ///
    /// - Returns: The errno that ended it before its time; 0 otherwise.
    func run(until stop: StopFlag) -> CInt {
        guard var reader = self.reader.take(), var responder = self.responder.take() else {
            return 0
        }
        let memory = self.batch
        let replySize = self.replySize
        let readsSubnet = self.readsSubnet
        let descriptor = self.socket.descriptor
        var failures = 0
        while !stop.isSet {
            let count = martlet_batch_receive(memory, descriptor)
            guard count > 0 else {
                guard count < 0 else { continue }
                if -count == EBADF || -count == ENOTSOCK { return -count }
                // Short of memory, or an error that an answer before met: it passes, and
                // until then this thread leaves the processor to others.
                failures += 1
                usleep(UInt32(min(failures, 100)) * 1000)
                continue
            }
            failures = 0
            reader.withBatch { batch in
                responder.begin(&batch)
                var datagram = martlet_datagram()
                for number in 0..<count {
                    martlet_batch_datagram(memory, number, &datagram)
                    guard !datagram.truncated, datagram.length > 0,
                        let reply = martlet_batch_reply(memory, number)
                    else { continue }
                    var query = UnsafeRawBufferPointer(
                        start: datagram.bytes, count: datagram.length)
                    var client = datagram.peer.ipAddress
                    if self.gate.watches(client) {
                        guard let opened = self.gate.open(query.bytes, from: client) else {
                            responder.counters.count(CounterBlock.Slot.badProxyHeaders)
                            continue
                        }
                        client = opened.client
                        query = UnsafeRawBufferPointer(
                            rebasing: query.dropFirst(opened.queryOffset))
                    }
                    let room = UnsafeMutableRawBufferPointer(start: reply, count: replySize)
                    var span = room.mutableBytes
                    let length = responder.respond(
                        to: query.bytes, from: client, over: .udp,
                        readsSubnet: readsSubnet, using: &batch, into: &span)
                    if length > 0 { martlet_batch_answer(memory, number, length) }
                }
            }
            martlet_batch_send(memory, descriptor)
        }
        return 0
    }
}

/// Tells threads to end.
final class StopFlag: Sendable {
    private let flag = Atomic(false)

    var isSet: Bool { self.flag.load(ordering: .acquiring) }

    func set() { self.flag.store(true, ordering: .releasing) }
}
