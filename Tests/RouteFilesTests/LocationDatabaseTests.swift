// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import RouteFiles
import Testing

@Suite("Location databases")
struct LocationDatabaseTests {
    typealias Value = DatabaseBuilder.Value

    private func country(_ code: String) -> Value {
        .map(["country": .map(["iso_code": .text(code)])])
    }

    private func prefix(_ text: String) throws -> IPPrefix { try IPPrefix(parsing: text) }

    /// Ranges as `first last what`.
    private func lines(_ bytes: [UInt8]) throws -> [String] {
        var lines: [String] = []
        try LocationDatabase(bytes: bytes).forEachRange { first, last, location in
            let words = [
                location.country?.description,
                location.coordinates.map { "\($0.latitude)/\($0.longitude)" },
            ]
            lines.append("\(first) \(last) " + words.compactMap { $0 }.joined(separator: " "))
        }
        return lines
    }

    @Test("of every kind of record, in MaxMind's shape and in flat ones", arguments: [24, 28, 32])
    func shapes(recordSize: Int) throws {
        var builder = DatabaseBuilder()
        let rows: [(String, Value)] = [
            ("1.0.0.0/24", self.country("AU")),
            ("1.0.1.0/24", self.country("AU")),
            ("1.0.3.0/24", .map(["registered_country": .map(["iso_code": .text("NZ")])])),
            ("2.0.0.0/16", .map(["asn": .number(64_500), "country": .text("FR")])),
            (
                "3.0.0.0/8",
                .map([
                    "city": .map(["names": .map(["en": .text("Sydney")])]),
                    "country": .map(["geoname_id": .number(2_077_456), "iso_code": .text("AU")]),
                    "location": .map([
                        "accuracy_radius": .number(20), "latitude": .double(-33.8688),
                        "longitude": .double(151.2093),
                    ]),
                ])
            ),
            (
                "4.0.0.0/8",
                .map(["lat": .text("52.37"), "lng": .text("4.9"), "country": .text("nl")])
            ),
            ("5.0.0.0/8", .map(["latitude": .float(0.2), "longitude": .number(10)])),
            ("6.0.0.0/8", .map(["is_anycast": .truth(true)])),
            ("7.0.0.0/8", .map(["country": .text("Nowhere")])),
            ("8.0.0.0/8", .map(["latitude": .double(91), "longitude": .double(0)])),
            ("9.0.0.0/8", .map(["latitude": .double(.nan), "longitude": .text("east")])),
            ("10.0.0.0/8", .list([.text("country")])),
            ("255.255.255.255/32", self.country("JP")),
            ("2001:db8::/32", self.country("DE")),
            ("ffff::/16", self.country("SE")),
        ]
        for (prefix, value) in rows { builder.add(try self.prefix(prefix), value) }
        for alias in ["::ffff:0:0/96", "2002::/16", "2001::/32", "64:ff9b::/96"] {
            builder.alias(try self.prefix(alias))
        }
        #expect(
            try self.lines(builder.bytes(recordSize: recordSize)) == [
                "1.0.0.0 1.0.1.255 AU", "1.0.3.0 1.0.3.255 NZ", "2.0.0.0 2.0.255.255 FR",
                "3.0.0.0 3.255.255.255 AU -34.0/151.0", "4.0.0.0 4.255.255.255 NL 52.5/5.0",
                "5.0.0.0 5.255.255.255 0.0/10.0", "255.255.255.255 255.255.255.255 JP",
                "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff DE",
                "ffff:: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff SE",
            ])
    }

    @Test("of IPv4 alone, and of blocks that hold all of IPv4")
    func families() throws {
        var four = DatabaseBuilder(isIPv6: false)
        four.add(try self.prefix("128.0.0.0/1"), self.country("AU"))
        #expect(try self.lines(four.bytes()) == ["128.0.0.0 255.255.255.255 AU"])
        var six = DatabaseBuilder()
        six.add(try self.prefix("::/8"), self.country("AU"))
        six.add(try self.prefix("8000::/1"), self.country("NZ"))
        #expect(
            try self.lines(six.bytes()) == [
                "0.0.0.0 255.255.255.255 AU", ":: ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff AU",
                "8000:: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff NZ",
            ])
        var none = DatabaseBuilder()
        none.add(try self.prefix("8000::/1"), self.country("NZ"))
        #expect(try self.lines(none.bytes()).count == 1)
    }

    @Test("may be compressed")
    func compressed() throws {
        var builder = DatabaseBuilder()
        builder.add(try self.prefix("1.0.0.0/8"), self.country("AU"))
        let path = try TestFile.write(Packed.gzip(builder.bytes()))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let database = try LocationDatabase(path: path)
        #expect(database.type == "Test")
        var count = 0
        try database.forEachRange { _, _, _ in count += 1 }
        #expect(count == 1)
    }

    @Test("say the same as mmdblookup", .enabled(if: MMDBLookup.path != nil))
    func sameAsReference() throws {
        var random = SystemRandomNumberGenerator()
        let codes = ["AU", "NZ", "JP", "NL", "DE", "US", "ZA", "BR"]
        var builder = DatabaseBuilder()
        for _ in 0..<3000 {
            let value = self.country(codes[Int.random(in: 0..<codes.count, using: &random)])
            if Bool.random(using: &random) {
                builder.add(
                    IPPrefix(
                        masking: IPAddress(ipv4: .random(in: 0 ... .max, using: &random)),
                        length: .random(in: 4...32, using: &random)), value)
            } else {
                builder.add(
                    IPPrefix(
                        masking: IPAddress(
                            family: .ipv6,
                            leftAligned: 1 << 125 | .random(in: 0 ... .max, using: &random) >> 3),
                        length: .random(in: 5...64, using: &random)), value)
            }
        }
        builder.alias(try self.prefix("::ffff:0:0/96"))
        let bytes = builder.bytes(recordSize: 28)
        let path = try TestFile.write(bytes)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var ranges: [(first: IPAddress, last: IPAddress, country: String)] = []
        try LocationDatabase(path: path).forEachRange { first, last, location in
            ranges.append((first, last, location.country?.description ?? "-"))
        }
        #expect(ranges.count > 300)
        for _ in 0..<200 {
            var address = IPAddress(ipv4: .random(in: 0 ... .max, using: &random))
            if Bool.random(using: &random) {
                address = IPAddress(
                    family: .ipv6,
                    leftAligned: 1 << 125 | .random(in: 0 ... .max, using: &random) >> 3)
            } else if Bool.random(using: &random) {
                address = ranges[Int.random(in: 0..<ranges.count, using: &random)].last
            }
            let ours = ranges.first { $0.first <= address && address <= $0.last }?.country
            #expect(try MMDBLookup.country(of: address, in: path) == ours, "\(address)")
        }
    }

    @Test("that are damaged are refused, never fatal")
    func damaged() throws {
        var builder = DatabaseBuilder()
        for number in 0..<40 as Range<UInt32> {
            builder.add(
                IPPrefix(masking: IPAddress(ipv4: number << 24), length: 12 + Int(number) % 20),
                self.country(["AU", "NZ", "JP"][Int(number) % 3]))
        }
        let good = builder.bytes()
        #expect(throws: LocationDatabaseError.self) { try self.lines([]) }
        for count in stride(from: 0, to: good.count, by: 7) {
            #expect(throws: LocationDatabaseError.self, "\(count) bytes") {
                try self.lines(Array(good.prefix(count)))
            }
        }
        for offset in good.indices {
            for bits in [0x01, 0x80, 0xff] as [UInt8] {
                var bytes = good
                bytes[offset] ^= bits
                _ = try? self.lines(bytes)
            }
        }
    }

    @Test("whose tree comes back to itself are refused, in words")
    func endless() throws {
        var builder = DatabaseBuilder(isIPv6: false)
        builder.add(try self.prefix("0.0.0.0/3"), self.country("AU"))
        var bytes = builder.bytes()
        // Both sides of the third node lead to the second.
        bytes.replaceSubrange(12..<18, with: [0, 0, 1, 0, 0, 1])
        let error = #expect(throws: LocationDatabaseError.self) { try self.lines(bytes) }
        #expect(error?.reason == .endlessTree)
        #expect(error?.description == "(memory): the database is damaged: its tree doesn't end")
    }

    @Test("without countries and coordinates are refused by their type")
    func nothing() throws {
        var builder = DatabaseBuilder()
        builder.type = "GeoLite2-ASN"
        builder.add(
            try self.prefix("1.0.0.0/8"), .map(["autonomous_system_number": .number(64_500)]))
        let error = #expect(throws: LocationDatabaseError.self) { try self.lines(builder.bytes()) }
        #expect(error?.reason == .noLocations(type: "GeoLite2-ASN"))
    }

    @Test("that aren't there are errors with their path")
    func missing() {
        #expect(throws: InputFileError.self) { try LocationDatabase(path: "/nowhere/x.mmdb") }
    }
}

/// Files that live as long as a test.
private enum TestFile {
    static func write(_ bytes: [UInt8]) throws -> String {
        let url = FileManager.default.temporaryDirectory.appending(
            path: "martlet-\(UUID().uuidString).mmdb")
        try Data(bytes).write(to: url)
        return url.path
    }
}

/// Debian's mmdblookup (mmdb-bin), libmaxminddb's own tool.
private enum MMDBLookup {
    static let path = ["/usr/bin/mmdblookup", "/usr/local/bin/mmdblookup"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    static func country(of address: IPAddress, in file: String) throws -> String? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(Self.path))
        process.arguments = ["--file", file, "--ip", "\(address)", "country", "iso_code"]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let words = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return words.split(separator: "\"").dropFirst().first.map(String.init)
    }
}
