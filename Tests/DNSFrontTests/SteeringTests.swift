// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import RouteTable
import Testing

@Suite("What nearest names can have")
struct SteeringTests {
    /// Sites with two addresses each for the web, one for mail at some.
    private static var world: World {
        var world = exampleWorld()
        for index in world.sites.indices {
            world.sites[index].services = [
                "web": [
                    address("203.0.113.\(10 * index + 1)"), address("203.0.113.\(10 * index + 2)"),
                    address("2001:db8:77:\(index)::1"),
                ],
                "mail": index == 2 ? [] : [address("198.51.100.\(index + 1)")],
            ]
        }
        let all = world.sites.map(\.id)
        world.policies = [
            Policy(sites: all, tieBreaks: [.order]),
            Policy(sites: all, tieBreaks: [.order], service: "web"),
            Policy(sites: all, tieBreaks: [.order], service: "mail"),
        ]
        return world
    }

    private static func zone() throws -> Zone {
        var zone = Zone(
            apex: name("example.com"),
            startOfAuthority: StartOfAuthority(
                host: name("ns.other.net"), mailbox: name("x.other.net"), minimum: 5),
            nameServers: [name("ns.other.net")])
        func add(_ owner: String, _ type: RecordType, _ text: String) throws {
            zone.add(name(owner), timeToLive: 300, try RecordData(parsing: text, type: type))
        }
        func nearest(
            _ owner: String, policy: Int, answers: Int = 1, _ body: (inout NearestRecord) -> Void
        ) {
            var record = NearestRecord(policy: policy, timeToLive: 60, answers: answers)
            body(&record)
            zone.nearest[name(owner)] = record
        }
        nearest("web.example.com", policy: 1) { $0.rotates = false }
        nearest("turned.example.com", policy: 1) { _ in }
        nearest("both.example.com", policy: 1, answers: 2) { $0.rotates = false }
        nearest("mail.example.com", policy: 2) { _ in }
        nearest("calm.example.com", policy: 0) { $0.minimumTimeToLive = 5 }
        nearest("own.example.com", policy: 0) { $0.usesClientSubnet = false }
        nearest("*.star.example.com", policy: 0) { _ in }
        nearest("cdn.example.com", policy: 0) {
            $0.aliases = [
                sydney: name("sydney.example.com"), amsterdam: name("ams.example.net"),
                tokyo: name("nothing.example.com"),
            ]
            $0.minimumTimeToLive = 7
        }
        nearest("*.cdns.example.com", policy: 0) {
            $0.aliases = Dictionary(
                uniqueKeysWithValues: [sydney, amsterdam, tokyo].map {
                    ($0, name("cdn.example.com"))
                })
        }
        try add("sydney.example.com", .a, "192.0.2.99")
        try add("tocdn.example.com", .cname, "cdn.example.com.")
        try add("toown.example.com", .cname, "own.example.com.")
        try add("web.example.com", .https, "1 . alpn=h3,h2 port=443 ech=AQID key9=x")
        try add("web.example.com", .https, "2 other.example.net. alpn=h2")
        try add("web.example.com", .svcb, "0 other.example.net.")
        try add("turned.example.com", .https, "1 . ipv4hint=192.0.2.1")
        try add("both.example.com", .https, "1 .")
        try add("mail.example.com", .txt, "v=spf1 -all")
        nearest("plain.example.com", policy: 1) { $0.hints = false }
        try add("plain.example.com", .https, "1 . alpn=h2")
        return zone
    }

    private let bench: Bench

    init() throws { self.bench = try Bench([Self.zone()], world: Self.world) }

    private func text(_ records: [ResourceRecord]) -> [String] {
        records.map { "\($0.owner) \($0.timeToLive) \($0.data.type) \($0.data)" }
    }

