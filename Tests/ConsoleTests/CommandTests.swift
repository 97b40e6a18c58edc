// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import Console
import RouteTable
import Synchronization
import Testing

@Suite("Commands")
struct CommandTests {
    private func run(
        _ line: String, _ face: Face = .people, on fixture: Fixture? = nil
    ) async throws -> String {
        let backend: Fixture
        if let fixture { backend = fixture } else { backend = try await Fixture() }
        return try await backend.interpreter().run(line, face: face).text
    }

    @Test(
        "answer programs",
        arguments: [
            (
                "nearest 1.0.4.1",
                "+ sydney 210.18.215.100 distance=3 cost=15 scope=24 reason=cost\n"
            ),
            (
                "nearest 2001:db8::1",
                "+ sydney 2001:db8:1::1 distance=3 cost=15 scope=32 reason=cost\n"
            ),
            (
                "nearest 1.0.4.1 for www.example.com",
                "+ tokyo 192.0.2.80 distance=4 cost=156 scope=24 reason=cost\n"
            ),
            ("nearest 10.1.2.3", "+ london - distance=- cost=- scope=8 reason=pinned\n"),
            (
                "rank 1.0.4.1",
                """
                * 3
                1 sydney distance=3 cost=15 km=0 rtt=- state=up reason=cost stale_since=-
                2 tokyo distance=4 cost=156 km=6803 rtt=- state=up reason=cost stale_since=-
                3 london distance=- cost=- km=15116 rtt=- state=stale reason=no-route stale_since=-
                .

                """
            ),
            (
                "explain 1.0.4.1 for www.example.com",
                """
                * 2
                1 tokyo distance=4 cost=156 km=6803 rtt=- state=up reason=cost prefix=1.0.4.0/22 \
                feed=tokyo-edge since=17 path=2500,7660,4637,38803 penalty=0 set_distance=- \
                validation=- tags=- stale=no stale_since=- long_lived_stale=no path_id=-
                2 london distance=- cost=- km=15116 rtt=- state=stale reason=no-route prefix=- feed=- \
                since=- path=- penalty=- set_distance=- validation=- tags=- stale=- stale_since=- \
                long_lived_stale=- path_id=-
                .

                """
            ),
            (
                "nearest 1.0.4.1 for fish",
                "- 404 'fish' is no name that is answered with the nearest site\n"
            ),
            ("show ip bgp 8.8.8.8", "- 404 Network not in table\n"),
            ("ready", "+ ready\n"),
            ("reload", "* 1\nnothing has changed\n.\n"),
            (
                "show bogus",
                "- 400 unknown command: 'bogus' is none of ip, bgp, sites, feeds, feed, routes, answers, round-trips, rpki, dns, memory, checkpoint, version, configuration\n"
            ),
            (
                "show version",
                "* 1\nmartlet version=1.2.3 uptime=77 router=192.0.2.1 as=65000 started=999999940\n.\n"
            ),
            (
                "show sites",
                """
                * 3
                sydney as=64600 weight=1 state=up health=up admin=none full=no feeds=live \
                location=AU addresses=2001:db8:1::1,210.18.215.100
                tokyo as=64602 weight=1 state=up health=up admin=none full=no feeds=live \
                location=JP addresses=192.0.2.80
                london as=64603 weight=5 state=stale health=up admin=none full=no feeds=stale \
                location=GB addresses=-
                .

                """
            ),
            (
                "show feeds",
                """
                * 2
                sydney-core site=sydney kind=bgp peer=203.0.113.1 as=65000 state=established \
                since=17 ipv4=1 ipv6=1 stale=0 refused=0 received=12 sent=3 transfer=complete error=- \
                guard=off
                tokyo-edge site=tokyo kind=mrt peer=202.0.0.1 as=2500 state=failed since=- ipv4=1 \
                ipv6=0 stale=0 refused=0 received=0 sent=0 transfer=complete error=record_7_ends_early \
                guard=off
                .

                """
            ),
            (
                "show routes",
                """
                * -
                1.0.4.0/22 site=tokyo feed=tokyo-edge distance=4 since=17 stale=no \
                nexthop=202.0.0.1 metric=- localpref=- origin=incomplete path=2500,7660,4637,38803 \
                penalty=0 set_distance=- ignored=no validation=- tags=- long_lived_stale=no path_id=- \
                held_back=no
                1.0.4.0/24 site=sydney feed=sydney-core distance=3 since=17 stale=no \
                nexthop=203.0.113.1 metric=7 localpref=100 origin=igp path=1221,38803,56203 \
                penalty=0 set_distance=- ignored=no validation=- tags=- long_lived_stale=no path_id=- \
                held_back=no
                2001:db8::/32 site=sydney feed=sydney-core distance=3 since=17 stale=no \
                nexthop=203.0.113.1 metric=7 localpref=100 origin=igp path=1221,38803,56203 \
                penalty=0 set_distance=- ignored=no validation=- tags=- long_lived_stale=no path_id=- \
                held_back=no
                .

                """
            ),
            ("complete show routes feed ", "* 2\nsydney-core\ntokyo-edge\n.\n"),
            ("quit", "- 400 that belongs to a connection\n"),
        ])
    func forPrograms(line: String, reply: String) async throws {
        let text = try await self.run(line, .machine)
        #expect(text == reply)
    }

