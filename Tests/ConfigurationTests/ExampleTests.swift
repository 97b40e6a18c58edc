// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import Choice
import Configuration
import Console
import DNSFront
import DNSWire
import FeedRules
import NIOCore
import RouteTable
import Testing

@Suite("The design's example")
struct ExampleTests {
    static func sites(_ numbers: UInt8...) -> [SiteID] { numbers.map(SiteID.init(rawValue:)) }

    @Test("is understood whole")
    func whole() {
        #expect(Reading.complaints(Example.designed) == [])
    }

    @Test("is read as it says")
    func read() throws {
        let configuration = try Reading.parse(Example.text)
        #expect(configuration.router?.asNumber == 65000)
        #expect(configuration.router?.identifier == (try IPAddress(parsing: "192.0.2.1")))
        #expect(configuration.listen.bgp.map(\.description) == ["[::]:179"])
        #expect(
            configuration.listen.console.map(\.endpoint.description)
                == ["127.0.0.1:7777", "127.0.0.1:7778"])
        #expect(configuration.listen.console.map(\.face) == [.people, .machine])
        #expect(configuration.listen.socket == .path("/run/martlet/console.sock"))
        #expect(configuration.listen.dns.map(\.description) == ["[::]:53"])
        #expect(configuration.sites.map(\.name) == ["sydney", "amsterdam", "tokyo"])
        #expect(configuration.sites.map(\.asNumber) == [64600, 64601, 64602])
        #expect(configuration.sites.map(\.weight) == [10, 20, 1])
        #expect(
            configuration.sites.map(\.location) == [
                .country("AU"), .country("NL"), .coordinates(latitude: 35.7, longitude: 139.7),
            ])
        #expect(
            configuration.sites[0].addresses.map(\.description)
                == ["210.18.215.100", "2001:db8:1::1"])
        #expect(
            configuration.feeds.map(\.name)
                == ["sydney-core", "sydney-edge", "ams-dump", "tokyo-dump"])
        #expect(configuration.feeds.allSatisfy { $0.staleTime == .seconds(180) })
        #expect(
            configuration.feeds.map { $0.rules.rules.map(\.words) }
                == [[], ["community 65000:666 -> reject"], [], []])
        #expect(configuration.maps == ["override.routes"])
        #expect(
            configuration.locationRanges == ["/usr/share/tor/geoip", "/usr/share/tor/geoip6"])
        #expect(configuration.zones.map(\.apex.description) == ["example.com.", "example.net."])
        let www = try #require(configuration.zones.first?.nearest.first)
        #expect(www.sites == ["sydney", "amsterdam", "tokyo"])
        #expect(www.timeToLive == 60)
        #expect(www.answers == 1)
        #expect(configuration.zones[1].nearest.map(\.timeToLive) == [300])
    }

    @Test("gives the table, Choice and the speaker what they need")
    func rooms() throws {
        let plan = try Reading.parse(Example.text).plan()
        #expect(plan.sites.map(\.id) == Self.sites(0, 1, 2))
        #expect(plan.sites.map(\.name) == ["sydney", "amsterdam", "tokyo"])
        #expect(plan.sites.map(\.place?.name) == ["AU", "NL", "35.7 139.7"])
        #expect(plan.sites[2].place?.latitude == 35.7)
        #expect(
            plan.sitesByNumber == [
                64600: SiteID(rawValue: 0), 64601: SiteID(rawValue: 1),
                64602: SiteID(rawValue: 2),
            ])
        // Number 0 is for questions without a name, and for those alone.
        #expect(
            plan.policies == [
                Policy(sites: Self.sites(0, 1, 2)), Policy(sites: Self.sites(0, 1, 2)),
                Policy(sites: Self.sites(0, 2)),
            ])
        #expect(plan.policy(named: "WWW.example.com") == 1)
        #expect(plan.policy(named: "www.example.net.") == 2)
        #expect(plan.policy(named: "ns1.example.com") == nil)
        #expect(plan.feeds.map(\.id.rawValue) == [0, 1, 2, 3])
        #expect(plan.feeds.map(\.order) == [0, 1, 2, 3].map { $0 << 32 })
        #expect(plan.feeds.map(\.site) == Self.sites(0, 0, 1, 2))
        #expect(plan.feeds.allSatisfy { $0.throughSites.isEmpty })
        #expect(plan.staleTimes[FeedID(rawValue: 3)] == .seconds(180))

        #expect(plan.speaker.listen.map(\.description) == ["[::]:179"])
        #expect(plan.speaker.peers.map(\.name) == ["sydney-core", "sydney-edge"])
        #expect(plan.speaker.peers.map(\.connect) == [.both, .passive])
        let peer = try #require(plan.speaker.peers.first)
        #expect(peer.localAS == 65000)
        #expect(peer.peerAS == 65000)
        #expect(peer.routerID == 0xc000_0201)
        #expect(peer.holdTime == 90)
        #expect(peer.port == 179)

        // One pass over the file that two feeds read.
        #expect(plan.dumps.map(\.file) == ["rib.20261101.0000.bz2"])
        let selections = plan.dumps.flatMap(\.feeds)
        #expect(selections.map(\.feed.rawValue) == [2, 3])
        #expect(selections.map(\.peer?.description) == [nil, "202.232.0.2"])
        #expect(selections.map(\.peerAS) == [1103, nil])
    }

    @Test("gives the fronts what they need")
    func fronts() throws {
        let plan = try Reading.parse(Example.text).plan(usualSocket: "/unused")
        #expect(plan.console.socketPath == "/run/martlet/console.sock")
        #expect(plan.console.listeners.map(\.address.port) == [7777, 7778])
        #expect(plan.console.listeners.map(\.face) == [.people, .machine])
        #expect(plan.console.password == nil)
        #expect(plan.dns.listeners.map(\.endpoint.description) == ["[::]:53"])
        let zone = try #require(plan.zones.first)
        let www = try DomainName(parsing: "www.example.com")
        let nearest = try #require(zone.nearest[www])
        #expect(nearest.policy == 1)
        #expect(nearest.timeToLive == 60)
        #expect(nearest.answers == 1)
        #expect(zone.startOfAuthority.host.description == "ns1.example.com.")
        #expect(zone.startOfAuthority.mailbox.description == "hostmaster.example.com.")
        for zone in plan.zones { try zone.check() }
    }

    @Test("fills in the usual socket where the file doesn't say, and none where it says none")
    func socket() throws {
        let usual = try Reading.parse(Reading.sites)
        #expect(usual.plan(usualSocket: "/run/x.sock").console.socketPath == "/run/x.sock")
        let none = try Reading.parse(Reading.sites + "listen: { socket: none }\n")
        #expect(none.plan(usualSocket: "/run/x.sock").console.socketPath == nil)
    }

    @Test("reads Norway as text, wherever it stands")
    func norway() throws {
        let configuration = try Reading.parse(
            "sites: { NO: { as: 1, location: NO }, on: { as: 2 }, 1.5: { as: 3 }, null: { as: 4 } }"
        )
        #expect(configuration.sites.map(\.name) == ["NO", "on", "1.5", "null"])
        #expect(configuration.sites[0].location == .country("NO"))
        #expect(configuration.plan().sites[0].place?.name == "NO")
    }

    @Test("reads paths through sites by the other sites' numbers")
    func throughSites() throws {
        let configuration = try Reading.parse(
            Reading.sites
                + "feeds: { f: { site: tokyo, mrt: { file: x, peer-as: 7 }, read: through-sites } }"
        )
        #expect(
            configuration.plan().feeds.map(\.throughSites) == [[SiteID(rawValue: 0): 64600]])
    }

    @Test("uses an alias as what its anchor stands for")
    func alias() throws {
        let configuration = try Reading.parse(
            """
            sites:
              a: &site { as: 1, addresses: &addresses [192.0.2.1, 192.0.2.2] }
              b: { as: 2, addresses: *addresses }
            """)
        #expect(configuration.sites[0].addresses == configuration.sites[1].addresses)
        #expect(configuration.sites[1].addresses.count == 2)
    }

    @Test("a feed keeps what it says, else what all feeds keep, else the path")
    func kept() throws {
        func kept(_ top: String, _ own: String) throws -> [KeptAttributes] {
            try Reading.parse(
                Reading.sites + top
                    + "feeds: { f: { site: tokyo, mrt: { file: x, peer-as: 7 }\(own) } }"
            ).feeds.map(\.kept)
        }
        #expect(try kept("", "") == [.path])
        #expect(try kept("keep: [path, communities]\n", "") == [.communities])
        #expect(try kept("keep: [length]\n", ", keep: path") == [.path])
        #expect(try kept("", ", keep: [length]") == [.length])
    }

    @Test("routers' tables: one file is read once for all feeds that read it alike")
    func texts() throws {
        let plan = try Reading.parse(
            Reading.sites + """
                feeds:
                  f: { site: tokyo, text: { file: x } }
                  g: { site: sydney, text: { file: x, peer: 192.0.2.1, peer-as: 7 }, keep: [length] }
                  h: { site: sydney, text: { file: x, peer-as: 9, bad-lines: skip } }
                  i: { site: tokyo, mrt: { file: x, peer-as: 7 } }
                """
        ).plan()
        #expect(plan.dumps.map(\.file) == ["x", "x", "x"])
        #expect(
            plan.dumps.map(\.format) == [
                .text(skipsBadLines: false), .text(skipsBadLines: true), .mrt,
            ])
        #expect(plan.dumps.map(\.feeds.count) == [2, 1, 1])
        #expect(plan.dumps[0].feeds[1].peer == IPAddress(ipv4: 0xc000_0201))
        #expect(plan.dumps[0].feeds[1].peerAS == 7)
        #expect(plan.dumps[0].feeds[1].kept == .length)
    }

    @Test("guards: the usual one, one for all, one for a feed, none; never for dumps")
    func guards() throws {
        func rules(_ guards: String, _ own: String) throws -> [FeedGuardRules?] {
            try Reading.parse(
                "router: { as: 65000, id: 192.0.2.1 }\n" + Reading.sites + guards + """

                    feeds:
                      f: { site: tokyo, bgp: { peer: 192.0.2.1, as: 7 }\(own) }
                      g: { site: tokyo, bgp: { peer: 192.0.2.2, as: 7 } }
                      h: { site: tokyo, mrt: { file: x, peer-as: 7 } }
                    """
            ).plan().feeds.map(\.guardRules)
        }
        let usual = FeedGuardRules(share: 0.5, window: 60, settle: 600)
        #expect(try rules("", "") == [usual, usual, nil])
        #expect(
            try rules("", ", guard: { window: 2m, settle: 1h }")
                == [FeedGuardRules(share: 0.5, window: 120, settle: 3600), usual, nil])
        #expect(
            try rules("guard: { share: 0.8 }", ", guard: off")
                == [nil, FeedGuardRules(share: 0.8), nil])
        #expect(
            try rules("guard: off", ", guard: { share: 0.2 }")
                == [FeedGuardRules(share: 0.2), nil, nil])
    }

    @Test(
        "reads times",
        arguments: [
            ("0", Duration.zero), ("90", .seconds(90)), ("500ms", .milliseconds(500)),
            ("5s", .seconds(5)), ("3m", .seconds(180)), ("2h", .seconds(7200)),
            ("7d", .seconds(604_800)),
        ])
    func times(text: String, duration: Duration) throws {
        let configuration = try Reading.parse(
            Reading.sites
                + "feeds: { f: { site: tokyo, mrt: { file: x, peer-as: 7 }, stale-time: \(text) } }"
        )
        #expect(configuration.feeds.map(\.staleTime) == [duration])
    }
}
