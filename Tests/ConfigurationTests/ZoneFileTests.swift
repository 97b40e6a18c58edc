// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import Configuration
import DNSFront
import DNSWire
import Testing

@Suite("Zones from master files")
struct ZoneFileTests {
    private static let master = """
        $TTL 1h
        @ IN SOA ns1 hostmaster ( 2026112101 2h 10m 2w 5m )
          NS ns1
          NS ns.example.org.
          MX 10 mail
        ns1 A 192.0.2.53
        mail 600 A 192.0.2.25
        www TXT "beside the nearest name"
        """
    private static let yaml =
        Reading.sites + """
            zones:
              example.net:
                file: zones/example.net.zone
                ttl: 2m
                records:
                  www: { nearest: [sydney, tokyo] }
                  more: { mx: "10 mail.example.net", txt: hello }
              example.org: { ns: ns1.example.com }
            """

    private func name(_ text: String) -> DomainName { DomainName(text) ?? .root }

    private func load(_ folder: Folder, _ text: String = yaml) throws -> Configuration {
        try Configuration.load(path: try folder.write(text, "martlet.yaml"))
    }

    /// What is wrong with a zone, without the folder's path.
    private func problems(_ master: String, _ yaml: String = Self.yaml) throws -> [String] {
        let folder = try Folder()
        try folder.write(master, "example.net.zone")
        let configuration = try self.load(
            folder, yaml.replacing("zones/example.net.zone", with: "example.net.zone"))
        let zone = try #require(configuration.zones.first)
        #expect(zone.problems.isEmpty == (zone.state == .read))
        return (zone.problems + zone.notes).map {
            $0.description.replacing(folder.path + "/", with: "")
        }
    }

