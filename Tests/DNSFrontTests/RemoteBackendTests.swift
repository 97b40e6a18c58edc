// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import FoundationEssentials
import RouteTable
import Testing

/// What PowerDNS makes of a reply.
private struct Reply: Decodable {
    struct Record: Decodable, Hashable {
        var qtype: String
        var qname: String
        var content: String
        var ttl: Int
        var domainID: Int
        var scopeMask: Int
        var auth: Int

        enum CodingKeys: String, CodingKey {
            case qtype, qname, content, ttl, scopeMask, auth
            case domainID = "domain_id"
        }
    }

    struct Domain: Decodable {
        var id: Int
        var zone: String
        var kind: String
        var serial: Int
    }

    enum Result: Decodable {
        case flag(Bool)
        case records([Record])
        case domains([Domain])
        case domain(Domain)
        case words([String])
        case map([String: String])

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let flag = try? value.decode(Bool.self) {
                self = .flag(flag)
            } else if let records = try? value.decode([Record].self) {
                self = .records(records)
            } else if let domains = try? value.decode([Domain].self) {
                self = .domains(domains)
            } else if let domain = try? value.decode(Domain.self) {
                self = .domain(domain)
            } else if let words = try? value.decode([String].self) {
                self = .words(words)
            } else {
                self = .map(try value.decode([String: String].self))
            }
        }
    }

    var result: Result?
    var error: String?
    var log: [String]?

    var records: [Record] {
        guard case .records(let records)? = self.result else { return [] }
        return records
    }

    /// `{"result":false}`: there is none, or it can't be done.
    var isRefusal: Bool {
        guard case .flag(false)? = self.result else { return false }
        return true
    }
}

@Suite("PowerDNS's remote backend")
struct RemoteBackendTests {
    /// One connection's conversation.
    private final class Talk {
        let bench: Bench
        private var backend: RemoteBackend

        init(_ zones: [Zone] = [exampleZone()]) throws {
            self.bench = try Bench(zones)
            self.backend = try RemoteBackend(
                oracle: self.bench.oracle, zones: self.bench.store,
                readiness: self.bench.readiness)
        }

        func send(_ line: String) throws -> Reply {
            let (text, goesOn) = self.backend.reply(to: Array(line.utf8))
            #expect(goesOn)
            #expect(text.hasSuffix("\n"))
            #expect(text.filter { $0 == "\n" }.count == 1, "a reply is one line")
            return try JSONDecoder().decode(Reply.self, from: Data(text.utf8))
        }

        func isEnded(by line: [UInt8]) -> Bool { !self.backend.reply(to: line).goesOn }

        func call(_ method: String, _ parameters: String = "{}") throws -> Reply {
            try self.send("{\"method\":\"\(method)\",\"parameters\":\(parameters)}")
        }

        func lookup(
            _ name: String, _ type: String = "ANY", for client: String = "0.0.0.0/0",
            zone: Int = -1
        ) throws -> Reply {
            try self.call(
                "lookup",
                """
                {"qtype":"\(type)","qname":"\(name)","remote":"192.0.2.24","local":"192.0.2.1",\
                "real-remote":"\(client)","zone-id":\(zone)}
                """)
        }
    }

    private let talk: Talk

    init() throws { self.talk = try Talk() }

    @Test("begins with initialize")
    func initialize() throws {
        let reply = try self.talk.call(
            "initialize", "{\"path\":\"/run/x.sock\",\"timeout\":\"2000\"}")
        guard case .flag(true)? = reply.result else {
            Issue.record("initialize is welcome")
            return
        }
    }

