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
    private let counters: CounterBlock.Writer
    private let payloadSize: Int

    // What holds for a batch.
    private var zoneSet: ZoneSet
    private var generation: UInt64
    private var index: ZoneIndex
    private var sites = SiteRecords()
    private var isReady = false

    private var order = SiteOrder()
    /// The question's name in small letters, with room to read words behind it.
    private let name: UnsafeMutableRawPointer

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
    private struct Verdict {
        var code = ResponseCode.noError
        var isAuthoritative = false
        var scope: UInt8 = 0
        var error: ExtendedError?
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

    // MARK: Zones

    /// Finds the name, or what stands for it, and answers from there.
    @inline(__always)
    private mutating func resolve(
        _ message: QueryMessage, from client: IPAddress, using batch: inout OracleBatch,
        _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) {
        let name = UnsafeRawPointer(self.name)
        let length = message.nameByteCount
        if message.labelCount <= self.index.maximumLabelCount,
            let node = self.index.find(name, byteCount: length)
        {
            let cut = self.index.nodes[node].cut
            // The parent has the DS records of a delegation (RFC 4035 §3.1.4.1).
            if cut >= 0, !(Int(cut) == node && message.type == .ds) {
                self.refer(to: Int(cut), message, &writer, &verdict)
                return
            }
            self.answer(node, message, from: client, using: &batch, &writer, &verdict)
            return
        }
        // The closest name there is.
        var position = 0
        var labels = message.labelCount
        var closest: Int?
        while labels > 0 {
            position += 1 + Int(name.load(fromByteOffset: position, as: UInt8.self))
            labels -= 1
            guard labels <= self.index.maximumLabelCount else { continue }
            closest = self.index.find(name + position, byteCount: length - position)
            if closest != nil { break }
        }
        guard let closest else {
            verdict.code = .refused
            return
        }
        let node = self.index.nodes[closest]
        if node.cut >= 0 {
            self.refer(to: Int(node.cut), message, &writer, &verdict)
        } else if node.wildcard >= 0 {
            self.answer(
                Int(node.wildcard), message, from: client, using: &batch, &writer, &verdict)
        } else {
            verdict.isAuthoritative = true
            verdict.code = .nameError
            self.appendNegative(self.apex(of: node, message), node.zone, &writer)
        }
    }

    /// Where the apex of the node's zone stands in the message: at the end of the question.
    @inline(__always)
    private func apex(of node: ZoneNode, _ message: QueryMessage) -> Int {
        MessageHeader.byteCount + message.nameByteCount
            - Int(self.index.zones[Int(node.zone)].apexByteCount)
    }

    /// Answers for the name at `number`, following aliases.
    @inline(__always)
    private mutating func answer(
        _ number: Int, _ message: QueryMessage, from client: IPAddress,
        using batch: inout OracleBatch, _ writer: inout ResponseWriter,
        _ verdict: inout Verdict
    ) {
        verdict.isAuthoritative = true
        let type = message.type
        var number = number
        var owner = MessageHeader.byteCount
        var node = self.index.nodes[number]
        let apex = self.apex(of: node, message)
        // A loop of aliases ends here, with what it gave.
        for _ in 0..<16 {
            node = self.index.nodes[number]
            if node.nearest >= 0, type == .a || type == .aaaa {
                // With a subnet, an alias stands alone: it holds for all clients, what it leads
                // to for some (RFC 7871 §7.2.1).
                if owner != MessageHeader.byteCount, message.edns?.clientSubnet != nil { return }
                self.appendNearest(
                    self.index.nearest[Int(node.nearest)], owner: owner, apex: apex, node.zone,
                    message, from: client, using: &batch, &writer, &verdict)
                return
            }
            var next: EncodedSet.Target?
            var isFound = false
            let first = Int(node.firstSet)
            for set in first..<first + Int(node.setCount) {
                let found = self.index.sets[set].type
                guard found == type || found == .cname else { continue }
                isFound = true
                guard let start = self.append(self.index.sets[set], owner, apex, &writer) else {
                    return
                }
                // The alias's target stands first in its data.
                owner = start + 12
                if found == .cname, type != .cname, type != .any {
                    next = self.index.sets[set].target
                }
                break
            }
            guard isFound else {
                if type == .any, node.setCount > 0 || node.nearest >= 0 {
                    if writer.append(self.index.any, of: self.index, apex: apex) == nil {
                        writer.isTruncated = true
                    }
                    writer.answerCount += 1
                } else {
                    self.appendNegative(apex, node.zone, &writer)
                }
                return
            }
            switch next {
            case nil, .some(.none), .elsewhere: return
            case .missing:
                // The code tells of the last name of the chain (RFC 6604 §3).
                verdict.code = .nameError
                self.appendNegative(apex, node.zone, &writer)
                return
            case .node(let target): number = Int(target)
            }
        }
    }

    /// Appends a set to the answers, and addresses for it while there is room.
    @inline(__always)
    private func append(
        _ set: EncodedSet, _ owner: Int, _ apex: Int, _ writer: inout ResponseWriter
    ) -> Int? {
        guard let start = writer.append(set.block, of: self.index, apex: apex) else {
            writer.isTruncated = true
            return nil
        }
        if owner != MessageHeader.byteCount {
            writer.setOwner(owner, start: start, recordCount: Int(set.block.recordCount))
        }
        writer.answerCount += set.block.recordCount
        if set.additional.recordCount > 0,
            writer.append(set.additional, of: self.index, apex: apex, beside: start) != nil
        {
            writer.additionalCount += set.additional.recordCount
        }
        return start
    }

    /// Appends the SOA that says how long a negative answer holds (RFC 2308 §3).
    @inline(__always)
    private func appendNegative(_ apex: Int, _ zone: UInt32, _ writer: inout ResponseWriter) {
        let block = self.index.zones[Int(zone)].negative
        if writer.append(block, of: self.index, apex: apex) == nil {
            writer.isTruncated = true
        } else {
            writer.authorityCount += block.recordCount
        }
    }

    /// Sends the querier on to the servers of a delegation, with their addresses; those must not
    /// be missing (RFC 9471 §2).
    private func refer(
        to cut: Int, _ message: QueryMessage, _ writer: inout ResponseWriter,
        _ verdict: inout Verdict
    ) {
        let node = self.index.nodes[cut]
        let apex = self.apex(of: node, message)
        let owner =
            MessageHeader.byteCount + message.nameByteCount - Int(node.nameByteCount)
        let first = Int(node.firstSet)
        for number in first..<first + Int(node.setCount) {
            let set = self.index.sets[number]
            guard set.type == .ns else { continue }
            guard let start = writer.append(set.block, of: self.index, apex: apex) else {
                writer.isTruncated = true
                return
            }
            writer.setOwner(owner, start: start, recordCount: Int(set.block.recordCount))
            writer.authorityCount += set.block.recordCount
            guard set.additional.recordCount > 0 else { return }
            if writer.append(set.additional, of: self.index, apex: apex, beside: start) == nil {
                writer.isTruncated = true
            } else {
                writer.additionalCount += set.additional.recordCount
            }
            return
        }
    }

    // MARK: Nearest sites

    /// Appends the addresses of the sites that are nearest to the client.
    @inline(__always)
    private mutating func appendNearest(
        _ record: EncodedNearest, owner: Int, apex: Int, _ zone: UInt32,
        _ message: QueryMessage, from client: IPAddress, using batch: inout OracleBatch,
        _ writer: inout ResponseWriter, _ verdict: inout Verdict
    ) {
        guard record.policy >= 0, record.policy < self.sites.policyCount else {
            // The zones are of another configuration than the sites, for a moment.
            verdict.code = .serverFailure
            verdict.error = .notReady
            verdict.isAuthoritative = false
            return
        }
        let family: AddressFamily = message.type == .a ? .ipv4 : .ipv6
        let subnet = message.edns?.clientSubnet
        let match = batch.order(
            policy: record.policy, family: family,
            client: subnet?.address ?? client.unmapped, places: record.answers,
            into: &self.order)
        let start = writer.count
        var isFirst = true
        sites: for place in 0..<min(record.answers, self.order.count) {
            let site = self.order[place]
            let run = self.sites.run(of: site, family)
            guard run.count > 0 else { continue }
            if isFirst {
                self.counters.count(CounterBlock.Slot.sites + Int(site.rawValue))
            }
            for number in 0..<Int(run.count) {
                let bytes =
                    self.sites.start(of: run) + number * SiteRecords.recordByteCount(family)
                guard
                    writer.append(
                        record: bytes, family: family, timeToLive: record.timeToLive,
                        owner: owner)
                else {
                    writer.isTruncated = true
                    break sites
                }
                if writer.answerCount == 0
                    || !writer.removeLastIfRepeated(since: start, family: family)
                {
                    writer.answerCount += 1
                }
            }
            isFirst = false
        }
        guard writer.count > start || writer.isTruncated else {
            // No site has such an address, or all are down and the policy then names none:
            // that is so for every client.
            self.appendNegative(apex, zone, &writer)
            return
        }
        // Without an address of its own, a subnet is answered for who sent it, and the answer
        // is not to be kept for others (RFC 7871 §7.3.1).
        if subnet?.address != nil { verdict.scope = match.scope }
    }
}
