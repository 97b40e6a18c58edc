// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Configuration
import Testing

/// A change of the text, and what is said of it.
struct Change: CustomTestStringConvertible, Sendable {
    var from: String
    var to: String
    var words: [String]

    init(_ from: String, _ to: String, _ words: String...) {
        self.from = from
        self.to = to
        self.words = words
    }

    var testDescription: String { self.words.joined(separator: "; ") }
}

@Suite("What a reload says that it changes")
struct DifferenceTests {
    static let text = """
        router: { as: 65000, id: 192.0.2.9 }
        listen: { bgp: ["127.0.0.1:179"], dns: ["127.0.0.1:53"] }
        console: { idle-timeout: 60 }
        sites:
          a: { as: 1, addresses: [192.0.2.1], location: AU }
          b: { as: 2, addresses: [192.0.2.2] }
        feeds:
          live: { site: a, bgp: { peer: 192.0.2.7, as: 7 } }
          dump: { site: b, mrt: { file: rib.gz, peer-as: 8 } }
        maps: [one.routes]
        location: { ranges: [geoip] }
        round-trips: { files: [one.csv] }
        zones:
          example.com: { ns: ns.example.org, records: { www: { nearest: [a, b] } } }
        choice: { measure: cost }
        dns: { threads: 1 }
        log: { level: info }
        ready: { wait: 60 }

        """

