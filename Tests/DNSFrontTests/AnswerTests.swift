// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront
import DNSWire
import Testing

@Suite("Answers from zones")
struct AnswerTests {
    private let bench: Bench

    init() throws { self.bench = try Bench() }

    @Test("repeat the identifier, the question in its own case, and RD")
    func echo() throws {
        var query = Query("StAtIc.eXaMpLe.COM", .a)
        let bytes = try #require(self.bench.ask(query.bytes))
        #expect(Array(bytes[12..<36]) == Array(query.bytes[12..<36]))
        let reply = try self.bench.ask(query)
        #expect(reply.identifier == 0xabcd)
        #expect(reply.flags.rawValue == 0x8500)
        #expect(reply.addresses == ["192.0.2.10", "192.0.2.11"])
        #expect(reply.answers.allSatisfy { $0.timeToLive == 120 })
        #expect(reply.edns == nil, "no OPT record where the query has none")
        query.flags = 0x0030
        #expect(try self.bench.ask(query).flags.rawValue == 0x8400, "AD and CD are cleared")
    }

    @Test("hold every type asked for")
    func types() throws {
        #expect(
            try self.bench.ask("static.example.com", .txt).answers.map(\.data) == [.text("hello")])
        #expect(try self.bench.ask("ns1.example.com", .aaaa).addresses == ["2001:db8::1"])
        let soa = try self.bench.ask("example.com", .soa)
        #expect(soa.answers.first?.data.fields.count == 3)
        #expect(soa.answers.first?.timeToLive == 300)
        #expect(
            try self.bench.ask("mail.example.com", .mx).answers.first?.data
                == .mailExchange(10, name("static.example.com")))
    }

    @Test("bring the addresses of name servers in the zone along")
    func nameServers() throws {
        let reply = try self.bench.ask("example.com", .ns)
        #expect(
            Set(reply.answers.compactMap(\.data.target)) == [
                name("ns1.example.com"), name("ns2.example.com"), name("ns.other.net"),
            ])
        #expect(
            reply.additional.map(\.owner) == [
                name("ns1.example.com"), name("ns1.example.com"), name("ns2.example.com"),
            ])
        #expect(reply.additional.map(\.data.type) == [.a, .aaaa, .a])
    }

    @Test(
        "say NODATA with the SOA, its TTL cut to the minimum",
        arguments: [
            ("static.example.com", RecordType.aaaa), ("example.com", .a),
            ("down.example.com", .a), ("static.example.com", RecordType(rawValue: 1000)),
            ("wild.example.com", .txt), ("v4.example.com", .aaaa), ("www.example.com", .https),
            ("sub.example.com", .ds),
        ])
    func noData(owner: String, type: RecordType) throws {
        let reply = try self.bench.ask(owner, type)
        #expect(reply.code == .noError)
        #expect(reply.isAuthoritative)
        #expect(reply.answers.isEmpty)
        #expect(reply.authority.map(\.owner) == [name("example.com")])
        #expect(reply.authority.first?.data.type == .soa)
        #expect(reply.authority.first?.timeToLive == 60)
    }

    @Test(
        "say NXDOMAIN with the SOA",
        arguments: [
            "nothing.example.com", "a.b.c.nothing.example.com", "x.static.example.com",
            "x.given.wild.example.com", "wwww.example.com", "deep.example.com",
        ])
    func missing(owner: String) throws {
        let reply = try self.bench.ask(owner, .a)
        #expect(reply.code == .nameError)
        #expect(reply.isAuthoritative)
        #expect(reply.authority.first?.data.type == .soa)
        #expect(reply.authority.first?.timeToLive == 60)
    }

    @Test(
        "are refused outside the zones, and for transfers and other classes",
        arguments: [
            Query("example.org", .a), Query("com", .ns), Query(".", .ns),
            Query("badexample.com", .a), Query("example.com", .axfr), Query("example.com", .ixfr),
        ])
    func refused(query: Query) throws {
        let reply = try self.bench.ask(query)
        #expect(reply.code == .refused)
        #expect(!reply.isAuthoritative)
        #expect(reply.questions.count == 1)
        #expect(reply.answers.isEmpty && reply.authority.isEmpty)
        var chaos = Query("version.bind", .txt)
        chaos.recordClass = .chaos
        #expect(try self.bench.ask(chaos).code == .refused)
    }

    @Test("are NOTIMP for NOTIFY, UPDATE and the rest, with nothing but a header")
    func otherOpcodes() throws {
        for opcode in 1...15 as ClosedRange<UInt16> {
            var query = Query("example.com", .soa)
            query.flags = opcode << 11
            let bytes = try #require(self.bench.ask(query.bytes))
            #expect(bytes == [0xab, 0xcd, 0x80 | UInt8(opcode << 3), 4, 0, 0, 0, 0, 0, 0, 0, 0])
            // But for an OPT record, where there is one (RFC 6891 §6.1.1).
            query.payloadSize = 4096
            query.ednsFlags = 0x8000
            let reply = try self.bench.ask(query)
            #expect(reply.code == .notImplemented)
            #expect(reply.questions.isEmpty)
            #expect(reply.edns?.recordClass.rawValue == 1232)
            #expect(reply.edns?.timeToLive == 0x8000)
        }
    }

    @Test("to what is signed say that the key is not known (RFC 8945 §5.2.1)")
    func signed() throws {
        var query = Query("static.example.com", .a).bytes
        query[11] = 1
        let head: [UInt8] = [3, 0x4b, 0x65, 0x79, 0xc0, 19, 0, 250, 0, 255, 0, 0, 0, 0]
        let algorithm = name("hmac-sha256").wire
        let time: [UInt8] = [0, 0, 0x6b, 1, 2, 3, 1, 44]
        let code = [0, 32] + [UInt8](repeating: 7, count: 32)
        let data: [UInt8] = algorithm + time + code + [0xab, 0xcd, 0, 0, 0, 0]
        let signed = query + head + [0, UInt8(data.count)] + data
        let bytes = try #require(self.bench.ask(signed))
        let reply = try Message(reading: bytes.span.bytes)
        #expect(reply.code == .notAuthorized)
        #expect(reply.answers.isEmpty && reply.authority.isEmpty)
        #expect(reply.questions.count == 1)
        let answer: [UInt8] = algorithm + time + [0, 0, 0xab, 0xcd, 0, 17, 0, 0]
        #expect(
            Array(bytes.suffix(from: query.count)) == head + [0, UInt8(answer.count)] + answer)
        #expect(bytes.count < signed.count)
    }

    @Test("never come for answers")
    func silence() {
        var query = Query("example.com", .soa)
        query.flags = 0x8000
        #expect(self.bench.ask(query.bytes) == nil)
        #expect(self.bench.counters.unanswered == 1)
    }

    @Test("follow aliases within the zone")
    func aliases() throws {
        let reply = try self.bench.ask("alias.example.com", .a)
        #expect(
            reply.answers.map(\.owner) == [
                name("alias.example.com"), name("second.example.com"), name("static.example.com"),
                name("static.example.com"),
            ])
        #expect(reply.addresses == ["192.0.2.10", "192.0.2.11"])
        #expect(reply.authority.isEmpty)

        let alone = try self.bench.ask("alias.example.com", .cname)
        #expect(alone.answers.map(\.data) == [.alias(name("second.example.com"))])
        let noData = try self.bench.ask("alias.example.com", .aaaa)
        #expect(noData.answers.count == 2)
        #expect(noData.code == .noError)
        #expect(noData.authority.first?.data.type == .soa)
    }

    @Test("give the last name's code at an alias's dead end")
    func dangling() throws {
        let missing = try self.bench.ask("dangling.example.com", .a)
        #expect(missing.code == .nameError)
        #expect(missing.answers.count == 1)
        #expect(missing.authority.first?.data.type == .soa)
        let away = try self.bench.ask("away.example.com", .a)
        #expect(away.code == .noError)
        #expect(away.answers.count == 1)
        #expect(away.authority.isEmpty)
    }

    @Test("give the servers of a delegation that an alias leads to, with AA for the alias")
    func aliasToDelegation() throws {
        let reply = try self.bench.ask("tosub.example.com", .a)
        #expect(reply.code == .noError)
        #expect(reply.isAuthoritative)
        #expect(reply.answers.map(\.data) == [.alias(name("a.sub.example.com"))])
        #expect(
            reply.authority.map(\.owner) == [name("sub.example.com"), name("sub.example.com")])
        #expect(reply.additional.map(\.owner).first == name("ns.sub.example.com"))
    }

    @Test("bring the addresses of mail servers and services in the zone along, each once")
    func additional() throws {
        var zone = Zone(
            apex: name("example.com"),
            startOfAuthority: StartOfAuthority(host: name("a.net"), mailbox: name("b.net")),
            nameServers: [name("a.net")])
        func add(_ owner: String, _ type: RecordType, _ text: String) throws {
            zone.add(name(owner), timeToLive: 9, try RecordData(parsing: text, type: type))
        }
        try add("example.com", .mx, "10 mail.example.com.")
        try add("example.com", .mx, "20 mail.example.net.")
        try add("example.com", .mx, "30 hidden.sub.example.com.")
        try add("_sip._udp.example.com", .srv, "0 0 5060 mail.example.com.")
        try add("_sip._udp.example.com", .srv, "0 0 5061 mail.example.com.")
        try add("svc.example.com", .https, "0 mail.example.com.")
        try add("mail.example.com", .a, "192.0.2.25")
        try add("mail.example.com", .aaaa, "2001:db8::25")
        try add("sub.example.com", .ns, "a.net.")
        try add("hidden.sub.example.com", .a, "192.0.2.26")
        try self.bench.store.replace([zone])
        for (owner, type) in [
            ("example.com", RecordType.mx), ("_sip._udp.example.com", .srv),
            ("svc.example.com", .https),
        ] {
            let reply = try self.bench.ask(owner, type)
            #expect(
                reply.additional.map { "\($0.owner) \($0.data)" } == [
                    "mail.example.com. 192.0.2.25", "mail.example.com. 2001:db8::25",
                ], "\(owner)")
        }
    }

    @Test("for the DS records of a zone come from the zone above where both are served")
    func signers() throws {
        func zone(_ apex: String, _ records: [(String, RecordType, String)]) throws -> Zone {
            var zone = Zone(
                apex: name(apex),
                startOfAuthority: StartOfAuthority(
                    host: name("ns.\(apex)"), mailbox: name("b.net"), minimum: 5),
                nameServers: [name("a.net")])
            for (owner, type, text) in records {
                zone.add(name(owner), timeToLive: 9, try RecordData(parsing: text, type: type))
            }
            return zone
        }
        let digest = String(repeating: "ab", count: 32)
        try self.bench.store.replace([
            zone("sub.example.com", [("sub.example.com", .txt, "lower")]),
            zone(
                "example.com",
                [
                    ("sub.example.com", .ns, "a.net."), ("sub.example.com", .ds, "1 8 2 \(digest)"),
                    ("sub.example.com", .txt, "hidden"),
                    // Not the parent's to say.
                    ("deep.sub.sub.example.com", .ds, "2 8 2 \(digest)"),
                ]),
            zone("deep.sub.sub.example.com", []), zone("sub.sub.example.com", []),
        ])
        let found = try self.bench.ask("sub.example.com", .ds)
        #expect(found.answers.map(\.data.description) == ["1 8 2 \(digest)"])
        #expect(found.isAuthoritative)
        #expect(try self.bench.ask("sub.example.com", .txt).answers.first?.data == .text("lower"))
        for (owner, apex) in [
            ("deep.sub.sub.example.com", "sub.sub.example.com"),
            ("sub.sub.example.com", "sub.example.com"), ("example.com", "example.com"),
        ] {
            let noData = try self.bench.ask(owner, .ds)
            #expect(noData.code == .noError && noData.answers.isEmpty && noData.isAuthoritative)
            #expect(noData.authority.map(\.owner) == [name(apex)], "\(owner)")
        }
    }

    @Test("for the DS records of a zone are a referral where a name between is delegated")
    func signersBelowDelegation() throws {
        var upper = exampleZone()
        upper.add(name("deep.sub.example.com"), timeToLive: 9, .opaque(.ds, [0, 1, 8, 2, 0]))
        func zone(_ apex: String) -> Zone {
            Zone(
                apex: name(apex),
                startOfAuthority: StartOfAuthority(host: name("a.net"), mailbox: name("b.net")),
                nameServers: [name("a.net")])
        }
        for lower in [
            zone("deep.sub.example.com"), .unavailable(name("deep.sub.example.com")),
        ] {
            try self.bench.store.replace([lower, upper])
            let reply = try self.bench.ask("deep.sub.example.com", .ds)
            #expect(reply.code == .noError && reply.answers.isEmpty && !reply.isAuthoritative)
            #expect(
                reply.authority.map { "\($0.owner) \($0.data)" } == [
                    "sub.example.com. ns.sub.example.com.", "sub.example.com. ns1.example.com.",
                ])
        }
    }

    @Test("for the DS records of a delegated name are this zone's behind an alias, too")
    func signersBehindAlias() throws {
        var zone = exampleZone()
        zone.add(name("tocut.example.com"), timeToLive: 9, .alias(name("sub.example.com")))
        try self.bench.store.replace([zone])
        let nothing = try self.bench.ask("tocut.example.com", .ds)
        #expect(nothing.answers.count == 1 && nothing.isAuthoritative)
        #expect(nothing.authority.map(\.data.type) == [.soa])
        zone.add(name("sub.example.com"), timeToLive: 9, .opaque(.ds, [0, 1, 8, 2, 0]))
        try self.bench.store.replace([zone])
        let found = try self.bench.ask("tocut.example.com", .ds)
        #expect(found.answers.map(\.data.type) == [.cname, .ds])
        #expect(found.answers.map(\.owner) == [name("tocut.example.com"), name("sub.example.com")])
        #expect(found.authority.isEmpty)
        // What is below it isn't.
        let below = try self.bench.ask("tosub.example.com", .ds)
        #expect(below.authority.allSatisfy { $0.data.type == .ns } && below.authority.count == 2)
    }

    @Test("bring no addresses along that are another zone's to give", arguments: [false, true])
    func additionalOfOtherZones(isReversed: Bool) throws {
        var upper = exampleZone()
        upper.add(
            name("mail.example.com"), timeToLive: 9, .mailExchange(5, name("mx.kid.example.com")))
        upper.add(name("mx.kid.example.com"), timeToLive: 9, .address(address("192.0.2.200")))
        var kid = Zone(
            apex: name("kid.example.com"),
            startOfAuthority: StartOfAuthority(host: name("a.net"), mailbox: name("b.net")),
            nameServers: [name("a.net")])
        kid.add(name("mx.kid.example.com"), timeToLive: 9, .address(address("192.0.2.201")))
        try self.bench.store.replace(isReversed ? [kid, upper] : [upper, kid])
        let reply = try self.bench.ask("mail.example.com", .mx)
        #expect(reply.answers.count == 2)
        #expect(
            reply.additional.allSatisfy { $0.owner == name("static.example.com") },
            "\(reply.additional.map { "\($0.owner) \($0.data)" })")
    }

    @Test("are SERVFAIL from a zone without data, and those of others are not")
    func unavailable() throws {
        try self.bench.store.replace([exampleZone(), .unavailable(name("down.example.com"))])
        for owner in ["down.example.com", "deep.down.example.com", "x.y.down.example.com"] {
            var query = Query(owner, .a)
            query.payloadSize = 1232
            let reply = try self.bench.ask(query)
            #expect(reply.code == .serverFailure)
            #expect(!reply.isAuthoritative)
            #expect(reply.error == ExtendedError(rawValue: 24))
            #expect(reply.answers.isEmpty && reply.authority.isEmpty)
        }
        #expect(try self.bench.ask("static.example.com", .a).addresses.count == 2)
        #expect(try self.bench.ask("down.example.com", .ds).isAuthoritative)
        // What is below its apex is the zone's own, whatever type is asked for.
        for owner in ["deep.down.example.com", "x.y.down.example.com"] {
            let reply = try self.bench.ask(owner, .ds)
            #expect(reply.code == .serverFailure && reply.authority.isEmpty, "\(owner)")
        }
        // Whether the zone is signed, the upper one would know.
        try self.bench.store.replace([exampleZone(), .unavailable(name("com"))])
        let signers = try self.bench.ask("example.com", .ds)
        #expect(signers.code == .serverFailure && !signers.isAuthoritative)
        #expect(signers.authority.isEmpty)
        #expect(try self.bench.ask("static.example.com", .a).addresses.count == 2)
    }

    @Test("end where aliases lead back, and hold each record once (RFC 2181 §5)")
    func loop() throws {
        var zone = exampleZone()
        func add(_ owner: String, _ target: String) {
            zone.add(
                name("\(owner).example.com"), timeToLive: 1, .alias(name("\(target).example.com")))
        }
        add("self", "SELF")
        add("intoloop", "loop1")
        add("*.star", "foo.star")
        for number in 0..<20 { add("long\(number)", "long\(number + 1)") }
        try self.bench.store.replace([zone])
        let owners = [
            "loop1": ["loop1", "loop2"], "self": ["self"],
            "intoloop": ["intoloop", "loop1", "loop2"], "foo.star": ["foo.star"],
            "a.star": ["a.star", "foo.star"],
            // A longer chain is the querier's to follow.
            "long0": (0..<16).map { "long\($0)" },
        ]
        for (asked, chain) in owners {
            for type in [RecordType.a, .txt] {
                let reply = try self.bench.ask("\(asked).example.com", type)
                #expect(reply.code == .noError)
                #expect(reply.answers.map(\.owner) == chain.map { name("\($0).example.com") })
                #expect(reply.authority.isEmpty)
            }
        }
    }

    @Test("come from a wildcard where there is no closer name (RFC 4592)")
    func wildcards() throws {
        let reply = try self.bench.ask("A.b.Wild.example.com", .txt)
        #expect(reply.answers.map(\.data) == [.text("wild")])
        #expect(reply.answers.first?.owner.description == "A.b.Wild.example.com.")
        #expect(try self.bench.ask("x.wild.example.com", .a).code == .noError)
        #expect(try self.bench.ask("x.wild.example.com", .a).answers.isEmpty)
        #expect(try self.bench.ask("given.wild.example.com", .txt).answers.isEmpty)
        let alias = try self.bench.ask("towild.example.com", .txt)
        #expect(
            alias.answers.map(\.owner) == [name("towild.example.com"), name("x.wild.example.com")])
    }

    @Test("send on to a delegation's servers, with their addresses and without AA")
    func delegation() throws {
        for owner in [
            "sub.example.com", "A.Sub.example.com", "x.y.sub.example.com", "ns.sub.example.com",
        ] {
            let reply = try self.bench.ask(owner, .a)
            #expect(reply.code == .noError)
            #expect(!reply.isAuthoritative)
            #expect(reply.answers.isEmpty)
            #expect(
                reply.authority.map(\.owner) == [name("sub.example.com"), name("sub.example.com")])
            #expect(
                reply.additional.map(\.owner) == [
                    name("ns.sub.example.com"), name("ns1.example.com"), name("ns1.example.com"),
                ])
        }
    }

    @Test("to ANY are small (RFC 8482)")
    func any() throws {
        for owner in ["static.example.com", "example.com", "www.example.com", "big.example.com"] {
            let reply = try self.bench.ask(owner, .any)
            #expect(reply.answers.map(\.data.type) == [.hinfo])
            #expect(
                reply.answers.first?.data
                    == .opaque(.hinfo, [7] + Array("RFC8482".utf8) + [0]))
        }
        #expect(try self.bench.ask("alias.example.com", .any).answers.map(\.data.type) == [.cname])
        #expect(try self.bench.ask("down.example.com", .any).answers.isEmpty)
        #expect(try self.bench.ask("nothing.example.com", .any).code == .nameError)
    }

    @Test("from a zone below another come from the lower one")
    func nested() throws {
        var lower = Zone(
            apex: name("down.example.com"),
            startOfAuthority: StartOfAuthority(
                host: name("ns.other.net"), mailbox: name("x.other.net"), minimum: 5),
            nameServers: [name("ns.other.net")])
        lower.add(name("x.down.example.com"), timeToLive: 1, .text("lower"))
        try self.bench.store.replace([exampleZone(), lower])
        #expect(try self.bench.ask("x.down.example.com", .txt).answers.count == 1)
        let hidden = try self.bench.ask("deep.down.example.com", .a)
        #expect(hidden.code == .nameError)
        #expect(hidden.authority.first?.owner == name("down.example.com"))
        #expect(hidden.authority.first?.timeToLive == 5)
        #expect(try self.bench.ask("static.example.com", .a).addresses.count == 2)
    }

    @Test("above a zone below another are there still (RFC 4592 §2.2.2)")
    func emptyAboveNested() throws {
        var lower = Zone(
            apex: name("low.ent.example.com"),
            startOfAuthority: StartOfAuthority(host: name("a.net"), mailbox: name("b.net")),
            nameServers: [name("a.net")])
        lower.add(name("low.ent.example.com"), timeToLive: 1, .text("lower"))
        var upper = exampleZone()
        upper.add(name("*.example.com"), timeToLive: 1, .text("star"))
        upper.add(name("low.ent.example.com"), timeToLive: 1, .nameServer(name("a.net")))
        upper.add(name("x.low.ent.example.com"), timeToLive: 1, .text("hidden"))
        upper.add(name("toent.example.com"), timeToLive: 1, .alias(name("ent.example.com")))
        for zones in [[upper, lower], [lower, upper]] {
            try self.bench.store.replace(zones)
            let empty = try self.bench.ask("ent.example.com", .txt)
            #expect(empty.code == .noError && empty.answers.isEmpty && empty.isAuthoritative)
            #expect(empty.authority.map(\.owner) == [name("example.com")])
            #expect(try self.bench.ask("a.ent.example.com", .txt).code == .nameError)
            #expect(try self.bench.ask("toent.example.com", .txt).answers.count == 1)
            #expect(try self.bench.ask("low.ent.example.com", .txt).texts == ["lower"])
            #expect(try self.bench.ask("x.low.ent.example.com", .txt).code == .nameError)
            #expect(try self.bench.ask("other.example.com", .txt).texts == ["star"])
        }
        // Without a record in the upper zone there is no such name.
        try self.bench.store.replace([exampleZone(), lower])
        #expect(try self.bench.ask("ent.example.com", .txt).code == .nameError)
    }

    @Test("from the root zone are right too")
    func root() throws {
        var zone = Zone(
            apex: .root,
            startOfAuthority: StartOfAuthority(host: name("a.net"), mailbox: name("b.net")),
            nameServers: [name("a.net")])
        zone.add(name("a.net"), timeToLive: 9, .address(address("192.0.2.1")))
        try self.bench.store.replace([zone])
        let reply = try self.bench.ask(".", .ns)
        #expect(reply.answers.map(\.data.target) == [name("a.net")])
        #expect(reply.additional.map(\.owner) == [name("a.net")])
        let missing = try self.bench.ask("x.y", .a)
        #expect(missing.code == .nameError)
        #expect(missing.authority.first?.owner == .root)
        #expect(try self.bench.ask("net", .a).code == .noError)
    }
}
