// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import RouteTable

/// SplitMix64: the same numbers on every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var value = self.state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}

func name(_ text: String) -> DomainName { DomainName(text) ?? .root }

func address(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(ipv4: 0) }

func prefix(_ text: String) -> IPPrefix { IPPrefix(text) ?? .all(.ipv4) }

/// Three sites: Sydney and Amsterdam with both families, Tokyo with IPv4 only.
let sydney = SiteID(0)
let amsterdam = SiteID(1)
let tokyo = SiteID(2)

func exampleWorld() -> World {
    let sites = [
        Site(
            id: sydney, name: "sydney", asNumber: 64600,
            addresses: [address("210.18.215.100"), address("2001:db8:1::1")]),
        Site(
            id: amsterdam, name: "amsterdam", asNumber: 64601,
            addresses: [address("193.173.27.8"), address("2001:db8:2::1")]),
        Site(id: tokyo, name: "tokyo", asNumber: 64602, addresses: [address("192.0.2.80")]),
    ]
    let all = [sydney, amsterdam, tokyo]
    return World(
        sites: sites,
        policies: [
            Policy(sites: all, tieBreaks: [.order]),
            Policy(sites: all, tieBreaks: [.order], allDown: .none), Policy(sites: [tokyo]),
            Policy(sites: all),
        ])
}

func exampleZone() -> Zone {
    var zone = Zone(
        apex: name("Example.com"),
        startOfAuthority: StartOfAuthority(
            host: name("ns1.example.com"), mailbox: name("hostmaster.example.com"), serial: 7,
            minimum: 60),
        nameServers: [name("ns1.example.com"), name("ns2.example.com"), name("ns.other.net")],
        timeToLive: 300)
    func add(_ owner: String, _ data: RecordData, ttl: UInt32 = 300) {
        zone.add(name(owner), timeToLive: ttl, data)
    }
    add("ns1.example.com", .address(address("192.0.2.1")))
    add("ns1.example.com", .address(address("2001:db8::1")))
    add("ns2.example.com", .address(address("192.0.2.2")))
    add("static.example.com", .address(address("192.0.2.10")), ttl: 120)
    add("static.example.com", .address(address("192.0.2.11")), ttl: 120)
    add("static.example.com", .text("hello"))
    add("deep.down.example.com", .address(address("192.0.2.12")))
    add("alias.example.com", .alias(name("second.example.com")))
    add("second.example.com", .alias(name("static.example.com")))
    add("dangling.example.com", .alias(name("nothing.example.com")))
    add("away.example.com", .alias(name("www.example.org")))
    add("loop1.example.com", .alias(name("loop2.example.com")))
    add("loop2.example.com", .alias(name("loop1.example.com")))
    add("short.example.com", .alias(name("www.example.com")))
    add("*.wild.example.com", .text("wild"))
    add("given.wild.example.com", .address(address("192.0.2.13")))
    add("towild.example.com", .alias(name("x.wild.example.com")))
    add("sub.example.com", .nameServer(name("ns.sub.example.com")))
    add("sub.example.com", .nameServer(name("ns1.example.com")))
    add("ns.sub.example.com", .address(address("192.0.2.14")))
    add("tosub.example.com", .alias(name("a.sub.example.com")))
    add("mail.example.com", .mailExchange(10, name("static.example.com")))
    for number in 0..<20 {
        add("big.example.com", .text(String(repeating: "x", count: 60) + "\(number)"))
    }
    add("moved.example.com", RecordData(type: .dname, fields: [.name(name("down.example.com"))]))
    add("tomoved.example.com", .alias(name("deep.moved.example.com")))
    add("two.example.com", .opaque(.https, [0, 1, 0, 0, 1, 0, 3, 2, 0x68, 0x32]))
    var cdn = NearestRecord(policy: 0, timeToLive: 60)
    cdn.aliases = [
        sydney: name("static.example.com"), amsterdam: name("ams.example.net"),
        tokyo: name("tokyo.example.net"),
    ]
    zone.nearest[name("cdn.example.com")] = cdn
    zone.nearest[name("www.example.com")] = NearestRecord(policy: 0, timeToLive: 60)
    zone.nearest[name("two.example.com")] = NearestRecord(policy: 0, timeToLive: 30, answers: 2)
    zone.nearest[name("none.example.com")] = NearestRecord(policy: 1, timeToLive: 60)
    zone.nearest[name("v4.example.com")] = NearestRecord(policy: 2, timeToLive: 60)
    zone.nearest[name("lost.example.com")] = NearestRecord(policy: 9, timeToLive: 60)
    zone.nearest[name("shared.example.com")] = NearestRecord(policy: 3, timeToLive: 60)
    add("www.example.com", .text("a nearest name may have others"))
    return zone
}

