// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import RouteFiles
import RouteTable
import Testing

@Suite("Loading text dumps of routers")
struct TextDumpLoaderTests {
    private typealias Files = LoaderFiles

    private static let table = """
        router>show ip bgp
           Network          Next Hop            Metric LocPrf Weight Path
        *  10.0.0.0         192.0.2.1                0             0 64501 i
        *>                  192.0.2.2                5    200      0 64502 7 8 9 ?
        *  10.1.0.0/16      192.0.2.2                              0 64502 7 9 i
        *                   192.0.2.1                              0 64501 9 i
        *                   192.0.2.3                              0 64501 8 9 i
        *d                  192.0.2.4                              0 64503 i
        h  10.2.0.0/16      192.0.2.1                              0 64501 i
           10.3.0.0/16      192.0.2.1                              0 64501 i

        Total number of prefixes 4
           Network          Next Hop            Metric LocPrf Weight Path
        *> 2001:db8::/32    2001:db8::1                            0 64501 {1,2} i

        """

    private func write(_ text: String = Self.table) throws -> String {
        try Files.write(text.utf8, "table.txt")
    }

    private func feeds(_ selectors: PeerSelector...) -> [(id: FeedID, paths: PeerSelector)] {
        selectors.enumerated().map { (FeedID(rawValue: UInt16($0)), $1) }
    }

    @Test("the path that the router uses counts, else the shortest that it could use")
    func bestPaths() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        let loader = TextDumpLoader(path: try self.write(), feeds: self.feeds(PeerSelector()))
        try loader.check()
        let report = try loader.load(into: table.owner, replacing: false)
        #expect(report.records == 9 && report.badLines == nil)
        #expect(report.feeds.map(\.announced) == [3])
        #expect(
            try table.routes(of: 0) == [
                "10.0.0.0/8 64502 7 8 9", "10.1.0.0/16 64501 9", "2001:db8::/32 64501 {1,2}",
            ])
        #expect(try table.distances("10.2.3.4") == [0: 4])
        #expect(try table.distances("2001:db8::1") == [0: 2])
    }

    @Test("a feed may read the paths of one peer, by next hop, first AS or both")
    func peers() throws {
        let table = try LoaderTable(feeds: 3)
        defer { table.owner.shutdown() }
        let loader = TextDumpLoader(
            path: try self.write(),
            feeds: self.feeds(
                PeerSelector(address: IPAddress(ipv4: 0xc000_0201)), PeerSelector(asNumber: 64501),
                PeerSelector(address: IPAddress(ipv4: 0xc000_0203), asNumber: 64501)))
        let report = try loader.load(into: table.owner, replacing: false)
        #expect(report.feeds.map(\.announced) == [2, 3, 1])
        #expect(try table.routes(of: 0) == ["10.0.0.0/8 64501", "10.1.0.0/16 64501 9"])
        #expect(
            try table.routes(of: 1) == [
                "10.0.0.0/8 64501", "10.1.0.0/16 64501 9", "2001:db8::/32 64501 {1,2}",
            ])
        #expect(try table.routes(of: 2) == ["10.1.0.0/16 64501 8 9"])
    }

    @Test("a peer without any path is an error in words")
    func noPaths() throws {
        let path = try self.write()
        let loader = TextDumpLoader(
            path: path, feeds: self.feeds(PeerSelector(address: IPAddress(ipv4: 0xc000_0204))))
        let error = #expect(throws: TextSelectionError.self) { try loader.check() }
        #expect(
            error?.description == "\(path): no usable path has the next hop 192.0.2.4")
    }

    @Test("a file with a bad line leaves the routes of before, unless bad lines are left out")
    func badLines() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        let good = TextDumpLoader(path: try self.write(), feeds: self.feeds(PeerSelector()))
        try good.load(into: table.owner, replacing: false)
        let before = try table.routes(of: 0)

        let path = try self.write(Self.table + "*> 11.0.0.0/8 broken\n")
        var bad = TextDumpLoader(path: path, feeds: self.feeds(PeerSelector()))
        let error = #expect(throws: BadLines.self) {
            try bad.load(into: table.owner, replacing: true)
        }
        #expect(error?.description.hasPrefix("\(path):15:") == true, "\(String(describing: error))")
        #expect(try table.routes(of: 0) == before)

        bad.skipsBadLines = true
        let report = try bad.load(into: table.owner, replacing: true)
        #expect(report.badLines?.count == 1)
        #expect(try table.routes(of: 0) == before)

        // A file without a table is none, whatever is left out.
        bad = TextDumpLoader(
            path: try self.write("nothing\n"), feeds: self.feeds(PeerSelector()),
            skipsBadLines: true)
        #expect(throws: BadLines.self) { try bad.load(into: table.owner, replacing: true) }
        #expect(try table.routes(of: 0) == before)
    }

    @Test("a second file takes the place of the first")
    func replacing() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        let first = TextDumpLoader(path: try self.write(), feeds: self.feeds(PeerSelector()))
        try first.load(into: table.owner, replacing: false)
        let second = TextDumpLoader(
            path: try self.write(
                """
                   Network          Next Hop            Metric LocPrf Weight Path
                *> 12.0.0.0         192.0.2.1                0             0 64501 i
                """), feeds: self.feeds(PeerSelector()))
        try second.load(into: table.owner, replacing: true)
        #expect(try table.routes(of: 0) == ["12.0.0.0/8 64501"])
    }

    @Test("what a feed doesn't keep is left out")
    func kept() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        var loader = TextDumpLoader(path: try self.write(), feeds: self.feeds(PeerSelector()))
        loader.kept = [FeedID(rawValue: 0): .length]
        try loader.load(into: table.owner, replacing: false)
        #expect(try table.distances("10.2.3.4") == [0: 4])
        #expect(
            try table.routes(of: 0).map { $0.trimmed } == [
                "10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32",
            ])
    }
}

extension String {
    /// Without blanks at the end.
    fileprivate var trimmed: String { String(self.reversed().drop { $0 == " " }.reversed()) }
}