    @Test("hold the file's records, and those of the configuration beside")
    func good() throws {
        let folder = try Folder()
        try folder.write(Self.master, "example.net.zone")
        let configuration = try self.load(
            folder, Self.yaml.replacing("zones/example.net.zone", with: "example.net.zone"))
        let plan = configuration.plan()
        #expect(plan.zoneProblems.isEmpty)
        let zone = try #require(plan.zones.first)
        #expect(zone.isAvailable)
        #expect(zone.startOfAuthority.serial == 2_026_112_101)
        #expect(zone.startOfAuthority.minimum == 300)
        #expect(zone.timeToLive == 3600)
        func text(_ owner: String, _ type: RecordType) -> [String] {
            guard let set = zone.records(of: self.name(owner), type) else { return [] }
            return set.data.map { "\(set.timeToLive) \($0)" }
        }
        #expect(text("example.net", .ns) == ["3600 ns1.example.net.", "3600 ns.example.org."])
        #expect(text("mail.example.net", .a) == ["600 192.0.2.25"])
        #expect(text("www.example.net", .txt) == ["3600 \"beside the nearest name\""])
        #expect(text("more.example.net", .mx) == ["120 10 mail.example.net."])
        #expect(zone.nearest[self.name("www.example.net")]?.timeToLive == 120)
        #expect(plan.policy(named: "www.example.net") != nil)
        #expect(
            configuration.summary().contains(
                "  example.net.  9 records  serial 2026112101  \(folder.path)/example.net.zone\n"))
    }

    @Test("are bad for themselves alone: the configuration and its other zones are good")
    func bad() throws {
        #expect(
            try self.problems("@ SOA a b 1 2 3 4 5\n@ NS x y\n\nz A 192.0.2\n") == [
                "example.net.zone:2:8: 'y' is more than the data of NS have",
                "example.net.zone:4:5: here must be an address, not '192.0.2': "
                    + "the text ends too early",
            ])
        let folder = try Folder()
        let configuration = try self.load(folder)
        #expect(
            configuration.zones[0].problems.map(\.description) == [
                "\(folder.path)/martlet.yaml:4:11: \(folder.path)/zones/example.net.zone: "
                    + "there is no such file"
            ])
        let plan = configuration.plan()
        #expect(plan.zones.map(\.isAvailable) == [false, true])
        #expect(plan.checkFiles().problems == plan.zoneProblems)
        #expect(configuration.summary().contains("zones/example.net.zone, which is bad\n"))
    }

    @Test("say what keeps them from being served, and where it stands")
    func unservable() throws {
        #expect(
            try self.problems(
                """
                $TTL 5
                @ NS ns1.example.org.
                a CNAME b
                a TXT c
                b.example.com. A 192.0.2.1
                """) == ["example.net.zone: there is no SOA record of example.net."])
        #expect(
            try self.problems(
                """
                $TTL 5
                @ SOA a b 1 2 3 4 5
                @ SOA a b 2 2 3 4 5
                x SOA a b 1 2 3 4 5
                """) == [
                    "example.net.zone:3:1: a zone has one SOA; the first is at "
                        + "example.net.zone:2:1",
                    "example.net.zone:4:1: x.example.net. has an SOA; this is the zone "
                        + "example.net.",
                ])
        #expect(
            try self.problems(
                """
                $TTL 5
                @ SOA a b 1 2 3 4 5
                a CNAME b
                  TXT c
                b.example.com. A 192.0.2.1
                d DNAME e
                f.d A 192.0.2.1
                """) == [
                    "martlet.yaml:3:3: the zone example.net. has no NS record",
                    "example.net.zone:3:1: a.example.net. has a CNAME and other records",
                    "example.net.zone:5:1: b.example.com. is not inside the zone example.net.",
                    "example.net.zone:7:1: f.d.example.net. lies below the DNAME of "
                        + "d.example.net., which stands for all names there",
                ])
    }

    @Test("have the records of a name and a type in one place, and no address of a nearest name")
    func merging() throws {
        #expect(
            try self.problems(
                Self.master + "\nmore MX 5 mail\n     TXT other\n     A 192.0.2.1\n") == [
                    "example.net.zone:9:1: more.example.net. has MX here and at "
                        + "martlet.yaml:8:19: all records of a name and a type stand in one file",
                    "example.net.zone:10:6: more.example.net. has TXT here and at "
                        + "martlet.yaml:8:47: all records of a name and a type stand in one file",
                ])
        #expect(
            try self.problems(Self.master + "\nwww A 192.0.2.1\n") == [
                "example.net.zone:9:1: www.example.net. is a nearest name and has a record of "
                    + "type A too"
            ])
        #expect(
            Reading.complaints(
                Reading.sites
                    + "zones:\n  a.example: { file: x, ns: ns1.example.com, soa: { serial: 5 } }\n")
                == [
                    "3:29: zone 'a.example' has its ns in its file: it can't stand here too",
                    "3:51: zone 'a.example' has its soa in its file: it can't stand here too",
                ])
    }

    @Test("note what is odd")
    func notes() throws {
        #expect(
            try self.problems(
                Self.master
                    + "\n@ MX 10 mail\n@ 60 MX 20 mail\nsub NS ns.sub\nx.sub TXT hidden\n")
                == [
                    "example.net.zone:9:1: this record of example.net. stands twice",
                    "example.net.zone:10:1: example.net. has MX with a TTL of 60, and of 3600 at "
                        + "example.net.zone:5:3: the least counts",
                    "example.net.zone:12:1: x.sub.example.net. has TXT below the delegation of "
                        + "sub.example.net.: nobody is told of it",
                    "example.net.zone:11:1: sub.example.net. has the name server "
                        + "ns.sub.example.net., which has no address in the zone",
                ])
    }

    @Test("that turn bad are kept as they were, and others are taken")
    func kept() throws {
        let folder = try Folder()
        let text = Self.yaml.replacing("zones/example.net.zone", with: "example.net.zone")
        try folder.write(Self.master, "example.net.zone")
        let old = try self.load(folder, text)
        try folder.write(Self.master + "\nbroken A\n", "example.net.zone")
        var new = try self.load(
            folder, text + "\n  example.info: { ns: ns1.example.com }\n")
        #expect(new.zones[0].state == .missing)
        new.keepZones(of: old)
        #expect(new.zones[0].state == .kept)
        #expect(new.zones[0].records == old.zones[0].records)
        #expect(new.plan().zones.allSatisfy { $0.isAvailable })
        #expect(
            new.differences(from: old).map { $0.replacing(folder.path + "/", with: "") } == [
                "zone example.net.: its file is bad, it is served as before: "
                    + "example.net.zone:9:9: A's address is missing",
                "zone example.info.: added",
            ])
        // And again, from what was kept.
        var third = try self.load(folder, text)
        third.keepZones(of: new)
        #expect(third.zones[0].records == old.zones[0].records)
        #expect(third.zones[0].problems.count == 1)
        try folder.write(Self.master + "\ngood A 192.0.2.1\n", "example.net.zone")
        var fourth = try self.load(folder, text)
        fourth.keepZones(of: third)
        #expect(fourth.zones[0].state == .read)
        #expect(fourth.zones[0].records.count == old.zones[0].records.count + 1)
    }

    @Test("that turn bad have the nearest names and records that the configuration says now")
    func keptBeside() throws {
        let folder = try Folder()
        let text = Self.yaml.replacing("zones/example.net.zone", with: "example.net.zone")
        try folder.write(Self.master, "example.net.zone")
        let old = try self.load(folder, text)
        try folder.write(Self.master + "\nbroken A\n", "example.net.zone")
        // Sydney is no more, and neither is a record.
        var new = try self.load(
            folder,
            text.replacing("[sydney, tokyo]", with: "tokyo, ttl: 7").replacing(
                ", txt: hello", with: ", caa: '0 issue \"ca.example\"'"
            ).replacing(
                "sites: { sydney: { as: 64600, addresses: [192.0.2.1] }, ", with: "sites: { "))
        #expect(!new.sites.map(\.name).contains("sydney"))
        new.keepZones(of: old)
        let zone = try #require(new.plan().zones.first)
        #expect(new.zones[0].state == .kept && zone.isAvailable)
        #expect(new.zones[0].problems.count == 1)
        #expect(new.zones[0].nearest.map(\.sites) == [["tokyo"]])
        #expect(zone.nearest[self.name("www.example.net")]?.timeToLive == 7)
        #expect(zone.startOfAuthority.serial == 2_026_112_101)
        #expect(zone.records(of: self.name("mail.example.net"), .a)?.data.count == 1)
        #expect(zone.records(of: self.name("more.example.net"), .txt) == nil)
        #expect(zone.records(of: self.name("more.example.net"), .caa)?.data.count == 1)
        #expect(zone.records(of: self.name("more.example.net"), .mx)?.data.count == 1)
    }

    @Test("that turn bad, and whose old records the configuration contradicts, stay as a whole")
    func keptAsWhole() throws {
        let folder = try Folder()
        let text = Self.yaml.replacing("zones/example.net.zone", with: "example.net.zone")
        try folder.write(Self.master, "example.net.zone")
        let old = try self.load(folder, text)
        try folder.write(Self.master + "\nbroken A\n", "example.net.zone")
        func kept(_ change: (String) -> String) throws -> [String] {
            var new = try self.load(folder, change(text))
            new.keepZones(of: old)
            let zone = try #require(new.zones.first)
            #expect(zone.state == .kept)
            #expect(zone.records == old.zones[0].records)
            #expect(new.plan().zones[0].isAvailable)
            return zone.problems.dropFirst().map {
                $0.description.replacing(folder.path + "/", with: "")
            }
        }
        let clash =
            "example.net.zone: what the configuration says of the zone doesn't go with the records "
            + "that the file had before, and waits for the file: "
        #expect(
            try kept { $0.replacing("more: {", with: "mail: { a: 192.0.2.26,") } == [
                clash + "mail.example.net. has A in both"
            ])
        #expect(
            try kept { $0.replacing("more: {", with: "mail: { nearest: tokyo } \n      more: {") }
                == [
                    clash + "mail.example.net. is a nearest name and has a record of type A too"
                ])
        // Sites that are gone are left out and told of.
        #expect(
            try kept {
                $0.replacing("www: { nearest: [sydney, tokyo] }", with: "mail: { nearest: tokyo }")
                    .replacing(
                        "sites: { sydney: { as: 64600, addresses: [192.0.2.1] }, ",
                        with: "sites: { ")
            } == [
                clash + "mail.example.net. is a nearest name and has a record of type A too",
                "example.net.zone: www.example.net. is served as before without 'sydney', no site "
                    + "any more",
            ])
    }

    @Test("tell of serial numbers that don't count up")
    func serials() throws {
        let folder = try Folder()
        let text = Self.yaml.replacing("zones/example.net.zone", with: "example.net.zone")
        func configuration(_ serial: String, _ more: String = "") throws -> Configuration {
            try folder.write(
                Self.master.replacing("2026112101", with: serial) + "\n" + more,
                "example.net.zone")
            return try self.load(folder, text)
        }
        let old = try configuration("4294967295")
        let line = "zone example.net.: changed"
        #expect(try configuration("4294967295").differences(from: old) == [])
        #expect(
            try configuration("4294967295", "x A 192.0.2.1\n").differences(from: old)
                == [line + "; its serial is still 4294967295"])
        #expect(try configuration("1", "x A 192.0.2.1\n").differences(from: old) == [line])
        #expect(
            try configuration("4294967294").differences(from: old)
                == [line + "; its serial goes back from 4294967295 to 4294967294"])
    }

    @Test("that stand in the configuration have a serial number made of what they hold")
    func contentSerial() throws {
        func serial(_ zone: String) throws -> UInt32? {
            try Reading.parse(Reading.sites + "zones:\n  " + zone + "\n").zones.first?
                .startOfAuthority.serial
        }
        let one = try serial(
            "example.com: { ns: a.example.org, records: { x: { a: 192.0.2.1 }, y: { a: 192.0.2.2 } } }"
        )
        let same = try serial(
            "Example.com: { records: { Y: { a: 192.0.2.2 }, x: { a: 192.0.2.1 } }, ns: a.example.org }"
        )
        #expect(one == same)
        #expect(one != 0)
        for other in [
            "example.com: { ns: a.example.org, records: { x: { a: 192.0.2.1 }, y: { a: 192.0.2.3 } } }",
            "example.com: { ns: b.example.org, records: { x: { a: 192.0.2.1 }, y: { a: 192.0.2.2 } } }",
            "example.com: { ns: a.example.org, ttl: 5, records: { x: { a: 192.0.2.1 }, y: { a: 192.0.2.2 } } }",
        ] {
            #expect(try serial(other) != one)
        }
        #expect(try serial("example.com: { ns: a.example.org, soa: { serial: 7 } }") == 7)
        func nearest(_ keys: String) throws -> UInt32? {
            try serial(
                "example.com: { ns: a.example.org, records: { x: { nearest: [sydney, tokyo], \(keys) } } }"
            )
        }
        let usual = try nearest("ttl: 300")
        #expect(try nearest("measure: cost") == usual)
        for keys in ["ttl: 30", "measure: hops", "answers: 2", "rotate: false", "hints: false"] {
            #expect(try nearest(keys) != usual, "\(keys)")
        }
    }
}

