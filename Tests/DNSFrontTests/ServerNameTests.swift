// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import RouteTable
import Testing

@Suite("What a server says of itself and of its choice")
struct ServerNameTests {
    private func named() -> AnswerRules {
        var rules = AnswerRules()
        rules.identity = "ams1.example.net"
        rules.version = "martlet 0.1"
        return rules
    }

    private func chaos(_ owner: String, _ type: RecordType = .txt) -> Query {
        var query = Query(owner, type)
        query.recordClass = .chaos
        return query
    }

    @Test(
        "CHAOS names say version and identity, whatever their case (RFC 4892)",
        arguments: [
            ("version.bind", "martlet 0.1"), ("VERSION.server", "martlet 0.1"),
            ("hostname.bind", "ams1.example.net"), ("id.Server", "ams1.example.net"),
        ])
    func chaos(owner: String, text: String) throws {
        let bench = try Bench(rules: self.named())
        bench.readiness.isReady = false
        for type in [RecordType.txt, .any] {
            let reply = try bench.ask(self.chaos(owner, type))
            #expect(reply.texts == [text])
            #expect(reply.answers.first?.recordClass == .chaos)
            #expect(reply.answers.first?.timeToLive == 0)
            #expect(reply.answers.first?.owner == name(owner))
            #expect(reply.isAuthoritative)
        }
        var hidden = self.chaos(owner)
        hidden.payloadSize = 1232
        bench.rules.replace(AnswerRules())
        let reply = try bench.ask(hidden)
        #expect(reply.code == .refused)
        #expect(reply.error == .prohibited)
        #expect(reply.answers.isEmpty)
    }

    @Test("other names, types and classes are refused")
    func otherClasses() throws {
        let bench = try Bench(rules: self.named())
        for query in [
            self.chaos("version.bind", .a), self.chaos("authors.bind"), self.chaos("bind"),
            self.chaos("xversion.bind"), self.chaos("version.bind.example.com"),
            self.chaos("example.com", .soa), self.chaos("."),
        ] {
            var query = query
            query.payloadSize = 1232
            let reply = try bench.ask(query)
            #expect(reply.code == .refused)
            #expect(reply.error == .notSupported)
        }
        var hesiod = Query("example.com", .soa)
        hesiod.recordClass = RecordClass(rawValue: 4)
        #expect(try bench.ask(hesiod).code == .refused)
    }

    @Test("NSID is given to those who ask, with any code (RFC 5001)")
    func nsid() throws {
        let bench = try Bench(rules: self.named())
        for owner in ["static.example.com", "nothing.example.com", "example.org"] {
            var query = Query(owner, .a)
            query.payloadSize = 1232
            #expect(try bench.ask(query).option(.nsid) == nil, "unasked")
            query.add(.nsid)
            #expect(try bench.ask(query).option(.nsid) == Array("ams1.example.net".utf8))
        }
        bench.rules.replace(AnswerRules())
        var query = Query("static.example.com", .a)
        query.add(.nsid)
        #expect(try bench.ask(query).option(.nsid) == nil)
    }

    @Test("a connection's idle time is told by TCP to those who ask (RFC 7828)")
    func keepalive() throws {
        let bench = try Bench()
        var query = Query("static.example.com", .a)
        query.add(.tcpKeepalive)
        #expect(try bench.ask(query).option(.tcpKeepalive) == nil, "never by UDP")
        query.transport = .tcp
        #expect(try bench.ask(query).option(.tcpKeepalive) == [0, 100], "tenths of a second")
        query.options = []
        #expect(try bench.ask(query).option(.tcpKeepalive) == nil)
    }

