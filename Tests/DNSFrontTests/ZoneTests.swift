// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSFront
import DNSWire
import Testing

@Suite("Zones")
struct ZoneTests {
    private func zone(_ change: (inout Zone) throws -> Void) rethrows -> Zone {
        var zone = Zone(
            apex: name("example.com"),
            startOfAuthority: StartOfAuthority(host: name("a.b"), mailbox: name("c.d")),
            nameServers: [name("ns.other.net")])
        try change(&zone)
        return zone
    }

    @Test("are refused where they make no sense")
    func bad() {
        let owner = name("x.example.com")
        let text = RecordData.text("t")
        var alias = NearestRecord(policy: 0, timeToLive: 1)
        alias.aliases = [sydney: name("a.b")]
        func redirection(_ target: String) -> RecordData {
            RecordData(type: .dname, fields: [.name(name(target))])
        }
        let cases: [(Zone, ZoneError)] = [
            (
                zone { $0.add(name("x.example.org"), timeToLive: 1, text) },
                .outsideZone(owner: name("x.example.org"), apex: name("example.com"))
            ),
            (
                zone { $0.nearest[name("org")] = NearestRecord(policy: 0, timeToLive: 1) },
                .outsideZone(owner: name("org"), apex: name("example.com"))
            ),
            (
                Zone(
                    apex: name("example.com"),
                    startOfAuthority: StartOfAuthority(host: owner, mailbox: owner), nameServers: []
                ),
                .noNameServers(apex: name("example.com"))
            ),
            (
                zone {
                    $0.add(
                        owner, timeToLive: 1,
                        .startOfAuthority(StartOfAuthority(host: owner, mailbox: owner)))
                }, .unexpectedStartOfAuthority(owner: owner)
            ),
            (
                zone {
                    $0.add(owner, timeToLive: 1, text)
                    $0.add(owner, timeToLive: 1, .alias(name("a.b")))
                }, .aliasWithOthers(owner: owner)
            ),
            (
                zone { $0.add(name("example.com"), timeToLive: 1, .alias(name("a.b"))) },
                .aliasWithOthers(owner: name("example.com"))
            ),
            (
                zone {
                    $0.add(owner, timeToLive: 1, .alias(name("a.b")))
                    $0.add(owner, timeToLive: 1, .alias(name("c.d")))
                }, .severalAliases(owner: owner)
            ),
            (
                zone {
                    $0.add(owner, timeToLive: 1, .address(address("192.0.2.1")))
                    $0.nearest[owner] = NearestRecord(policy: 0, timeToLive: 1)
                }, .nearestWithOthers(owner: owner, type: .a)
            ),
            (
                zone {
                    $0.add(name("example.com"), timeToLive: 1, .nameServer(owner))
                    $0.add(owner, timeToLive: 1, .alias(name("a.b")))
                }, .aliasAsNameServer(owner: name("example.com"), server: owner)
            ),
            (
                zone {
                    $0.add(owner, timeToLive: 1, redirection("a.b"))
                    $0.add(owner, timeToLive: 1, redirection("c.d"))
                }, .severalRedirections(owner: owner)
            ),
            (
                zone {
                    $0.add(owner, timeToLive: 1, redirection("a.b"))
                    $0.add(name("y.x.example.com"), timeToLive: 1, text)
                }, .belowRedirection(owner: name("y.x.example.com"), redirection: owner)
            ),
            (
                zone {
                    $0.add(owner, timeToLive: 1, redirection("a.b"))
                    $0.add(owner, timeToLive: 1, .nameServer(name("a.b")))
                }, .redirectionWithDelegation(owner: owner)
            ),
            (
                zone { $0.add(name("*.example.com"), timeToLive: 1, .nameServer(name("a.b"))) },
                .wildcardWithout(owner: name("*.example.com"), type: .ns)
            ),
            (
                zone { $0.add(name("example.com"), timeToLive: 1, .opaque(.ds, [1, 2])) },
                .signerAtApex(apex: name("example.com"))
            ),
            (
                zone { $0.add(owner, timeToLive: 1, .opaque(.rrsig, [1])) },
                .notServed(owner: owner, type: .rrsig)
            ),
            (
                zone { $0.add(owner, timeToLive: 1, .opaque(.tsig, [1])) },
                .notServed(owner: owner, type: .tsig)
            ),
            (
                zone {
                    $0.add(owner, timeToLive: 1, text)
                    $0.nearest[owner] = alias
                }, .nearestWithOthers(owner: owner, type: .txt)
            ),
            (
                zone { $0.nearest[name("example.com")] = alias },
                .nearestAliasAtApex(apex: name("example.com"))
            ),
            (
                zone {
                    $0.nearest[owner] = NearestRecord(policy: 0, timeToLive: 1)
                    $0.nearest[owner]?.minimumTimeToLive = 2
                }, .minimumAboveTimeToLive(owner: owner)
            ),
            (
                zone { $0.nearest[owner] = NearestRecord(policy: 0, timeToLive: 1, answers: 0) },
                .noAnswers(owner: owner)
            ),
            (
                zone { $0.add(owner, timeToLive: 1 << 31, text) },
                .timeToLiveTooLarge(owner: owner, seconds: 1 << 31)
            ),
            (
                zone {
                    for number in 0..<300 {
                        $0.add(
                            owner, timeToLive: 1,
                            .text(String(repeating: "x", count: 250) + "\(number)"))
                    }
                }, .tooLarge(owner: owner, type: .txt, byteCount: 79_690)
            ),
        ]
        for (zone, error) in cases {
            #expect(throws: error) { try zone.check() }
            #expect(!error.description.isEmpty)
        }
    }

