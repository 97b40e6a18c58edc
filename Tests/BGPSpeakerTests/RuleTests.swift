// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import FeedRules
import RouteFiles
import RouteTable
import Testing

@Suite("Rules on what is announced", .serialized, .timeLimit(.minutes(2)))
struct RuleTests {
    static func rule(
        _ action: Rule.Action, tags: [String] = [], _ change: (inout Conditions) throws -> Void
    ) rethrows -> Rule {
        var conditions = Conditions()
        try change(&conditions)
        return Rule(conditions, action: action, tags: tags)
    }

    static func community(_ text: String) throws -> (inout Conditions) -> Void {
        let pattern = try CommunityPattern(parsing: text)
        return { $0.communities = [pattern] }
    }

    static func under(_ text: String) throws -> (inout Conditions) -> Void {
        let pattern = try PrefixPattern(parsing: text)
        return { $0.prefixes = [.pattern(pattern)] }
    }

    /// RFC 1997's attribute.
    static func communities(_ words: [UInt32]) -> [UInt8] {
        [0xc0, 8, UInt8(4 * words.count)]
            + words.flatMap { word in withUnsafeBytes(of: word.bigEndian) { [UInt8]($0) } }
    }

    /// A speaker with one peer whose routes are judged.
    static func established(
        _ rules: RuleSet, capabilities: [Capability]? = nil
    ) async throws -> (Station, ScriptedPeer, PeerSettings) {
        var settings = try SpeakerTests.peer()
        settings.judge = RouteJudge(rules)
        let station = try await Station(
            SpeakerSettings(listen: try SpeakerTests.listen(), peers: [settings]))
        let peer = try await ScriptedPeer.dial(port: try #require(station.port))
        try await peer.establish(capabilities: capabilities)
        return (station, peer, settings)
    }

    /// Prefix, distance, and tags of each route.
    static func routes(_ owner: TableOwner) async throws -> [String] {
        try await owner.query { rib in
            rib.routes(after: nil, feed: nil, within: nil, limit: 1000).routes.map { route in
                ([route.prefix.description, "\(route.attributes.distance)"]
                    + route.attributes.tags).joined(separator: " ")
            }
        }
    }

    static func expect(
        _ owner: TableOwner, _ expected: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        var seen: [String] = []
        let isSo = try await eventually {
            seen = try await Self.routes(owner)
            return seen == expected
        }
        #expect(isSo, "\(seen)", sourceLocation: sourceLocation)
    }

    @Test("reject, put further away, tag; the first that holds")
    func actions() async throws {
        let rules = RuleSet(rules: [
            try Self.rule(.reject, Self.community("65000:666")),
            try Self.rule(.distance(42), Self.under("10.3.0.0/16+")),
            try Self.rule(.penalty(3), tags: ["satellite"], Self.community("65000:*")),
        ])
        let (station, peer, settings) = try await Self.established(rules)
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/16"]))
        try await peer.send(
            try ScriptedPeer.announce(
                ["10.1.0.0/16"], more: Self.communities([1, 65000 << 16 | 666])))
        try await peer.send(
            try ScriptedPeer.announce(
                ["10.2.0.0/16", "10.3.0.0/16", "10.3.4.0/24", "10.4.0.0/16"],
                more: Self.communities([65000 << 16 | 1])))
        try await Self.expect(
            station.owner,
            [
                "10.0.0.0/16 1", "10.2.0.0/16 4 satellite", "10.3.0.0/16 42", "10.3.4.0/24 42",
                "10.4.0.0/16 4 satellite",
            ])
        let counts = try #require(settings.judge?.tally.total)
        #expect(counts.rules == [1, 2, 2])
        #expect(counts.others == 1)
        // What a rule takes away that was there before is gone.
        try await peer.send(
            try ScriptedPeer.announce(
                ["10.0.0.0/16"], more: Self.communities([65000 << 16 | 666])))
        try await Self.expect(
            station.owner,
            [
                "10.2.0.0/16 4 satellite", "10.3.0.0/16 42", "10.3.4.0/24 42",
                "10.4.0.0/16 4 satellite",
            ])
        #expect(try await station.status().counters.announced == 5)
        await peer.close()
        try await station.stop()
    }

    @Test("prefixes are ignored by the options, a default route only where it isn't wanted")
    func options() async throws {
        var rules = RuleSet()
        rules.options.lengthsIPv4 = 8...24
        rules.options.acceptsDefaultRoute = false
        rules.options.bogons = PrefixList(
            name: "x", patterns: [try PrefixPattern(parsing: "10.0.0.0/8+")])
        rules.options.countsPrependsOnce = true
        let all = ["0.0.0.0/0", "10.0.0.0/16", "11.0.0.0/16", "11.0.0.0/25", "12.0.0.0/7"]
        let (station, peer, settings) = try await Self.established(rules)
        let prepended: [UInt8] = [
            0x40, 1, 1, 0, 0x40, 2, 14, 2, 3, 0, 0, 0, 7, 0, 0, 0, 7, 0, 0, 0, 9, 0x40, 3, 4, 192,
            0, 2, 1,
        ]
        try await peer.send(
            ScriptedPeer.update(
                attributes: prepended, announced: try all.flatMap(ScriptedPeer.encoded)))
        try await Self.expect(station.owner, ["11.0.0.0/16 2"])
        let counts = try #require(settings.judge?.tally.total)
        #expect([counts.defaultRoutes, counts.bogons, counts.lengths] == [1, 1, 2])
        await peer.close()
        try await station.stop()

        let (usual, second, _) = try await Self.established(RuleSet())
        try await second.send(try ScriptedPeer.announce(all))
        try await Self.expect(
            usual.owner,
            ["0.0.0.0/0 1", "10.0.0.0/16 1", "11.0.0.0/16 1", "11.0.0.0/25 1", "12.0.0.0/7 1"])
        await second.close()
        try await usual.stop()

        var nothingElse = RuleSet()
        nothingElse.options.acceptsDefaultRoute = false
        let (third, other, plain) = try await Self.established(nothingElse)
        try await other.send(try ScriptedPeer.announce(all))
        try await Self.expect(third.owner, all.dropFirst().map { "\($0) 1" })
        #expect(plain.judge?.tally.total.defaultRoutes == 1)
        await other.close()
        try await third.stop()
    }

    @Test("other rules at a reload ask for the routes again, and the session goes on")
    func refreshed() async throws {
        let (station, peer, settings) = try await Self.established(
            RuleSet(rules: [try Self.rule(.reject, Self.under("10.1.0.0/16"))]))
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/16", "10.1.0.0/16"]))
        try await Self.expect(station.owner, ["10.0.0.0/16 1"])
        var changed = settings
        changed.judge = RouteJudge(
            RuleSet(rules: [try Self.rule(.penalty(5), tags: ["far"], Self.under("10.0.0.0/16"))]))
        let report = await station.speaker.apply(
            SpeakerSettings(listen: try SpeakerTests.listen(), peers: [changed]))
        #expect(report.count == 1)
        #expect(
            report == [
                "feed scripted: other rules; what it has is judged again; its routes are asked for "
                    + "again"
            ])
        // What is there is judged before anything comes.
        try await Self.expect(station.owner, ["10.0.0.0/16 6 far"])
        var families: [AddressFamily?] = []
        for _ in 0..<2 {
            guard case .message(.routeRefresh, let body) = try await peer.next() else {
                Issue.record("no ROUTE-REFRESH")
                return
            }
            families.append(try RouteRefreshMessage(body: body.span.bytes).family)
        }
        #expect(families == [.ipv4, .ipv6])
        try await peer.send(try ScriptedPeer.announce(["10.0.0.0/16", "10.1.0.0/16"]))
        try await Self.expect(station.owner, ["10.0.0.0/16 6 far", "10.1.0.0/16 1"])
        let status = try await station.status()
        #expect(status.counters.established == 1)
        #expect(status.state == .established)
        #expect(changed.judge?.tally.total.rules == [1])
        await peer.close()
        try await station.stop()
    }

