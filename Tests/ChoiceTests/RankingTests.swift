// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable
import Testing

@Suite("Ranking")
struct RankingTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var scene: Scene
        var line: String

        init(_ what: String, _ scene: Scene, _ line: String) {
            self.testDescription = what
            self.scene = scene
            self.line = line
        }
    }

    static let measures = [
        Case("fewer hops cost less", Scene(3, 1, 2), "b:cost c:cost a:cost"),
        Case(
            "hops are named where they are the measure",
            Scene(3, 1, 2).policy { $0.measure = .hops }, "b:hops c:hops a:hops"),
        Case(
            "kilometres outweigh hops: 3 hops here before 1 hop 1,112 km away",
            Scene(3, 1).located(0, 10), "a:cost b:cost"),
        Case(
            "hops outweigh kilometres: 1 hop 445 km away before 3 hops here",
            Scene(3, 1).located(0, 4), "b:cost a:cost"),
        Case(
            "the hop cost shifts the balance",
            Scene(3, 1).located(0, 10).policy { $0.hopCost = 20 }, "b:cost a:cost"),
        Case(
            "one site without a place, and kilometres count nothing",
            Scene(3, 1).located(0, nil), "b:cost a:cost"),
        Case(
            "nor do they where the client is nowhere",
            Scene(3, 1).located(0, 10).with { $0.place = nil }, "b:cost a:cost"),
        Case(
            "a listed site without a place counts even while it is down",
            Scene(3, 1, 9).located(0, 10, nil).status("c", SiteStatus(health: .down)),
            "b:cost a:cost | c:down"),
        Case(
            "a site that isn't listed doesn't count",
            Scene(3, 1, 9).located(0, 10, nil).policy { $0.sites.removeLast() },
            "a:cost b:cost"),
        Case(
            "without kilometres cost orders as hops do, even if a hop costs nothing",
            Scene(3, 1).policy { $0.hopCost = 0 }, "b:cost a:cost"),
        Case(
            "a measured round trip takes the place of the estimate",
            Scene(1, 3).located(0, 0).with {
                $0.roundTrips = [Scene.id("a"): .milliseconds(40)]
            }, "b:cost a:cost"),
        Case("a site alone shows the measure", Scene(4), "a:cost"),
        Case(
            "a site alone shows the measure",
            Scene(4).policy { $0.measure = .hops }, "a:hops"),
        Case("of a site alone nothing may be known", Scene(Int?.none), "a:order"),
    ]

    static let slack = [
        Case(
            "within the slack the tie-break decides",
            Scene(1, 2, 3).policy {
                $0.measure = .hops
                $0.slack = 1
                $0.sites = [1, 0, 2].map { SiteID(rawValue: $0) }
                $0.tieBreaks = [.order]
            }, "b:order a:order c:hops"),
        Case(
            "groups start anew from the best of the rest",
            Scene(1, 2, 3, 4, 5).policy {
                $0.measure = .hops
                $0.slack = 1
                $0.sites.reverse()
                $0.tieBreaks = []
            }, "b:order a:order d:hops c:order e:hops"),
        Case(
            "slack widens cost where it orders as hops do",
            Scene(1, 2).policy {
                $0.slack = 1
                $0.sites.reverse()
                $0.tieBreaks = []
            }, "b:order a:order"),
        Case(
            "slack does nothing to a cost with kilometres",
            Scene(1, 2).located(1, 1).policy {
                $0.slack = 1
                $0.sites.reverse()
            }, "a:cost b:cost"),
    ]

    static let ties = [
        Case(
            "the round trip breaks a tie",
            Scene(2, 2).policy { $0.measure = .hops }.with {
                $0.roundTrips = [
                    Scene.id("a"): .milliseconds(40), Scene.id("b"): .milliseconds(30),
                ]
            }, "b:rtt a:rtt"),
        Case(
            "it is passed over where one is unknown",
            Scene(2, 2).located(2, 1).policy { $0.measure = .hops }.with {
                $0.roundTrips = [Scene.id("a"): .milliseconds(4)]
            }, "b:location a:location"),
        Case(
            "but for that group only",
            Scene(2, 2, 3, 3).policy {
                $0.measure = .hops
                $0.tieBreaks = [.rtt, .order]
            }.with {
                $0.roundTrips = [
                    Scene.id("a"): .milliseconds(40), Scene.id("c"): .milliseconds(40),
                    Scene.id("d"): .milliseconds(30),
                ]
            }, "a:order b:order d:hops c:rtt"),
        Case(
            "kilometres break a tie of hops",
            Scene(2, 2, 1).located(20, 10, 90).policy { $0.measure = .hops },
            "c:hops b:hops a:location"),
        Case(
            "the chain goes on within what still ties",
            Scene(2, 2, 2, 2).located(5, 4, 5, 4).policy {
                $0.measure = .hops
                $0.tieBreaks = [.location, .order]
            }, "b:order d:order a:location c:order"),
        Case(
            "order as listed, not as configured",
            Scene(2, 2).policy {
                $0.tieBreaks = [.order]
                $0.sites.reverse()
            }, "b:order a:order"),
        Case(
            "an empty chain ends in the order",
            Scene(2, 2).policy { $0.tieBreaks = [] }, "a:order b:order"),
        Case(
            "no weight at all: passed over", Scene(2, 2).weights(0, 0), "a:order b:order"),
        Case(
            "a weight of 0 comes after the others",
            Scene(2, 2, 2).weights(0, 5, 0), "b:weight a:weight c:order"),
    ]

    static let routes = [
        Case(
            "a site without a route comes last, near as it may be",
            Scene(nil, 9).located(0, 90), "b:cost a:no-route"),
        Case(
            "those without a route are ordered by what is known",
            Scene(nil, nil, 1).located(20, 10, 90), "c:cost b:no-route a:no-route"),
        Case(
            "nobody has a route: kilometres go on",
            Scene(nil, nil).located(20, 10), "b:cost a:cost"),
        Case(
            "nobody has a route, by hops: the chain goes on",
            Scene(nil, nil).located(20, 10).policy { $0.measure = .hops },
            "b:location a:location"),
        Case(
            "nothing is known at all: the order",
            Scene(nil, nil).policy { $0.tieBreaks = [.rtt, .location, .order] },
            "a:order b:order"),
        Case(
            "lost feeds: last",
            Scene(nil, 9).located(0, 90)
                .status("a", SiteStatus(feeds: .lost)), "b:cost a:no-route"),
        Case(
            "lost feeds: down",
            Scene(nil, 9).without("a", .down)
                .status("a", SiteStatus(feeds: .lost)), "b:cost | a:down"),
        Case(
            "stale feeds are not lost",
            Scene(1, 9).without("a", .down)
                .status("a", SiteStatus(feeds: .stale)), "a:cost b:cost"),
        Case(
            "lost feeds: by location among the others",
            Scene(1, nil, 1).located(10, 20, 30).without("b", .location)
                .status("b", SiteStatus(feeds: .lost)), "a:cost b:location c:cost"),
        Case(
            "by location, nearest of all",
            Scene(1, nil, 1).located(10, 5, 30).without("b", .location)
                .status("b", SiteStatus(feeds: .lost)), "b:location a:cost c:cost"),
        Case(
            "two by location keep their own order",
            Scene(1, nil, nil).located(10, 6, 5).without("b", .location)
                .without("c", .location), "c:location b:location a:cost"),
        Case(
            "by location, but where is the client? last",
            Scene(1, nil, 1).located(10, 5, 30).without("b", .location)
                .status("b", SiteStatus(feeds: .lost)).with { $0.place = nil }
                .policy { $0.tieBreaks = [.order] },
            "a:order c:order b:no-route"),
        Case(
            "by location only for want of feeds: a live one without this route is last",
            Scene(1, nil).located(10, 5).without("b", .location)
                .status("b", SiteStatus(feeds: .live)), "a:cost b:no-route"),
    ]

    static let pins = [
        Case("pinned first", Scene(1, 9).pinned("b"), "b:pinned a:cost"),
        Case(
            "in the pin's order, with or without a route",
            Scene(1, 2, nil).pinned("c", "b"), "c:pinned b:pinned a:cost"),
        Case(
            "a pin to a site that is down is passed over",
            Scene(1, 2).pinned("b").status("b", SiteStatus(health: .down)), "a:cost | b:down"),
        Case(
            "a pin to a site that the name doesn't list is passed over",
            Scene(1, 2, 3).pinned("c", "b").policy { $0.sites.removeLast() },
            "b:pinned a:cost"),
        Case("a pin twice counts once", Scene(1, 2).pinned("b", "b"), "b:pinned a:cost"),
        Case(
            "the only route may be a pinned site's",
            Scene(nil, 2, nil).pinned("b").policy { $0.tieBreaks = [.order] },
            "b:pinned a:no-route c:no-route"),
    ]

    static let states = [
        Case(
            "down, drained and full say so, as listed",
            Scene(1, 2, 3, 4).status("a", SiteStatus(health: .down))
                .status("b", SiteStatus(admin: .drained)).status("d", SiteStatus(isFull: true)),
            "c:cost | a:down b:drained d:full"),
        Case("slow is up", Scene(1, 2).status("a", SiteStatus(health: .slow)), "a:cost b:cost"),
        Case(
            "forced is up, whatever else is said",
            Scene(1, 2).without("a", .down).status(
                "a",
                SiteStatus(health: .down, admin: .forced, isFull: true, feeds: .lost)),
            "a:cost b:cost"),
        Case(
            "drained goes before down",
            Scene(1, 2).status(
                "a", SiteStatus(health: .down, admin: .drained)), "b:cost | a:drained"),
        Case(
            "all down: as if all were up",
            Scene(2, 1).status("a", SiteStatus(health: .down))
                .status("b", SiteStatus(admin: .drained)), "b:cost a:cost"),
        Case(
            "all down: the last that was up",
            Scene(2, 1).status("a", SiteStatus(health: .down, lastUp: 20))
                .status("b", SiteStatus(health: .down, lastUp: 10))
                .policy { $0.allDown = .last }, "a:cost | b:down"),
        Case(
            "all down, and none ever up: all",
            Scene(2, 1).status("a", SiteStatus(health: .down))
                .status("b", SiteStatus(health: .down)).policy { $0.allDown = .last },
            "b:cost a:cost"),
        Case(
            "all down: none",
            Scene(2, 1).status("a", SiteStatus(health: .down))
                .status("b", SiteStatus(isFull: true)).policy { $0.allDown = .none },
            "| a:down b:full"),
        Case(
            "all down among those that have the family",
            Scene(2, 1).status("a", SiteStatus(health: .down)).with {
                $0.family = .ipv4
                $0.sites[1].addresses = []
            }, "a:cost"),
        Case(
            "no address of the family: not there at all",
            Scene(2, 1).with { $0.family = .ipv6 }, ""),
    ]

    @Test(
        "puts sites in order and says why",
        arguments: measures + slack + ties + routes + pins + states)
    func order(example: Case) {
        #expect(example.scene.line == example.line)
    }

    @Test("says when none is usable")
    func allDown() {
        let scene = Scene(1, 2).status("a", SiteStatus(health: .down))
        #expect(!scene.ranking.allDown)
        #expect(scene.status("b", SiteStatus(isFull: true)).ranking.allDown)
        #expect(!Scene(1).with { $0.family = .ipv6 }.ranking.allDown, "no candidate at all")
    }

    @Test("shows distance, cost and kilometres")
    func figures() throws {
        let entries = Scene(3, 4, nil).located(0, 1, 2).ranking.entries
        try #require(entries.count == 3)
        #expect(entries.map(\.distance) == [3, 4, nil])
        #expect(entries.map(\.cost) == [15, 22.224, nil])
        #expect(entries.map(\.kilometres) == [0, 111.195, 222.39])
    }

    @Test("shows kilometres that are known, though they don't count")
    func uncounted() throws {
        let entries = Scene(3, 4).located(1, nil).ranking.entries
        try #require(entries.count == 2)
        #expect(entries.map(\.kilometres) == [111.195, nil])
        #expect(entries.map(\.cost) == [15, 20])
    }

    @Test("shows the cost of kilometres alone where nobody has a route")
    func kilometresAlone() {
        let entries = Scene(nil, nil).located(1, 2).ranking.entries
        #expect(entries.map(\.cost) == [2.224, 4.448])
    }

    @Test(
        "shows a site's state in a word",
        arguments: [
            (SiteStatus(), .up), (SiteStatus(health: .slow), .slow),
            (SiteStatus(health: .slow, feeds: .stale), .stale), (SiteStatus(feeds: .lost), .stale),
            (SiteStatus(isFull: true), .full), (SiteStatus(health: .down, isFull: true), .down),
            (SiteStatus(health: .down, admin: .drained), .draining),
            (SiteStatus(health: .down, admin: .forced), .forced),
        ] as [(SiteStatus, DisplayState)])
    func state(status: SiteStatus, state: DisplayState) {
        #expect(Scene(1).status("a", status).ranking.entries.first?.state == state)
    }

    @Test("lists a site once, and ignores numbers that no site has")
    func oddLists() {
        let scene = Scene(1, 2).policy {
            $0.sites = [1, 1, 40, 0, 0].map { SiteID(rawValue: $0) }
        }
        #expect(scene.line == "a:cost b:cost")
    }
}
