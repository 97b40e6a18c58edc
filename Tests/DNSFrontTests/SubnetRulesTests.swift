// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront
import DNSWire
import Glibc
import Testing

/// Of this thread's processor.
private func threadTime() -> Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}

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

    @Test("a list of resolvers may be long, and its prefixes hold and touch each other")
    func longList() async throws {
        var rules = AnswerRules()
        rules.subnetSenders = [
            "203.0.113.0/25", "203.0.113.128/26", "203.0.113.64/27", "198.51.100.7/32",
            "10.0.0.0/8", "10.1.0.0/16", "255.255.255.255/32", "2001:db8::/33",
            "2001:db8:8000::/34",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
        ].map(prefix)
        let bench = try await self.bench(rules)
        func counts(_ client: String) throws -> Bool {
            try bench.ask(self.query(from: client)).option(.clientSubnet) != nil
        }
        for client in [
            "203.0.113.0", "203.0.113.127", "203.0.113.128", "203.0.113.191", "198.51.100.7",
            "10.0.0.0", "10.1.255.255", "10.255.255.255", "255.255.255.255", "2001:db8::",
            "2001:db8:7fff::1", "2001:db8:bfff:ffff::1", "::ffff:10.2.3.4",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ] {
            #expect(try counts(client), "\(client)")
        }
        for client in [
            "203.0.112.255", "203.0.113.192", "198.51.100.6", "198.51.100.8", "9.255.255.255",
            "11.0.0.0", "255.255.255.254", "0.0.0.0", "2001:db7:ffff::1", "2001:db8:c000::", "::",
            "a00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
        ] {
            #expect(try !counts(client), "\(client)")
        }
        rules.subnetSenders = [prefix("0.0.0.0/0")]
        bench.rules.replace(rules)
        #expect(try counts("255.255.255.255") && counts("0.0.0.0"))
        #expect(try !counts("::1"))
        // A bad one is none of theirs who aren't listed.
        var bad = self.query(from: "2001:db8::1")
        bad.options = [0, 8, 0, 7, 0, 1, 20, 0, 192, 0, 0x21]
        #expect(try bench.ask(bad).code == .noError)
        bad.client = address("203.0.113.1")
        #expect(try bench.ask(bad).code == .formatError)
    }

    @Test("a long list costs a query nothing that has no subnet, and others next to nothing")
    func costOfLongList() async throws {
        var rules = AnswerRules()
        rules.subnetSenders = (0..<20_000).map {
            IPPrefix(masking: IPAddress(ipv4: 0x0b00_0000 + UInt32($0) << 9), length: 24)
        }
        let (long, short) = (try await self.bench(rules), try await self.bench())
        var withSubnet = self.query(from: "198.51.100.1")
        withSubnet.client = address("198.51.100.1")
        for query in [Query("www.example.com", .a).bytes, withSubnet.bytes] {
            func time(_ bench: Bench) -> Duration {
                let start = threadTime()
                _ = bench.askRepeatedly(query, from: address("198.51.100.1"), count: 100)
                return threadTime() - start
            }
            _ = time(long) + time(short)
            let times = (0..<5).map { _ in (time(long), time(short)) }
            let (slow, fast) = (times.map(\.0).min() ?? .zero, times.map(\.1).min() ?? .zero)
            // Looking through the list would be some hundred times slower.
            #expect(slow < fast * 5, "\(slow), \(fast)")
        }
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
