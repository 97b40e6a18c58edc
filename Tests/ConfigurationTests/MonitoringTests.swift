// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Configuration
import OriginValidation
import RouteTable
import Testing

@Suite("RPKI caches and monitored routers in a configuration")
struct MonitoringTests {
    static let text =
        Reading.sites + Reading.router + """
            listen: { bmp: "[::1]:1790" }
            rpki:
              caches: [{ address: 192.0.2.1, port: 3323 }, { address: "2001:db8::1" }, "192.0.2.2:8282"]
              invalid: accept
              refresh: 10m
              expire: 1h
              maximum-payloads: 600000
            feeds:
              one: { site: tokyo, stale-time: 1m, bmp: { router: 192.0.2.9, policy: loc-rib } }
              many:
                site: sydney
                bmp: { router: 203.0.113.0/24, maximum-routers: 3, maximum-peers: 20, quiet-time: 3s }
              live: { site: sydney, bgp: { peer: 192.0.2.7, as: 7 } }

            """

    @Test("become the settings of what runs them")
    func plan() throws {
        let plan = try Reading.parse(Self.text).plan()
        #expect(
            plan.origins.caches.map(\.description)
                == ["192.0.2.1:3323", "[2001:db8::1]:323", "192.0.2.2:8282"])
        #expect(
            plan.origins.session
                == RTRSettings(
                    refresh: .seconds(600), expire: .seconds(3600), maximumPayloads: 600_000))
        #expect(!plan.ignoresInvalid)
        #expect(plan.bmp.listen.map(\.description) == ["[::1]:1790"])
        let (one, many) = (plan.bmp.routers[0], plan.bmp.routers[1])
        #expect("\(one.view)" == "locRIB")
        #expect(one.router.description == "192.0.2.9/32")
        #expect(one.staleTime == .seconds(60))
        #expect(one.range == nil)
        #expect("\(many.view)" == "pre")
        #expect(many.maximumPeers == 20)
        #expect(many.quietTime == .seconds(3))
        // All peers of a router may have a prefix.
        #expect(plan.feeds.map(\.pathsPerPrefix) == [1000, 0])
        #expect(many.range?.definition.pathsPerPrefix == 20)
        let slots = try #require(many.range?.slots)
        #expect(Set(slots).count == 3)
        #expect(plan.feeds.map(\.name) == ["one", "live"], "a range is no feed of the table")
        let live = try #require(plan.assignment.feeds["live"])
        #expect(Set(plan.validated.keys) == Set([one.feed, many.feed, live] + slots))
        #expect(plan.validated[live]?.localAS == 65000)
    }

    @Test("are ignored where nothing is said, and the usual intervals are the caches'")
    func usual() throws {
        let plan = try Reading.parse(
            Reading.sites + "rpki: { caches: { address: 192.0.2.1 } }\n"
        ).plan()
        #expect(plan.ignoresInvalid)
        #expect(plan.origins.session == RTRSettings())
        #expect(try Reading.parse(Reading.sites).plan().origins.caches.isEmpty)
    }

    @Test("stand in the summary, and a router that can't connect is noted")
    func summary() throws {
        let summary = try Reading.parse(Self.text).summary()
        #expect(
            summary.contains(
                "rpki caches 192.0.2.1:3323, [2001:db8::1]:323, 192.0.2.2:8282; invalid routes: "
                    + "accept; refresh 10 min; expire 1 h; at most 600000 payloads"))
        #expect(summary.contains("listen bmp: [::1]:1790"))
        #expect(summary.contains("one  of tokyo  BMP from 192.0.2.9, policy loc-rib"))
        #expect(
            summary.contains(
                "BMP from 203.0.113.0/24, at most 3 routers, policy pre, at most 20 peers, "
                    + "quiet-time 3 s"))
        let deaf = try Reading.parse(
            Reading.sites + "feeds: { one: { site: tokyo, bmp: { router: 192.0.2.9 } } }\n")
        #expect(
            deaf.warnings.contains("no listen: bmp, so that no router can connect for 'one'"))
    }
}
