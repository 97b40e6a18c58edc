// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import Choice
public import DNSWire
import RouteTable

/// Answers queries, for one thread: bytes in, bytes out, no sockets, no clock.
///
/// Call ``begin(_:now:)`` once for each batch of the oracle, then
/// ``respond(to:from:over:readsSubnet:isWhole:using:into:)`` for each query of the batch. Once a class of
/// clients has been met, a query allocates nothing, locks nothing and counts no reference.
public struct Responder: ~Copyable {
    private let store: ZoneStore
    private let readiness: DNSReadiness
    private let rulesBox: AnswerRulesBox
    let counterBlock = CounterBlock()
    let counters: CounterBlock.Writer
    private let tallyBook: TallyBook?
    private let thread: Int
    private let payloadSize: Int
    /// What TCP clients are told that a connection may idle, in tenths of a second.
    private(set) var keepalive: UInt16 = 0

    // What holds for a batch.
    private var zoneSet: ZoneSet
    private var generation: UInt64
    private(set) var index: ZoneIndex
    private var names = NameTally.Writer.none
    private(set) var sites = SiteRecords()
    private var notes = WorldNotes()
    private var worldGeneration: UInt64?
    private var rulesGeneration: UInt64
    private(set) var rules: RulesInForce
    var limiter: RateLimiter
    private(set) var moment: DNSMoment
    private let decisions: DecisionRing?
    private var sampler: DecisionSampler
    private var isReady = false

    var order = SiteOrder()
    /// The question's name in small letters, with room to read words behind it.
    let name: UnsafeMutableRawPointer

    /// A responder whose answers by UDP are at most `payloadSize` bytes long, to those who take as
    /// much: 512 at least, and 1232 passes wherever IPv6 does, unfragmented. TCP connections may
    /// idle for `idleTimeout`, and clients that ask are told.
    public init(
        zones: ZoneStore, readiness: DNSReadiness, rules: AnswerRulesBox = AnswerRulesBox(),
        payloadSize: Int = 1232, idleTimeout: Duration = .seconds(10),
        moment: DNSMoment = .now()
    ) {
        self.init(
            zones: zones, readiness: readiness, rules: rules, tallies: TallyBook(),
            decisions: nil, payloadSize: payloadSize, idleTimeout: idleTimeout, moment: moment)
    }

    init(
        zones: ZoneStore, readiness: DNSReadiness, rules: AnswerRulesBox, tallies: TallyBook?,
        decisions: DecisionRing?, payloadSize: Int, idleTimeout: Duration,
        moment: DNSMoment = .now()
    ) {
        self.store = zones
        self.readiness = readiness
        self.rulesBox = rules
        self.counters = self.counterBlock.writer
        self.tallyBook = tallies
        self.thread = tallies?.newThread() ?? 0
        if let tallies { zones.add(tallies) }
        self.payloadSize = min(max(payloadSize, 512), 65_535)
        self.generation = zones.currentGeneration()
        self.zoneSet = zones.set()
        self.index = self.zoneSet.index
        if let tallies { self.names = tallies.begin(self.zoneSet, thread: self.thread) }
        self.moment = moment
        self.rulesGeneration = rules.currentGeneration()
        let inForce = rules.rules
        self.rules = RulesInForce(inForce, seed: rules.cookieSeed, at: moment)
        self.limiter = RateLimiter(inForce.rateLimit)
        self.decisions = decisions
        self.sampler = DecisionSampler(decisions == nil ? nil : inForce.decisions)
        self.name = .allocate(byteCount: 272, alignment: 8)
        self.name.initializeMemory(as: UInt8.self, repeating: 0, count: 272)
        self.setKeepalive(idleTimeout)
    }

    /// What TCP clients are told from here on of how long a connection may idle.
    mutating func setKeepalive(_ time: Duration) {
        let (seconds, attoseconds) = time.components
        self.keepalive = UInt16(
            clamping: min(seconds, 10_000) * 10 + attoseconds / 100_000_000_000_000_000)
    }

