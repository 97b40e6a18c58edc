// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLinux
import Choice
import Glibc
import Synchronization

/// Serves one UDP socket from one thread.
final class UDPWorker: @unchecked Sendable {
    // Sendable: made on one thread, then handed whole to the thread that runs it; the order is
    // atomic.

    /// What the thread is to do.
    enum Order: UInt8, AtomicRepresentable {
        case serve
        /// End with the batch at hand: others read the same socket.
        case leave
        /// Answer what comes until nothing does.
        case retire
        /// Answer what has arrived, then end.
        case end
    }

    let socket: BoundSocket
    let processor: CInt?
    /// Opens when the thread has ended.
    let ended = Gate()
    private let order = Atomic(Order.serve)
    private var reader: OracleReader?
    private var responder: Responder?
    private let batch: OpaquePointer
    private let replySize: Int
    private let readsSubnet: Bool
    private let gate: ProxyGate

    /// What is read of a query. No query needs as much, and more room costs each of them time: a
    /// longer one is answered with FORMERR.
    private static var querySize: Int { 4096 }
    /// Fewer datagrams than make the system calls for a batch cheap beside the answers.
    private static var smallBatch: CInt { 8 }
    /// More than a full buffer holds: under a flood the end must come, too.
    private static var lastBatches: Int { 512 }

    init(
        socket: BoundSocket, reader: consuming OracleReader, responder: consuming Responder,
        settings: DNSSettings, listener: DNSListener?, processor: CInt? = nil
    ) throws(DNSServerError) {
        self.replySize = min(max(settings.payloadSize, 512), 65_535)
        self.readsSubnet = listener?.usesClientSubnet ?? true
        self.gate = ProxyGate(listener?.proxies ?? [])
        guard
            let memory = martlet_batch_create(
                CInt(min(max(settings.batch, 1), 1024)), Self.querySize, self.replySize)
        else { throw .outOfMemory }
        self.socket = socket
        self.processor = processor
        self.reader = .some(reader)
        self.responder = .some(responder)
        self.batch = memory
    }

    deinit { martlet_batch_destroy(self.batch) }

    /// Begins the thread, which ends when it is told to; `giveUp` is called there with the errno that
    /// ends it before its time. Once.
    func start(name: String, giveUp: @escaping @Sendable (CInt) -> Void) throws(DNSServerError) {
        try WorkerThread.start(name: name, processor: self.processor) {
            let reason = self.run()
            if reason != 0 { giveUp(reason) }
            self.ended.open()
        }
    }

    /// Ends without a look at what is still to be read. The socket is not touched: whoever has it,
    /// too, goes on.
    func leave() { self.order.store(.leave, ordering: .releasing) }

    /// Takes the socket out of those of its port, and ends when all that went there is answered.
    func retire() {
        // A socket that can't be taken out is closed under what comes.
        let result = martlet_udp_retire(self.socket.descriptor)
        if result == 0 { self.order.store(.retire, ordering: .releasing) } else { self.end() }
    }

    /// Ends for good, after answers to what has arrived. It takes as long as a wait for a datagram:
    /// shutdown(2), which would end that, would end the receives of other processes, too.
    func end() { self.order.store(.end, ordering: .releasing) }

    private func run() -> CInt {
        guard var reader = self.reader.take(), var responder = self.responder.take() else {
            return 0
        }
        // Who sends the first of many datagrams gets to send the others, too, before they are
        // answered at once. Where the system doesn't allow it, answers cost more.
        _ = martlet_prefer_batches()
        var failures = 0
        var left = Self.lastBatches
        while true {
            let order = self.order.load(ordering: .acquiring)
            if order == .leave { return 0 }
            if order == .end {
                left -= 1
                guard left > 0 else { return 0 }
            }
            let count = martlet_batch_receive(
                self.batch, self.socket.descriptor, order != .end)
            guard count > 0 else {
                if count == 0 {
                    guard order == .serve else { return 0 }
                    // While it serves, a wait that is over is one to look at the order, and to let
                    // go of zones that are served no longer.
                    Self.refresh(&reader, &responder)
                    continue
                }
                if -count == EBADF || -count == ENOTSOCK { return -count }
                // Short of memory, or an error that an answer before met: it passes, and
                // until then this thread leaves the processor to others.
                failures += 1
                if order != .serve, failures > 16 { return 0 }
                usleep(UInt32(min(failures, 100)) * 1000)
                continue
            }
            failures = 0
            self.answer(count, from: &reader, by: &responder)
            // Who asks may be waiting for this very processor: the next batch is larger for it.
            if count < Self.smallBatch { sched_yield() }
        }
    }

    private static func refresh(_ reader: inout OracleReader, _ responder: inout Responder) {
        reader.withBatch { batch in responder.begin(&batch) }
    }

    @inline(__always)
    private func answer(
        _ count: CInt, from reader: inout OracleReader, by responder: inout Responder
    ) {
        let memory = self.batch
        let replySize = self.replySize
        let readsSubnet = self.readsSubnet
        reader.withBatch { batch in
            responder.begin(&batch)
            var datagram = martlet_datagram()
            for number in 0..<count {
                martlet_batch_datagram(memory, number, &datagram)
                guard datagram.length > 0,
                    let reply = martlet_batch_reply(memory, number)
                else { continue }
                let received = UnsafeRawBufferPointer(
                    start: datagram.bytes, count: datagram.length)
                let peer = datagram.peer.ipAddress
                guard let (client, offset) = self.opened(received, from: peer) else {
                    responder.counters.count(CounterBlock.Slot.badProxyHeaders)
                    continue
                }
                // Not a variable: the compiler boxes one that a span is taken of.
                let query = UnsafeRawBufferPointer(rebasing: received[offset...])
                let room = UnsafeMutableRawBufferPointer(start: reply, count: replySize)
                var span = room.mutableBytes
                let length = responder.respond(
                    to: query.bytes, from: client, over: .udp, readsSubnet: readsSubnet,
                    isWhole: !datagram.truncated, using: &batch, into: &span)
                if length > 0 { martlet_batch_answer(memory, number, length) }
            }
        }
        martlet_batch_send(memory, self.socket.descriptor)
    }

    /// Who asks, and where the query begins: behind the header, where a proxy has sent it.
    @inline(__always)
    private func opened(
        _ datagram: UnsafeRawBufferPointer, from peer: IPAddress
    ) -> (client: IPAddress, queryOffset: Int)? {
        self.gate.watches(peer) ? self.gate.open(datagram.bytes, from: peer) : (peer, 0)
    }
}
