// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront
import DNSWire
import Testing

@Suite("Counters of zones and names")
struct NameTallyTests {
    @Test("count queries by zone and name, missing names, subnets, and sites by name")
    func counts() async throws {
        let lower = Zone(
            apex: name("down.example.com"),
            startOfAuthority: StartOfAuthority(host: name("a.b"), mailbox: name("c.d")),
            nameServers: [name("a.b")])
        let bench = try Bench([exampleZone(), lower])
        await bench.pin([("192.0.2.0/24", [amsterdam])])
        for subnet in ["192.0.2.0/24", "8.8.8.0/24", nil] {
            _ = try bench.ask("WWW.example.com", .a, subnet: subnet)
        }
        _ = try bench.ask("www.example.com", .txt)
        _ = try bench.ask("nothing.example.com", .a)
        _ = try bench.ask("x.y.down.example.com", .a)
        _ = try bench.ask("a.wild.example.com", .txt)
        _ = try bench.ask("b.wild.example.com", .txt)
        _ = try bench.ask("alias.example.com", .a)
        _ = try bench.ask("a.sub.example.com", .a)
        _ = try bench.ask("example.org", .a)

        let zones = bench.counters(names: .all)
        #expect(Set(zones.keys) == [name("example.com"), name("down.example.com")])
        let zone = try #require(zones[name("example.com")])
        #expect(zone.queries == 9)
        #expect(zone.missing == 1)
        #expect(zone.withSubnet == 2)
        #expect(zone.names[name("www.example.com")]?.queries == 4)
        #expect(zone.names[name("www.example.com")]?.sites == [amsterdam: 1, sydney: 2])
        #expect(zone.names[name("*.wild.example.com")]?.queries == 2)
        #expect(zone.names[name("alias.example.com")]?.queries == 1)
        #expect(zone.names[name("sub.example.com")]?.queries == 1)
        #expect(zone.names[name("static.example.com")] == nil, "by its alias alone")
        #expect(zones[name("down.example.com")]?.queries == 1)
        #expect(zones[name("down.example.com")]?.missing == 1)

        let one = bench.counters(names: .zone(name("down.example.com")))
        #expect(one[name("example.com")]?.queries == 9)
        #expect(one[name("example.com")]?.names.isEmpty == true)
        #expect(bench.counters(names: .none)[name("example.com")]?.names.isEmpty == true)
    }

    @Test("go on over changes of the zones, for names that come and go")
    func reload() throws {
        let bench = try Bench()
        _ = try bench.ask("static.example.com", .a)
        for round in 0..<40 {
            var zone = exampleZone()
            zone.add(name("round\(round).example.com"), timeToLive: 1, .text("x"))
            try bench.store.replace([zone])
            _ = try bench.ask("static.example.com", .a)
            _ = try bench.ask("round\(round).example.com", .txt)
        }
        let zone = try #require(bench.counters(names: .all)[name("example.com")])
        #expect(zone.queries == 81)
        #expect(zone.names[name("static.example.com")]?.queries == 41)
        #expect(zone.names[name("round3.example.com")]?.queries == 1)
        #expect(zone.names.count == 41)
        #expect(bench.counters(names: .all)[name("example.com")] == zone, "reading adds nothing")
    }

    @Test("zones that are the same to the letter are left alone")
    func same() throws {
        let store = ZoneStore()
        #expect(try store.replace([exampleZone()]))
        #expect(try !store.replace([exampleZone()]))
        // Equal names in other letters are answered otherwise.
        func changed(_ change: (inout Zone) -> Void) throws -> Bool {
            #expect(try store.replace([]))
            #expect(try store.replace([exampleZone()]))
            var zone = exampleZone()
            change(&zone)
            return try store.replace([zone])
        }
        func zone(_ target: String, _ alias: String) -> Zone {
            var zone = exampleZone()
            zone.add(name("x.example.com"), timeToLive: 5, .mailExchange(1, name(target)))
            zone.nearest[name("cdn.example.com")]?.aliases[tokyo] = name(alias)
            return zone
        }
        #expect(try store.replace([zone("mail.example.com", "tokyo.example.net")]))
        #expect(try !store.replace([zone("mail.example.com", "tokyo.example.net")]))
        #expect(try store.replace([zone("Mail.example.com", "tokyo.example.net")]))
        #expect(try store.replace([zone("Mail.example.com", "TOKYO.example.net")]))
        #expect(try changed { $0.startOfAuthority.serial += 1 })
        #expect(try changed { $0.startOfAuthority.host = name("NS1.example.com") })
        #expect(try changed { $0.timeToLive += 1 })
        #expect(try changed { $0.nearest[name("www.example.com")]?.policy = 2 })
        #expect(try changed { $0.nearest[name("www.example.com")]?.minimumTimeToLive = 2 })
        #expect(try changed { $0.nearest[name("www.example.com")] = nil })
        #expect(
            try changed { $0.add(name("new.example.com"), timeToLive: 5, .text("new")) })
        #expect(
            try changed { $0.add(name("static.example.com"), timeToLive: 5, .text("hello")) },
            "a set's TTL")
        #expect(try !changed { _ in })
        #expect(try store.replace([.unavailable(name("example.com"))]))
    }

    @Test("a thread that ends, and one that answers nothing, keep nothing from being counted")
    func threads() throws {
        let store = ZoneStore()
        try store.replace([exampleZone()])
        let bench = try Bench()
        let other = try Bench()
        _ = try bench.ask("static.example.com", .a)
        for round in 0..<3 {
            var zone = exampleZone()
            zone.add(name("r\(round).example.com"), timeToLive: 1, .text("x"))
            try bench.store.replace([zone])
            try other.store.replace([zone])
        }
        #expect(bench.counters(names: .all)[name("example.com")]?.queries == 1)
        #expect(other.counters(names: .all)[name("example.com")]?.queries == 0)
        _ = try bench.ask("r2.example.com", .txt)
        #expect(bench.counters(names: .all)[name("example.com")]?.queries == 2)
    }
}
