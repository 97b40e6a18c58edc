// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront
import DNSWire
import Testing

@Suite("DNAME records (RFC 6672)")
struct RedirectionTests {
    private let bench: Bench

    init() throws {
        var zone = Zone(
            apex: name("example.com"),
            startOfAuthority: StartOfAuthority(
                host: name("ns.other.net"), mailbox: name("x.other.net")),
            nameServers: [name("ns.other.net")])
        func add(_ owner: String, _ type: RecordType, _ text: String) throws {
            zone.add(
                name(owner), timeToLive: 77,
                try RecordData(parsing: text, type: type, relativeTo: name("example.com")))
        }
        try add("old.example.com", .dname, "new")
        try add("old.example.com", .txt, "beside")
        try add("www.new.example.com", .a, "192.0.2.1")
        try add("alias.new.example.com", .cname, "deep.old")
        try add("deep.new.example.com", .cname, "www.new")
        try add("*.wild.new.example.com", .txt, "wild")
        try add("into.example.com", .cname, "www.old")
        try add("away.example.com", .dname, "example.org.")
        try add("toaway.example.com", .cname, "a.b.away")
        try add("loop.example.com", .dname, "x.loop")
        try add("circle.example.com", .dname, "circle2")
        try add("circle2.example.com", .dname, "circle")
        try add("sub.example.com", .ns, "ns.sub")
        try add("ns.sub.example.com", .a, "192.0.2.53")
        try add("tosub.example.com", .dname, "sub")
        try add(
            "long.example.com", .dname,
            (1...3).map { _ in String(repeating: "l", count: 60) }.joined(separator: "."))
        zone.nearest[name("site.new.example.com")] = NearestRecord(policy: 0, timeToLive: 60)
        self.bench = try Bench([zone])
    }

    private func lines(_ records: [ResourceRecord]) -> [String] {
        records.map { "\($0.owner) \($0.timeToLive) \($0.data.type) \($0.data)" }
    }

    @Test("leave room for pointers behind the longest chain of them")
    func pointersBehindChain() throws {
        // A pointer leads to one of the first 16,384 bytes; a chain of sixteen takes half of them.
        let apex = String(repeating: "z", count: 51) + ".test"
        let long = [63, 63, 63].map { String(repeating: "l", count: $0) }.joined(separator: ".")
        let below = "\(long).\(apex)"
        var zone = Zone(
            apex: name(apex),
            startOfAuthority: StartOfAuthority(host: name("a.net"), mailbox: name("b.net")),
            nameServers: [name("a.net")])
        let digits = Array("abcdefghijklmnopqrstuvwxyz")
        for step in 0..<14 {
            let next = name("d\(digits[step + 1]).\(below)")
            zone.add(
                name("d\(digits[step]).\(below)"), timeToLive: 1,
                RecordData(type: .dname, fields: [.name(next)]))
        }
        zone.add(
            name("do.\(below)"), timeToLive: 1,
            RecordData(type: .dname, fields: [.name(name("mx.\(below)"))]))
        var servers: [DomainName] = []
        for first in digits.prefix(20) {
            for second in digits { servers.append(name("\(first)\(second)5.\(apex)")) }
        }
        for (number, server) in servers.enumerated() {
            zone.add(
                name("x.mx.\(below)"), timeToLive: 1, .mailExchange(UInt16(number), server))
            zone.add(server, timeToLive: 1, .address(IPAddress(ipv4: 0xc633_6400 + UInt32(number))))
        }
        try self.bench.store.replace([zone])
        var query = Query("x.da.\(below)", .mx)
        query.transport = .tcp
        let reply = try self.bench.ask(query)
        #expect(reply.answers.count == 30 + servers.count)
        #expect(reply.additional.count > 100)
        let given = Dictionary(
            reply.additional.map { ($0.owner, $0.data.description) }, uniquingKeysWith: { $1 })
        #expect(given.count == reply.additional.count)
        for (number, server) in servers.enumerated() {
            guard let address = given[server] else { continue }
            #expect(address == "\(IPAddress(ipv4: 0xc633_6400 + UInt32(number)))")
        }
        #expect(Set(given.keys).isSubset(of: servers), "each belongs to a server")
    }

