// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import FeedRules
import Glibc
import RouteFiles
import RouteTable
import Testing

@Suite("Loading MRT files")
struct DumpLoaderTests {
    private typealias Files = LoaderFiles
    private let one = MRTPeer(address: IPAddress(ipv4: 0xc000_0201), asNumber: 64501)
    private let two = MRTPeer(address: IPAddress(ipv4: 0xc000_0202), asNumber: 64502)
    private let six = MRTPeer(
        address: IPAddress(ipv6High: 0x2001_0db8_0000_0000, low: 1), asNumber: 64502)

    private func feeds(_ selectors: PeerSelector...) -> [(id: FeedID, peer: PeerSelector)] {
        selectors.enumerated().map { (FeedID(rawValue: UInt16($0)), $1) }
    }

    private func address(_ peer: MRTPeer) -> PeerSelector { PeerSelector(address: peer.address) }

    private func dump() -> [UInt8] {
        Files.peerIndex([self.one, self.two])
            + Files.rib(
                "10.0.0.0/8",
                [
                    (0, nil, Files.attributes([64501, 9])),
                    (1, nil, Files.attributes([64502, 7, 8, 9])),
                ])
            + Files.rib("10.1.0.0/16", [(1, nil, Files.attributes([64502, 9]))])
            + Files.rib("2001:db8::/32", [(0, nil, Files.attributes([64501]))])
            + Files.record(48, 1, [1, 2, 3])
    }

    @Test("one pass feeds several feeds, each from its peer")
    func severalFeeds() throws {
        let table = try LoaderTable(feeds: 3)
        defer { table.owner.shutdown() }
        let loader = DumpLoader(
            path: try Files.write(self.dump(), "rib"),
            feeds: self.feeds(
                self.address(self.one), PeerSelector(asNumber: 64502),
                PeerSelector(address: self.two.address, asNumber: 64502)))
        let report = try loader.load(into: table.owner, replacing: false)
        #expect(report.records == 5 && report.passedBy == 1 && report.damage == nil)
        #expect(report.feeds.map(\.announced) == [2, 2, 2])
        #expect(try table.distances("10.2.3.4") == [0: 2, 1: 4, 2: 4])
        #expect(try table.distances("10.1.3.4") == [0: 2, 1: 2, 2: 2])
        #expect(try table.distances("2001:db8::7") == [0: 1])
        #expect(try table.routes(of: 0) == ["10.0.0.0/8 64501 9", "2001:db8::/32 64501"])
    }

