// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Configuration
import FeedRules
import RouteTable
import Testing

@Suite("Rules in a configuration")
struct RuleReadingTests {
    static let head =
        Reading.sites + """
            prefix-lists:
              customers: ["203.0.113.0/24+", 198.51.100.0/24]
              one: 10.0.0.0/8
            rules:
              satellite: [ { penalty: 3, tag: satellite } ]
              hygiene:
                - { as-path: { contains: 64512-65534 }, reject: true }
                - { prefix: customers, not: { community: ["65000:1", no-export] }, accept: true }
            feed-options: { prefix-lengths: { ipv4: 8-24, ipv6: 16-48 }, prepends: once }

            """

    static func feeds(_ options: String) throws -> [Configuration.FeedEntry] {
        try Reading.parse(
            Self.head + """
                feeds:
                  f: { site: tokyo, mrt: { file: rib, peer-as: 1 }\(options) }

                """
        ).feeds
    }

    @Test(
        "say what they mean",
        arguments: [
            ("", []),
            (", rules: satellite", ["all -> penalty 3, tag satellite"]),
            (
                ", rules: [ hygiene, { family: ipv6, distance: 9 }, satellite ]",
                [
                    "contains 64512-65534 -> reject",
                    "prefix customers; not (community 65000:1, no-export) -> accept",
                    "family ipv6 -> distance 9", "all -> penalty 3, tag satellite",
                ]
            ),
            (
                ", rules: { as-path: \"^65000_.*_1299$\", med: \">= 100\", tag: [a, b] }",
                ["as-path ^65000_.*_1299$; med >= 100 -> tag a, tag b"]
            ),
            (
                ", rules: { as-path: { first: [1, 2], origin: 7, length: \"> 5\", matches: _9_ }, "
                    + "reject: true }",
                ["as-path _9_; first 1-2; origin 7; length >= 6 -> reject"]
            ),
            (
                ", rules: { prefix: [ \"10.0.0.0/8{16,24}\", 11.0.0.0/8 le 24, one ], "
                    + "next-hop: [192.0.2.1, \"2001:db8::/32\"], penalty: 1 }",
                [
                    "prefix 10.0.0.0/8{16,24}, 11.0.0.0/8{8,24}, one; "
                        + "next-hop 192.0.2.1/32, 2001:db8::/32 -> penalty 1"
                ]
            ),
            (
                ", rules: { community: [ \"rt:65000:*\", 65000:1:2, blackhole ], "
                    + "local-preference: [ 50-99, \"< 10\" ], validation: [ invalid, not-found ], "
                    + "reject: true }",
                [
                    "community rt:65000:*, 65000:1:2, blackhole; local-preference <= 9, 50-99; "
                        + "validation not-found, invalid -> reject"
                ]
            ),
            (", rules: { as-path: any, accept: true }", ["all -> accept"]),
        ])
    func rules(text: String, words: [String]) throws {
        #expect(try Self.feeds(text).first?.rules.rules.map(\.words) == words)
    }

