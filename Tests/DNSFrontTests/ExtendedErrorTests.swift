// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import RouteTable
import Testing

@Suite("Extended errors")
struct ExtendedErrorTests {
    private let bench: Bench

    init() throws { self.bench = try Bench() }

    private func ask(_ owner: String, _ type: RecordType = .a) throws -> Message {
        var query = Query(owner, type)
        query.payloadSize = 1232
        return try self.bench.ask(query)
    }

    private func set(_ status: [SiteID: SiteStatus]) {
        self.bench.oracle.update { $0.status = status }
    }

    @Test("say that routes are stale, where the site answered is known by such")
    func stale() throws {
        #expect(try self.ask("www.example.com").error == nil)
        self.set([sydney: SiteStatus(feeds: .stale), amsterdam: SiteStatus(feeds: .live)])
        let reply = try self.ask("www.example.com")
        #expect(reply.addresses == ["210.18.215.100"])
        #expect(reply.code == .noError)
        #expect(reply.error == .staleAnswer)
        #expect(reply.errorText == "routes of a session that is gone")
        #expect(try self.bench.ask("www.example.com", .a).edns == nil, "without EDNS, nothing")
        #expect(try self.ask("v4.example.com").error == nil, "Tokyo's are not")
        #expect(try self.ask("static.example.com").error == nil)
        #expect(try self.ask("www.example.com", .txt).error == nil)
        self.set([sydney: SiteStatus(admin: .forced, feeds: .stale)])
        #expect(try self.ask("www.example.com").error == nil)
    }

    @Test("say that all sites are down, whether they are answered nevertheless or not")
    func allDown() throws {
        let down = SiteStatus(health: .down)
        self.set([sydney: down, amsterdam: down, tokyo: down])
        let all = try self.ask("www.example.com")
        #expect(all.addresses.count == 1)
        #expect(all.error == .other)
        #expect(all.errorText == "all sites are down")
        let none = try self.ask("none.example.com")
        #expect(none.code == .noError && none.answers.isEmpty)
        #expect(none.authority.first?.data.type == .soa)
        #expect(none.error == .other)
        // The zone's minimum is 60 s, the name's TTL less.
        #expect(none.authority.first?.timeToLive == 60)
        var zone = exampleZone()
        zone.nearest[name("none.example.com")]?.minimumTimeToLive = 7
        try self.bench.store.replace([zone])
        #expect(try self.ask("none.example.com").authority.first?.timeToLive == 7)
        #expect(try self.ask("none.example.com", .mx).authority.first?.timeToLive == 60)
        #expect(try self.ask("none.example.com", .txt).error == nil)
        #expect(
            try self.bench.ask("none.example.com", .a, subnet: "192.0.2.0/24").scope == 0,
            "it is so for every client")
        // Tokyo has no IPv6 address, but those who have are down.
        self.set([sydney: down, amsterdam: down])
        #expect(try self.ask("www.example.com", .aaaa).error == .other)
        #expect(try self.ask("www.example.com").error == nil)
        #expect(try self.ask("v4.example.com", .aaaa).error == nil, "there is none to be down")
    }

    @Test("say what a refusal means")
    func refused() throws {
        #expect(try self.ask("example.org").error == .notAuthoritative)
        #expect(try self.ask("example.com", .axfr).error == .notSupported)
        #expect(try self.ask("example.com", .ixfr).error == .notSupported)
        #expect(try self.ask("nothing.example.com").error == nil)
        self.bench.readiness.isReady = false
        #expect(try self.ask("example.com", .soa).error == .notReady)
    }

    @Test("give way to the answer where there is no room: the text first")
    func room() throws {
        self.set([sydney: SiteStatus(feeds: .stale)])
        let long = "w" + String(repeating: "w", count: 62)
        let labels = [String](repeating: long, count: 3).joined(separator: ".")
        var zone = exampleZone()
        let owner = "\(labels).\(String(repeating: "v", count: 40)).example.com"
        zone.nearest[name(owner)] = NearestRecord(policy: 0, timeToLive: 1)
        var rules = AnswerRules()
        rules.identity = String(repeating: "n", count: AnswerRules.identityLimit)
        try self.bench.store.replace([zone])
        self.bench.rules.replace(rules)
        var seen: Set<Int> = []
        for padding in 0..<12 {
            var query = Query(owner, .a)
            query.payloadSize = UInt16(512)
            query.add(.nsid)
            query.add(.cookie, [1, 2, 3, 4, 5, 6, 7, 8])
            query.subnet = "2001:db8::/\(min(128, 32 + 8 * padding))"
            let bytes = try #require(self.bench.ask(query.bytes))
            #expect(bytes.count <= 512)
            let reply = try Message(reading: bytes.span.bytes)
            #expect(reply.addresses.count == 1)
            seen.insert(reply.errorText?.count ?? -1)
        }
        #expect(seen.isSubset(of: [-1, 0, 32]))
    }
}
