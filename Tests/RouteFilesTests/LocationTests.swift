// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import RouteFiles
import Testing

@Suite("Locations")
struct LocationTests {
    private func ranges(_ text: String) throws -> LocationRanges {
        try LocationRanges(parsing: Array(text.utf8).span)
    }

    private func prefixes(_ ranges: LocationRanges) -> [String] {
        var result: [String] = []
        ranges.forEachPrefix { result.append("\($0) \($1)") }
        return result
    }

    @Test("are read from numbers and addresses, and cut into the fewest prefixes")
    func forms() throws {
        let ranges = try self.ranges(
            """
            # comment
            16777216,16777471,AU
            16777472,16778239,CN\r
            1.0.4.0 , 1.0.4.255 , cn

            2001:db8::,2001:db8:0:ffff:ffff:ffff:ffff:ffff,NO
            15726992,15726999,??
            """)
        #expect(ranges.unknownCount == 1)
        #expect(ranges.ranges.map(\.country.description) == ["AU", "CN", "CN", "NO"])
        // Neighbours of one country are taken together: 1.0.1.0 to 1.0.4.255.
        #expect(
            self.prefixes(ranges) == [
                "1.0.0.0/24 AU", "1.0.1.0/24 CN", "1.0.2.0/23 CN", "1.0.4.0/24 CN",
                "2001:db8::/48 NO",
            ])
    }

    @Test("may stand in any order")
    func unsorted() throws {
        let ranges = try self.ranges("::5,::6,DE\n256,511,FR\n0,255,FR")
        #expect(self.prefixes(ranges) == ["0.0.0.0/23 FR", "::5/128 DE", "::6/128 DE"])
    }

    @Test("reach to the ends of the address space")
    func ends() throws {
        let whole = try self.ranges(
            "0,4294967295,US\n::,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,US")
        #expect(self.prefixes(whole) == ["0.0.0.0/0 US", "::/0 US"])
    }

    @Test(
        "say line, column and reason of what is bad",
        arguments: [
            ("1,2", 1, 1, .wrongFieldCount(2, wanted: 3)),
            ("1,2,AU,x", 1, 1, .wrongFieldCount(4, wanted: 3)),
            ("\n4294967296,2,AU", 2, 1, .numberTooLarge),
            ("1,99999999999999999999999999,AU", 1, 3, .numberTooLarge),
            ("2,1,AU", 1, 1, .endBeforeStart), ("1,::2,AU", 1, 1, .differentFamilies),
            ("1,2,AUS", 1, 5, .notACountryCode), ("1,2, 4U", 1, 6, .notACountryCode),
            ("1,2,", 1, 5, .notACountryCode), (",2,AU", 1, 1, .syntax(.empty)),
            ("1.2.3,2,AU", 1, 6, .syntax(.incomplete)),
            ("-1,2,AU", 1, 1, .syntax(.unexpectedCharacter(0x2d))),
            ("::g,::1,AU", 1, 3, .syntax(.unexpectedCharacter(0x67))),
            ("1,10,AU\n10,20,NZ", 2, 1, .overlaps(line: 1)),
            ("100,200,AU\n1,300,NZ", 2, 1, .overlaps(line: 1)),
            ("1,10,??\n5,6,NZ", 2, 1, .overlaps(line: 1)),
        ] as [(String, Int, Int, BadLine.Reason)])
    func badLines(text: String, line: Int, column: Int, reason: BadLine.Reason) {
        let problems = #expect(throws: BadLines.self) { try self.ranges(text) }
        #expect(problems?.lines == [BadLine(line: line, column: column, reason: reason)])
    }

    @Test("find an overlap with a range that isn't the one just before")
    func farOverlap() {
        let problems = #expect(throws: BadLines.self) {
            try self.ranges("1,100,AU\n2,3,NZ\n50,60,NZ\n101,102,NZ")
        }
        #expect(problems?.lines.map(\.line) == [2, 3])
    }

    @Test("cut short anywhere or with bits flipped are read or refused")
    func damaged() {
        var random = SeededGenerator(seed: 4)
        let good = Array("16777216,16777471,AU\n2001:db8::,2001:db8::ffff,NO\r\n1,2,??".utf8)
        for count in 0...good.count {
            _ = try? LocationRanges(parsing: Array(good.prefix(count)).span)
        }
        for _ in 0..<5000 {
            var bytes = good
            for _ in 0..<3 {
                bytes[Int.random(in: bytes.indices, using: &random)] ^= 1 << (random.next() & 7)
            }
            guard let ranges = try? LocationRanges(parsing: bytes.span) else { continue }
            ranges.forEachPrefix { prefix, _ in #expect(prefix.length <= prefix.family.width) }
        }
    }

    @Test(
        "of Debian's tor-geoipdb cover what they say",
        .enabled(
            if: FileManager.default.fileExists(atPath: "/usr/share/tor/geoip6"),
            "tor-geoipdb isn't installed"))
    func debian() throws {
        let four = try LocationRanges(path: "/usr/share/tor/geoip")
        let six = try LocationRanges(path: "/usr/share/tor/geoip6")
        #expect(four.ranges.count > 300_000 && six.ranges.count > 200_000)
        // The prefixes cover as many addresses as the ranges.
        for file in [four, six] {
            var size: UInt128 = 0
            for range in file.ranges {
                let shift = UInt128(128 - range.first.family.width)
                size += (range.last.leftAligned - range.first.leftAligned) >> shift + 1
            }
            var covered: UInt128 = 0
            var last: IPAddress?
            file.forEachPrefix { prefix, _ in
                covered += 1 << UInt128(prefix.family.width - prefix.length)
                #expect(last.map { $0 < prefix.address } ?? true)
                last = prefix.last
            }
            #expect(covered == size)
        }
        // Its codes have centres, but for those that are no countries.
        let codes = Set((four.ranges + six.ranges).map(\.country))
        let without = codes.filter { CountryCentres.place($0) == nil }.map(\.description)
        #expect(Set(without).isSubset(of: ["EU", "AP", "SU", "AB", "ZZ", "UN", "OS"]))
    }

    @Test("cost little when they come from the data folder", .enabled(if: TestData.isThere))
    func data() throws {
        // 385,602 and 276,626 ranges, those of unknown countries among them.
        let four = try LocationRanges(path: TestData.path("geo/tor-geoip.txt.gz"))
        let six = try LocationRanges(path: TestData.path("geo/tor-geoip6.txt.gz"))
        #expect(four.ranges.count + four.unknownCount == 385_602)
        #expect(six.ranges.count + six.unknownCount == 276_626)
    }
}