    @Test(
        "is what differs, and what that resets",
        arguments: [
            Change("", ""),
            Change(
                "as: 7 } }", "as: 7 }, rules: [ { penalty: 1 }, { reject: true } ] }",
                "feed 'live': rules: + all -> penalty 1, + all -> reject"),
            Change(
                "peer-as: 8 } }", "peer-as: 8 }, prepends: once, default-route: ignore }",
                "feed 'dump': options as usual -> prepends once, default route ignored"),
            Change("[one.csv]", "[one.csv, two.csv]", "round trips: one.csv -> one.csv, two.csv"),
            Change(
                "[one.csv]", "[one.csv], weight: 0.5, expire: 2h",
                "round trips: observations weigh 0.25 and expire after 1 d -> "
                    + "observations weigh 0.5 and expire after 2 h"),
            Change(
                "ready: {", "flip-hold: { flips: 3, calm: 2m }\nready: {",
                "flip hold: off -> after 3 flips in 1 min, until calm for 2 min"),
            Change(
                "as: 65000", "as: 65001",
                "router: AS 65000, 192.0.2.9 -> AS 65001, 192.0.2.9; all BGP sessions are reset"),
            Change(
                "ready: {", "rpki: { caches: [{ address: 192.0.2.8, port: 3323 }] }\nready: {",
                "rpki: none -> caches 192.0.2.8:3323; invalid routes: ignore; routes are judged "
                    + "anew"),
            Change(
                "bgp: { peer: 192.0.2.7, as: 7 }", "bmp: { router: 192.0.2.7, policy: post }",
                "feed 'live': BGP with 192.0.2.7 AS 7 -> BMP from 192.0.2.7, policy post; its "
                    + "routes leave at once"),
            Change(
                "listen: {", "listen: { bmp: '[::1]:1790',",
                "listen bmp: none -> [::1]:1790"),
            Change(
                "[\"127.0.0.1:179\"]", "[\"[::]:179\", \"127.0.0.1:1179\"]",
                "listen bgp: 127.0.0.1:179 -> [::]:179, 127.0.0.1:1179; what was there is closed "
                    + "once the new is there"),
            Change(
                "peer: 192.0.2.7, as: 7", "peer: 192.0.2.7, as: 7, ttl-security: 1",
                "feed 'live': reach usual reach -> TTL security, 1 hop at most; the session is "
                    + "reset"),
            Change(
                "peer: 192.0.2.7, as: 7", "peer: 192.0.2.7, as: 7, password-file: x",
                "feed 'live': signed by nothing -> TCP MD5; the session is reset"),
            Change(
                "peer: 192.0.2.7, as: 7", "peer: 192.0.2.7, as: 7, role: customer, delay-open: 2",
                "feed 'live': usual options -> role customer, delay-open off -> 2 s; the session "
                    + "is reset"),
            Change(
                "site: a, bgp", "site: a, limits: { ipv6: 3, action: restart }, bgp",
                "feed 'live': limits as many prefixes as the table takes -> at most 3 IPv6 "
                    + "prefixes (warn at 80%, then again after 10 min)"),
            Change(
                "127.0.0.1:53", "[::1]:53",
                "listen dns: 127.0.0.1:53 -> [::1]:53; what was there is closed once the new is "
                    + "there"),
            Change(
                "listen: {", "listen: { socket: none,",
                "listen socket: the usual one -> none, from the next start on"),
            Change(
                "a: { as: 1, addresses: [192.0.2.1], location: AU }",
                "a: { as: 3, addresses: [192.0.2.1, '::1'], weight: 5, without-routes: down }",
                "site 'a': AS 1 -> 3, addresses 192.0.2.1 -> 192.0.2.1, ::1, weight 1 -> 5, "
                    + "location AU -> none, without-routes last -> down"),
            Change(
                "  b: { as: 2,", "  c: { as: 3 }\n  b: { as: 2,",
                "site 'c': added"),
            Change(
                "  live: { site: a, bgp: { peer: 192.0.2.7, as: 7 } }\n", "",
                "feed 'live': removed; its routes leave at once"),
            Change(
                "as: 7 }", "as: 7, hold-time: 30 }",
                "feed 'live': hold-time 90 -> 30; the session is reset"),
            Change(
                "as: 7 }", "as: 7, connect: passive }", "feed 'live': connect both -> passive"),
            Change(
                "as: 7 }", "as: 7, families: ipv6 }",
                "feed 'live': families ipv4 ipv6 -> ipv6; the session is reset"),
            Change(
                "as: 7 } }", "as: 7 }, stale-time: 5m, read: through-sites }",
                "feed 'live': read plain -> through-sites, stale-time 3 min -> 5 min"),
            Change(
                "as: 7 } }", "as: 7 }, keep: [path, communities] }",
                "feed 'live': keep [path] -> [path, communities]; the session is reset"),
            Change(
                "peer-as: 8 }", "peer-as: 8 }, keep: [length]",
                "feed 'dump': keep [path] -> [length]; it is read again"),
            Change(
                "as: 7 } }", "as: 7 }, guard: { share: 0.3 } }",
                "feed 'live': guard 0.5 in 1 min, settles in 10 min -> 0.3 in 1 min, settles in "
                    + "10 min"),
            Change(
                "listen: {", "guard: off\nlisten: {",
                "feed 'live': guard 0.5 in 1 min, settles in 10 min -> off"),
            Change("live: { site: a", "live: { site: b", "feed 'live': site a -> b"),
            Change(
                "peer-as: 8", "peer-as: 9",
                "feed 'dump': rib.gz, peer AS 8 -> rib.gz, peer AS 9; it is read again"),
            Change(
                "mrt: { file: rib.gz, peer-as: 8 }", "bgp: { peer: 192.0.2.8, as: 8 }",
                "feed 'dump': rib.gz, peer AS 8 -> BGP with 192.0.2.8 AS 8; its routes leave at "
                    + "once"),
            Change(
                "as: 7 } }",
                "as: 7 }, dump: { file: a.%s, rotate-size: 1M, rotate-every: 1h, keep: 3 } }",
                "feed 'live': dump none -> a.%s of 1M every 1 h, 3 kept"),
            Change(
                "mrt: { file: rib.gz, peer-as: 8 }", "text: { file: bgp.txt }",
                "feed 'dump': rib.gz, peer AS 8 -> bgp.txt, best paths; it is read again"),
            Change(
                "bgp: { peer: 192.0.2.7, as: 7 }",
                "text: { file: bgp.txt, peer: 192.0.2.9, bad-lines: skip }",
                "feed 'live': BGP with 192.0.2.7 AS 7 -> bgp.txt, paths of 192.0.2.9, bad lines "
                    + "left out; its routes leave at once"),
            Change(
                "[one.routes]", "[one.routes, two.routes]",
                "route maps: one.routes -> one.routes, two.routes"),
            Change(
                "location: { ranges: [geoip] }\n", "", "location ranges: geoip -> none"),
            Change(
                "nearest: [a, b]", "nearest: [b, a]", "zone example.com.: changed"),
            Change(
                "zones:\n", "zones:\n  example.net: { ns: ns.example.org }\n",
                "zone example.net.: added"),
            Change(
                "example.com:", "example.net:", "zone example.com.: removed",
                "zone example.net.: added"),
            Change(
                "log: {", "checkpoint: { file: table }\nlog: {",
                "checkpoint: none -> table every 15 min"),
            Change("level: info", "level: debug", "log level: info -> debug"),
            Change("wait: 60", "wait: 90", "ready wait: 1 min -> 90 s, at the next start"),
            Change("threads: 1", "threads: 2", "dns: 2 threads"),
            Change(
                "threads: 1", "threads: 2, rate-limit: off, version: hidden",
                "dns: 2 threads; version hidden; rate-limit off"),
            Change(
                "dns: [\"127.0.0.1:53\"]",
                "dns: [{ address: \"127.0.0.1:53\", client-subnet: off }]",
                "listen dns: 127.0.0.1:53 -> 127.0.0.1:53 (client-subnet off); what was there is "
                    + "closed once the new is there"),
            Change(
                "timeout: 60", "timeout: 90",
                "console: idle-timeout 1 min -> 90 s, for new connections"),
        ])
    func differences(change: Change) throws {
        let old = try Reading.parse(Self.text)
        let text =
            change.from.isEmpty ? Self.text : Self.text.replacing(change.from, with: change.to)
        #expect(change.from.isEmpty || text != Self.text)
        #expect(try Reading.parse(text).differences(from: old) == change.words)
    }

