// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Foundation
import RouteFiles
import RouteTable
import Testing

@Suite("Loading route maps")
struct RouteMapLoaderTests {
    private let sites = [
        RouteMapLoader.Site(id: SiteID(rawValue: 4), name: "sydney", asNumber: 64600),
        RouteMapLoader.Site(id: SiteID(rawValue: 2), name: "tokyo", asNumber: 64602),
    ]

    private func write(_ text: String) throws -> String {
        try LoaderFiles.write(Array(text.utf8), "map.routes")
    }

    @Test("later files win over earlier ones, prefix by prefix")
    func later() throws {
        let table = try LoaderTable(feeds: 5)
        defer { table.owner.shutdown() }
        let pins = try RouteMapLoader.load(
            paths: [
                self.write("10.0.0.0/8 64600\n11.0.0.0/8 64602 64600\n"),
                self.write("10.0.0.0/8 64602\n10.1.0.0/16 64600\n10.1.0.0/16 64602"),
            ], sites: self.sites)
        #expect(pins.warnings.count == 1)
        #expect(
            pins.warnings.first?.hasSuffix(
                ":3: 10.1.0.0/16 stands on line 2 already; this line counts") == true)
        table.owner.submit(.setPins(pins.pins))
        table.owner.flushAndWait()
        var reader = try table.owner.lookup.makeReader()
        for (address, expected) in [
            ("10.9.0.1", [2]), ("10.1.0.1", [2]), ("11.0.0.1", [2, 4]), ("12.0.0.1", []),
        ] as [(String, [UInt8])] {
            let address = try IPAddress(parsing: address)
            let found = reader.withSnapshot { $0.values(ofClass: $0.classID(of: address)).pins }
            #expect(found.map(\.rawValue) == expected)
        }
    }

    @Test("one bad file and there are no pins at all")
    func bad() throws {
        let path = try self.write("10.0.0.0/8 64600\n10.0.0.0/8 64999\n")
        let error = #expect(throws: BadLines.self) {
            try RouteMapLoader.load(
                paths: [self.write("1.0.0.0/8 64600"), path], sites: self.sites)
        }
        #expect(
            error?.description
                == "\(path):2:12: AS number 64999 is no site's; the sites are sydney (64600), "
                + "tokyo (64602)")
        #expect(throws: InputFileError.self) {
            try RouteMapLoader.load(paths: ["/no/such.routes"], sites: self.sites)
        }
    }

    @Test("warnings beyond the first 20 of a file are counted")
    func manyWarnings() throws {
        let path = try self.write((0..<30).map { "10.0.\($0).1/24 64600\n" }.joined())
        let pins = try RouteMapLoader.load(paths: [path], sites: self.sites)
        #expect(pins.pins.count == 30 && pins.warnings.count == 21)
        #expect(pins.warnings.last == "\(path): and 10 more of the kind")
    }
}

@Suite("Loading locations")
struct LocationLoaderTests {
    @Test("ranges get the centres of their countries")
    func places() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        let four = try LoaderFiles.write(
            Array("16777216,16777471,AU\n16777472,16778239,EU\n16778240,16778241,??\n".utf8), "4")
        let six = try LoaderFiles.write(Array("2001:db8::,2001:db8::ff,NO\n".utf8), "6")
        let locations = try LocationLoader.load(paths: [four, six])
        #expect(locations.places.ranges.map(\.place.name) == ["AU", "NO"])
        #expect(locations.unknownCount == 1)
        #expect(locations.withoutCentre.values.reduce(0, +) == 1)
        table.owner.submit(.setLocations(locations.places))
        table.owner.flushAndWait()
        var reader = try table.owner.lookup.makeReader()
        for (address, name) in [
            ("1.0.0.200", "AU"), ("1.0.1.1", nil), ("2001:db8::80", "NO"), ("2001:db8::100", nil),
        ] as [(String, String?)] {
            let address = try IPAddress(parsing: address)
            let place = reader.withSnapshot { $0.values(ofClass: $0.classID(of: address)).place }
            #expect(place?.name == name)
            if name == "NO" { #expect((55...72).contains(place?.latitude ?? 0)) }
        }
    }

    @Test("errors name file and line")
    func errors() throws {
        let path = try LoaderFiles.write(Array("1,2,AU\n3,2,AU\n".utf8), "bad")
        let error = #expect(throws: BadLines.self) { try LocationLoader.load(paths: [path]) }
        #expect(error?.description == "\(path):2:1: the range ends before it begins")
    }
}

@Suite("Loading round trips")
struct RoundTripLoaderTests {
    private let sites = [
        (id: SiteID(rawValue: 4), name: "sydney"), (id: SiteID(rawValue: 2), name: "tokyo"),
    ]

    @Test("all files are read, and count in the table for the sites that they name")
    func load() throws {
        let table = try LoaderTable(feeds: 5)
        defer { table.owner.shutdown() }
        let first = try LoaderFiles.write(Array("10.0.0.0/8,sydney,100\n".utf8), "1.csv")
        let second = try LoaderFiles.write(
            Array("10.0.0.0/8,sydney,20\n2001:db8::/32,tokyo,10\n".utf8), "2.csv")
        table.owner.submit(
            .setRoundTrips(try RoundTripLoader.load(paths: [first, second], sites: self.sites)))
        table.owner.flushAndWait()
        let known = try table.owner.querySync { $0.roundTrips(after: nil, limit: 9).roundTrips }
        #expect(known.map(\.site.rawValue) == [4, 2])
        // Two lines of one prefix and site are two measurements.
        #expect(known.map(\.filed) == [80_000, 10_000])
        #expect(known.allSatisfy { $0.average == nil })
    }

    @Test("one bad file and there are none at all")
    func bad() throws {
        let good = try LoaderFiles.write(Array("10.0.0.0/8,sydney,100\n".utf8), "good.csv")
        let path = try LoaderFiles.write(Array("\n10.0.0.0/8,paris,100\n".utf8), "bad.csv")
        let error = #expect(throws: BadLines.self) {
            try RoundTripLoader.load(paths: [good, path], sites: self.sites)
        }
        #expect(
            error?.description
                == "\(path):2:12: 'paris' is no site; the sites are sydney, tokyo")
    }
}
