// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc
import RouteFiles
import Testing

@Suite("Route maps")
struct RouteMapTests {
    private static let sites: [ASNumber: String] = [
        64600: "sydney", 64601: "amsterdam", 64602: "tokyo",
    ]

    private func map(_ text: String) throws -> RouteMap {
        try RouteMap(parsing: Array(text.utf8).span, sites: Self.sites)
    }

    /// `prefix as as`, a line for each entry.
    private func lines(_ map: RouteMap) -> [String] {
        map.entries.map { entry in
            "\(entry.prefix) "
                + map.sites(of: entry).map(\.description).joined(separator: " ")
        }
    }

    private func problems(_ text: String) -> BadLines? {
        #expect(throws: BadLines.self) { try self.map(text) }
    }

    @Test("hold prefixes of both families, with comments, blanks and any end of line")
    func forms() throws {
        let text = """
            # a comment\r
            10.0.0.0/8 64600\r
            \t 192.0.2.0/24\t64601   64600 \t # why

            2001:db8::/32 64602 64600 64601#tight
            \t
            0.0.0.0/0 64601\r
            ::/0 64601
            """
        let map = try self.map(text)
        #expect(
            self.lines(map) == [
                "10.0.0.0/8 64600", "192.0.2.0/24 64601 64600",
                "2001:db8::/32 64602 64600 64601", "0.0.0.0/0 64601", "::/0 64601",
            ])
        #expect(map.entries.map(\.line) == [2, 3, 5, 7, 8])
        #expect(map.warnings.isEmpty && map.warningCount == 0)
        #expect(map.preferences.count == 4)
    }

    @Test(
        "of nothing are empty",
        arguments: ["", "\n", "\r\n\r\n", "# only this", "#", " \t ", "\u{feff}", "\u{feff}# x\n"])
    func empty(text: String) throws {
        #expect(try self.map(text).entries.isEmpty)
    }

    @Test("may begin with a byte order mark, and end without a newline")
    func ends() throws {
        #expect(try self.lines(self.map("\u{feff}10.0.0.0/8 64600")) == ["10.0.0.0/8 64600"])
        #expect(try self.lines(self.map("10.0.0.0/8 64600\r")) == ["10.0.0.0/8 64600"])
    }

    @Test("take AS numbers in asdot too")
    func asdot() throws {
        #expect(try self.lines(self.map("10.0.0.0/8 0.64600 64602")) == ["10.0.0.0/8 64600 64602"])
    }

    @Test("warn of a prefix that stands twice, naming both lines; the last counts")
    func duplicates() throws {
        let map = try self.map(
            """
            10.0.0.0/8 64600
            10.0.0.0/9 64600
            10.0.0.0/8 64601
            # in between
            10.0.0.0/8 64602
            """)
        #expect(self.lines(map) == ["10.0.0.0/8 64602", "10.0.0.0/9 64600"])
        try #expect(
            map.warnings == [
                .duplicate(IPPrefix(parsing: "10.0.0.0/8"), line: 3, earlierLine: 1),
                .duplicate(IPPrefix(parsing: "10.0.0.0/8"), line: 5, earlierLine: 3),
            ])
        #expect(
            map.warnings.first?.description
                == "3: 10.0.0.0/8 stands on line 1 already; this line counts")
        #expect(map.entries.first?.line == 5)
    }

    @Test("mask prefixes with bits beyond their length, and say so")
    func masked() throws {
        let map = try self.map("10.1.2.3/8 64600\n2001:db8::1/32 64600")
        #expect(self.lines(map) == ["10.0.0.0/8 64600", "2001:db8::/32 64600"])
        try #expect(
            map.warnings == [
                .masked(IPPrefix(parsing: "10.0.0.0/8"), line: 1),
                .masked(IPPrefix(parsing: "2001:db8::/32"), line: 2),
            ])
    }

    @Test("keep a site's first place on a line")
    func repeatedSite() throws {
        let map = try self.map("10.0.0.0/8 64600 64601 64600")
        #expect(self.lines(map) == ["10.0.0.0/8 64600 64601"])
        #expect(map.warnings == [.repeatedSite(64600, line: 1)])
    }

    @Test("keep 20 warnings and count the rest")
    func manyWarnings() throws {
        let map = try self.map((0..<50).map { "10.0.\($0).1/24 64600" }.joined(separator: "\n"))
        #expect(map.warnings.count == 20 && map.warningCount == 50)
    }

    @Test(
        "say line, column and reason of what is bad",
        arguments: [
            ("10.0.0.0/8", 1, 11, .noSites), ("10.0.0.0/8 # 64600", 1, 11, .noSites),
            ("\n10.0.0.0/33 64600", 2, 10, .syntax(.lengthOutOfRange(maximum: 32))),
            ("10.0.0.0 64600", 1, 9, .syntax(.missingLength)),
            ("  10.0.0/8 64600", 1, 9, .syntax(.incomplete)),
            ("10.0.0.256/8 64600", 1, 8, .syntax(.octetTooLarge(256))),
            ("010.0.0.0/8 64600", 1, 1, .syntax(.leadingZero)),
            ("fe80::%eth0/64 64600", 1, 7, .syntax(.zoneIdentifier)),
            ("10.0.0.0/8 64600,64601", 1, 17, .syntax(.unexpectedCharacter(0x2c))),
            ("10.0.0.0/8 64600 AS64601", 1, 18, .syntax(.unexpectedCharacter(0x41))),
            ("10.0.0.0/8 4294967296", 1, 12, .syntax(.asNumberTooLarge)),
            ("10.0.0.0/8 64600 64999", 1, 18, .unknownSite(64999)),
            ("64600 10.0.0.0/8", 1, 1, .syntax(.octetTooLarge(646))),
            ("hello", 1, 1, .syntax(.unexpectedCharacter(0x68))),
            ("10.0.0.0/8\r64600\n", 1, 11, .syntax(.unexpectedCharacter(13))),
            ("10.0.0.0/8 64600\u{0}", 1, 17, .syntax(.unexpectedCharacter(0))),
        ] as [(String, Int, Int, BadLine.Reason)])
    func badLines(text: String, line: Int, column: Int, reason: BadLine.Reason) {
        let problems = self.problems(text)
        #expect(problems?.lines == [BadLine(line: line, column: column, reason: reason)])
        #expect(problems?.count == 1)
    }

    @Test("name the configured sites where an AS number is none's")
    func unknownSite() {
        let problems = self.problems("10.0.0.0/8 64600\n10.0.0.0/9 64999\n")
        #expect(
            problems?.description
                == "2:12: AS number 64999 is no site's; "
                + "the sites are sydney (64600), amsterdam (64601), tokyo (64602)")
    }

    @Test("take any AS number where no sites are given")
    func anySite() throws {
        let map = try RouteMap(parsing: Array("10.0.0.0/8 1 2".utf8).span, sites: nil)
        #expect(map.preferences == [[1, 2]])
    }

    @Test("report 20 bad lines and count the rest; nothing is loaded")
    func manyBadLines() {
        var lines = ["10.0.0.0/8 64600"]
        lines += (0..<33).map { "10.0.0.0/8 \($0)" }
        let problems = self.problems(lines.joined(separator: "\n"))
        #expect(problems?.lines.map(\.line) == Array(2...21))
        #expect(problems?.count == 33)
        #expect(problems?.description.hasSuffix("\nand 13 more bad lines") == true)
    }

    @Test("name the file when they come from one, compressed or not")
    func files() throws {
        let path = try TestData.write(Array("10.0.0.0/8 64600\nx\n".utf8), "bad.routes")
        let error = #expect(throws: BadLines.self) {
            try RouteMap(path: path, sites: Self.sites)
        }
        #expect(error?.description == "\(path):2:1: 'x': unexpected 'x'")
        let good = try TestData.write(Packed.gzip(Array("10.0.0.0/8 64600\n".utf8)), "good")
        #expect(try RouteMap(path: good, sites: Self.sites).entries.count == 1)
        #expect(throws: InputFileError(path: "/nowhere", reason: .cannotOpen(ENOENT), offset: 0)) {
            try RouteMap(path: "/nowhere", sites: Self.sites)
        }
    }

    @Test("agree with a dictionary, over random lines with many repeats")
    func randomMaps() throws {
        for seed in 0..<20 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            var expected: [IPPrefix: [ASNumber]] = [:]
            var text = ""
            for _ in 0..<3000 {
                let family = AddressFamily.allCases.randomElement(using: &random) ?? .ipv4
                let bits = UInt128(random.next() & 0x7) << 125 | UInt128(random.next() & 0xff) << 96
                let prefix = IPPrefix(
                    masking: IPAddress(family: family, leftAligned: bits),
                    length: Int(random.next() % UInt64(family.width + 1)))
                let sites = Self.sites.keys.shuffled(using: &random)
                    .prefix(Int(random.next() % 3) + 1)
                expected[prefix] = Array(sites)
                text += "\(prefix) " + sites.map(\.description).joined(separator: " ") + "\n"
            }
            let map = try self.map(text)
            let read = Dictionary(
                uniqueKeysWithValues: map.entries.map { ($0.prefix, map.sites(of: $0)) })
            #expect(read == expected, "seed \(seed)")
            #expect(map.warningCount == 3000 - expected.count, "seed \(seed)")
        }
    }

    @Test("cut short anywhere, with bits flipped, or of random bytes are read or refused")
    func damaged() {
        var random = SeededGenerator(seed: 3)
        let good = Array(
            "10.0.0.0/8 64600 # c\r\n2001:db8::/32 64601 64602\n192.0.2.1/32 64600".utf8)
        for count in 0...good.count {
            _ = try? RouteMap(parsing: Array(good.prefix(count)).span, sites: Self.sites)
        }
        for _ in 0..<5000 {
            var bytes = good
            for _ in 0..<3 {
                bytes[Int.random(in: bytes.indices, using: &random)] ^= 1 << (random.next() & 7)
            }
            _ = try? RouteMap(parsing: bytes.span, sites: Self.sites)
            let noise = (0..<60).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            _ = try? RouteMap(parsing: noise.span, sites: nil)
        }
    }

    @Test("of a million lines load in less than 2 s of CPU")
    func million() throws {
        #if DEBUG
            let count = 20_000  // without optimisation
        #else
            let count = 1_000_000
        #endif
        var text: [UInt8] = []
        for index in 0..<count {
            let value = UInt32(truncatingIfNeeded: index &* 2_654_435_761) & 0xffff_fff0
            let length = 28
            text += "\(IPAddress(ipv4: value))/\(length) \(64600 + index % 3) 64600\n".utf8
        }
        var before = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before)
        let map = try RouteMap(parsing: text.span, sites: Self.sites)
        var after = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after)
        let seconds =
            Double(after.tv_sec - before.tv_sec) + Double(after.tv_nsec - before.tv_nsec) / 1e9
        print("route map of \(count) lines: \(seconds) s CPU")
        #expect(seconds < 2)
        #expect(map.entries.count + map.warningCount >= count)
    }
}