    @Test("is said of the order of sites and feeds, as that decides ties")
    func order() throws {
        let old = try Reading.parse(
            """
            sites: { a: { as: 1 }, b: { as: 2 } }
            feeds:
              f: { site: a, mrt: { file: x, peer-as: 1 } }
              g: { site: a, mrt: { file: x, peer-as: 2 } }
            """)
        let new = try Reading.parse(
            """
            sites: { b: { as: 2 }, a: { as: 1 } }
            feeds:
              g: { site: a, mrt: { file: x, peer-as: 2 } }
              f: { site: a, mrt: { file: x, peer-as: 1 } }
            """)
        #expect(
            new.differences(from: old) == [
                "sites: in another order",
                "feeds: in another order; equal routes may be decided otherwise",
            ])
    }

    @Test("is said of the choice, and of the zones whose names take it over")
    func choice() throws {
        let old = try Reading.parse(Self.text)
        let new = try Reading.parse(
            Self.text.replacing("measure: cost", with: "measure: hops"))
        #expect(
            new.differences(from: old)
                == ["zone example.com.: changed", "choice: measure cost -> hops"])
    }

    @Test("A summary shows what would run, and notes what is perhaps not meant")
    func summary() throws {
        let text = Self.text.replacing(
            "listen: {", with: "listen: { console: ['0.0.0.0:7777'], ")
        #expect(
            try Reading.parse(text).summary(usualSocket: "/run/martlet.sock") == """
                router AS 65000, identifier 192.0.2.9
                listen bgp: 127.0.0.1:179
                listen console: 0.0.0.0:7777
                listen socket: /run/martlet.sock
                listen dns: 127.0.0.1:53
                2 sites
                  a  AS 1  192.0.2.1  AU  weight 1
                  b  AS 2  192.0.2.2  no location  weight 1
                2 feeds
                  live  of a  BGP with 192.0.2.7 AS 7
                  dump  of b  rib.gz, peer AS 8
                1 route map
                  one.routes
                1 file of locations
                  geoip
                console: idle-timeout 1 min
                1 file of round trips, observations weigh 0.25 and expire after 1 d
                  one.csv
                1 zone
                  example.com.  2 records  serial 583042433
                    www.example.com.  nearest of a, b  by cost  ttl 300
                note: kilometres count nothing for www.example.com.: site 'b' has no location
                note: the console is open to the network without a password

                """)
    }

    @Test("A summary notes sites that nothing feeds, and zones that nobody is told of")
    func notes() throws {
        let configuration = try Reading.parse(
            Reading.sites + "zones: { example.com: { ns: ns.example.org } }\n")
        #expect(
            configuration.warnings == [
                "site 'sydney' has no feed: it never has a route",
                "site 'tokyo' has no feed: it never has a route",
                "no listen: dns, so that nobody is told of the zones",
            ])
    }
}