/// A responder with a table, sites and zones, asked without sockets.
final class Bench {
    let owner: TableOwner
    let oracle: Oracle
    let store = ZoneStore()
    let readiness = DNSReadiness(isReady: true)
    private var reader: OracleReader
    private var responder: Responder
    private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_535, alignment: 8)
    let rules: AnswerRulesBox
    /// The time of the next batch.
    var moment = DNSMoment(unixTime: 1_800_000_000, milliseconds: 1000)

    init(
        _ zones: [Zone] = [exampleZone()], world: World = exampleWorld(),
        rules: AnswerRules = AnswerRules()
    ) throws {
        self.owner = try TableOwner()
        for site in world.sites { self.owner.submit(.defineSite(site.id, name: site.name)) }
        self.oracle = Oracle(lookup: self.owner.lookup, world: world)
        try self.store.replace(zones)
        self.reader = try self.oracle.makeReader()
        self.rules = AnswerRulesBox(rules)
        self.responder = Responder(
            zones: self.store, readiness: self.readiness, rules: self.rules,
            moment: self.moment)
    }

    deinit {
        self.room.deallocate()
        self.owner.shutdown()
    }

    var counters: DNSCounters { self.responder.counted }

    func counters(names: NamesWanted) -> [DomainName: ZoneCounters] {
        self.responder.counted(names: names)
    }

    func pin(_ pins: [(String, [SiteID])]) async {
        self.owner.submit(.setPins(pins.map { (prefix($0.0), $0.1) }))
        await self.owner.flush()
    }

    /// The answer's bytes; nil for silence.
    func ask(
        _ query: [UInt8], from client: IPAddress = address("198.51.100.1"),
        over transport: DNSTransport = .udp, readsSubnet: Bool = true
    ) -> [UInt8]? {
        let reply = self.reply(to: query, from: client, over: transport, readsSubnet: readsSubnet)
        return reply.isEmpty ? nil : Array(reply)
    }

    /// The same where the responder has put it: good until the next question. Empty for silence.
    func reply(
        to query: [UInt8], from client: IPAddress, over transport: DNSTransport = .udp,
        readsSubnet: Bool = true
    ) -> UnsafeRawBufferPointer {
        let length = self.reader.withBatch { batch in
            self.responder.begin(&batch, now: self.moment)
            var span = self.room.mutableBytes
            return self.responder.respond(
                to: query.span.bytes, from: client, over: transport, readsSubnet: readsSubnet,
                using: &batch, into: &span)
        }
        return UnsafeRawBufferPointer(rebasing: self.room.prefix(length))
    }

    /// Asks many times, without anything between that allocates.
    func askRepeatedly(_ query: [UInt8], from client: IPAddress, count: Int) -> Int {
        var total = 0
        for _ in 0..<count {
            total += self.reader.withBatch { batch in
                self.responder.begin(&batch, now: self.moment)
                var length = 0
                for _ in 0..<32 {
                    var span = self.room.mutableBytes
                    length += self.responder.respond(
                        to: query.span.bytes, from: client, over: .udp, using: &batch,
                        into: &span)
                }
                return length
            }
        }
        return total
    }

    func ask(_ query: Query) throws -> Message {
        guard
            let bytes = self.ask(
                query.bytes, from: query.client, over: query.transport,
                readsSubnet: query.readsSubnet)
        else { throw Silence() }
        let message = try Message(reading: bytes.span.bytes)
        return message
    }

    func ask(_ owner: String, _ type: RecordType, subnet: String? = nil) throws -> Message {
        var query = Query(owner, type)
        if let subnet { query.subnet = subnet }
        return try self.ask(query)
    }
}