    deinit {
        self.name.deallocate()
        self.counterBlock.close()
        self.decisions?.close()
        self.tallyBook?.end(thread: self.thread)
    }

    /// What has been counted so far.
    public var counted: DNSCounters {
        var sum = DNSCounters()
        self.counterBlock.add(to: &sum)
        return sum
    }

    /// The same by zone, and by name where that is wanted.
    public func counted(names: NamesWanted) -> [DomainName: ZoneCounters] {
        self.tallyBook?.counters(names: names) ?? [:]
    }

    /// Takes in what has changed: zones, sites, readiness, rules. They hold for the whole batch, as
    /// the time does.
    public mutating func begin(_ batch: inout OracleBatch, now: DNSMoment = .now()) {
        self.moment = now
        if batch.worldGeneration != self.worldGeneration { self.adopt(batch.world) }
        self.isReady = self.readiness.isReady
        self.rules.roll(at: now)
        let rules = self.rulesBox.currentGeneration()
        if rules != self.rulesGeneration { self.adoptRules(rules) }
        let generation = self.store.currentGeneration()
        guard generation != self.generation else { return }
        self.generation = generation
        self.zoneSet = self.store.set()
        self.index = self.zoneSet.index
        // The tally of the zones before goes with them, on another thread.
        guard let tallyBook else { return }
        self.names = tallyBook.begin(self.zoneSet, thread: self.thread)
    }

    @inline(never)
    private mutating func adopt(_ world: World) {
        self.worldGeneration = world.generation
        self.sites.update(from: world)
        self.notes.update(from: world)
    }

    @inline(never)
    private mutating func adoptRules(_ generation: UInt64) {
        self.rulesGeneration = generation
        let rules = self.rulesBox.rules
        self.rules = RulesInForce(rules, seed: self.rulesBox.cookieSeed, at: self.moment)
        // What has been counted is kept where the limits stay.
        if rules.rateLimit != self.limiter.rules { self.limiter = RateLimiter(rules.rateLimit) }
        self.sampler = DecisionSampler(self.decisions == nil ? nil : rules.decisions)
    }

    /// Answers one query.
    ///
    /// - Parameters:
    ///   - query: The message, without TCP's length.
    ///   - client: Who sent it.
    ///   - transport: How it came; by UDP, answers are cut to what the querier takes.
    ///   - readsSubnet: Else a Client Subnet is passed over, as an unknown option is.
    ///   - isWhole: Else more has arrived than there was room for, and the answer is FORMERR.
    ///   - batch: The batch that ``begin(_:now:)`` was given.
    ///   - response: Receives the answer: at least 512 bytes, and for TCP 65,535, or answers
    ///     are cut to it.
    /// - Returns: Bytes of the answer; 0 where there is none to give.
    public mutating func respond(
        to query: RawSpan, from client: IPAddress, over transport: DNSTransport,
        readsSubnet: Bool = true, isWhole: Bool = true, using batch: inout OracleBatch,
        into response: inout MutableRawSpan
    ) -> Int {
        self.counters.count(CounterBlock.Slot.transports + transport.rawValue)
        guard var message = QueryMessage(reading: query, readsSubnet: readsSubnet) else {
            self.counters.count(CounterBlock.Slot.unanswered)
            return 0
        }
        // A Client Subnet is seldom there, a bad one is a problem, and the list may be long.
        if readsSubnet, self.rules.limitsSubnetSenders,
            message.edns?.clientSubnet != nil || message.problem != nil,
            !self.rules.subnetSenders.contains(client.unmapped),
            let plain = QueryMessage(reading: query, readsSubnet: false)
        {
            message = plain
        }
        if !isWhole, message.problem == nil { message.problem = .formatError }
        return response.withUnsafeMutableBytes { buffer in
            precondition(buffer.count >= 512, "an answer is lent 512 bytes at least")
            guard let base = buffer.baseAddress else { return 0 }
            let size: Int
            switch transport {
            case .tcp, .tls: size = 65_535
            case .udp:
                // RFC 6891 §6.2.3: what is below 512 is taken as 512.
                size =
                    message.edns.map { min(max(Int($0.payloadSize), 512), self.payloadSize) } ?? 512
            }
            var writer = ResponseWriter(base: base, limit: min(size, buffer.count))
            return self.answer(
                message, query, from: client, over: transport, using: &batch, &writer)
        }
    }