@Suite("Country centres")
struct CountryCentreTests {
    /// Capitals or large cities, which lie in or near their countries.
    @Test(
        "lie within reach of the countries' cities",
        arguments: [
            ("AU", -33.9, 151.2, 3000.0), ("NL", 52.4, 4.9, 200), ("JP", 35.7, 139.7, 500),
            ("US", 38.9, -77.0, 2500), ("ZA", -26.2, 28.0, 900), ("BR", -15.8, -47.9, 700),
            ("CH", 46.9, 7.4, 200), ("CA", 45.4, -75.7, 2800), ("NO", 59.9, 10.8, 500),
            ("IN", 28.6, 77.2, 1000), ("CL", -33.4, -70.7, 400), ("NZ", -41.3, 174.8, 300),
            ("KE", -1.3, 36.8, 300), ("FJ", -18.1, 178.4, 100), ("GB", 51.5, -0.1, 600),
            ("RU", 55.8, 37.6, 4000), ("SG", 1.3, 103.8, 50), ("IS", 64.1, -21.9, 250),
        ])
    func cities(code: String, latitude: Double, longitude: Double, reach: Double) throws {
        let place = try #require(CountryCentres.place(code))
        let radians = Double.pi / 180
        let cosine =
            sin(latitude * radians) * sin(place.latitude * radians)
            + cos(latitude * radians) * cos(place.latitude * radians)
            * cos((longitude - place.longitude) * radians)
        #expect(acos(min(1, cosine)) * 6371 < reach)
    }

    @Test("are there for every code, within the globe")
    func all() throws {
        #expect(CountryCentres.codes.count == 249 + 4, "ISO 3166-1, and XK, AN, CS and UK")
        for code in CountryCentres.codes {
            let place = try #require(CountryCentres.place(code))
            #expect((-90...90).contains(place.latitude) && (-180...180).contains(place.longitude))
        }
        #expect(CountryCentres.place("ZZ") == nil)
        #expect(CountryCentres.place("??") == nil && CountryCentres.place("") == nil)
        #expect(CountryCentres.place("no")?.latitude == CountryCentres.place("NO")?.latitude)
    }
}