    @Test("gives all records of a name, or those of one type")
    func fixedRecords() throws {
        let all = try self.talk.lookup("static.example.com.").records
        #expect(
            Set(all.map { "\($0.qtype) \($0.content)" })
                == ["A 192.0.2.10", "A 192.0.2.11", "TXT \"hello\""])
        #expect(all.allSatisfy { $0.scopeMask == 0 && $0.auth == 1 })
        #expect(Set(all.filter { $0.qtype == "A" }.map(\.ttl)) == [120])
        #expect(try self.talk.lookup("STATIC.example.com", "TXT").records.map(\.qtype) == ["TXT"])
        #expect(try self.talk.lookup("static.example.com.", "AAAA").records == [])
        #expect(try self.talk.lookup("nothing.example.com.").records == [])
        #expect(try self.talk.lookup("example.org.").records == [])
    }

    @Test("gives a zone's SOA at its apex and nowhere else")
    func startOfAuthority() throws {
        let records = try self.talk.lookup("example.com.", "SOA").records
        #expect(
            records.map(\.content)
                == ["ns1.example.com. hostmaster.example.com. 7 3600 600 86400 60"])
        #expect(try self.talk.lookup("www.example.com.", "SOA").records == [])
        #expect(try self.talk.lookup("com.", "SOA").records == [])
    }

    @Test("leaves aliases, wildcards and delegations to PowerDNS")
    func asStored() throws {
        #expect(
            try self.talk.lookup("alias.example.com.").records.map(\.content)
                == ["second.example.com."])
        #expect(try self.talk.lookup("*.wild.example.com.").records.map(\.content) == ["\"wild\""])
        #expect(try self.talk.lookup("x.wild.example.com.").records == [])
        let delegation = try self.talk.lookup("sub.example.com.").records
        #expect(Set(delegation.map(\.qtype)) == ["NS"])
        #expect(delegation.allSatisfy { $0.auth == 0 })
        #expect(try self.talk.lookup("ns.sub.example.com.").records.map(\.auth) == [0])
    }

    @Test("tells names that only have names below them from names that there aren't")
    func emptyNames() throws {
        let empty = try self.talk.lookup("down.example.com.").records
        #expect(empty.map(\.qtype) == [""])
        #expect(try self.talk.lookup("down.example.com.", "A").records == [])
        #expect(try self.talk.lookup("deep.down.example.com.").records.count == 1)
    }

    @Test("gives an alias that leads to a name that isn't there (RFC 6604)")
    func deadEnd() throws {
        var zone = exampleZone()
        var record = NearestRecord(policy: 0, timeToLive: 60)
        record.aliases = [
            sydney: name("nothing.example.com"), amsterdam: name("nothing.example.com"),
            tokyo: name("nothing.example.com"),
        ]
        zone.nearest[name("dead.example.com")] = record
        let talk = try Talk([zone])
        let records = try talk.lookup("dead.example.com.", for: "192.0.2.0/24").records
        #expect(records.map(\.content) == ["nothing.example.com."])
        #expect(records.map(\.qtype) == ["CNAME"])
    }

    @Test("answers a nearest name by the client, with the scope that our own answer has")
    func steered() async throws {
        await self.talk.bench.pin([
            ("192.0.2.0/24", [amsterdam]), ("198.51.0.0/16", [tokyo]),
            ("2001:db8:8000::/33", [amsterdam]),
        ])
        let cases: [(client: String, address: String, scope: Int)] = [
            ("192.0.2.7/32", "193.173.27.8", 24), ("192.0.2.0/24", "193.173.27.8", 24),
            ("198.51.100.0/24", "192.0.2.80", 16), ("8.8.8.0/24", "210.18.215.100", 1),
            ("2001:db8:8000::/48", "193.173.27.8", 33),
        ]
        for (client, address, scope) in cases {
            let records = try self.talk.lookup("www.example.com.", "A", for: client).records
            #expect(records.map(\.content) == [address], "\(client)")
            #expect(records.map(\.scopeMask) == [scope], "\(client)")
            #expect(records.map(\.ttl) == [60])
            let own = try self.talk.bench.ask("www.example.com", .a, subnet: client)
            #expect(own.addresses == [address])
            #expect(own.scope == scope)
        }
        let all = try self.talk.lookup("www.example.com.", for: "192.0.2.0/24").records
        #expect(Set(all.map(\.qtype)) == ["A", "AAAA", "TXT"])
        #expect(all.first { $0.qtype == "TXT" }?.scopeMask == 0)
        let two = try self.talk.lookup("two.example.com.", "A", for: "192.0.2.0/24").records
        #expect(two.map(\.content) == ["193.173.27.8", "210.18.215.100"])
    }

    @Test("gives every steered record a scope, whoever asks")
    func scopeAtLeastOne() throws {
        // Nothing is known of any client: our own scope is 0, which PowerDNS would keep for all.
        for client in ["0.0.0.0/0", "9.9.9.0/24", "192.0.2.24/32", "::/0"] {
            let records = try self.talk.lookup("www.example.com.", "A", for: client).records
            #expect(records.map(\.scopeMask).min() ?? 0 >= 1, "\(client)")
        }
    }

    @Test("goes by who asked PowerDNS where there is nothing else")
    func remote() async throws {
        await self.talk.bench.pin([("192.0.2.0/24", [amsterdam])])
        let records = try self.talk.lookup("www.example.com.", "A").records
        #expect(records.map(\.content) == ["193.173.27.8"])
        let linkLocal = try self.talk.call(
            "lookup",
            """
            {"qtype":"A","qname":"www.example.com.","remote":"fe80::1%eth1",\
            "real-remote":"fe80::1%eth1/128","zone-id":-1}
            """)
        #expect(linkLocal.records.count == 1)
    }

    @Test("knows an IPv4 client by its mapped address too, as by DNS; a subnet is what it says")
    func mapped() async throws {
        await self.talk.bench.pin([("192.0.2.0/24", [amsterdam]), ("::/0", [tokyo])])
        func record(_ remote: String, _ client: String) throws -> Reply.Record {
            let records = try self.talk.call(
                "lookup",
                """
                {"qtype":"A","qname":"www.example.com.","remote":"\(remote)",\
                "real-remote":"\(client)","zone-id":-1}
                """
            ).records
            return try #require(records.first)
        }
        let own = try record("::ffff:192.0.2.7", "::ffff:192.0.2.7/128")
        #expect(own.content == "193.173.27.8")
        #expect(own.scopeMask == 96 + 24, "of the address as PowerDNS has it")
        var query = Query("www.example.com", .a)
        query.client = address("::ffff:192.0.2.7")
        #expect(try self.talk.bench.ask(query).addresses == ["193.173.27.8"])
        for client in ["::ffff:192.0.2.7/128", "::ffff:192.0.2.0/120"] {
            #expect(try record("::ffff:198.51.100.1", client).content == "192.0.2.80")
            var query = Query("www.example.com", .a)
            query.subnet = client
            #expect(try self.talk.bench.ask(query).addresses == ["192.0.2.80"])
        }
    }

    @Test("says nothing of a zone by another zone's number")
    func numbers() throws {
        let net = Zone(
            apex: name("example.net"),
            startOfAuthority: StartOfAuthority(
                host: name("ns.example.net"), mailbox: name("ns.example.net")),
            nameServers: [name("ns.example.net")])
        let talk = try Talk([exampleZone(), net])
        guard case .domains(let domains)? = try talk.call("getAllDomains").result else {
            Issue.record("all domains are listed")
            return
        }
        #expect(domains.map(\.zone) == ["Example.com.", "example.net."])
        #expect(Set(domains.map(\.kind)) == ["native"])
        #expect(domains.map(\.serial) == [7, 1])
        #expect(Set(domains.map(\.id)).count == 2)
        #expect(domains.allSatisfy { $0.id > 0 && $0.id <= 0x7fff_ffff })
        guard domains.count == 2 else { return }
        let own = try talk.lookup("static.example.com.", zone: domains[0].id).records
        #expect(own.map(\.domainID) == [domains[0].id, domains[0].id, domains[0].id])
        #expect(try talk.lookup("static.example.com.", zone: domains[1].id).records == [])
        #expect(try talk.lookup("static.example.com.", zone: 12).records == [])
        // The same zone has the same number, whatever else there is.
        guard
            case .domain(let alone)? = try self.talk.call(
                "getDomainInfo", "{\"name\":\"example.com.\"}"
            ).result
        else {
            Issue.record("a domain is known")
            return
        }
        #expect(alone.id == domains[0].id)
        #expect(try self.talk.call("getDomainInfo", "{\"name\":\"example.net.\"}").isRefusal)
    }

    @Test("lists what is the same for everybody")
    func list() throws {
        let reply = try self.talk.call(
            "list", "{\"zonename\":\"example.com.\",\"domain_id\":-1,\"include_disabled\":false}")
        #expect(reply.records.first?.qtype == "SOA")
        #expect(reply.records.filter { $0.qtype == "SOA" }.count == 1)
        #expect(reply.records.contains { $0.qname == "deep.down.example.com." })
        #expect(reply.records.contains { $0.qname == "www.example.com." && $0.qtype == "TXT" })
        #expect(
            !reply.records.contains {
                $0.qname == "two.example.com." && ["A", "AAAA"].contains($0.qtype)
            })
        #expect(reply.records.allSatisfy { $0.scopeMask == 0 })
        #expect(try self.talk.call("list", "{\"zonename\":\"example.org.\"}").isRefusal)
    }

    @Test("has no metadata, keys or transactions of its own")
    func unknownMethods() throws {
        let metadata = try self.talk.call(
            "getDomainMetadata", "{\"name\":\"example.com.\",\"kind\":\"NSEC3PARAM\"}")
        #expect(metadata.records.isEmpty && metadata.result != nil)
        guard
            case .map(let all)? = try self.talk.call(
                "getAllDomainMetadata", "{\"name\":\"example.com.\"}"
            ).result
        else {
            Issue.record("all metadata are an object")
            return
        }
        #expect(all.isEmpty)
        #expect(try self.talk.call("getDomainKeys", "{\"name\":\"example.com.\"}").isRefusal)
        let unknown = try self.talk.call(
            "startTransaction", "{\"domain\":\"example.com.\",\"domain_id\":1,\"trxid\":1}")
        #expect(unknown.isRefusal)
        #expect(unknown.log == ["Martlet has no method 'startTransaction'"])
    }

    @Test("fails, rather than deny what there is, until it is ready")
    func notReady() throws {
        self.talk.bench.readiness.isReady = false
        let reply = try self.talk.lookup("static.example.com.")
        // PowerDNS takes a reply without a result for a failure, and answers SERVFAIL.
        #expect(reply.result == nil)
        #expect(reply.error == "Martlet is not ready")
        self.talk.bench.readiness.isReady = true
        #expect(!(try self.talk.lookup("static.example.com.").records.isEmpty))
    }

    @Test("fails for a name whose policy isn't there yet")
    func lostPolicy() throws {
        #expect(try self.talk.lookup("lost.example.com.").error != nil)
    }

    @Test("takes in new zones")
    func reload() throws {
        var zone = exampleZone()
        zone.add(name("new.example.com"), timeToLive: 60, .text("new"))
        #expect(try self.talk.lookup("new.example.com.").records == [])
        try self.talk.bench.store.replace([zone])
        #expect(try self.talk.lookup("new.example.com.").records.map(\.content) == ["\"new\""])
    }

    @Test(
        "refuses parameters that make no sense",
        arguments: [
            "{}", "{\"qname\":\"www.example.com.\"}", "{\"qtype\":\"A\"}",
            "{\"qtype\":\"A\",\"qname\":\"a..b\"}",
            "{\"qtype\":\"A\",\"qname\":\"www.example.com.\",\"remote\":\"nobody\"}",
            "{\"qtype\":\"A\",\"qname\":\"www.example.com.\",\"real-remote\":\"192.0.2.0/33\"}",
            "{\"qtype\":\"A\",\"qname\":\"www.example.com.\",\"real-remote\":\"192.0.2.0/2/4\"}",
        ])
    func badParameters(parameters: String) throws {
        let reply = try self.talk.call("lookup", parameters)
        #expect(reply.isRefusal)
        #expect(reply.log?.count == 1)
    }

    @Test(
        "ends a connection that doesn't speak the protocol",
        arguments: [
            "", "GET / HTTP/1.1", "[]", "{}", "{\"method\":7}",
            "{\"method\":\"lookup\",\"parameters\":[]}",
            "{\"method\":\"lookup\",\"parameters\":{\"qname\":7}}", "{\"method\":\"initialize\"",
            String(repeating: "[", count: 60_000), "{\"method\":\"\u{0}\"", "\u{feff}",
        ])
    func noRequest(line: String) {
        #expect(self.talk.isEnded(by: Array(line.utf8)))
    }

    @Test("reads no line beyond its bound")
    func tooLong() throws {
        let padding = String(repeating: " ", count: 65_536)
        #expect(
            self.talk.isEnded(
                by: Array("{\"method\":\"initialize\",\"parameters\":{}}\(padding)".utf8)))
        #expect(self.talk.isEnded(by: [0xff, 0xfe, 0x7b]))
    }
}