    // MARK: One answer

    /// What an answer says beside its records.
    struct Verdict {
        var code = ResponseCode.noError
        var isAuthoritative = false
        var scope: UInt8 = 0
        var error: ExtendedError?
        var errorText = ByteRun.none
        /// The zone and the node that the question's name is or lies below: indices in the zone
        /// set's lists, or -1.
        var zone: Int32 = -1
        var node: Int32 = -1
        /// The `nearest` name that answered, by its index there; or -1.
        var nearest: Int32 = -1
        /// The first site of the answer, and the client's class; or -1.
        var site: Int16 = -1
        var classID: UInt32 = 0
        /// Of the addresses that it was chosen for; nil for an alias, which holds for all.
        var family: AddressFamily?
    }

    @inline(__always)
    private mutating func answer(
        _ message: QueryMessage, _ query: RawSpan, from client: IPAddress,
        over transport: DNSTransport, using batch: inout OracleBatch,
        _ writer: inout ResponseWriter
    ) -> Int {
        writer.echo(query, byteCount: message.echoedByteCount)
        let limit = writer.limit
        let hasQuestion = message.nameByteCount > 0
        if hasQuestion { self.counters.count(type: message.type) }
        var reply = OPTReply()
        var verdict = Verdict()
        var standing = ClientStanding.unknown
        if let edns = message.edns {
            self.counters.count(CounterBlock.Slot.withEDNS)
            reply.payloadSize = UInt16(self.payloadSize)
            reply.isDNSSECOK = edns.isDNSSECOK
            // The options of another version mean nothing, and those beside a badly formed one are
            // not relied on.
            if message.problem == nil {
                standing = self.read(edns, from: client, over: transport, into: &reply)
            }
        }
        let hasSubnet = reply.subnet?.address != nil
        if hasSubnet { self.counters.count(CounterBlock.Slot.withSubnet) }

        if let problem = message.problem {
            verdict.code = problem
        } else if !hasQuestion {
            verdict.code = self.codeWithoutQuestion(standing)
        } else if self.mustReturn(standing, over: transport) {
            verdict.code = .badCookie
        } else if message.recordClass != .internet {
            writer.limit = limit - reply.byteCount
            self.answerOtherClass(message, query, &writer, &verdict)
        } else if !self.isReady {
            verdict.code = .serverFailure
            verdict.error = .notReady
        } else if message.type == .axfr || message.type == .ixfr {
            verdict.code = .refused
            verdict.error = .notSupported
        } else {
            if message.edns != nil { writer.limit = limit - reply.byteCount }
            self.lowercaseName(query, byteCount: message.nameByteCount)
            if self.rules.debuggers.isEmpty
                || !self.answerDebugging(
                    message, from: client, over: transport, using: &batch, &writer, &verdict)
            {
                self.resolve(message, from: client, using: &batch, &writer, &verdict)
            }
            self.names.count(verdict, hasSubnet: hasSubnet)
            self.explain(message.type, &verdict)
        }

        if transport == .udp, standing != .confirmed,
            !self.admit(message, client, standing, &writer, &reply, &verdict)
        {
            return 0
        }
        if writer.isTruncated {
            self.counters.count(CounterBlock.Slot.truncated)
            writer.cut(to: message.echoedByteCount)
            writer.answerCount = 0
            writer.authorityCount = 0
            writer.additionalCount = 0
        }
        if message.edns != nil {
            reply.scope = verdict.scope
            reply.error = verdict.error
            reply.errorText = verdict.errorText
            writer.appendOPT(reply, code: verdict.code, limit: limit)
            if reply.subnet != nil {
                self.counters.count(CounterBlock.Slot.scopes + min(Int(verdict.scope), 128))
            }
        }
        if verdict.code == .notAuthorized, let signature = message.signature {
            writer.append(signature, of: query, limit: limit)
        }
        var flags =
            MessageHeader.Flags.response
            | message.header.flags.rawValue & (0x7800 | MessageHeader.Flags.recursionDesired)
            | verdict.code.rawValue & 15
        if verdict.isAuthoritative { flags |= MessageHeader.Flags.authoritative }
        if writer.isTruncated { flags |= MessageHeader.Flags.truncated }
        writer.writeHeader(flags: flags, questionCount: hasQuestion ? 1 : 0)
        self.counters.count(code: verdict.code)
        if verdict.nearest >= 0, self.sampler.takes(at: self.moment) {
            self.note(message, query, client, transport, verdict, writer)
        }
        return writer.count
    }

