// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import RouteFiles
import Testing

@Suite("Files of round trips")
struct RoundTripFileTests {
    static let sites = ["sydney", "tokyo"]

    private func read(_ text: String) throws -> [String] {
        try RoundTripFile(parsing: Array(text.utf8).span, sites: Self.sites).measurements.map {
            "\($0.prefix) \(Self.sites[$0.site]) \($0.microseconds)"
        }
    }

    @Test("are lines of a prefix, a site and milliseconds")
    func forms() throws {
        let measurements = try self.read(
            """
            prefix,site,milliseconds
            # comment
            10.0.0.0/8,sydney,12
            10.0.0.0/8 , tokyo , 0.25\r

            2001:db8::/32,tokyo,60000 # far
            10.1.0.0/16,tokyo,1.0005
            10.1.0.0/16,tokyo,1.00049
            10.2.0.0/16,sydney,.5
            10.2.0.0/16,sydney,7.
            0.0.0.0/0,sydney,0
            """)
        #expect(
            measurements == [
                "10.0.0.0/8 sydney 12000", "10.0.0.0/8 tokyo 250", "2001:db8::/32 tokyo 60000000",
                "10.1.0.0/16 tokyo 1001", "10.1.0.0/16 tokyo 1000", "10.2.0.0/16 sydney 500",
                "10.2.0.0/16 sydney 7000", "0.0.0.0/0 sydney 0",
            ])
    }

    @Test(
        "say line, column and reason of what is bad",
        arguments: [
            ("10.0.0.0/8,sydney", 1, 1, .wrongFieldCount(2, wanted: 3)),
            ("10.0.0.0/8,sydney,1,2", 1, 1, .wrongFieldCount(4, wanted: 3)),
            ("\n10.0.0/8,sydney,1", 2, 7, .syntax(.incomplete)),
            ("10.0.0.0,sydney,1", 1, 9, .syntax(.missingLength)),
            (
                "10.0.0.0/8, paris,1", 1, 13,
                .unknownSiteName("paris", known: ["sydney", "tokyo"])
            ),
            ("10.0.0.0/8,,1", 1, 12, .unknownSiteName("", known: ["sydney", "tokyo"])),
            ("10.0.0.0/8,Tokyo,1", 1, 12, .unknownSiteName("Tokyo", known: ["sydney", "tokyo"])),
            ("10.0.0.0/8,tokyo,", 1, 18, .notMilliseconds),
            ("10.0.0.0/8,tokyo,.", 1, 18, .notMilliseconds),
            ("10.0.0.0/8,tokyo, 1ms", 1, 19, .notMilliseconds),
            ("10.0.0.0/8,tokyo,-1", 1, 18, .notMilliseconds),
            ("10.0.0.0/8,tokyo,1.2.3", 1, 18, .notMilliseconds),
            ("10.0.0.0/8,tokyo,60000.001", 1, 18, .notMilliseconds),
            ("10.0.0.0/8,tokyo,99999999999999999999999", 1, 18, .notMilliseconds),
            ("\nprefix,site,milliseconds", 2, 1, .syntax(.unexpectedCharacter(0x70))),
        ] as [(String, Int, Int, BadLine.Reason)])
    func badLines(text: String, line: Int, column: Int, reason: BadLine.Reason) {
        let problems = #expect(throws: BadLines.self) { try self.read(text) }
        #expect(problems?.lines == [BadLine(line: line, column: column, reason: reason)])
    }

    @Test("name the sites that there are")
    func words() throws {
        let problems = #expect(throws: BadLines.self) { try self.read("10.0.0.0/8,paris,1") }
        #expect(
            problems?.description == "1:12: 'paris' is no site; the sites are sydney, tokyo")
    }

    @Test("cut short anywhere or with bits flipped are read or refused")
    func damaged() {
        var random = SeededGenerator(seed: 9)
        let good = Array("10.0.0.0/8,sydney,12.25\n2001:db8::/32 , tokyo,7\r\n".utf8)
        for count in 0...good.count {
            _ = try? RoundTripFile(parsing: Array(good.prefix(count)).span, sites: Self.sites)
        }
        for _ in 0..<5_000 {
            var bytes = good
            bytes[Int.random(in: bytes.indices, using: &random)] ^=
                1 << UInt8.random(in: 0..<8, using: &random)
            do throws(BadLines) {
                let file = try RoundTripFile(parsing: bytes.span, sites: Self.sites)
                #expect(
                    file.measurements.allSatisfy {
                        $0.microseconds <= 60_000_000 && Self.sites.indices.contains($0.site)
                    })
            } catch {
                #expect(error.count > 0)
            }
        }
    }
}