@Suite("Records of every type")
struct RecordReadingTests {
    private func records(_ text: String) throws -> [String] {
        let zone = try Reading.parse(
            Reading.sites + "zones:\n  example.com:\n    ns: ns.example.org\n    records:\n"
                + text.split(separator: "\n").map { "      \($0)\n" }.joined())
        return try #require(zone.zones.first).records.map {
            "\($0.owner) \($0.timeToLive) \($0.data.type) \($0.data)"
        }
    }

    @Test("stand under their types' names, as master files have them, with names told whole")
    func types() throws {
        #expect(
            try self.records(
                """
                '@': { mx: [10 mail.example.com, 20 mail.example.net.], caa: '0 issue "ca.example"' }
                _sip._udp: { srv: 0 5 5060 sip.example.com, ttl: 1h }
                old: { dname: new.example.com }
                www: { https: '1 . alpn="h2,h3"', sshfp: "4 2 \(String(repeating: "ab", count: 32))" }
                loc: { loc: 52 14 05 N 0 8 0 E 50m, naptr: '1 2 "u" "E2U+sip" "!^.*$!sip:a@b!" .' }
                odd: { type731: "\\\\# 2 abcd", type1: '\\# 4 c0000201', ptr: com. }
                sub: { ns: ns1.example.net, ds: "1 13 2 \(String(repeating: "cd", count: 32))" }
                """) == [
                    "example.com. 300 MX 10 mail.example.com.",
                    "example.com. 300 MX 20 mail.example.net.",
                    "example.com. 300 CAA 0 issue \"ca.example\"",
                    "_sip._udp.example.com. 3600 SRV 0 5 5060 sip.example.com.",
                    "old.example.com. 300 DNAME new.example.com.",
                    "www.example.com. 300 HTTPS 1 . alpn=h2,h3",
                    "www.example.com. 300 SSHFP 4 2 " + String(repeating: "ab", count: 32),
                    "loc.example.com. 300 LOC 52 14 5.000 N 0 8 0.000 E 50.00m 1.00m 10000.00m "
                        + "10.00m",
                    "loc.example.com. 300 NAPTR 1 2 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" .",
                    "odd.example.com. 300 TYPE731 \\# 2 abcd", "odd.example.com. 300 A 192.0.2.1",
                    "odd.example.com. 300 PTR com.",
                    "sub.example.com. 300 NS ns1.example.net.",
                    "sub.example.com. 300 DS 1 13 2 " + String(repeating: "cd", count: 32),
                ])
    }

    @Test("of nearest names: services, aliases, TTLs that change, rotation and hints")
    func nearest() throws {
        let configuration = try Reading.parse(
            """
            sites:
              a:
                as: 1
                addresses: 192.0.2.1
                alias: a.example.net
                services: { web: [192.0.2.2, '2001:db8::2'], mail: { addresses: 192.0.2.3, alias: mail.a.example.net } }
              b: { as: 2, alias: b.example.net, services: { web: 192.0.2.4, mail: { alias: mail.b.example.net } } }
            zones:
              example.com:
                ns: ns.example.org
                records:
                  www: { nearest: [a, b], service: web, ttl: { minimum: 5, maximum: 1m }, rotate: false }
                  cdn: { nearest: [a, b], alias: true }
                  mail: { nearest: [a, b], alias: true, service: mail }
                  app: { nearest: [a, b], service: web, https: 1 ., hints: false }
            """)
        let plan = configuration.plan()
        let zone = try #require(plan.zones.first)
        func record(_ owner: String) throws -> NearestRecord {
            try #require(zone.nearest[DomainName("\(owner).example.com") ?? .root])
        }
        let www = try record("www")
        #expect(www.timeToLive == 60 && www.minimumTimeToLive == 5 && !www.rotates)
        #expect(plan.policies[www.policy].service == "web")
        #expect(try record("app").policy == www.policy)
        #expect(try !record("app").hints)
        let (a, b) = (plan.sites[0].id, plan.sites[1].id)
        #expect(
            try record("cdn").aliases
                == [a: DomainName("a.example.net"), b: DomainName("b.example.net")]
                .compactMapValues(\.self))
        #expect(
            try record("mail").aliases
                == [a: DomainName("mail.a.example.net"), b: DomainName("mail.b.example.net")]
                .compactMapValues(\.self))
        #expect(
            plan.sites[0].addresses(of: "web").map(\.description) == ["192.0.2.2", "2001:db8::2"])
        #expect(plan.sites[1].addresses(of: "mail").isEmpty)
        #expect(
            configuration.summary().contains(
                "    www.example.com.  nearest of a, b  service web  by cost  ttl 5 to 60  "
                    + "not rotated\n"))
        #expect(
            configuration.summary().contains("service mail: 192.0.2.3 alias mail.a.example.net."))
    }

    @Test(
        "that are wrong are complained of where they stand",
        arguments: [
            (
                "{ mx: 10 mail }",
                "3:59: mx has 'mail.', a top-level domain: names are told whole here, as "
                    + "mail.example.com, or end with a dot"
            ),
            (
                "{ cname: www }",
                "3:62: cname would be the top-level domain 'www.': names are told whole here, as "
                    + "www.example.com, or end with a dot"
            ),
            (
                "{ mx: mail.example.com }",
                "3:59: mx: here must be MX's preference, a number from 0 to 65535, not "
                    + "'mail.example.com', at its byte 1"
            ),
            ("{ soa: x }", "3:55: unknown key 'soa' in record 'x'"),
            ("{ rrsig: x }", "3:55: unknown key 'rrsig' in record 'x'"),
            (
                "{ nearest: tokyo, ttl: { minimum: 5, maximum: 4 } }",
                "3:76: ttl has a minimum of 5 and a maximum of 4"
            ),
            ("{ a: 192.0.2.1, ttl: { minimum: 5 } }", "3:74: ttl must be a time"),
            (
                "{ nearest: tokyo, alias: true }",
                "3:64: site 'tokyo' has no alias"
            ),
            (
                "{ nearest: tokyo, service: web }",
                "3:64: site 'tokyo' has no service 'web'"
            ),
            (
                "{ nearest: tokyo, alias: true, answers: 2 }",
                "3:93: record 'x' is an alias: answers is of use for addresses"
            ),
            (
                "{ dname: a.example, ns: b.example.net }",
                "3:62: zone 'example.com': x.example.com. has a DNAME and a delegation"
            ),
        ])
    func bad(record: String, complaint: String) {
        let said = Reading.complaints(
            Reading.sites
                + "zones:\n  example.com: { ns: ns1.example.org, records: { x: \(record) } }\n")
        #expect(said.contains { $0.hasPrefix(complaint) }, "\(said)")
    }
}