    /// Lets an answer be written down, on another thread.
    @inline(never)
    private func note(
        _ message: QueryMessage, _ query: RawSpan, _ client: IPAddress,
        _ transport: DNSTransport, _ verdict: Verdict, _ writer: ResponseWriter
    ) {
        // Another name may stand there by now: one that an alias has led to.
        self.lowercaseName(query, byteCount: message.nameByteCount)
        let record = self.index.nearest[Int(verdict.nearest)]
        let subnet = record.usesClientSubnet ? message.edns?.clientSubnet : nil
        var family = verdict.family
        if verdict.site < 0, record.aliasCount == 0 {
            family = message.type == .a ? .ipv4 : message.type == .aaaa ? .ipv6 : nil
        }
        self.decisions?.note(
            Decision(
                time: self.moment.unixMilliseconds,
                client: subnet?.address ?? client.unmapped,
                sourceLength: subnet?.address == nil ? nil : subnet?.sourceLength,
                scope: verdict.scope, type: message.type, transport: transport,
                policy: Int32(truncatingIfNeeded: record.policy), site: verdict.site,
                family: family, classID: verdict.classID,
                nameByteCount: UInt8(message.nameByteCount),
                answerByteCount: writer.count <= Decision.maximumAnswerByteCount
                    ? UInt16(writer.count) : 0),
            name: self.name, answer: writer.base)
    }

    // MARK: Extended errors

    /// Says what an answer doesn't say by itself (RFC 8914).
    @inline(__always)
    private func explain(_ type: RecordType, _ verdict: inout Verdict) {
        if verdict.nearest >= 0 {
            let record = self.index.nearest[Int(verdict.nearest)]
            let family: AddressFamily? =
                record.aliasCount > 0 ? nil : type == .a ? .ipv4 : type == .aaaa ? .ipv6 : nil
            if self.isAllDown(policy: record.policy, family) {
                verdict.error = .other
                verdict.errorText = ByteRun("all sites are down")
            } else if verdict.site >= 0,
                self.notes.isStale(SiteID(rawValue: UInt8(truncatingIfNeeded: verdict.site)))
            {
                verdict.error = .staleAnswer
                verdict.errorText = ByteRun("routes of a session that is gone")
            }
        } else if verdict.code == .refused, verdict.error == nil {
            verdict.error = .notAuthoritative
        }
    }

    /// Whether all of a policy's sites with addresses of the family are down.
    @inline(__always)
    func isAllDown(policy: Int, _ family: AddressFamily?) -> Bool {
        self.notes.isAllDown(policy: policy, family)
    }

    /// Copies the question's name in small letters, eight bytes at a time.
    @inline(__always)
    func lowercaseName(_ query: RawSpan, byteCount: Int) {
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