    @Test("answer with the addresses that a site has for the service")
    func services() async throws {
        await self.bench.pin([("192.0.2.0/24", [tokyo])])
        #expect(
            try self.bench.ask("web.example.com", .a, subnet: "192.0.2.0/24").addresses
                == ["203.0.113.21", "203.0.113.22"])
        #expect(
            try self.bench.ask("web.example.com", .aaaa, subnet: "192.0.2.0/24").addresses
                == ["2001:db8:77:2::1"])
        #expect(
            try self.bench.ask("mail.example.com", .a, subnet: "192.0.2.0/24").addresses
                == ["198.51.100.1"], "Tokyo has no mail")
        let noData = try self.bench.ask("mail.example.com", .aaaa, subnet: "192.0.2.0/24")
        #expect(noData.answers.isEmpty && noData.code == .noError)
        #expect(noData.scope == 0)
    }

    @Test("rotate a site's addresses by client prefix, with a scope no wider than that")
    func rotation() throws {
        var first: [String: Int] = [:]
        for number in 0..<200 {
            let reply = try self.bench.ask(
                "turned.example.com", .a, subnet: "8.8.\(number).0/24")
            #expect(Set(reply.addresses) == ["203.0.113.1", "203.0.113.2"])
            #expect(reply.scope == 24)
            first[reply.addresses[0], default: 0] += 1
            let inside = try self.bench.ask(
                "turned.example.com", .a, subnet: "8.8.\(number).77/32")
            #expect(inside.addresses == reply.addresses)
            #expect(inside.scope == 24)
        }
        #expect(first.values.allSatisfy { $0 > 60 }, "\(first)")
        #expect(
            try self.bench.ask("turned.example.com", .aaaa, subnet: "8.8.8.0/24").scope == 0,
            "one address doesn't turn")
        #expect(try self.bench.ask("web.example.com", .a, subnet: "8.8.8.0/24").scope == 0)
        #expect(
            try self.bench.ask("turned.example.com", .a, subnet: "2001:db8::/56").scope == 48)
    }

    @Test("have a shorter TTL while a site isn't as it should be")
    func timesToLive() throws {
        func timeToLive() throws -> UInt32? {
            try self.bench.ask("calm.example.com", .a).answers.first?.timeToLive
        }
        #expect(try timeToLive() == 60)
        for status in [
            SiteStatus(health: .down), SiteStatus(health: .slow), SiteStatus(isFull: true),
            SiteStatus(feeds: .stale), SiteStatus(feeds: .lost),
        ] {
            self.bench.oracle.update { $0.status[tokyo] = status }
            #expect(try timeToLive() == 5)
        }
        for status in [SiteStatus(admin: .drained), SiteStatus(feeds: .live)] {
            self.bench.oracle.update { $0.status[tokyo] = status }
            #expect(try timeToLive() == 60)
        }
    }

    @Test("are an alias for the name of the chosen site, the same for every type")
    func aliases() async throws {
        await self.bench.pin([("192.0.2.0/24", [amsterdam]), ("198.51.100.0/24", [tokyo])])
        for type in [RecordType.a, .aaaa, .txt, .cname, .any, .ds, .https] {
            let reply = try self.bench.ask("cdn.example.com", type, subnet: "192.0.2.0/24")
            #expect(
                self.text(reply.answers) == ["cdn.example.com. 60 CNAME ams.example.net."],
                "\(type)")
            #expect(reply.scope == 24)
            #expect(reply.isAuthoritative)
        }
        let inside = try self.bench.ask("cdn.example.com", .a, subnet: "8.8.8.0/24")
        #expect(
            self.text(inside.answers) == [
                "cdn.example.com. 60 CNAME sydney.example.com.",
                "sydney.example.com. 300 A 192.0.2.99",
            ])
        #expect(inside.scope == 1)
        let missing = try self.bench.ask("cdn.example.com", .a, subnet: "198.51.100.0/24")
        #expect(missing.code == .nameError)
        #expect(missing.answers.count == 1)
        #expect(missing.scope == 24, "the alias holds for some clients")
        self.bench.oracle.update { $0.status[tokyo] = SiteStatus(health: .slow) }
        #expect(
            try self.bench.ask("cdn.example.com", .cname).answers.first?.timeToLive == 7)
    }

    @Test("are led to by aliases, which stand alone where there is a subnet that counts")
    func behindAliases() async throws {
        await self.bench.pin([("192.0.2.0/24", [amsterdam])])
        let alone = try self.bench.ask("tocdn.example.com", .a, subnet: "192.0.2.0/24")
        #expect(self.text(alone.answers) == ["tocdn.example.com. 300 CNAME cdn.example.com."])
        #expect(alone.scope == 0)
        var query = Query("tocdn.example.com", .a)
        query.client = address("192.0.2.1")
        #expect(
            try self.bench.ask(query).answers.map(\.data.target)
                == [name("cdn.example.com"), name("ams.example.net")])
        query = Query("toown.example.com", .a)
        query.client = address("192.0.2.1")
        query.subnet = "8.8.8.0/24"
        let own = try self.bench.ask(query)
        #expect(own.addresses == ["193.173.27.8"], "whoever asks decides")
        #expect(own.scope == 0)
        let star = try self.bench.ask("a.b.cdns.example.com", .a, subnet: "192.0.2.0/24")
        #expect(self.text(star.answers) == ["a.b.cdns.example.com. 60 CNAME cdn.example.com."])
    }

    @Test("can be wildcards")
    func wildcard() async throws {
        await self.bench.pin([("192.0.2.0/24", [amsterdam])])
        let reply = try self.bench.ask("any.thing.star.example.com", .a, subnet: "192.0.2.0/24")
        #expect(
            self.text(reply.answers) == ["any.thing.star.example.com. 60 A 193.173.27.8"])
        #expect(reply.scope == 24)
        #expect(try self.bench.ask("star.example.com", .a).answers.isEmpty)
    }

    @Test("have the chosen sites' addresses as hints in HTTPS and SVCB records")
    func hints() async throws {
        await self.bench.pin([("192.0.2.0/24", [tokyo, amsterdam])])
        let reply = try self.bench.ask("web.example.com", .https, subnet: "192.0.2.0/24")
        #expect(
            self.text(reply.answers) == [
                "web.example.com. 60 HTTPS 1 . alpn=h3,h2 port=443 "
                    + "ipv4hint=203.0.113.21,203.0.113.22 ech=AQID ipv6hint=2001:db8:77:2::1 "
                    + "tls-supported-groups=x",
                "web.example.com. 60 HTTPS 2 other.example.net. alpn=h2",
            ])
        #expect(reply.scope == 24)
        let both = try self.bench.ask("both.example.com", .https, subnet: "192.0.2.0/24")
        #expect(
            self.text(both.answers) == [
                "both.example.com. 60 HTTPS 1 . "
                    + "ipv4hint=203.0.113.21,203.0.113.22,203.0.113.11,203.0.113.12 "
                    + "ipv6hint=2001:db8:77:2::1,2001:db8:77:1::1"
            ])
        for (owner, type) in [
            ("web.example.com", RecordType.svcb), ("turned.example.com", .https),
            ("plain.example.com", .https),
        ] {
            let fixed = try self.bench.ask(owner, type, subnet: "192.0.2.0/24")
            #expect(fixed.scope == 0, "\(owner)")
            #expect(fixed.answers.first?.timeToLive == 300)
        }
        #expect(try self.bench.ask("mail.example.com", .https).answers.isEmpty)
    }

    @Test("tell which types depend on the client")
    func steered() throws {
        let zone = try Self.zone()
        func types(_ owner: String) -> [RecordType] {
            [.a, .aaaa, .txt, .https, .svcb].filter { zone.isSteered(name(owner), $0) }
        }
        #expect(types("web.example.com") == [.a, .aaaa, .https])
        #expect(types("turned.example.com") == [.a, .aaaa])
        #expect(types("plain.example.com") == [.a, .aaaa])
        #expect(types("cdn.example.com") == [.a, .aaaa, .txt, .https, .svcb])
        #expect(types("sydney.example.com") == [])
    }
}
