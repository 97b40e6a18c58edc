// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Round trips that were measured: lines `prefix,site,milliseconds`, a site by its name.
///
/// Milliseconds are from 0 to 60000, with a point where one is wanted. A first line that says
/// `prefix,site,milliseconds` itself is passed over, and so are comments from `#` on. A prefix and
/// site may stand on several lines: each is a measurement.
public struct RoundTripFile: Sendable {
    public struct Measurement: Hashable, Sendable {
        public var prefix: IPPrefix
        /// The site's place in the list of names that was given.
        public var site: Int
        /// Microseconds, 0 to 60,000,000.
        public var microseconds: UInt32
    }

    /// As they stand in the file.
    public internal(set) var measurements: [Measurement] = []

    /// Reads a file, compressed or not.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - sites: The names that there are.
    /// - Throws: ``InputFileError`` or ``BadLines``.
    public init(path: String, sites: [String]) throws {
        self = try BadLines.inFile(path) { bytes throws(BadLines) in
            try Self(parsing: bytes, sites: sites)
        }
    }

    /// Reads measurements, all of `bytes`.
    ///
    /// - Throws: ``BadLines`` where any line is bad; there are no measurements of the good ones
    ///   then.
    public init(parsing bytes: Span<UInt8>, sites: [String]) throws(BadLines) {
        var parser = RoundTripParser(sites: sites)
        TextLines.forEach(in: bytes) { number, line in parser.parse(bytes, line, number) }
        guard parser.bad.count == 0 else { throw parser.bad }
        self.measurements = parser.measurements
    }
}

/// Reads lines of measurements, and remembers what is bad in them.
private struct RoundTripParser {
    var bad = BadLines()
    var measurements: [RoundTripFile.Measurement] = []
    private let names: [[UInt8]]
    private let sites: [String]
    private var lastSite = 0
    private static let heading = Array("prefix,site,milliseconds".utf8)

    init(sites: [String]) {
        self.sites = sites
        self.names = sites.map { Array($0.utf8) }
    }

    mutating func parse(_ bytes: Span<UInt8>, _ line: Range<Int>, _ number: Int) {
        guard !TextLines.field(of: bytes, in: line).isEmpty else { return }
        if number == 1, Self.equal(bytes.extracting(line), Self.heading) { return }
        var ends: (Int, Int)?
        var commas = 0
        for position in line where bytes[position] == UInt8(ascii: ",") {
            commas += 1
            ends = commas == 1 ? (position, position) : (ends?.0 ?? position, position)
        }
        guard commas == 2, let ends else {
            self.bad.add(line: number, column: 1, .wrongFieldCount(commas + 1, wanted: 3))
            return
        }
        let prefixField = TextLines.trimmed(bytes, line.lowerBound..<ends.0)
        let siteField = TextLines.trimmed(bytes, ends.0 + 1..<ends.1)
        let timeField = TextLines.trimmed(bytes, ends.1 + 1..<line.upperBound)
        func column(_ field: Range<Int>) -> Int { field.lowerBound - line.lowerBound + 1 }
        let prefix: IPPrefix
        do throws(AddressSyntaxError) {
            prefix = try IPPrefix(parsing: bytes.extracting(prefixField))
        } catch {
            self.bad.add(
                line: number, column: column(prefixField), error,
                in: bytes.extracting(prefixField))
            return
        }
        guard let site = self.site(bytes.extracting(siteField)) else {
            let name = bytes.extracting(siteField).withUnsafeBufferPointer {
                String(decoding: $0.prefix(64), as: UTF8.self)
            }
            self.bad.add(
                line: number, column: column(siteField),
                .unknownSiteName(name, known: self.sites))
            return
        }
        guard let microseconds = Self.microseconds(bytes.extracting(timeField)) else {
            self.bad.add(line: number, column: column(timeField), .notMilliseconds)
            return
        }
        self.measurements.append(
            RoundTripFile.Measurement(prefix: prefix, site: site, microseconds: microseconds))
    }

    /// Neighbouring lines mostly name the same site, or the next one.
    private mutating func site(_ field: Span<UInt8>) -> Int? {
        for offset in self.names.indices {
            let index = (self.lastSite + offset) % self.names.count
            if Self.equal(field, self.names[index]) {
                self.lastSite = index
                return index
            }
        }
        return nil
    }

    private static func equal(_ field: Span<UInt8>, _ name: [UInt8]) -> Bool {
        guard field.count == name.count else { return false }
        for index in field.indices where field[index] != name[index] { return false }
        return true
    }

    /// Digits with a point or none, as microseconds; what is finer is rounded.
    private static func microseconds(_ field: Span<UInt8>) -> UInt32? {
        var value: UInt64 = 0
        var fraction: Int?
        var digits = 0
        for index in field.indices {
            let byte = field[index]
            if byte == UInt8(ascii: "."), fraction == nil {
                fraction = 0
                continue
            }
            guard (0x30...0x39).contains(byte) else { return nil }
            let digit = UInt64(byte - 0x30)
            digits += 1
            switch fraction {
            case nil:
                value = value * 10 + digit
                guard value <= 60_000 else { return nil }
            case .some(let places):
                if places < 3 { value = value * 10 + digit }
                if places == 3, digit >= 5 { value += 1 }
                fraction = places + 1
            }
        }
        guard digits > 0 else { return nil }
        for _ in min(3, fraction ?? 0)..<3 { value *= 10 }
        return value <= 60_000_000 ? UInt32(value) : nil
    }
}
