// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import RouteFiles
import Testing

@Suite("Table dumps beside bgpdump", .enabled(if: TestData.isThere))
struct BGPDumpTests {
    /// Where it is missing, these tests are passed over; but not where everything must be there.
    static let isThere: Bool = {
        if CommandLines.isInstalled("bgpdump") { return true }
        if ProcessInfo.processInfo.environment["CI"] == "true" { return true }
        print("Tests that compare with bgpdump are skipped: it isn't installed")
        return false
    }()

    /// Compares all routes of a file with lines, and returns how many there were.
    private func compare(
        _ path: String, with lines: CommandLines, byChange: Bool = false,
        normalise: ([UInt8]) -> [UInt8] = Self.withCanonicalAddresses
    ) throws -> Int {
        var reader = try MRTReader(path: path)
        var line = RouteLine()
        var count = 0
        var wrong: [String] = []
        try reader.forEachRecord { record, span in
            try line.lines(of: record, span, byChange: byChange) { line in
                count += 1
                guard wrong.count < 5 else { return }
                guard let expected = lines.next() else {
                    wrong.append("bgpdump ended before line \(count)")
                    return
                }
                if !line.bytes.elementsEqual(expected),
                    normalise(line.bytes) != normalise(Array(expected))
                {
                    wrong.append(
                        "\(count): " + String(decoding: line.bytes, as: UTF8.self) + " but bgpdump "
                            + String(decoding: expected, as: UTF8.self))
                }
            }
        }
        #expect(wrong == [])
        #expect(lines.next() == nil, "bgpdump has more lines")
        return count
    }

    /// bgpdump writes `::` for a single zero group, which RFC 5952 §4.2.2 forbids.
    private static func withCanonicalAddresses(_ line: [UInt8]) -> [UInt8] {
        var fields = String(decoding: line, as: UTF8.self)
            .split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        for index in fields.indices {
            if let address = IPAddress(fields[index]) { fields[index] = address.description }
            if let prefix = IPPrefix(fields[index]) { fields[index] = prefix.description }
        }
        return Array(fields.joined(separator: "|").utf8)
    }

    @Test(
        "agree line for line",
        .enabled(if: Self.isThere),
        arguments: [
            ("mrt/rib/rrc00.bview.20000111.0032.as-tdv2.gz", 452_018),
            ("mrt/rib/rrc06.bview.20100701.0759.as-tdv2.gz", 641_957),
            ("mrt/rib/route-views2.rib.20140523.0600.first-9072.gz", 270_005),
            ("mrt/rib/route-views6.rib.20151101.0600.first-6870.gz", 149_578),
            ("mrt/rib/bview.20020722.2337.gz", 115_521),
            ("mrt/rib/bview.20190417.0800.stub.gz", 6_640),
            ("mrt/small/bird-mrtdump_rib", 18),
            ("mrt/small/bview.ipv4_unicast_add_path.gz", 62),
            ("mrt/small/bview.ipv6_unicast_add_path.gz", 62),
        ])
    func agree(name: String, routes: Int) throws {
        let path = TestData.path(name)
        let lines = try #require(CommandLines("bgpdump", "-q", "-m", path))
        #expect(try self.compare(path, with: lines) == routes)
    }

    @Test("agree on when each route changed", .enabled(if: Self.isThere))
    func changeTimes() throws {
        // Of TABLE_DUMP_V2, bgpdump 1.6.2 prints 0.
        let path = TestData.path("mrt/rib/bview.20020722.2337.gz")
        let lines = try #require(CommandLines("bgpdump", "-q", "-m", "-t", "change", path))
        #expect(try self.compare(path, with: lines, byChange: true) == 115_521)
    }

    @Test("agree with the text that rrc06's dump came as, but for the time stamp")
    func publishedText() throws {
        let lines = try #require(
            CommandLines(
                "gzip", "-dc", TestData.path("mrt/rib/rrc06.bview.20100701.0759.bgpdump-m.txt.gz")))
        let routes = try self.compare(
            TestData.path("mrt/rib/rrc06.bview.20100701.0759.as-tdv2.gz"), with: lines,
            normalise: { line in
                let fields = line.split(
                    separator: UInt8(ascii: "|"), maxSplits: 2, omittingEmptySubsequences: false)
                return Array(fields.dropFirst(2).joined(separator: [UInt8(ascii: "|")]))
            })
        #expect(routes == 641_957)
    }
}
