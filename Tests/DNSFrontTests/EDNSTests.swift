// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront
import DNSWire
import Testing

@Suite("EDNS and truncation")
struct EDNSTests {
    private let bench: Bench

    init() throws { self.bench = try Bench() }

    @Test("an OPT record is answered with one that says 1232, and repeats DO")
    func opt() throws {
        var query = Query("static.example.com", .a)
        query.payloadSize = 4096
        var opt = try #require(try self.bench.ask(query).edns)
        #expect(opt.owner == .root)
        #expect(opt.recordClass.rawValue == 1232)
        #expect(opt.timeToLive == 0)
        query.ednsFlags = 0xffff
        opt = try #require(try self.bench.ask(query).edns)
        #expect(opt.timeToLive == 0x8000, "DO is repeated, other flags are not")
    }

    @Test("unknown options are passed over and not repeated")
    func unknown() throws {
        var query = Query("static.example.com", .a)
        query.payloadSize = 1232
        query.options = [0, 100, 0, 2, 1, 2]
        let reply = try self.bench.ask(query)
        #expect(reply.addresses.count == 2)
        #expect(reply.edns?.data == .opaque(.opt, []))
    }

    @Test("another version is BADVERS, in version 0 and without an answer")
    func version() throws {
        var query = Query("static.example.com", .a)
        query.payloadSize = 1232
        query.version = 1
        let reply = try self.bench.ask(query)
        #expect(reply.code == .badVersion)
        #expect(reply.edns?.timeToLive == 0x0100_0000)
        #expect(reply.answers.isEmpty && reply.authority.isEmpty)
        #expect(!reply.isAuthoritative)
    }

    @Test("a bad subnet is FORMERR, with an OPT record that has none")
    func badSubnet() throws {
        var query = Query("www.example.com", .a)
        query.payloadSize = 1232
        query.options = [0, 8, 0, 7, 0, 1, 20, 0, 192, 0, 0x21]
        let reply = try self.bench.ask(query)
        #expect(reply.code == .formatError)
        #expect(reply.edns?.data == .opaque(.opt, []))
        #expect(reply.questions.count == 1)
    }

    @Test(
        "an answer that is too long for UDP is cut to its question, and says so",
        arguments: [
            (nil, true), (0, true), (100, true), (512, true), (1232, true), (4096, true),
        ] as [(UInt16?, Bool)])
    func truncated(payload: UInt16?, isTruncated: Bool) throws {
        var query = Query("big.example.com", .txt)
        query.payloadSize = payload
        let reply = try self.bench.ask(query)
        #expect(reply.isTruncated == isTruncated)
        #expect(reply.answers.isEmpty && reply.authority.isEmpty)
        #expect((reply.edns != nil) == (payload != nil))
        #expect(reply.isAuthoritative)
        query.transport = .tcp
        let whole = try self.bench.ask(query)
        #expect(!whole.isTruncated)
        #expect(whole.answers.count == 20)
    }

    @Test("the client's payload counts, from 512 up to ours")
    func payload() throws {
        var zone = exampleZone()
        for number in 0..<10 {
            zone.add(
                name("half.example.com"), timeToLive: 1,
                .text(String(repeating: "y", count: 60) + "\(number)"))
        }
        try self.bench.store.replace([zone])
        // Ten records of 74 bytes, header and question of 34, OPT of 11 and room for an error.
        var query = Query("half.example.com", .txt)
        #expect(try self.bench.ask(query).isTruncated)
        query.payloadSize = 512
        #expect(try self.bench.ask(query).isTruncated)
        query.payloadSize = 800
        let reply = try self.bench.ask(query)
        #expect(!reply.isTruncated)
        #expect(reply.answers.count == 10)
    }

    @Test("what is only of use is left out before an answer is cut")
    func additional() throws {
        var zone = Zone(
            apex: name("example.com"),
            startOfAuthority: StartOfAuthority(host: name("a.b"), mailbox: name("c.d")),
            nameServers: (0..<12).map { name("a-rather-long-host-name-\($0).example.com") })
        for number in 0..<12 {
            zone.add(
                name("a-rather-long-host-name-\(number).example.com"), timeToLive: 1,
                .address(address("192.0.2.\(number)")))
        }
        try self.bench.store.replace([zone])
        let reply = try self.bench.ask("example.com", .ns)
        #expect(!reply.isTruncated)
        #expect(reply.answers.count == 12)
        #expect(reply.additional.isEmpty)
        var query = Query("example.com", .ns)
        query.payloadSize = 1232
        #expect(try self.bench.ask(query).additional.count == 13)
    }

    @Test("before it is ready, a server fails with the extended error 14")
    func notReady() throws {
        self.bench.readiness.isReady = false
        for owner in ["static.example.com", "www.example.com", "example.org"] {
            let reply = try self.bench.ask(owner, .a, subnet: "192.0.2.0/24")
            #expect(reply.code == .serverFailure)
            #expect(reply.error == .notReady)
            #expect(reply.scope == 0)
            #expect(reply.answers.isEmpty)
            #expect(!reply.isAuthoritative)
        }
        let plain = try self.bench.ask("www.example.com", .a)
        #expect(plain.code == .serverFailure)
        #expect(plain.edns == nil)
        self.bench.readiness.isReady = true
        #expect(try self.bench.ask("www.example.com", .a).code == .noError)
    }

    @Test("counters add up")
    func counters() throws {
        _ = try self.bench.ask("static.example.com", .a)
        _ = try self.bench.ask("www.example.com", .aaaa, subnet: "192.0.2.0/24")
        _ = try self.bench.ask("nothing.example.com", RecordType(rawValue: 999))
        var query = Query("big.example.com", .txt)
        _ = try self.bench.ask(query)
        query.transport = .tcp
        _ = try self.bench.ask(query)
        let counters = self.bench.counters
        #expect(counters.queries == [.udp: 4, .tcp: 1])
        #expect(counters.total == 5)
        #expect(counters.types == [.a: 1, .aaaa: 1, .txt: 2])
        #expect(counters.otherTypes == 1)
        #expect(counters.responses == [.noError: 4, .nameError: 1])
        #expect(counters.withEDNS == 1)
        #expect(counters.withSubnet == 1)
        #expect(counters.truncated == 1)
        #expect(counters.sites == [sydney: 1])
        #expect(counters.scopes.values.reduce(0, +) == 1)
    }
}