    @Test("many options go together, and the answer keeps its bound")
    func together() throws {
        var rules = self.named()
        rules.identity = String(repeating: "n", count: AnswerRules.identityLimit)
        let bench = try Bench(rules: rules)
        for payload in [512, 700, 1232] as [UInt16] {
            for owner in ["big.example.com", "www.example.com", "example.com"] {
                for type in [RecordType.txt, .a, .ns] {
                    var query = Query(owner, type)
                    query.add(.nsid)
                    query.add(.cookie, [1, 2, 3, 4, 5, 6, 7, 8])
                    query.add(.tcpKeepalive)
                    query.add(OptionCode(rawValue: 9))
                    query.subnet = "2001:db8::/56"
                    query.payloadSize = payload
                    let bytes = try #require(bench.ask(query.bytes))
                    #expect(bytes.count <= Int(payload))
                    let reply = try Message(reading: bytes.span.bytes)
                    #expect(reply.option(.nsid)?.count == AnswerRules.identityLimit)
                    #expect(reply.option(.cookie)?.count == 24)
                    #expect(reply.option(.clientSubnet)?.count == 11)
                }
            }
        }
    }

    @Test("the longest question with all options fits 512 bytes")
    func longest() throws {
        var rules = self.named()
        rules.identity = String(repeating: "n", count: AnswerRules.identityLimit)
        let bench = try Bench(rules: rules)
        let label = String(repeating: "x", count: 60) + "."
        var query = Query(
            String(repeating: label, count: 3) + String(repeating: "y", count: 55)
                + ".example.com", .a)
        query.add(.nsid)
        query.add(.cookie, [1, 2, 3, 4, 5, 6, 7, 8])
        query.subnet = "2001:db8::1/128"
        query.payloadSize = 512
        let bytes = try #require(bench.ask(query.bytes))
        #expect(bytes.count <= 512)
        #expect(try Message(reading: bytes.span.bytes).option(.nsid) != nil)
    }

    // MARK: Debugging names

    private func debugging() async throws -> Bench {
        var rules = AnswerRules()
        rules.debuggers = [prefix("198.51.100.0/24"), prefix("2001:db8::/32")]
        var zone = exampleZone()
        zone.nearest[name("*.cdn.example.com")] = NearestRecord(policy: 0, timeToLive: 60)
        zone.add(name("explain.two.example.com"), timeToLive: 5, .text("the zone's own"))
        let bench = try Bench([zone], rules: rules)
        await bench.pin([("192.0.2.0/24", [amsterdam])])
        return bench
    }

