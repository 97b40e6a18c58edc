// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront
import DNSWire
import Testing

@Suite("Where a Client Subnet counts")
struct SubnetRulesTests {
    private func bench(_ rules: AnswerRules = AnswerRules(), zone: Zone = exampleZone())
        async throws
        -> Bench
    {
        let bench = try Bench([zone], rules: rules)
        await bench.pin([("192.0.2.0/24", [amsterdam]), ("203.0.113.0/24", [tokyo])])
        return bench
    }

    private func query(_ owner: String = "www.example.com", from client: String) -> Query {
        var query = Query(owner, .a)
        query.client = address(client)
        query.subnet = "192.0.2.0/24"
        return query
    }

    @Test("a listener may pass it over, bad ones too: the resolver decides")
    func listener() async throws {
        let bench = try await self.bench()
        var query = self.query(from: "203.0.113.9")
        #expect(try bench.ask(query).addresses == ["193.173.27.8"])
        query.readsSubnet = false
        let reply = try bench.ask(query)
        #expect(reply.addresses == ["192.0.2.80"])
        #expect(reply.option(.clientSubnet) == nil, "as by a server that doesn't know the option")
        query.options = [0, 8, 0, 7, 0, 1, 20, 0, 192, 0, 0x21]
        #expect(try bench.ask(query).addresses == ["192.0.2.80"])
        #expect(bench.counters.withSubnet == 1)
    }

    @Test("it may count from listed resolvers alone")
    func senders() async throws {
        var rules = AnswerRules()
        rules.subnetSenders = [prefix("198.51.100.0/24")]
        let bench = try await self.bench(rules)
        #expect(
            try bench.ask(self.query(from: "198.51.100.1")).addresses == ["193.173.27.8"])
        let other = try bench.ask(self.query(from: "203.0.113.9"))
        #expect(other.addresses == ["192.0.2.80"])
        #expect(other.option(.clientSubnet) == nil)
        rules.subnetSenders = []
        bench.rules.replace(rules)
        #expect(try bench.ask(self.query(from: "198.51.100.1")).option(.clientSubnet) == nil)
    }

    @Test("a name may pass it over: the resolver decides, and the answer is for all its clients")
    func names() async throws {
        var zone = exampleZone()
        var plain = NearestRecord(policy: 0, timeToLive: 60)
        plain.usesClientSubnet = false
        zone.nearest[name("plain.example.com")] = plain
        zone.add(name("toplain.example.com"), timeToLive: 60, .alias(name("plain.example.com")))
        let bench = try await self.bench(zone: zone)
        let reply = try bench.ask(self.query("plain.example.com", from: "203.0.113.9"))
        #expect(reply.addresses == ["192.0.2.80"])
        #expect(reply.option(.clientSubnet) == [0, 1, 24, 0, 192, 0, 2])
        let alias = try bench.ask(self.query("toplain.example.com", from: "203.0.113.9"))
        #expect(alias.addresses == ["192.0.2.80"], "what the alias leads to holds for all, too")
        #expect(alias.scope == 0)
    }
}