    @Test("a selector that fits several peers, or none, is an error that lists them")
    func selectors() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        let path = try Files.write(
            Files.peerIndex([self.one, self.two, self.six])
                + Files.rib("10.0.0.0/8", [(0, nil, Files.attributes([64501]))]), "rib")
        func error(_ selector: PeerSelector) -> DumpSelectionError? {
            #expect(throws: DumpSelectionError.self) {
                try DumpLoader(path: path, feeds: self.feeds(selector))
                    .load(into: table.owner, replacing: false)
            }
        }
        #expect(
            error(PeerSelector(asNumber: 64502))?.description
                == "\(path): the file has more than one peer of AS 64502: 192.0.2.2 (AS 64502), "
                + "2001:db8::1 (AS 64502); select one by its address")
        let missing = PeerSelector(address: IPAddress(ipv4: 7))
        #expect(
            error(missing)
                == .noSuchPeer(path: path, missing, peers: [self.one, self.two, self.six]))
        #expect(
            error(PeerSelector(address: self.one.address, asNumber: 1))?.description
                == "\(path): there is no peer 192.0.2.1 of AS 1 in the file; its peers are "
                + "192.0.2.1 (AS 64501), 192.0.2.2 (AS 64502), 2001:db8::1 (AS 64502)")
        #expect(
            error(PeerSelector())
                == .ambiguousPeer(
                    path: path, PeerSelector(), peers: [self.one, self.two, self.six]))
        #expect(try table.distances("10.0.0.1") == [:])
        let only = try Files.write(
            Files.peerIndex([self.one])
                + Files.rib("10.0.0.0/8", [(0, nil, Files.attributes([64501]))]), "rib")
        try DumpLoader(path: only, feeds: self.feeds(PeerSelector()))
            .load(into: table.owner, replacing: false)
        #expect(try table.distances("10.0.0.1") == [0: 1])
    }

    @Test("several paths (ADD-PATH) are all held; the shortest counts, of equal ones the first")
    func addPath() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        let path = try Files.write(
            Files.peerIndex([self.one])
                + Files.rib(
                    "10.0.0.0/8",
                    [
                        (0, 1, Files.attributes([64501, 5, 6])),
                        (0, 2, Files.attributes([64501, 7])), (0, 3, Files.attributes([64501, 8])),
                    ]), "rib")
        let report = try DumpLoader(path: path, feeds: self.feeds(PeerSelector()))
            .load(into: table.owner, replacing: false)
        #expect(report.feeds.map(\.announced) == [3])
        #expect(try table.distances("10.0.0.1") == [0: 2])
        #expect(
            try table.routes(of: 0) == [
                "10.0.0.0/8 64501 5 6", "10.0.0.0/8 64501 7", "10.0.0.0/8 64501 8",
            ])
    }

    @Test("multicast routes and routes with bad attributes are left out")
    func leftOut() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        let path = try Files.write(
            Files.peerIndex([self.one])
                + Files.rib("10.0.0.0/8", subtype: 3, [(0, nil, Files.attributes([64501]))])
                + Files.rib("11.0.0.0/8", [(0, nil, [0x40, 2, 6, 2, 9, 0, 0, 0, 1])])
                + Files.rib("12.0.0.0/8", [(0, nil, Files.attributes([64501]))]), "rib")
        let report = try DumpLoader(path: path, feeds: self.feeds(PeerSelector()))
            .load(into: table.owner, replacing: false)
        #expect(report.feeds.first?.announced == 1 && report.feeds.first?.malformed == 1)
        #expect(try table.routes(of: 0) == ["12.0.0.0/8 64501"])
    }

    @Test("multicast prefixes are left out and counted, in tables and in messages (RFC 4271 §6.3)")
    func multicastPrefixes() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        let path = try Files.write(
            Files.peerIndex([self.one])
                + Files.rib("224.0.0.0/4", [(0, nil, Files.attributes([64501]))])
                + Files.rib("192.0.0.0/2", [(0, nil, Files.attributes([64501]))])
                + Files.update(
                    self.one, path: [64501],
                    announced: Files.prefix("10.0.0.0/8") + Files.prefix("239.1.0.0/16")
                        + Files.prefix("232.0.0.0/8") + Files.prefix("11.0.0.0/8")), "rib")
        let report = try DumpLoader(path: path, feeds: self.feeds(self.address(self.one)))
            .load(into: table.owner, replacing: false)
        #expect(report.feeds.map(\.announced) == [3])
        #expect(report.feeds.map(\.malformed) == [3])
        #expect(
            try table.routes(of: 0) == [
                "10.0.0.0/8 64501", "11.0.0.0/8 64501", "192.0.0.0/2 64501",
            ])
    }

    @Test("messages are played to the end: announced, replaced, withdrawn, sessions lost")
    func messages() throws {
        let table = try LoaderTable(feeds: 2)
        defer { table.owner.shutdown() }
        let path = try Files.write(
            Files.stateChange(self.one, 5, 6)
                + Files.update(
                    self.one, path: [64501, 3, 4],
                    announced: Files.prefix("10.0.0.0/8") + Files.prefix("11.0.0.0/8"))
                + Files.update(self.two, path: [64502], announced: Files.prefix("10.0.0.0/8"))
                + Files.update(
                    self.one, withdrawn: Files.prefix("11.0.0.0/8"), path: [64501],
                    announced: Files.prefix("10.0.0.0/8"))
                + Files.update(self.one, path: [64501, 0], announced: Files.prefix("12.0.0.0/8"))
                + Files.stateChange(self.two, 6, 1), "updates")
        let report = try DumpLoader(
            path: path, feeds: self.feeds(self.address(self.one), self.address(self.two))
        ).load(into: table.owner, replacing: false)
        table.owner.flushAndWait()
        #expect(report.feeds.map(\.announced) == [3, 1])
        #expect(report.feeds.map(\.malformed) == [1, 0])
        #expect(try table.routes(of: 0) == ["10.0.0.0/8 64501"])
        #expect(try table.routes(of: 1) == [])
        #expect(try table.distances("10.0.0.1") == [0: 1])
    }

    @Test("messages with path identifiers bring and take one path each")
    func addPathMessages() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        func prefix(_ id: UInt8, _ text: String) -> [UInt8] { [0, 0, 0, id] + Files.prefix(text) }
        let start =
            Files.update(
                self.one, path: [64501, 1, 2],
                announced: prefix(1, "10.0.0.0/8") + prefix(1, "11.0.0.0/8"), subtype: 9)
            + Files.update(
                self.one, path: [64501], announced: prefix(2, "10.0.0.0/8"), subtype: 9)
        for (end, expected) in [
            (
                [],
                ["10.0.0.0/8 64501 1 2", "10.0.0.0/8 64501", "11.0.0.0/8 64501 1 2"]
            ),
            ([prefix(2, "10.0.0.0/8")], ["10.0.0.0/8 64501 1 2", "11.0.0.0/8 64501 1 2"]),
            ([prefix(2, "10.0.0.0/8"), prefix(1, "10.0.0.0/8")], ["11.0.0.0/8 64501 1 2"]),
        ] as [([[UInt8]], [String])] {
            let bytes =
                start + end.flatMap { Files.update(self.one, withdrawn: $0, subtype: 9) }
            try DumpLoader(
                path: try Files.write(bytes, "updates"), feeds: self.feeds(PeerSelector())
            ).load(into: table.owner, replacing: true)
            table.owner.flushAndWait()
            #expect(try table.routes(of: 0) == expected)
        }
    }

    @Test("a default route that is left out between batches costs nothing but itself")
    func defaultRouteBetweenBatches() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        func prefix(_ index: Int) -> String { "10.\(index >> 8).\(index & 255).0/24" }
        // The batch is full in the midst of the last UPDATE.
        let bytes =
            (0..<2047).flatMap {
                Files.update(self.one, path: [64501], announced: Files.prefix(prefix($0)))
            }
            + Files.update(
                self.one, path: [64501, 7],
                announced: [prefix(2047), "0.0.0.0/0", prefix(2048)].flatMap(Files.prefix))
        var rules = RuleSet()
        rules.options.acceptsDefaultRoute = false
        var loader = DumpLoader(
            path: try Files.write(bytes, "updates"), feeds: self.feeds(PeerSelector()))
        loader.judges[FeedID(rawValue: 0)] = RouteJudge(rules)
        let report = try loader.load(into: table.owner, replacing: false)
        #expect(report.feeds.map(\.announced) == [2049])
        #expect(try table.distances("10.7.254.1") == [0: 1])
        #expect(try table.distances("10.7.255.1") == [0: 2])
        #expect(try table.distances("10.8.0.1") == [0: 2])
        #expect(try table.distances("11.0.0.1") == [:])
    }

    @Test("a file read again replaces what it said before")
    func reload() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        for (prefixes, expected) in [
            (["10.0.0.0/8", "11.0.0.0/8"], ["10.0.0.0/8 64501", "11.0.0.0/8 64501"]),
            (["11.0.0.0/8", "12.0.0.0/8"], ["11.0.0.0/8 64501", "12.0.0.0/8 64501"]),
            ([], []),
        ] as [([String], [String])] {
            let bytes =
                Files.peerIndex([self.one])
                + prefixes.flatMap { Files.rib($0, [(0, nil, Files.attributes([64501]))]) }
            try DumpLoader(path: try Files.write(bytes, "rib"), feeds: self.feeds(PeerSelector()))
                .load(into: table.owner, replacing: true)
            table.owner.flushAndWait()
            #expect(try table.routes(of: 0) == expected)
        }
    }

    @Test("a damaged file never replaces a good one; where wanted its good part counts")
    func damage() throws {
        let table = try LoaderTable(feeds: 2)
        defer { table.owner.shutdown() }
        let feeds = self.feeds(self.address(self.one), self.address(self.two))
        let good = self.dump()
        try DumpLoader(path: try Files.write(good, "rib"), feeds: feeds)
            .load(into: table.owner, replacing: true)
        table.owner.flushAndWait()
        let before = try table.routes(of: 1)
        // Cut short in the record of 10.1.0.0/16.
        let cut = try Files.write(
            Array(good.prefix(good.count - 15 - 12 - 4 - 5 - 2 - 8 - 20 - 12 - 4)), "rib")
        var loader = DumpLoader(path: cut, feeds: feeds)
        let error = #expect(throws: MRTError.self) {
            try loader.load(into: table.owner, replacing: true)
        }
        table.owner.flushAndWait()
        #expect(error?.record == 3)
        #expect(error?.path == cut)
        #expect(try table.routes(of: 1) == before)

        loader.damage = .keepGoodPart
        let report = try loader.load(into: table.owner, replacing: true)
        table.owner.flushAndWait()
        #expect(report.damage == error)
        #expect(report.records == 2)
        #expect(try table.routes(of: 1) == ["10.0.0.0/8 64502 7 8 9"])

        loader.damage = .refuse
        #expect(throws: MRTError.self) { try loader.load(into: table.owner, replacing: false) }
        table.owner.flushAndWait()
        #expect(try table.routes(of: 1) == [])
    }

    @Test("records that contradict themselves or each other are named")
    func contradictions() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        func error(_ bytes: [UInt8]) throws -> MRTError? {
            let loader = DumpLoader(
                path: try Files.write(bytes, "rib"), feeds: self.feeds(PeerSelector()))
            return #expect(throws: MRTError.self) {
                try loader.load(into: table.owner, replacing: false)
            }
        }
        let index = Files.peerIndex([self.one])
        let route = Files.rib("10.0.0.0/8", [(0, nil, Files.attributes([64501]))])
        #expect(try error(route)?.reason == .noPeerIndexTable)
        let stranger = Files.rib("10.0.0.0/8", [(1, nil, Files.attributes([64501]))])
        let unknown = try error(index + route + stranger)
        #expect(unknown?.reason == .unknownPeer(index: 1, count: 1))
        #expect(unknown?.record == 3 && unknown?.offset == index.count + route.count)
        let short = Files.record(13, 2, [0, 0, 0, 0, 8, 10, 0, 5])
        let malformed = try error(index + short)
        #expect(malformed?.reason == .malformed(.truncated))
        #expect(malformed?.record == 2 && malformed?.offset == index.count + 12 + 8)
        let missing = DumpLoader(path: "/no/such.rib", feeds: self.feeds(PeerSelector()))
        #expect(
            throws: InputFileError(path: "/no/such.rib", reason: .cannotOpen(ENOENT), offset: 0)
        ) {
            try missing.load(into: table.owner, replacing: true)
        }
    }

    @Test("more routes than a batch holds, with few and with many different attributes")
    func manyRoutes() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        var bytes = Files.peerIndex([self.one])
        for index in 0..<20_000 {
            let path: [UInt32] = index % 3 == 0 ? [64501, UInt32(index + 1)] : [64501]
            let prefix = IPAddress(ipv4: UInt32(index) << 12)
            bytes += Files.rib("\(prefix)/20", [(0, nil, Files.attributes(path))])
        }
        let report = try DumpLoader(
            path: try Files.write(bytes, "rib"), feeds: self.feeds(PeerSelector())
        ).load(into: table.owner, replacing: false)
        #expect(report.feeds.first?.announced == 20_000)
        for index in stride(from: 0, to: 20_000, by: 997) {
            let address = IPAddress(ipv4: UInt32(index) << 12 | 77)
            #expect(try table.distances("\(address)") == [0: index % 3 == 0 ? 2 : 1])
        }
        let counts = try table.owner.querySync { $0.counts() }
        #expect(counts.routes == 20_000)
    }
}

