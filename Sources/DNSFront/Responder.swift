// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import Choice
import DNSWire
import RouteTable

/// Answers queries, for one thread: bytes in, bytes out, no sockets, no clock.
///
/// Call ``begin(_:)`` once for each batch of the oracle, then ``respond(to:from:over:using:into:)``
/// for each query of the batch. Once a class of clients has been met, a query allocates nothing,
/// locks nothing and counts no reference.
public struct Responder: ~Copyable {
    private let store: ZoneStore
    private let readiness: DNSReadiness
    let counterBlock = CounterBlock()
    let counters: CounterBlock.Writer
    private let payloadSize: Int

    // What holds for a batch.
    private var zoneSet: ZoneSet
    private var generation: UInt64
    private(set) var index: ZoneIndex
    private(set) var sites = SiteRecords()
    private var isReady = false

    var order = SiteOrder()
    /// The question's name in small letters, with room to read words behind it.
    let name: UnsafeMutableRawPointer

    /// A responder whose answers by UDP are at most `payloadSize` bytes long, to those who take as
    /// much: 512 at least, and 1232 passes wherever IPv6 does, unfragmented.
    public init(zones: ZoneStore, readiness: DNSReadiness, payloadSize: Int = 1232) {
        self.store = zones
        self.readiness = readiness
        self.counters = self.counterBlock.writer
        self.payloadSize = min(max(payloadSize, 512), 65_535)
        self.generation = zones.currentGeneration()
        self.zoneSet = zones.set()
        self.index = self.zoneSet.index
        self.name = .allocate(byteCount: 272, alignment: 8)
        self.name.initializeMemory(as: UInt8.self, repeating: 0, count: 272)
    }

    deinit { self.name.deallocate() }

    /// What has been counted so far.
    public var counted: DNSCounters {
        var sum = DNSCounters()
        self.counterBlock.add(to: &sum)
        return sum
    }

    func countRefusedConnection() {
        self.counters.count(CounterBlock.Slot.refusedConnections)
    }

    /// Takes in what has changed: zones, sites, readiness. They hold for the whole batch.
    public mutating func begin(_ batch: inout OracleBatch) {
        self.sites.update(from: batch.world)
        self.isReady = self.readiness.isReady
        let generation = self.store.currentGeneration()
        guard generation != self.generation else { return }
        self.generation = generation
        self.zoneSet = self.store.set()
        self.index = self.zoneSet.index
    }

    /// Answers one query.
    ///
    /// - Parameters:
    ///   - query: The message, without TCP's length.
    ///   - client: Who sent it.
    ///   - transport: How it came; by UDP, answers are cut to what the querier takes.
    ///   - batch: The batch that ``begin(_:)`` was given.
    ///   - response: Receives the answer: at least 512 bytes, and for TCP 65,535, or answers
    ///     are cut to it.
    /// - Returns: Bytes of the answer; 0 where there is none to give.
    public mutating func respond(
        to query: RawSpan, from client: IPAddress, over transport: DNSTransport,
        using batch: inout OracleBatch, into response: inout MutableRawSpan
    ) -> Int {
        self.counters.count(CounterBlock.Slot.transports + transport.rawValue)
        guard let message = QueryMessage(reading: query) else {
            self.counters.count(CounterBlock.Slot.unanswered)
            return 0
        }
        return response.withUnsafeMutableBytes { buffer in
            precondition(buffer.count >= 512, "an answer is lent 512 bytes at least")
            guard let base = buffer.baseAddress else { return 0 }
            let size: Int
            switch transport {
            case .tcp: size = 65_535
            case .udp:
                // RFC 6891 §6.2.3: what is below 512 is taken as 512.
                size =
                    message.edns.map { min(max(Int($0.payloadSize), 512), self.payloadSize) } ?? 512
            }
            var writer = ResponseWriter(base: base, limit: min(size, buffer.count))
            return self.answer(message, query, from: client, using: &batch, &writer)
        }
    }

    // MARK: One answer