    @Test("are odd where names have no address or nobody sees them")
    func notes() throws {
        let odd = try zone { zone in
            func add(_ owner: String, _ type: RecordType, _ text: String) throws {
                zone.add(name(owner), timeToLive: 1, try RecordData(parsing: text, type: type))
            }
            try add("example.com", .ns, "ns1.example.com.")
            try add("example.com", .ns, "ns2.example.com.")
            try add("example.com", .ns, "ns.sub.example.com.")
            try add("example.com", .ns, "www.example.com.")
            try add("ns2.example.com", .a, "192.0.2.1")
            try add("example.com", .mx, "0 .")
            try add("example.com", .mx, "1 mail.example.com.")
            try add("example.com", .mx, "1 a.star.example.com.")
            try add("example.com", .mx, "1 www.example.com.")
            try add("*.star.example.com", .a, "192.0.2.1")
            try add("_x._tcp.example.com", .srv, "0 0 0 .")
            try add("_x._tcp.example.com", .srv, "0 0 1 srv.example.com.")
            try add("sub.example.com", .ns, "ns.sub.example.com.")
            try add("sub.example.com", .ns, "ns1.sub.example.com.")
            try add("ns.sub.example.com", .a, "192.0.2.1")
            try add("www.sub.example.com", .a, "192.0.2.1")
            try add("ns.sub.example.com", .txt, "x")
            try add("to.example.com", .ns, "toself.example.com.")
            try add("to.example.com", .ns, "www.example.com.")
            try add("lone.example.com", .ds, "1 8 99 00")
            try add("loop1.example.com", .cname, "loop2.example.com.")
            try add("loop2.example.com", .cname, "loop3.example.com.")
            try add("loop3.example.com", .cname, "loop2.example.com.")
            try add("self.example.com", .cname, "SELF.example.com.")
            try add("toself.example.com", .cname, "self.example.com.")
            var alias = NearestRecord(policy: 0, timeToLive: 1)
            alias.aliases = [
                sydney: name("ns2.example.com"), amsterdam: name("nothing.example.com"),
                tokyo: name("x.sub.example.com"),
            ]
            zone.nearest[name("cdn.example.com")] = alias
            zone.nearest[name("www.example.com")] = NearestRecord(policy: 0, timeToLive: 1)
            zone.nearest[name("near.sub.example.com")] = NearestRecord(policy: 0, timeToLive: 1)
        }
        #expect(
            Set(odd.notes()) == [
                .serverWithoutAddress(owner: name("example.com"), server: name("ns1.example.com")),
                .targetWithoutAddress(
                    owner: name("example.com"), type: .mx, target: name("mail.example.com")),
                .targetWithoutAddress(
                    owner: name("_x._tcp.example.com"), type: .srv,
                    target: name("srv.example.com")),
                .serverWithoutAddress(
                    owner: name("sub.example.com"), server: name("ns1.sub.example.com")),
                .nearestAsNameServer(owner: name("example.com"), server: name("www.example.com")),
                .nearestAsNameServer(
                    owner: name("to.example.com"), server: name("www.example.com")),
                .aliasAsNameServer(
                    owner: name("to.example.com"), server: name("toself.example.com")),
                .hidden(
                    owner: name("www.sub.example.com"), type: .a,
                    delegation: name("sub.example.com")),
                .hidden(
                    owner: name("ns.sub.example.com"), type: .txt,
                    delegation: name("sub.example.com")),
                .hidden(
                    owner: name("near.sub.example.com"), type: .a,
                    delegation: name("sub.example.com")),
                .signerWithoutDelegation(owner: name("lone.example.com")),
                .aliasLoop(owner: name("loop2.example.com")),
                .aliasLoop(owner: name("self.example.com")),
                .targetWithoutAddress(
                    owner: name("cdn.example.com"), type: .cname,
                    target: name("nothing.example.com")),
            ])
        #expect(odd.notes().allSatisfy { !$0.description.isEmpty })
        #expect(exampleZone().notes() == [.aliasLoop(owner: name("loop1.example.com"))])
    }

    @Test("may delegate to a server that is an alias: the referral stands, without an address")
    func delegationToAlias() throws {
        let zone = zone {
            $0.add(name("sub.example.com"), timeToLive: 1, .nameServer(name("x.example.com")))
            $0.add(name("x.example.com"), timeToLive: 1, .alias(name("y.example.com")))
            $0.add(name("y.example.com"), timeToLive: 1, .address(address("192.0.2.1")))
        }
        #expect(zone.problems().isEmpty)
        #expect(
            zone.notes() == [
                .aliasAsNameServer(owner: name("sub.example.com"), server: name("x.example.com"))
            ])
        let reply = try Bench([zone]).ask("a.sub.example.com", .a)
        #expect(reply.code == .noError && !reply.isAuthoritative)
        #expect(reply.authority.map(\.data) == [.nameServer(name("x.example.com"))])
        #expect(reply.answers.isEmpty && reply.additional.isEmpty)
    }

    @Test("that are bad leave those served before")
    func kept() throws {
        let bench = try Bench()
        #expect(throws: ZoneError.twoZones(apex: name("example.com"))) {
            try bench.store.replace([exampleZone(), exampleZone()])
        }
        #expect(try bench.ask("static.example.com", .a).addresses.count == 2)
        try bench.store.replace([])
        #expect(try bench.ask("static.example.com", .a).code == .refused)
    }

    @Test("add a record once, and a set has the least TTL")
    func adding() {
        let zone = zone {
            $0.add(name("X.example.com"), timeToLive: 9, .text("a"))
            $0.add(name("x.example.com"), timeToLive: 5, .text("b"))
            $0.add(name("x.EXAMPLE.com"), timeToLive: 7, .text("a"))
        }
        #expect(
            zone.records[name("x.example.com")] == [
                ResourceRecordSet(timeToLive: 5, [.text("a"), .text("b")])
            ])
    }

    /// What RFC 1034 §4.3.2 and RFC 4592 say of a name, by a search through all of them.
    private func model(_ owners: Set<DomainName>, _ asked: DomainName) -> (ResponseCode, [UInt8]?) {
        let apex = name("example.com")
        func exists(_ name: DomainName) -> Bool { owners.contains { $0.isInside(name) } }
        guard asked.isInside(apex) else { return (.refused, nil) }
        if exists(asked) {
            return (.noError, owners.contains(asked) ? asked.lowercased.wire : nil)
        }
        var closest = asked
        while !exists(closest), let parent = closest.parent { closest = parent }
        if let star = try? closest.child([UInt8(ascii: "*")]), exists(star) {
            return (.noError, owners.contains(star) ? star.lowercased.wire : nil)
        }
        return (.nameError, nil)
    }

    @Test("find every name, wildcard and gap that a search through all names finds")
    func lookups() throws {
        let seed: UInt64 = 4592
        var generator = SeededGenerator(seed: seed)
        let labels = ["a", "b", "C", "*", "abcdefgh", "x-1", "Zz", "longer-label-of-some-length"]
        func randomName() -> DomainName {
            let count = Int.random(in: 0...4, using: &generator)
            let text = (0..<count).map { _ in labels.randomElement(using: &generator) ?? "a" }
            let apex =
                Int.random(in: 0..<20, using: &generator) == 0 ? "example.org" : "example.com"
            return name((text + [apex]).joined(separator: "."))
        }
        for round in 0..<60 {
            var owners: Set<DomainName> = [name("example.com")]
            let zone = zone { zone in
                for _ in 0..<Int.random(in: 0...25, using: &generator) {
                    let owner = randomName()
                    guard owner.isInside(name("example.com")) else { continue }
                    owners.insert(owner)
                    // Each record tells its owner.
                    zone.add(owner, timeToLive: 1, .opaque(.caa, owner.lowercased.wire))
                }
                zone.add(
                    name("example.com"), timeToLive: 1, .opaque(.caa, name("example.com").wire))
            }
            let bench = try Bench([zone])
            for _ in 0..<200 {
                let asked = randomName()
                let reply = try bench.ask(asked.description, .caa)
                let (code, data) = self.model(owners, asked)
                #expect(reply.code == code, "\(asked), seed \(seed), round \(round)")
                #expect(
                    reply.answers.first?.data == data.map { .opaque(.caa, $0) },
                    "\(asked), seed \(seed), round \(round)")
            }
        }
    }
}