    @Test("whoami tells how a client is seen, and nobody may keep it")
    func whoami() async throws {
        let bench = try await self.debugging()
        var query = Query("WhoAmI.example.com", .txt)
        #expect(
            try bench.ask(query).texts == ["client=198.51.100.1 subnet=- transport=udp"])
        query.subnet = "192.0.2.0/24"
        query.transport = .tcp
        let reply = try bench.ask(query)
        #expect(reply.texts == ["client=198.51.100.1 subnet=192.0.2.0/24 transport=tcp"])
        #expect(reply.scope == 24)
        #expect(reply.answers.first?.timeToLive == 0)
        #expect(reply.isAuthoritative)
        let other = try bench.ask("whoami.example.com", .a)
        #expect(other.code == .noError && other.answers.isEmpty)
        #expect(other.authority.first?.data.type == .soa)
    }

    @Test("explain tells why a nearest name answers as it does")
    func explain() async throws {
        let bench = try await self.debugging()
        let reply = try bench.ask("explain.www.example.com", .txt, subnet: "192.0.2.0/24")
        #expect(
            reply.texts == [
                "client=192.0.2.0 by=subnet scope=24",
                "answer=A scope=24 reason=table",
                "answer=AAAA scope=24 reason=table",
                "1 amsterdam distance=- cost=- km=- rtt=- state=up reason=pinned",
                "2 sydney distance=- cost=- km=- rtt=- state=up reason=order",
                "3 tokyo distance=- cost=- km=- rtt=- state=up reason=order",
            ])
        #expect(reply.scope == 24)
        #expect(reply.answers.allSatisfy { $0.timeToLive == 0 })
        let plain = try bench.ask("explain.a.cdn.example.com", .txt)
        #expect(plain.texts.first?.hasPrefix("client=198.51.100.1 by=resolver scope=") == true)
        #expect(plain.texts.count == 6)
    }

    @Test(
        "explain tells the scopes that answers have, and what sets them",
        arguments: [3, 4] as [UInt64])
    func answerScopes(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let scene = ScopeScene.random(&random)
        let bench = try await scene.bench()
        var rules = AnswerRules()
        rules.debuggers = [prefix("198.51.100.0/24")]
        bench.rules.replace(rules)
        let keeper = try ScopeKeeper(owner: bench.owner, oracle: bench.oracle)
        var reasons: Set<String> = []
        func compare() throws {
            for client in scene.clients(100, &random) {
                let subnet = "\(client)/\(client.family.width)"
                for owner in [
                    "cost", "two", "all", "hops", "turned", "weighted", "subset", "web", "only",
                    "own", "made.wild", "service", "alias",
                ] {
                    let owner = "\(owner).example.com"
                    let told = self.answers(
                        try bench.ask("explain.\(owner)", .txt, subnet: subnet).texts)
                    #expect(told.count == (owner == "alias.example.com" ? 1 : 2))
                    for (type, answer) in told {
                        let asked = RecordType(parsing: type) ?? .any
                        let scope = try bench.ask(owner, asked, subnet: subnet).scope
                        #expect(answer.scope == scope, "\(owner) \(type) for \(client)")
                        reasons.insert(answer.reason)
                    }
                    guard owner == "service.example.com" else { continue }
                    let scope = try bench.ask(owner, .https, subnet: subnet).scope
                    #expect(scope == told.values.map(\.scope).max(), "hints of both families")
                }
            }
        }
        try compare()
        keeper.refresh()
        try compare()
        bench.oracle.update { $0.status[SiteID(1)] = SiteStatus(health: .down) }
        try compare()
        #expect(
            reasons == ["table", "same-answer", "weight", "rotation", "resolver", "nodata"])
    }

    /// What `explain` says of answers, by type.
    private func answers(_ texts: [String]) -> [String: (scope: Int, reason: String)] {
        var found: [String: (scope: Int, reason: String)] = [:]
        for text in texts where text.hasPrefix("answer=") {
            let values = text.split(separator: " ").compactMap { $0.split(separator: "=").last }
            guard values.count == 3 else { continue }
            found[String(values[0])] = (Int(values[1]) ?? -1, String(values[2]))
        }
        return found
    }

    @Test("the zone's own names, and names that are no nearest names, stay what they are")
    func noDebuggingName() async throws {
        let bench = try await self.debugging()
        #expect(try bench.ask("explain.two.example.com", .txt).texts == ["the zone's own"])
        for owner in [
            "explain.static.example.com", "whoami.www.example.com", "whoami.example.org",
            "explain.example.com", "explain.explain.www.example.com",
        ] {
            let reply = try bench.ask(owner, .txt)
            #expect(reply.answers.isEmpty, "\(owner)")
            #expect(reply.error != .prohibited, "\(owner)")
        }
        #expect(try bench.ask("explain.x.wild.example.com", .txt).texts == ["wild"])
    }

    @Test("they are for those who are listed; others get what the zone has, be it a wildcard's")
    func notAllowed() async throws {
        let bench = try await self.debugging()
        var stranger = Query("explain.a.cdn.example.com", .a)
        stranger.client = address("203.0.113.1")
        #expect(try bench.ask(stranger).addresses.count == 1)
        var zone = exampleZone()
        zone.add(name("*.example.com"), timeToLive: 5, .text("star"))
        try bench.store.replace([zone])
        stranger = Query("whoami.example.com", .txt)
        stranger.client = address("203.0.113.1")
        #expect(try bench.ask(stranger).texts == ["star"])
        #expect(try bench.ask("whoami.example.com", .txt).texts.first?.hasPrefix("client=") == true)
        try bench.store.replace([exampleZone()])
        for owner in ["whoami.example.com", "explain.www.example.com"] {
            var query = Query(owner, .txt)
            query.client = address("203.0.113.1")
            // A subnet is no proof of who asks.
            query.subnet = "198.51.100.0/24"
            let reply = try bench.ask(query)
            #expect(reply.code == .nameError)
            #expect(reply.isAuthoritative)
            #expect(reply.authority.map(\.data.type) == [.soa])
            query.client = address("2001:db8::1")
            #expect(try bench.ask(query).answers.isEmpty == false)
        }
        bench.rules.replace(AnswerRules())
        #expect(try bench.ask("whoami.example.com", .txt).code == .nameError)
    }
}