    @Test(
        "answer people",
        arguments: [
            (
                "nearest 1.0.4.1",
                "sydney 210.18.215.100 (3 hops, cost 15, by cost, for 1.0.4.0/24)\n"
            ),
            (
                "rank 1.0.4.1",
                """
                #  site    hops  cost     km  rtt  state  reason
                1  sydney     3    15      0    -  up     cost
                2  tokyo      4   156   6803    -  up     cost
                3  london     -     -  15116    -  stale  no-route

                """
            ),
            (
                "explain 1.0.4.1",
                """
                1.0.4.1 in AU: the same for all of 1.0.4.0/24
                #  site    hops  cost     km  rtt  state  reason    prefix      feed            since  path
                1  sydney     3    15      0    -  up     cost      1.0.4.0/24  sydney-core  00:00:17  1221 38803 56203
                2  tokyo      4   156   6803    -  up     cost      1.0.4.0/22  tokyo-edge   00:00:17  2500 7660 4637 38803
                3  london     -     -  15116    -  stale  no-route  -           -                   -  -
                sydney is first: the least cost (0 km x 0.02 + 3 hops x 5).

                """
            ),
            (
                "sh ip bgp 1.0.4.1",
                """
                BGP routing table entry for 1.0.4.0/24
                Paths: (2 available, best #1, table Default-IP-Routing-Table)
                  64600 1221 38803 56203
                    203.0.113.1 from 203.0.113.1 (203.0.113.254)
                      Origin IGP, metric 7, localpref 100, valid, internal, best
                      Last update: <1000000000>

                  64602 2500 7660 4637 38803
                    202.0.0.1 from 202.0.0.1 (202.0.0.1)
                      Origin incomplete, localpref 100, valid, external
                      Last update: <1000000000>


                """
            ),
            (
                "sh ip bgp 1.0.4.0/22",
                """
                BGP routing table entry for 1.0.4.0/22
                Paths: (1 available, best #1, table Default-IP-Routing-Table)
                  64602 2500 7660 4637 38803
                    202.0.0.1 from 202.0.0.1 (202.0.0.1)
                      Origin incomplete, localpref 100, valid, external, best
                      Last update: <1000000000>


                """
            ),
            (
                "show ip bgp 10.1.2.3",
                """
                BGP routing table entry for 10.0.0.0/8
                Paths: (1 available, best #1, table Default-IP-Routing-Table)
                  64603
                    0.0.0.0 from 0.0.0.0 (0.0.0.0)
                      Origin IGP, localpref 100, valid, internal, best


                """
            ),
            ("show bgp ipv6 2001:db8::/33", "% Network not in table\n"),
            (
                "show ip bgp summary",
                """
                BGP router identifier 192.0.2.1, local AS number 65000
                2 BGP AS-PATH entries

                Neighbor        V         AS MsgRcvd MsgSent   TblVer  InQ OutQ Up/Down  State/PfxRcd     IPv4     IPv6    Stale Feed
                203.0.113.1     4      65000      12       3        0    0    0 00:00:17          2          1        1        0 sydney-core
                202.0.0.1       4       2500       0       0        0    0    0 never    Failed              1        0        0 tokyo-edge

                Total number of neighbors 2

                Last errors
                  tokyo-edge: record 7 ends early

                """
            ),
            (
                "show routes feed tokyo-edge",
                """
                prefix              site    feed         hops       since  stale  nexthop          metric  localpref  origin      marks    path
                1.0.4.0/22          tokyo   tokyo-edge      4    00:00:17  no     202.0.0.1             -          -  incomplete  -        2500 7660 4637 38803
                1 route

                """
            ),
            ("show routes feed fish", "% There is no feed 'fish'\n"),
            ("show configuration", "router: { as: 65000 }\nsites: {}\n"),
        ])
    func forPeople(line: String, reply: String) async throws {
        let text = try await self.run(line)
        #expect(text == reply)
    }

