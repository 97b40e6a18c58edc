// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import RouteTable
import Testing

@Suite("Nearest names")
struct NearestTests {
    private let bench: Bench

    init() throws { self.bench = try Bench() }

    @Test("answer with the site that the client's prefix is pinned to, with that prefix as scope")
    func pinned() async throws {
        await self.bench.pin([
            ("192.0.2.0/24", [amsterdam]), ("198.51.0.0/16", [tokyo]),
            ("2001:db8:8000::/33", [amsterdam]),
        ])
        let dutch = try self.bench.ask("www.example.com", .a, subnet: "192.0.2.0/24")
        #expect(dutch.addresses == ["193.173.27.8"])
        #expect(dutch.answers.first?.timeToLive == 60)
        #expect(dutch.isAuthoritative)
        #expect(dutch.scope == 24)
        // The address and its length come back as they were.
        #expect(dutch.option(.clientSubnet) == [0, 1, 24, 24, 192, 0, 2])

        let japanese = try self.bench.ask("www.example.com", .a, subnet: "198.51.100.128/25")
        #expect(japanese.addresses == ["192.0.2.80"])
        #expect(japanese.scope == 16)
        let other = try self.bench.ask("www.example.com", .a, subnet: "8.8.8.0/24")
        #expect(other.addresses == ["210.18.215.100"])
        #expect(other.scope == 1, "the lower half of the space has no pin")
        let six = try self.bench.ask("www.example.com", .aaaa, subnet: "2001:db8:8000::/48")
        #expect(six.addresses == ["2001:db8:2::1"])
        #expect(six.scope == 33)
        // The family of the client is one thing, that of the answer another.
        #expect(
            try self.bench.ask("www.example.com", .a, subnet: "2001:db8:8000::/48").addresses
                == ["193.173.27.8"])
    }

    @Test("answer a source shorter than the scope for its zero-padded address")
    func shortSource() async throws {
        await self.bench.pin([("192.0.2.0/24", [amsterdam]), ("192.0.0.0/24", [tokyo])])
        let reply = try self.bench.ask("www.example.com", .a, subnet: "192.0.0.0/16")
        #expect(reply.addresses == ["192.0.2.80"])
        #expect(reply.scope == 24)
        #expect(reply.option(.clientSubnet) == [0, 1, 16, 24, 192, 0])
    }

    @Test("go by who asks where there is no subnet, and then give none")
    func sourceAddress() async throws {
        await self.bench.pin([("192.0.2.0/24", [amsterdam])])
        var query = Query("www.example.com", .a)
        query.client = address("192.0.2.9")
        #expect(try self.bench.ask(query).addresses == ["193.173.27.8"])
        query.client = address("::ffff:192.0.2.9")
        #expect(try self.bench.ask(query).addresses == ["193.173.27.8"])
        query.payloadSize = 1232
        #expect(try self.bench.ask(query).option(.clientSubnet) == nil)
        // A subnet decides, wherever it comes from.
        query.subnet = "8.8.8.0/24"
        #expect(try self.bench.ask(query).addresses == ["210.18.215.100"])
    }

    @Test("take a source of 0 as no subnet, and repeat it with scope 0")
    func withheld() async throws {
        await self.bench.pin([("192.0.2.0/24", [amsterdam])])
        for family in [0, 1, 2] as [UInt8] {
            var query = Query("www.example.com", .a)
            query.client = address("192.0.2.9")
            query.payloadSize = 1232
            query.options = [0, 8, 0, 4, 0, family, 0, 0]
            let reply = try self.bench.ask(query)
            #expect(reply.addresses == ["193.173.27.8"])
            #expect(reply.option(.clientSubnet) == [0, family, 0, 0])
        }
    }

    @Test("give scope 0 only where clients of both families get the same")
    func scopeOfFamilies() async throws {
        func scopes(_ owner: String, _ type: RecordType = .a) throws -> [Int?] {
            try ["8.8.8.0/24", "2001:db8::/48"].map {
                try self.bench.ask(owner, type, subnet: $0).scope
            }
        }
        await self.bench.pin([("0.0.0.0/0", [sydney]), ("::/0", [amsterdam])])
        #expect(try scopes("www.example.com") == [1, 1])
        #expect(try scopes("www.example.com", .aaaa) == [1, 1])
        #expect(try scopes("cdn.example.com") == [1, 1], "an alias")
        #expect(try scopes("v4.example.com") == [0, 0], "there is one site alone")
        #expect(try scopes("v4.example.com", .aaaa) == [0, 0])
        await self.bench.pin([("0.0.0.0/0", [amsterdam]), ("::/0", [amsterdam])])
        #expect(try scopes("www.example.com") == [0, 0])
        await self.bench.pin([("0.0.0.0/0", [amsterdam]), ("2001:db8::/32", [amsterdam])])
        #expect(try scopes("www.example.com") == [1, 32])
    }

    @Test("give scope 0 to what holds for every client")
    func scopeZero() async throws {
        await self.bench.pin([("192.0.2.0/24", [amsterdam])])
        for (owner, type) in [
            ("static.example.com", RecordType.a), ("nothing.example.com", .a),
            ("v4.example.com", .aaaa), ("www.example.com", .txt), ("www.example.com", .any),
            ("example.org", .a), ("a.sub.example.com", .a), ("www.example.com", .axfr),
        ] {
            let reply = try self.bench.ask(owner, type, subnet: "192.0.2.0/24")
            #expect(reply.scope == 0, "\(owner) \(type)")
        }
    }

    @Test("behind an alias are followed without a subnet; with one, the alias stands alone")
    func behindAlias() async throws {
        await self.bench.pin([("192.0.2.0/24", [amsterdam])])
        var query = Query("short.example.com", .a)
        query.client = address("192.0.2.9")
        let chain = try self.bench.ask(query)
        #expect(chain.answers.map(\.owner) == [name("short.example.com"), name("www.example.com")])
        #expect(chain.addresses == ["193.173.27.8"])
        let alone = try self.bench.ask("short.example.com", .a, subnet: "192.0.2.0/24")
        #expect(alone.answers.map(\.data) == [.alias(name("www.example.com"))])
        #expect(alone.scope == 0)
    }

    @Test("give as scope the largest block with the same sites, once the keeper has been round")
    func scopeOfAnswer() async throws {
        await self.bench.pin([
            ("192.0.2.0/25", [tokyo, sydney]), ("192.0.2.128/25", [tokyo, amsterdam]),
            ("2001:db8::/33", [tokyo, sydney]), ("2001:db8:8000::/33", [tokyo, amsterdam]),
        ])
        func scopes() throws -> [Int?] {
            try [
                ("www.example.com", "192.0.2.7/32"), ("two.example.com", "192.0.2.7/32"),
                ("www.example.com", "2001:db8::/48"), ("two.example.com", "2001:db8::/48"),
                ("v4.example.com", "192.0.2.7/32"),
            ].map { try self.bench.ask($0, .a, subnet: $1).scope }
        }
        #expect(try scopes() == [25, 25, 33, 33, 25], "by class")
        let keeper = try ScopeKeeper(owner: self.bench.owner, oracle: self.bench.oracle)
        keeper.refresh()
        #expect(try scopes() == [24, 25, 32, 33, 0], "by as many sites as each name answers")
        self.bench.oracle.update { $0.status[tokyo] = SiteStatus(health: .down) }
        #expect(try scopes() == [25, 25, 33, 33, 25], "by class until it is known")
        keeper.refresh()
        // Sydney is the first of the list: clients of the lower half join those without a pin.
        #expect(try scopes() == [25, 25, 33, 33, 0])
    }

    @Test("give a scope no wider than the prefix whose hash decided")
    func hashed() throws {
        var found: Set<String> = []
        for number in 0..<100 {
            let reply = try self.bench.ask(
                "shared.example.com", .a, subnet: "8.8.\(number).0/24")
            #expect(reply.scope == 24)
            found.formUnion(reply.addresses)
        }
        #expect(found.count == 3)
    }

    @Test("name as many sites as asked, the nearest first")
    func several() async throws {
        await self.bench.pin([("192.0.2.0/24", [tokyo, amsterdam])])
        let reply = try self.bench.ask("two.example.com", .a, subnet: "192.0.2.0/24")
        #expect(reply.addresses == ["192.0.2.80", "193.173.27.8"])
        #expect(reply.answers.allSatisfy { $0.timeToLive == 30 })
        let six = try self.bench.ask("two.example.com", .aaaa, subnet: "192.0.2.0/24")
        #expect(six.addresses == ["2001:db8:2::1", "2001:db8:1::1"], "Tokyo has no IPv6")
    }

    @Test("follow the sites' state from the next batch on")
    func state() throws {
        #expect(try self.bench.ask("www.example.com", .a).addresses == ["210.18.215.100"])
        self.bench.oracle.update { $0.status[sydney] = SiteStatus(health: .down) }
        #expect(try self.bench.ask("www.example.com", .a).addresses == ["193.173.27.8"])
        self.bench.oracle.update { world in
            for site in world.sites { world.status[site.id] = SiteStatus(health: .down) }
        }
        #expect(try self.bench.ask("www.example.com", .a).addresses == ["210.18.215.100"])
    }

    @Test("are NODATA where all sites are down and the policy names none then")
    func allDown() async throws {
        await self.bench.pin([("192.0.2.0/24", [amsterdam])])
        #expect(try self.bench.ask("none.example.com", .a).addresses.count == 1)
        self.bench.oracle.update { world in
            for site in world.sites { world.status[site.id] = SiteStatus(health: .down) }
        }
        let reply = try self.bench.ask("none.example.com", .a, subnet: "192.0.2.0/24")
        #expect(reply.code == .noError)
        #expect(reply.answers.isEmpty)
        #expect(reply.authority.first?.data.type == .soa)
        #expect(reply.scope == 0)
    }

    @Test("give all addresses of a site, each once though two sites share it")
    func addresses() throws {
        self.bench.oracle.update { world in
            world.sites[0].addresses[1] = address("203.0.113.9")
            world.sites[1].addresses = [address("203.0.113.9"), address("203.0.113.10")]
        }
        for number in 0..<20 {
            let found = try self.bench.ask(
                "two.example.com", .a, subnet: "8.8.\(number).0/24"
            ).addresses
            // Whichever of its addresses a site begins with.
            #expect(found.count == 3)
            #expect(Set(found.prefix(2)) == ["210.18.215.100", "203.0.113.9"])
            #expect(found.last == "203.0.113.10")
        }
    }

    @Test("fail, not ready, while the zones name a policy that the sites don't have")
    func missingPolicy() throws {
        let reply = try self.bench.ask("lost.example.com", .a, subnet: "192.0.2.0/24")
        #expect(reply.code == .serverFailure)
        #expect(reply.error == .notReady)
    }

    @Test("are cut like others where too many addresses are to go out")
    func truncated() throws {
        self.bench.oracle.update { world in
            world.sites[0].addresses = (0..<100).map { address("203.0.113.\($0)") }
        }
        let reply = try self.bench.ask("www.example.com", .a)
        #expect(reply.isTruncated)
        #expect(reply.answers.isEmpty)
        var query = Query("www.example.com", .a)
        query.transport = .tcp
        #expect(try self.bench.ask(query).addresses.count == 100)
    }
}