    @Test("stand once in an answer where the alias that they make is their own name")
    func selfMade() throws {
        var zone = Zone(
            apex: name("example.com"),
            startOfAuthority: StartOfAuthority(host: name("a.net"), mailbox: name("b.net")),
            nameServers: [name("a.net")])
        zone.add(
            name("a.b.example.com"), timeToLive: 1,
            RecordData(type: .dname, fields: [.name(name("b.example.com"))]))
        try self.bench.store.replace([zone])
        let reply = try self.bench.ask("a.a.b.example.com", .dname)
        #expect(
            self.lines(reply.answers) == [
                "a.b.example.com. 1 DNAME b.example.com.",
                "a.a.b.example.com. 1 CNAME a.b.example.com.",
            ])
        #expect(reply.code == .noError && reply.authority.isEmpty)
        #expect(try self.bench.ask("a.b.example.com", .dname).answers.count == 1)
    }

    @Test("make an alias of each name below, and are followed within the zone")
    func below() throws {
        let reply = try self.bench.ask("WWW.old.example.com", .a)
        #expect(reply.code == .noError)
        #expect(reply.isAuthoritative)
        #expect(
            self.lines(reply.answers) == [
                "old.example.com. 77 DNAME new.example.com.",
                "WWW.old.example.com. 77 CNAME WWW.new.example.com.",
                "WWW.new.example.com. 77 A 192.0.2.1",
            ])
        let wild = try self.bench.ask("a.wild.old.example.com", .txt)
        #expect(self.lines(wild.answers).last == "a.wild.new.example.com. 77 TXT \"wild\"")
        let missing = try self.bench.ask("nothing.old.example.com", .a)
        #expect(missing.code == .nameError)
        #expect(missing.answers.count == 2)
        #expect(missing.authority.first?.data.type == .soa)
        let noData = try self.bench.ask("www.old.example.com", .txt)
        #expect(noData.code == .noError)
        #expect(noData.answers.count == 2)
        #expect(noData.authority.first?.data.type == .soa)
    }

    @Test("are records like others at their own name")
    func owner() throws {
        #expect(
            try self.lines(self.bench.ask("old.example.com", .dname).answers) == [
                "old.example.com. 77 DNAME new.example.com."
            ])
        #expect(try self.bench.ask("old.example.com", .txt).answers.count == 1)
        let noData = try self.bench.ask("old.example.com", .a)
        #expect(noData.code == .noError && noData.answers.isEmpty)
    }

    @Test("are followed from aliases, and aliases from them")
    func chains() throws {
        #expect(
            try self.lines(self.bench.ask("into.example.com", .a).answers) == [
                "into.example.com. 77 CNAME www.old.example.com.",
                "old.example.com. 77 DNAME new.example.com.",
                "www.old.example.com. 77 CNAME www.new.example.com.",
                "www.new.example.com. 77 A 192.0.2.1",
            ])
        // An alias into the DNAME again, and out of it.
        #expect(
            try self.lines(self.bench.ask("alias.old.example.com", .a).answers) == [
                "old.example.com. 77 DNAME new.example.com.",
                "alias.old.example.com. 77 CNAME alias.new.example.com.",
                "alias.new.example.com. 77 CNAME deep.old.example.com.",
                // The DNAME stands there already.
                "deep.old.example.com. 77 CNAME deep.new.example.com.",
                "deep.new.example.com. 77 CNAME www.new.example.com.",
                "www.new.example.com. 77 A 192.0.2.1",
            ])
        let cname = try self.bench.ask("www.old.example.com", .cname)
        #expect(cname.answers.map(\.data.type) == [.dname, .cname])
        let any = try self.bench.ask("www.old.example.com", .any)
        #expect(any.answers.map(\.data.type) == [.dname, .cname])
    }

    @Test("end where they lead out of the zone or to a delegation")
    func out() throws {
        let away = try self.bench.ask("toaway.example.com", .a)
        #expect(
            self.lines(away.answers) == [
                "toaway.example.com. 77 CNAME a.b.away.example.com.",
                "away.example.com. 77 DNAME example.org.",
                "a.b.away.example.com. 77 CNAME a.b.example.org.",
            ])
        #expect(away.code == .noError && away.authority.isEmpty)
        let sub = try self.bench.ask("www.tosub.example.com", .a)
        #expect(sub.isAuthoritative)
        #expect(sub.answers.map(\.data.type) == [.dname, .cname])
        #expect(self.lines(sub.authority) == ["sub.example.com. 77 NS ns.sub.example.com."])
        #expect(self.lines(sub.additional) == ["ns.sub.example.com. 77 A 192.0.2.53"])
    }

    @Test("are YXDOMAIN where the name would be too long, and end where they go in a circle")
    func limits() throws {
        let label = String(repeating: "x", count: 63)
        let long = try self.bench.ask("\(label).long.example.com", .a)
        #expect(long.code == .nameExists)
        #expect(long.answers.map(\.data.type) == [.dname])
        #expect(long.isAuthoritative)
        var query = Query("x.long.example.com", .a)
        query.transport = .tcp
        let fits = try self.bench.ask(query)
        #expect(fits.code == .nameError)
        #expect(fits.answers.count == 2)

        query = Query("a.loop.example.com", .a)
        query.transport = .tcp
        let loop = try self.bench.ask(query)
        #expect(loop.code == .noError)
        #expect(loop.answers.map(\.data.type) == [.dname] + (0..<16).map { _ in .cname })
        for circle in ["circle", "circle2"] {
            let reply = try self.bench.ask("a.\(circle).example.com", .a)
            #expect(reply.code == .noError)
            #expect(reply.answers.map(\.data.type) == [.dname, .cname, .dname, .cname])
        }
    }

    @Test("lead to nearest names as aliases do")
    func nearest() throws {
        let chain = try self.bench.ask("site.old.example.com", .a)
        #expect(chain.addresses == ["210.18.215.100"])
        let alone = try self.bench.ask("site.old.example.com", .a, subnet: "192.0.2.0/24")
        #expect(alone.answers.map(\.data.type) == [.dname, .cname])
        #expect(alone.scope == 0)
    }
}