    @Test(
        "a peer without route refresh: what it has is judged again, and the report says what isn't")
    func revised() async throws {
        let (station, peer, settings) = try await Self.established(
            RuleSet(rules: [
                try Self.rule(.reject, Self.under("10.1.0.0/16")),
                try Self.rule(.penalty(5), tags: ["far"], Self.under("10.2.0.0/16")),
            ]), capabilities: [.multiprotocol(.ipv4), .multiprotocol(.ipv6)])
        let all = ["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]
        try await peer.send(try ScriptedPeer.announce(all))
        try await Self.expect(
            station.owner, ["10.0.0.0/16 1", "10.2.0.0/16 6 far", "10.3.0.0/16 1"])
        var changed = settings
        func apply(_ rules: [Rule]) async throws -> [String] {
            changed.judge = RouteJudge(RuleSet(rules: rules))
            return await station.speaker.apply(
                SpeakerSettings(listen: try SpeakerTests.listen(), peers: [changed]))
        }
        let first = try await apply([
            try Self.rule(.reject, Self.under("10.3.0.0/16")),
            Self.rule(.distance(9)) { $0.originAS = NumberSet([7...7]) },
        ])
        #expect(
            first == [
                "feed scripted: other rules; what it has is judged again; what the rules of before "
                    + "turned away (1 announcements) is missing until its next session: the peer "
                    + "has no route refresh"
            ])
        try await Self.expect(station.owner, ["10.0.0.0/16 9", "10.2.0.0/16 9"])
        // Rules by communities, which this feed doesn't keep: they hold for what comes.
        let second = try await apply([try Self.rule(.penalty(1), Self.community("1:1"))])
        #expect(second.first?.contains("counts as it did until it comes again") == true)
        try await peer.send(
            try ScriptedPeer.announce(["10.0.0.0/16"], more: Self.communities([1 << 16 | 1])))
        try await Self.expect(station.owner, ["10.0.0.0/16 2", "10.2.0.0/16 9"])
        #expect(try await station.status().counters.established == 1)
        await peer.close()
        try await station.stop()
    }
}