    @Test("options are those of all feeds where a feed doesn't say")
    func options() throws {
        let usual = try #require(try Self.feeds("").first?.rules.options)
        #expect(usual.lengthsIPv4 == 8...24)
        #expect(usual.lengthsIPv6 == 16...48)
        #expect(usual.countsPrependsOnce)
        #expect(usual.acceptsDefaultRoute)
        #expect(usual.preferenceLevels.isEmpty)
        let own = try #require(
            try Self.feeds(
                ", prefix-lengths: { ipv4: 0-32 }, prepends: all, default-route: ignore, "
                    + "local-preference: first, bogons: customers"
            ).first?.rules.options)
        #expect(own.lengthsIPv4 == 0...32)
        #expect(own.lengthsIPv6 == 16...48)
        #expect(!own.countsPrependsOnce)
        #expect(!own.acceptsDefaultRoute)
        #expect(own.preferenceLevels == FeedOptions.usualLevels)
        #expect(own.bogons?.patterns.count == 2)
        let levels = try Self.feeds(", local-preference: [300, 200, 100], bogons: none").first
        #expect(levels?.rules.options.preferenceLevels == [300, 200, 100])
        #expect(levels?.rules.options.bogons == nil)
    }

    @Test("a check shows what would hold")
    func summary() throws {
        let text = try Reading.parse(
            Self.head + """
                feeds:
                  f: { site: tokyo, mrt: { file: rib, peer-as: 1 }, rules: satellite, bogons: one }

                """
        ).summary()
        for line in [
            "    prepends once\n", "    ipv4 prefixes of 8 to 24\n",
            "    bogons by one (1 prefix)\n", "    rule: all -> penalty 3, tag satellite\n",
        ] {
            #expect(text.contains(line), "\(line) in \(text)")
        }
    }

    @Test("lists stand in files, too, with a date and sources")
    func files() throws {
        let folder = try Folder()
        try folder.write("# date: 2026-11-21\n10.0.0.0/8+\n", "bogons.prefixes")
        try folder.write("10.0.0.0/8\n10.0.0.0/33\n", "bad.prefixes")
        try folder.write("# nothing\n", "empty.prefixes")
        let text =
            Reading.sites
            + "prefix-lists: { bogons: { file: bogons.prefixes } }\n"
            + "feeds: { f: { site: tokyo, mrt: { file: rib, peer-as: 1 }, bogons: bogons } }\n"
        try folder.write("", "rib")
        let path = try folder.write(text, "martlet.yaml")
        let list = try Configuration.load(path: path).feeds.first?.rules.options.bogons
        #expect(list?.words == "bogons of 2026-11-21 (1 prefix)")
        #expect(list?.patterns.map(\.description) == ["10.0.0.0/8+"])
        #expect(
            try folder.complaints(
                Reading.sites + """
                    prefix-lists:
                      bad: { file: bad.prefixes }
                      away: { file: away.prefixes }
                      empty: { file: empty.prefixes }

                    """) == [
                    "martlet.yaml:3:16: bad.prefixes:2:10: '10.0.0.0/33' is no prefix pattern: "
                        + "the prefix length must be 0 to 32",
                    "martlet.yaml:4:17: away.prefixes: there is no such file",
                    "martlet.yaml:5:18: empty.prefixes has no prefixes in it",
                ])
    }

    @Test("the bogons that come with Martlet are read, and leave real prefixes alone")
    func bogons() throws {
        let file = #filePath.replacing(
            "Tests/ConfigurationTests/RuleReadingTests.swift", with: "Routes/bogons.prefixes")
        let folder = try Folder()
        try folder.write("", "rib")
        let path = try folder.write(
            Reading.sites + "prefix-lists: { bogons: { file: \(file) } }\n"
                + "feeds: { f: { site: tokyo, mrt: { file: rib, peer-as: 1 }, bogons: bogons } }\n",
            "martlet.yaml")
        let list = try #require(
            try Configuration.load(path: path).feeds.first?.rules.options.bogons)
        #expect(list.date == "2026-11-21")
        #expect(list.source?.contains("IANA") == true)
        let set = PrefixSet(list.patterns)
        for text in [
            "10.0.0.0/8", "10.1.2.0/24", "100.64.0.0/10", "127.0.0.0/8", "192.168.1.0/24",
            "224.0.0.0/4", "255.255.255.255/32", "192.0.2.0/24", "2001:db8::/32", "fe80::/10",
            "fc00::/7", "ff02::/16", "::1/128", "2002:c000:204::/48", "3fff::/20", "5f00::/16",
            "64:ff9b::/96",
        ] {
            #expect(set.contains(try IPPrefix(parsing: text)), "\(text)")
        }
        for text in [
            "0.0.0.0/0", "::/0", "2000::/3", "1.0.0.0/24", "8.8.8.0/24", "11.0.0.0/8",
            "172.32.0.0/12", "192.0.1.0/24", "193.0.0.0/21", "2001:500::/30", "2400:cb00::/32",
            "2001::/32", "2a00::/12", "2c0f:fc00::/27", "223.255.255.0/24",
        ] {
            #expect(!set.contains(try IPPrefix(parsing: text)), "\(text)")
        }
    }

    @Test("a feed whose rules stay keeps its judge, and what has been counted")
    func judges() throws {
        func configuration(_ rules: String) throws -> Configuration {
            try Reading.parse(
                Reading.sites + """
                    feeds:
                      f: { site: tokyo, mrt: { file: rib, peer-as: 1 }, rules: [ \(rules) ] }
                      g: { site: tokyo, mrt: { file: rib, peer-as: 2 } }

                    """)
        }
        let first = try configuration("{ penalty: 1 }").plan()
        let second = try configuration("{ penalty: 1 }")
            .plan(after: first.assignment, judges: first.judges)
        let third = try configuration("{ penalty: 2 }")
            .plan(after: second.assignment, judges: second.judges)
        let feeds = try ["f", "g"].map { try #require(first.assignment.feeds[$0]) }
        #expect(first.judges[feeds[0]] === second.judges[feeds[0]])
        #expect(second.judges[feeds[0]] !== third.judges[feeds[0]])
        #expect(second.judges[feeds[1]] === third.judges[feeds[1]])
        #expect(first.dumps == second.dumps)
        #expect(second.dumps != third.dumps, "a dump is read again under other rules")
        #expect(third.dumps[0].feeds.map(\.judge) == feeds.map { third.judges[$0] })
    }
}