    @Test("answer as JSON, the same to people and programs")
    func json() async throws {
        let fixture = try await Fixture()
        let explain = try await self.run("explain 1.0.4.1 --json", on: fixture)
        #expect(
            explain
                == """
                {"address":"1.0.4.1","client":"1.0.4.0/24","scope":24,"name":null,"sites":[\
                {"site":"sydney","addresses":["2001:db8:1::1","210.18.215.100"],"distance":3,\
                "cost":15,"km":0,"rtt":null,"state":"up","reason":"cost","prefix":"1.0.4.0/24",\
                "feed":"sydney-core","since":17,"as_path":[1221,38803,56203],\
                "penalty":0,"set_distance":null,"validation":null,"tags":[],"stale":false,\
                "stale_since":null,"long_lived_stale":false,"path_id":null},\
                {"site":"tokyo","addresses":["192.0.2.80"],"distance":4,"cost":156.064,"km":6803.197,\
                "rtt":null,"state":"up","reason":"cost","prefix":"1.0.4.0/22","feed":"tokyo-edge",\
                "since":17,"as_path":[2500,7660,4637,38803],\
                "penalty":0,"set_distance":null,"validation":null,"tags":[],"stale":false,\
                "stale_since":null,"long_lived_stale":false,"path_id":null},\
                {"site":"london","addresses":[],"distance":null,"cost":null,"km":15115.649,"rtt":null,\
                "state":"stale","reason":"no-route","prefix":null,"feed":null,"since":null,\
                "as_path":null,"penalty":null,"set_distance":null,"validation":null,"tags":[],\
                "stale":null,"stale_since":null,"long_lived_stale":null,"path_id":null}],\
                "location":"AU","all_down":false,"ignored":[],"held":[],"first_transfers":[],\
                "pin":null,"pin_source":null}

                """)
        for line in ["nearest 1.0.4.1 --json", "rank 1.0.4.1 --json"] {
            #expect(try await self.run(line, on: fixture) == explain)
            #expect(try await self.run(line, .machine, on: fixture) == "+ " + explain)
        }
        for line in [
            "show ip bgp 1.0.4.1", "show bgp summary", "show sites", "show feeds", "show routes",
            "show round-trips", "show memory", "show version", "show configuration", "ready",
            "reload", "help", "observe 10.0.0.0/8 tokyo 10", "clear feed sydney-core",
            "clear feed sydney-core soft", "shutdown feed sydney-core",
            "no shutdown feed sydney-core",
        ] {
            let text = try await self.run("\(line) --json", .machine, on: fixture)
            #expect(text.hasPrefix("+ {\"") && text.hasSuffix("}\n"), "\(line): \(text)")
            #expect(text.filter { $0 == "\n" }.count == 1)
        }
    }

    @Test("lists routes within a prefix, up to a limit, over many slices")
    func routes() async throws {
        let fixture = try await Fixture()
        await fixture.fill(3_000)
        func count(_ line: String) async throws -> Int {
            try await self.run(line, .machine, on: fixture)
                .split(separator: "\n").count - 2
        }
        #expect(try await count("show routes") == 3_003)
        #expect(try await count("show routes limit 700") == 700)
        #expect(try await count("show routes limit 0") == 0)
        #expect(try await count("show routes longer-than 172.16.0.0/24") == 256)
        #expect(try await count("show routes longer-than 172.16.0.0/24 limit 300") == 256)
        #expect(try await count("show routes feed tokyo-edge") == 1)
        #expect(try await count("show routes feed tokyo-edge longer-than 172.16.0.0/12") == 0)
    }

    @Test("observe notes a round trip, which decides answers and is shown")
    func observe() async throws {
        let fixture = try await Fixture()
        for line in ["observe 1.0.4.0/23 tokyo 4", "observe 1.0.4.0/23 sydney 14.4"] {
            #expect(try await self.run(line, .machine, on: fixture) == "+ ok\n")
        }
        #expect(try await self.run("observe 2001:db8::/32 tokyo 12", on: fixture) == "ok\n")
        await fixture.owner.flush()
        #expect(
            try await self.run("nearest 1.0.4.1", .machine, on: fixture)
                == "+ tokyo 192.0.2.80 distance=4 cost=4 scope=24 reason=cost\n")
        #expect(
            try await self.run("rank 1.0.4.1", on: fixture)
                == """
                #  site    hops  cost     km  rtt  state  reason
                1  tokyo      4     4   6803    4  up     cost
                2  sydney     3    14      0   14  up     cost
                3  london     -     -  15116    -  stale  no-route

                """)
        #expect(
            try await self.run("explain 1.0.4.1", on: fixture)
                .contains("tokyo is first: the least cost (a round trip of 4 ms)."))
        #expect(
            try await self.run("observe 1.0.4.0/23 tokyo 40", .machine, on: fixture) == "+ ok\n")
        #expect(
            try await self.run("show round-trips", .machine, on: fixture)
                == """
                * -
                1.0.4.0/23 site=sydney rtt=14.2 average=14.4 observed=17 file=-
                1.0.4.0/23 site=tokyo rtt=12.9 average=13.0 observed=17 file=-
                2001:db8::/32 site=tokyo rtt=11.7 average=12.0 observed=17 file=-
                .

                """)
        #expect(
            try await self.run("show round-trips 1.0.4.0/22 limit 1", on: fixture)
                == """
                prefix              site       rtt   average    observed      file
                1.0.4.0/23          sydney    14.2      14.4    00:00:17         -
                1 round trip

                """)
        #expect(
            try await self.run("show round-trips 1.0.0.0/24 --json", on: fixture)
                == "{\"round_trips\":[]}\n")
    }

    @Test("observe refuses what it can't take in, and says why")
    func refusedObservations() async throws {
        let fixture = try await Fixture(limits: TableLimits(roundTripPrefixes: 1))
        func observe(_ prefix: String, _ site: String) async throws -> String {
            let reply = try await self.run("observe \(prefix) \(site) 10", .machine, on: fixture)
            await fixture.owner.flush()
            return reply
        }
        #expect(try await observe("10.0.0.0/8", "fish") == "- 404 there is no site 'fish'\n")
        #expect(try await observe("10.0.0.0/8", "tokyo") == "+ ok\n")
        #expect(
            try await observe("11.0.0.0/8", "tokyo")
                == "- 429 round trips are known of 1 prefixes, as many as may be\n")
        #expect(try await observe("10.0.0.0/8", "sydney") == "+ ok\n")
    }

    @Test("observe tells when no further class fits")
    func observationsWithoutClasses() async throws {
        let fixture = try await Fixture(limits: TableLimits(classes: 2))
        await fixture.owner.flush()
        #expect(
            try await self.run("observe 10.0.0.0/8 tokyo 10", .machine, on: fixture)
                == "- 429 the table has 2 classes, as many as may be: observations are refused\n")
        await fixture.owner.flush()
        #expect(try await fixture.owner.query { $0.counts() }.refusedObservations == 1)
    }

    @Test("show memory adds up, and counts")
    func memory() async throws {
        let text = try await self.run("show memory", .machine)
        let lines = text.split(separator: "\n").dropFirst().dropLast()
        let counts = try #require(lines.last)
        #expect(counts.hasPrefix("counts ipv4_prefixes=2 ipv6_prefixes=1 routes=3 "))
        #expect(lines.contains { $0.hasPrefix("process bytes=") })
        let rows = try lines.compactMap { line -> (name: Substring, bytes: Int)? in
            let words = line.split(separator: " ")
            guard words.count == 2, words[1].hasPrefix("bytes=") else { return nil }
            return (words[0], try #require(Int(words[1].dropFirst(6))))
        }
        let parts = rows.prefix { $0.name != "table" }
        #expect(parts.contains { $0.name == "scopes" } && parts.contains { $0.name == "queue" })
        #expect(rows[parts.count].bytes == parts.reduce(0) { $0 + $1.bytes })
        #expect(text.hasPrefix("* \(lines.count)\n"))
    }

    @Test("checkpoint writes the table, and show checkpoint tells how that went")
    func checkpoint() async throws {
        let fixture = try await Fixture()
        for line in ["checkpoint", "show checkpoint"] {
            #expect(
                try await self.run(line, .machine, on: fixture)
                    == "- 404 no checkpoint is configured: see 'checkpoint' in the configuration\n")
        }
        var report = CheckpointReport(file: "/var/lib/martlet/table", every: 900)
        report.reading = .init(state: "refused", error: "it is damaged")
        var counts = CheckpointCounts()
        counts.ipv4Prefixes = 2
        counts.routes = 3
        report.writing = .init(
            state: "written", time: Fixture.startTime - 7, bytes: 1234, counts: counts,
            milliseconds: 5)
        fixture.set(checkpoint: report)
        for line in ["checkpoint", "show checkpoint"] {
            #expect(
                try await self.run(line, .machine, on: fixture) == """
                    * 2
                    reading state=refused age=- bytes=- ipv4=- ipv6=- routes=- ms=- error=it_is_damaged
                    writing state=written age=24 bytes=1234 ipv4=2 ipv6=0 routes=3 ms=5 error=-
                    .

                    """)
        }
        #expect(
            try await self.run("show checkpoint --json", on: fixture).hasPrefix(
                "{\"file\":\"/var/lib/martlet/table\",\"every\":900,\"checkpoint\":[{"))
        #expect(
            try await self.run("show checkpoint", on: fixture).contains(
                "The file is /var/lib/martlet/table; it is written at the end and every 900 "))
        report.writing.error = "the disk is full"
        fixture.set(checkpoint: report)
        #expect(
            try await self.run("checkpoint", .machine, on: fixture) == "- 500 the disk is full\n")
    }

    @Test("a reload that fails says where")
    func reload() async throws {
        let fixture = try await Fixture()
        fixture.nextReload(
            .failure(
                CommandFailure(
                    .ourFault, "the configuration is unchanged",
                    details: ["martlet.yaml:3:5: unknown key 'sits'"])))
        let (text, isGood) = try await fixture.interpreter().run("reload")
        #expect(
            text == "% The configuration is unchanged\n%   martlet.yaml:3:5: unknown key 'sits'\n")
        #expect(!isGood)
        fixture.nextReload(.success(["feed sydney-core: password", "zone example.com"]))
        #expect(
            try await self.run("reload", .machine, on: fixture)
                == "* 2\nfeed sydney-core: password\nzone example.com\n.\n")
        fixture.nextReload(.success(["zone example.com"]))
        #expect(
            try await self.run("reload --json", on: fixture)
                == "{\"changes\":[\"zone example.com\"]}\n")
        #expect(try await self.run("reload --json", on: fixture) == "{\"changes\":[]}\n")
    }

    @Test("help as JSON has every command that help has")
    func help() async throws {
        let text = try await self.run("help --json")
        for line in try await self.run("help").split(separator: "\n") {
            let syntax = try #require(line.dropFirst(2).split(separator: "  ").first)
            #expect(text.contains("{\"syntax\":\"\(syntax)\",\"help\":\""), "\(syntax)")
        }
    }

    @Test("nearest answers nothing before the daemon is ready")
    func notReady() async throws {
        let fixture = try await Fixture()
        fixture.setReadiness(.notReady(waitingFor: "feed sydney-core"))
        #expect(
            try await self.run("nearest 1.0.4.1", .machine, on: fixture)
                == "- 503 not ready: feed sydney-core\n")
        #expect(
            try await self.run("ready", .machine, on: fixture)
                == "- 503 not ready: feed sydney-core\n")
        #expect(
            try await self.run("ready --json", on: fixture)
                == "{\"ready\":false,\"waiting_for\":\"feed sydney-core\"}\n")
        #expect(try await self.run("rank 1.0.4.1", on: fixture).contains("sydney"))
    }

    @Test("explain says for whom DNS answers hold, and why that is another block")
    func answerScopes() async throws {
        let fixture = try await Fixture()
        fixture.oracle.update { $0.sites[1].addresses.append(IPAddress(ipv4: 0xc000_0251)) }
        func explain(_ change: (inout NearestNameReport) -> Void) async throws -> [String] {
            var report = NearestNameReport(
                answers: 1, timeToLive: 60, minimumTimeToLive: 5, usesClientSubnet: true,
                aliases: [:], rotates: true)
            change(&report)
            fixture.nearestNames.withLock { $0["www.example.com"] = report }
            return try await self.run("explain 1.0.6.1 for www.example.com", on: fixture)
                .split(separator: "\n").map(String.init)
        }
        let rotated = try await explain { _ in }
        #expect(
            rotated.first
                == "1.0.6.1, asking for www.example.com: the same for all of 1.0.6.0/23")
        #expect(
            rotated.contains(
                "DNS answers with A: the same for all of 1.0.6.0/24, by which a site's addresses "
                    + "are rotated."))
        #expect(rotated.contains("DNS answers with AAAA: none, whoever asks."))
        #expect(
            try await self.run("explain 1.0.6.1 for www.example.com --json", on: fixture).hasSuffix(
                "\"answer_scopes\":[\"answer=A scope=24 reason=rotation\","
                    + "\"answer=AAAA scope=0 reason=nodata\"]}\n"))
        #expect(
            try await explain { $0.rotates = false }
                .contains("DNS answers with A: the same for all of 1.0.6.0/23."))
        #expect(
            try await explain { $0.aliases = ["tokyo": "tokyo.example.net"] }
                .contains("DNS answers with CNAME: the same for all of 1.0.6.0/23."))
        #expect(
            try await explain { $0.usesClientSubnet = false }
                .contains(
                    "DNS answers with A: by the resolver's address, scope 0, as client-subnet is "
                        + "off."))
        #expect(
            !(try await self.run("explain 1.0.6.1", on: fixture)).contains("DNS"),
            "without a name there is no answer")
    }

    @Test("explain says it when no site may be answered")
    func allDown() async throws {
        let fixture = try await Fixture()
        fixture.oracle.update { world in
            for site in world.sites { world.status[site.id, default: .init()].health = .down }
        }
        let text = try await self.run("explain 1.0.4.1", on: fixture)
        let words = "All sites are down, drained or full; all-down is "
        #expect(text.contains(words + "all: they are answered as if they were up."))
        fixture.oracle.update { $0.policies[0].allDown = .none }
        #expect(
            try await self.run("nearest 1.0.4.1", .machine, on: fixture)
                == "- 503 no site may be answered\n")
        let none = try await self.run("explain 1.0.4.1", on: fixture)
        #expect(none.contains(words + "none: none is answered.") && none.contains("sydney"))
    }
}