struct Silence: Error {}

/// A query to be.
struct Query {
    var name: String
    var type: RecordType
    var recordClass = RecordClass.internet
    var flags: UInt16 = 0x0100
    /// EDNS, where not nil.
    var payloadSize: UInt16?
    var version: UInt8 = 0
    var ednsFlags: UInt16 = 0
    var options: [UInt8] = []
    var client = address("198.51.100.1")
    var transport = DNSTransport.udp
    /// As the listener has it.
    var readsSubnet = true

    init(_ name: String, _ type: RecordType) {
        self.name = name
        self.type = type
    }

    var subnet: String? {
        get { nil }
        set {
            guard let newValue, let found = IPPrefix(newValue) else { return }
            let bytes = found.address.bytes.prefix((found.length + 7) / 8)
            self.options +=
                [0, 8, 0, UInt8(4 + bytes.count), 0, found.family.rawValue]
                + [UInt8(found.length), 0] + bytes
            self.payloadSize = self.payloadSize ?? 1232
        }
    }

    /// Adds an option, and an OPT record if there is none yet.
    mutating func add(_ code: OptionCode, _ data: [UInt8] = []) {
        self.options +=
            [UInt8(code.rawValue >> 8), UInt8(code.rawValue & 0xff)]
            + [UInt8(data.count >> 8), UInt8(data.count & 0xff)] + data
        self.payloadSize = self.payloadSize ?? 1232
    }

    var bytes: [UInt8] {
        var message = Message(
            identifier: 0xabcd, flags: .init(rawValue: self.flags),
            questions: [
                .init(DomainName(self.name) ?? .root, self.type, self.recordClass)
            ])
        if let payloadSize {
            message.additional.append(
                ResourceRecord(
                    .root, timeToLive: UInt32(self.version) << 16 | UInt32(self.ednsFlags),
                    .opaque(.opt, self.options),
                    recordClass: RecordClass(rawValue: payloadSize)))
        }
        return MessageWriter.encode(message)
    }
}

extension Message {
    var isAuthoritative: Bool { self.flags.contains(MessageHeader.Flags.authoritative) }
    var isTruncated: Bool { self.flags.contains(MessageHeader.Flags.truncated) }

    /// The addresses of the answers.
    var addresses: [String] {
        self.answers.compactMap { record in
            guard case .bytes(let bytes)? = record.data.fields.first,
                record.data.type == .a || record.data.type == .aaaa
            else { return nil }
            return IPAddress(bytes: bytes)?.description
        }
    }

    /// The scope of the Client Subnet option.
    var scope: Int? { self.option(.clientSubnet).flatMap { $0.count >= 4 ? Int($0[3]) : nil } }

    var error: ExtendedError? {
        self.option(.extendedError).map {
            ExtendedError(rawValue: UInt16($0[0]) << 8 | UInt16($0[1]))
        }
    }

    /// The text of the extended error.
    var errorText: String? {
        self.option(.extendedError).map { String(decoding: $0.dropFirst(2), as: UTF8.self) }
    }

    /// The strings of the TXT records among the answers.
    var texts: [String] {
        self.answers.compactMap { record in
            guard case .bytes(let bytes)? = record.data.fields.first, record.data.type == .txt
            else { return nil }
            return String(decoding: bytes.dropFirst(), as: UTF8.self)
        }
    }
}