@Suite("Loading real tables", .enabled(if: LoaderFiles.isThere))
struct RealDumpLoaderTests {
    @Test("rrc00's six full peers come in with the routes that are known of them")
    func rrc00() throws {
        let table = try LoaderTable(feeds: 6)
        defer { table.owner.shutdown() }
        let peers = [
            ("206.251.0.85", 76_575), ("204.152.166.29", 76_435), ("195.211.222.11", 71_665),
            ("193.0.0.56", 71_363), ("195.211.222.254", 70_698), ("195.8.100.22", 69_964),
        ]
        let loader = DumpLoader(
            path: LoaderFiles.path("mrt/rib/rrc00.bview.20000111.0032.as-tdv2.gz"),
            feeds: try peers.enumerated().map { index, peer in
                (
                    FeedID(rawValue: UInt16(index)),
                    PeerSelector(address: try IPAddress(parsing: peer.0))
                )
            })
        let report = try loader.load(into: table.owner, replacing: false)
        #expect(report.feeds.map(\.announced) == peers.map(\.1))
        table.owner.flushAndWait()
        let summaries = try table.owner.querySync { $0.feedSummaries() }
        #expect(summaries.map(\.ipv4Prefixes) == peers.map(\.1))
    }

    @Test("an AS with two peers there is refused by number")
    func ambiguous() throws {
        let loader = DumpLoader(
            path: LoaderFiles.path("mrt/rib/rrc00.bview.20000111.0032.as-tdv2.gz"),
            feeds: [(FeedID(rawValue: 0), PeerSelector(asNumber: 5409))])
        let error = #expect(throws: DumpSelectionError.self) { try loader.check() }
        #expect(error?.description.contains("195.211.222.11 (AS 5409)") == true)
        #expect(error?.description.contains("195.211.222.254 (AS 5409)") == true)
    }

    @Test("an old table, and a session's whole transfer, come in by message and by record")
    func otherForms() throws {
        let table = try LoaderTable(feeds: 2)
        defer { table.owner.shutdown() }
        let old = try DumpLoader(
            path: LoaderFiles.path("mrt/rib/bview.20020722.2337.gz"),
            feeds: [(FeedID(rawValue: 0), PeerSelector(asNumber: 1853))]
        ).load(into: table.owner, replacing: false)
        #expect(old.feeds.map(\.announced) == [112_986])
        let transfer = try DumpLoader(
            path: LoaderFiles.path("mrt/updates/updates.et-header.2015.gz"),
            feeds: [(FeedID(rawValue: 1), PeerSelector(asNumber: 3856))]
        ).load(into: table.owner, replacing: false)
        #expect(transfer.feeds.map(\.malformed) == [1])
        table.owner.flushAndWait()
        let summaries = try table.owner.querySync { $0.feedSummaries() }
        #expect(summaries.map(\.ipv4Prefixes).first == 112_986)
        #expect((577_690...577_706).contains(summaries.map(\.ipv4Prefixes).last ?? 0))
    }
}