    /// What an answer says beside its records.
    struct Verdict {
        var code = ResponseCode.noError
        var isAuthoritative = false
        var scope: UInt8 = 0
        var error: ExtendedError?
        /// The zone and the node that the question's name is or lies below: indices in the zone
        /// set's lists, or -1.
        var zone: Int32 = -1
        var node: Int32 = -1
        /// The `nearest` name that answered, by its index there; or -1.
        var nearest: Int32 = -1
        /// The first site of the answer, and the client's class; or -1.
        var site: Int16 = -1
        var classID: UInt32 = 0
    }

    @inline(__always)
    private mutating func answer(
        _ message: QueryMessage, _ query: RawSpan, from client: IPAddress,
        using batch: inout OracleBatch, _ writer: inout ResponseWriter
    ) -> Int {
        writer.echo(query, byteCount: message.echoedByteCount)
        let hasQuestion = message.nameByteCount > 0
        // The options of another version mean nothing, and an option that is badly formed is
        // not repeated.
        let subnet = message.problem == nil ? message.edns?.clientSubnet : nil
        if message.edns != nil {
            self.counters.count(CounterBlock.Slot.withEDNS)
            if subnet?.address != nil { self.counters.count(CounterBlock.Slot.withSubnet) }
        }
        if hasQuestion { self.counters.count(type: message.type) }

        var verdict = Verdict()
        if let problem = message.problem {
            verdict.code = problem
        } else if !self.isReady {
            verdict.code = .serverFailure
            verdict.error = .notReady
        } else if message.recordClass != .internet || message.type == .axfr
            || message.type == .ixfr
        {
            verdict.code = .refused
        } else {
            writer.limit -=
                message.edns == nil
                ? 0 : ResponseWriter.optByteCount(subnet: subnet, error: .notReady)
            self.lowercaseName(query, byteCount: message.nameByteCount)
            self.resolve(message, from: client, using: &batch, &writer, &verdict)
        }

        if writer.isTruncated {
            self.counters.count(CounterBlock.Slot.truncated)
            writer.cut(to: message.echoedByteCount)
            writer.answerCount = 0
            writer.authorityCount = 0
            writer.additionalCount = 0
        }
        if let edns = message.edns {
            writer.appendOPT(
                payloadSize: UInt16(self.payloadSize), code: verdict.code,
                isDNSSECOK: edns.isDNSSECOK, subnet: subnet, scope: verdict.scope,
                error: verdict.error)
            if subnet != nil {
                self.counters.count(CounterBlock.Slot.scopes + min(Int(verdict.scope), 128))
            }
        }
        var flags =
            MessageHeader.Flags.response
            | message.header.flags.rawValue & (0x7800 | MessageHeader.Flags.recursionDesired)
            | verdict.code.rawValue & 15
        if verdict.isAuthoritative { flags |= MessageHeader.Flags.authoritative }
        if writer.isTruncated { flags |= MessageHeader.Flags.truncated }
        writer.writeHeader(flags: flags, questionCount: hasQuestion ? 1 : 0)
        self.counters.count(code: verdict.code)
        return writer.count
    }

    /// Copies the question's name in small letters, eight bytes at a time.
    @inline(__always)
    private func lowercaseName(_ query: RawSpan, byteCount: Int) {
        let start = MessageHeader.byteCount
        var position = 0
        while position < byteCount {
            if start + position + 8 <= query.byteCount {
                let word = query.unsafeLoadUnaligned(
                    fromByteOffset: start + position, as: UInt64.self)
                self.name.storeBytes(
                    of: Self.lowercased(word), toByteOffset: position, as: UInt64.self)
                position += 8
            } else {
                let word = Self.lowercased(UInt64(query.byte(at: start + position)))
                self.name.storeBytes(
                    of: UInt8(truncatingIfNeeded: word), toByteOffset: position, as: UInt8.self)
                position += 1
            }
        }
    }

    /// Sets bit 5 of every byte from `A` to `Z`. Lengths of labels lie below `A`.
    @inline(__always)
    static func lowercased(_ word: UInt64) -> UInt64 {
        let low = word & 0x7f7f_7f7f_7f7f_7f7f
        let aboveZ = low &+ 0x2525_2525_2525_2525
        let fromA = low &+ 0x3f3f_3f3f_3f3f_3f3f
        let capital = (fromA ^ aboveZ) & ~word & 0x8080_8080_8080_8080
        return word | capital >> 2
    }
}