@Suite("Rules on what a dump holds")
struct DumpRuleTests {
    private typealias Files = LoaderFiles
    private static let one = MRTPeer(address: IPAddress(ipv4: 0xc000_0201), asNumber: 64501)

    /// RFC 6396's attributes of an entry, with a community.
    private static func attributes(_ path: [UInt32], _ community: UInt32) -> [UInt8] {
        Files.attributes(path) + RuleTests.communities([community])
    }

    @Test("attributes are judged once, prefixes where a rule asks, over any number of batches")
    func table() async throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        var bytes = Files.peerIndex([Self.one])
        // More than two batches of each of three sets of attributes.
        for index in 0..<6000 {
            let prefix = "10.\(index >> 8).\(index & 255).0/24"
            let community = UInt32(65000 << 16 | index % 3)
            bytes += Files.rib(prefix, [(0, nil, Self.attributes([64501, 9], community))])
        }
        bytes += Files.rib("0.0.0.0/0", [(0, nil, Files.attributes([64501]))])
        bytes += Files.rib("12.0.0.0/8", [(0, nil, Files.attributes([64501]))])
        var rules = RuleSet(rules: [
            try RuleTests.rule(.reject, RuleTests.community("65000:1")),
            try RuleTests.rule(.penalty(10)) {
                try RuleTests.community("65000:2")(&$0)
                try RuleTests.under("10.0.0.0/12+")(&$0)
            },
            try RuleTests.rule(.accept, tags: ["zero"], RuleTests.community("65000:0")),
        ])
        rules.options.acceptsDefaultRoute = false
        let judge = RouteJudge(rules)
        var loader = DumpLoader(
            path: try Files.write(bytes, "rib"), feeds: [(FeedID(rawValue: 0), PeerSelector())])
        loader.judges[FeedID(rawValue: 0)] = judge
        let report = try loader.load(into: table.owner, replacing: false)
        #expect(report.feeds.map(\.announced) == [4001])
        #expect(report.feeds.map(\.malformed) == [0])
        let counts = judge.tally.total
        // 10.0.0.0/12 holds the first 4096.
        #expect(counts.rules == [2000, 1365, 2000])
        #expect(counts.others == 6000 - 5365 + 1)
        #expect(counts.defaultRoutes == 1)
        let routes = try await RuleTests.routes(table.owner)
        #expect(routes.prefix(3) == ["10.0.0.0/24 2 zero", "10.0.2.0/24 12", "10.0.3.0/24 2 zero"])
        #expect(try table.distances("10.0.1.1") == [:])
        #expect(try table.distances("10.16.2.1") == [0: 2])
        #expect(try table.distances("12.0.0.1") == [0: 1])
    }

    @Test("of several paths (ADD-PATH) the shortest that rules let pass counts, by their penalties")
    func addPath() async throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        let bytes =
            Files.peerIndex([Self.one])
            + Files.rib(
                "10.0.0.0/8",
                [
                    (0, 1, Self.attributes([64501], 65000 << 16 | 1)),
                    (0, 2, Self.attributes([64501, 7], 65000 << 16 | 2)),
                    (0, 3, Files.attributes([64501, 8, 9])),
                ])
        var loader = DumpLoader(
            path: try Files.write(bytes, "rib"), feeds: [(FeedID(rawValue: 0), PeerSelector())])
        loader.judges[FeedID(rawValue: 0)] = RouteJudge(
            RuleSet(rules: [
                try RuleTests.rule(.reject, RuleTests.community("65000:1")),
                try RuleTests.rule(.penalty(10), RuleTests.community("65000:2")),
            ]))
        try loader.load(into: table.owner, replacing: false)
        #expect(try table.distances("10.0.0.1") == [0: 3])
    }

    @Test("an updates file is judged as a session is")
    func messages() async throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        func update(_ path: [UInt32], _ community: UInt32, _ prefixes: [String]) -> [UInt8] {
            Files.update(
                Self.one, path: path, announced: prefixes.flatMap(Files.prefix),
                more: RuleTests.communities([community]))
        }
        let bytes =
            update([64501, 9], 65000 << 16 | 1, ["10.1.0.0/16", "10.2.0.0/16"])
            + update([64501, 9, 9], 65000 << 16 | 2, ["0.0.0.0/0", "10.2.0.0/16", "10.3.0.0/16"])
        var loader = DumpLoader(
            path: try Files.write(bytes, "updates"), feeds: [(FeedID(rawValue: 0), PeerSelector())])
        var rules = RuleSet(rules: [
            try RuleTests.rule(.reject) {
                try RuleTests.community("65000:2")(&$0)
                try RuleTests.under("10.2.0.0/16")(&$0)
            },
            try RuleTests.rule(.penalty(1), RuleTests.community("65000:2")),
        ])
        rules.options.acceptsDefaultRoute = false
        let judge = RouteJudge(rules)
        loader.judges[FeedID(rawValue: 0)] = judge
        try loader.load(into: table.owner, replacing: false)
        #expect(try await RuleTests.routes(table.owner) == ["10.1.0.0/16 2", "10.3.0.0/16 4"])
        #expect(judge.tally.total.rules == [1, 1])
        #expect(judge.tally.total.defaultRoutes == 1)
    }
}
