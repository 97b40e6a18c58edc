// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import RouteTable

/// DNS messages through the whole of an answer; the first octet chooses transport, client, listener,
/// rules and how much time has passed. What goes back is a message that reads, with the question's
/// identifier, and within its bound.
func fuzzDNS(_ bytes: UnsafeRawBufferPointer) {
    guard let bits = bytes.first else { return }
    let query = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    let transport: DNSTransport = bits & 1 == 0 ? .udp : .tcp
    let client = bits & 2 == 0 ? IPAddress("198.51.100.7") : IPAddress("2001:db8:abcd::7")
    guard let client, let bench = DNSBench.shared else {
        require(false, "the bench stands")
        return
    }
    bench.choose(rules: Int(bits >> 3 & 3), milliseconds: UInt32(bits >> 5) * 300)
    let answer = bench.answer(
        to: query, from: client, over: transport, readsSubnet: bits & 4 == 0)
    if let message = try? Message(reading: query.bytes) {
        let written = MessageWriter.encode(message)
        written.withUnsafeBytes { whole in
            require((try? Message(reading: whole.bytes)) == message, "\(message) comes back")
        }
    }
    guard !answer.isEmpty else { return }
    require(answer.count >= 12, "an answer has a header")
    require(answer.count <= (transport == .udp ? 1232 : 65_535), "an answer keeps its bound")
    require(Array(answer.prefix(2)) == Array(query.prefix(2)), "the identifier comes back")
    require(answer[2] & 0x80 != 0, "an answer says that it is one")
    answer.withUnsafeBytes { whole in
        do {
            _ = try Message(reading: whole.bytes)
        } catch {
            require(false, "an answer reads: \(error)")
        }
    }
}

/// A responder with a zone of every kind of record. libFuzzer runs one thread.
private final class DNSBench: @unchecked Sendable {
    // Sendable: libFuzzer calls from one thread only.
    static let shared = try? DNSBench()

    private let owner: TableOwner
    private let readiness = DNSReadiness(isReady: true)
    private var reader: OracleReader
    private var responder: Responder
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_535, alignment: 16)
    private let rules = AnswerRulesBox()
    private var chosen = 0
    private var moment = DNSMoment(unixTime: 1_800_000_000, milliseconds: 0)

    init() throws {
        self.owner = try TableOwner()
        let sites = [
            Site(
                id: SiteID(rawValue: 0), name: "near", asNumber: 64600,
                addresses: [
                    try IPAddress(parsing: "192.0.2.10"), try IPAddress(parsing: "192.0.2.11"),
                    try IPAddress(parsing: "2001:db8::1"),
                ]),
            Site(
                id: SiteID(rawValue: 1), name: "far", asNumber: 64601,
                addresses: [try IPAddress(parsing: "192.0.2.20")]),
        ]
        let oracle = Oracle(lookup: self.owner.lookup, world: World(sites: sites))
        self.reader = try oracle.makeReader()
        let zones = ZoneStore()
        try zones.replace([try Self.zone()])
        self.responder = Responder(
            zones: zones, readiness: self.readiness, rules: self.rules, moment: self.moment)
    }

    /// Lets some rules hold, and some time pass.
    func choose(rules number: Int, milliseconds: UInt32) {
        self.moment = DNSMoment(
            unixMilliseconds: self.moment.unixMilliseconds + UInt64(milliseconds),
            milliseconds: self.moment.milliseconds &+ milliseconds)
        guard number != self.chosen else { return }
        self.chosen = number
        var rules = AnswerRules()
        if number & 1 != 0 {
            rules.identity = "fuzz"
            rules.version = "martlet"
            rules.cookies = CookieRules(isRequired: true)
            rules.debuggers = [IPPrefix(masking: IPAddress(ipv4: 0), length: 0)]
        }
        if number & 2 != 0 {
            rules.rateLimit = RateLimitRules()
            rules.rateLimit?.tableSize = 1024
            rules.rateLimit?.answers = 1
            rules.subnetSenders = [IPPrefix(masking: IPAddress(ipv4: 0), length: 0)]
        }
        self.rules.replace(rules)
    }

    private static func zone() throws -> Zone {
        let apex = try DomainName(parsing: "example.com")
        let host = try DomainName(parsing: "ns1.example.com")
        var zone = Zone(
            apex: apex, startOfAuthority: StartOfAuthority(host: host, mailbox: host),
            nameServers: [host])
        zone.add(host, timeToLive: 300, .address(try IPAddress(parsing: "192.0.2.53")))
        func add(_ owner: String, _ type: RecordType, _ text: String) throws {
            zone.add(
                try DomainName(parsing: owner + ".example.com"), timeToLive: 300,
                try RecordData(parsing: text, type: type))
        }
        try add("text", .txt, "\"all is well\"")
        try add("alias", .cname, "www.example.com.")
        try add("deep.below", .aaaa, "2001:db8::2")
        try add("*.wild", .txt, "wild")
        try add("sub", .ns, "ns.sub.example.com.")
        try add("ns.sub", .a, "192.0.2.54")
        try add("moved", .dname, "below.example.com.")
        try add("chain", .cname, "deep.moved.example.com.")
        try add("mail", .mx, "10 ns1.example.com.")
        try add("www", .https, "1 . alpn=h2")
        for number in 0..<9 { try add("big", .txt, String(repeating: "x", count: 200 + number)) }
        func nearest(_ owner: String, _ change: (inout NearestRecord) -> Void) throws {
            var record = NearestRecord(policy: 0, timeToLive: 60)
            change(&record)
            zone.nearest[try DomainName(parsing: owner + ".example.com")] = record
        }
        try nearest("www") { $0.answers = 2 }
        try nearest("*.made") { $0.rotates = false }
        try nearest("own") { $0.usesClientSubnet = false }
        let targets = [
            try DomainName(parsing: "text.example.com"),
            try DomainName(parsing: "elsewhere.example.net"),
        ]
        try nearest("cdn") { record in
            for (number, target) in targets.enumerated() {
                record.aliases[SiteID(rawValue: UInt8(number))] = target
            }
        }
        return zone
    }

    func answer(
        to query: UnsafeRawBufferPointer, from client: IPAddress, over transport: DNSTransport,
        readsSubnet: Bool
    ) -> [UInt8] {
        self.reader.withBatch { batch in
            self.responder.begin(&batch, now: self.moment)
            var response = self.buffer.mutableBytes
            let count = self.responder.respond(
                to: query.bytes, from: client, over: transport, readsSubnet: readsSubnet,
                using: &batch, into: &response)
            return Array(self.buffer.prefix(count))
        }
    }
}
