// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Two letters that stand for a country (ISO 3166-1), or for something else that a file names so.
public struct CountryCode: RawRepresentable, Hashable, Sendable {
    /// The letters in ASCII, the first in the upper byte.
    public var rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// `AU` or `au`; nil where it isn't two ASCII letters or digits, the first a letter.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        self.init(bytes.span)
    }

    init?(_ bytes: Span<UInt8>) {
        func upper(_ byte: UInt8) -> UInt8? {
            switch byte {
            case 0x41...0x5a: byte
            case 0x61...0x7a: byte - 0x20
            default: nil
            }
        }
        guard bytes.count == 2, let first = upper(bytes[0]),
            let second = upper(bytes[1]) ?? ((0x30...0x39).contains(bytes[1]) ? bytes[1] : nil)
        else { return nil }
        self.rawValue = UInt16(first) << 8 | UInt16(second)
    }
}

extension CountryCode: CustomStringConvertible {
    public var description: String {
        let letters = [UInt8(self.rawValue >> 8), UInt8(self.rawValue & 0xff)]
        return String(decoding: letters, as: UTF8.self)
    }
}

/// Which country the addresses of a range are in: lines `first,last,CC`, as Debian's
/// `tor-geoipdb` has them.
///
/// IPv4 addresses are decimal numbers or in dotted decimal, IPv6 addresses as usual; `??` means
/// that nobody knows. Ranges don't overlap; they may stand in any order.
public struct LocationRanges: Sendable {
    public struct Range: Hashable, Sendable {
        public var first: IPAddress
        public var last: IPAddress
        public var country: CountryCode
    }

    /// In order, those of unknown countries left out.
    public internal(set) var ranges: [Range] = []
    /// How many ranges said `??`.
    public internal(set) var unknownCount = 0

    /// Reads a file, compressed or not.
    ///
    /// - Throws: ``InputFileError`` or ``BadLines``.
    public init(path: String) throws {
        self = try BadLines.inFile(path) { bytes throws(BadLines) in try Self(parsing: bytes) }
    }

    /// Reads ranges, all of `bytes`.
    ///
    /// - Throws: ``BadLines`` where any line is bad; there are no ranges of the good ones then.
    public init(parsing bytes: Span<UInt8>) throws(BadLines) {
        var parser = LocationParser()
        parser.parse(bytes)
        self.ranges = parser.finish()
        self.unknownCount = parser.unknownCount
        guard parser.bad.count == 0 else { throw parser.bad }
    }

    /// Calls `body` with the fewest prefixes that cover the ranges, in order; neighbouring ranges of
    /// one country are taken together first.
    public func forEachPrefix(_ body: (IPPrefix, CountryCode) throws -> Void) rethrows {
        var index = 0
        while index < self.ranges.count {
            var range = self.ranges[index]
            index += 1
            while index < self.ranges.count, self.ranges[index].country == range.country,
                range.isFollowed(by: self.ranges[index])
            {
                range.last = self.ranges[index].last
                index += 1
            }
            for prefix in IPPrefix.covering(from: range.first, through: range.last) {
                try body(prefix, range.country)
            }
        }
    }
}

extension LocationRanges.Range {
    fileprivate func isFollowed(by next: Self) -> Bool {
        guard self.last.family == next.first.family else { return false }
        let step = UInt128(1) << UInt128(128 - self.last.family.width)
        let (sum, overflow) = self.last.leftAligned.addingReportingOverflow(step)
        return !overflow && sum == next.first.leftAligned
    }
}

/// Reads range lines, and remembers what is bad in them.
private struct LocationParser {
    var bad = BadLines()
    var unknownCount = 0
    private var ranges: [(range: LocationRanges.Range, line: Int)] = []
    /// Stands for `??` until the overlaps have been looked at.
    private static let unknown = CountryCode(rawValue: 0x3f3f)

    mutating func parse(_ bytes: Span<UInt8>) {
        TextLines.forEach(in: bytes) { number, line in
            self.parse(bytes, line, number)
        }
    }

    private mutating func parse(_ bytes: Span<UInt8>, _ line: Range<Int>, _ number: Int) {
        guard !TextLines.field(of: bytes, in: line).isEmpty else { return }
        var commas = 0
        for position in line where bytes[position] == UInt8(ascii: ",") { commas += 1 }
        guard commas == 2 else {
            self.bad.add(line: number, column: 1, .wrongFieldCount(commas + 1, wanted: 3))
            return
        }
        var position = line.lowerBound
        guard let first = self.address(bytes, &position, line, number),
            let last = self.address(bytes, &position, line, number)
        else { return }
        let field = TextLines.trimmed(bytes, position..<line.upperBound)
        let column = field.lowerBound - line.lowerBound + 1
        guard first.family == last.family else {
            self.bad.add(line: number, column: 1, .differentFamilies)
            return
        }
        guard first <= last else {
            self.bad.add(line: number, column: 1, .endBeforeStart)
            return
        }
        let letters = bytes.extracting(field)
        let isUnknown = field.count == 2 && letters[0] == 0x3f && letters[1] == 0x3f
        guard let country = isUnknown ? Self.unknown : CountryCode(letters) else {
            self.bad.add(line: number, column: column, .notACountryCode)
            return
        }
        self.ranges.append(
            (LocationRanges.Range(first: first, last: last, country: country), number))
    }

    /// The address before the next comma, and the position after that.
    private mutating func address(
        _ bytes: Span<UInt8>, _ position: inout Int, _ line: Range<Int>, _ number: Int
    ) -> IPAddress? {
        var end = position
        while end < line.upperBound, bytes[end] != UInt8(ascii: ",") { end += 1 }
        let field = TextLines.trimmed(bytes, position..<end)
        position = end + 1
        let column = field.lowerBound - line.lowerBound + 1
        var value: UInt64 = 0
        var isNumber = !field.isEmpty
        for index in field {
            guard (0x30...0x39).contains(bytes[index]) else {
                isNumber = false
                break
            }
            if value <= UInt64(UInt32.max) { value = value * 10 + UInt64(bytes[index] - 0x30) }
        }
        if isNumber {
            guard let value = UInt32(exactly: value) else {
                self.bad.add(line: number, column: column, .numberTooLarge)
                return nil
            }
            return IPAddress(ipv4: value)
        }
        do throws(AddressSyntaxError) {
            return try IPAddress(parsing: bytes.extracting(field))
        } catch {
            self.bad.add(line: number, column: column, error, in: bytes.extracting(field))
            return nil
        }
    }

    /// The known ranges in order; overlaps are bad lines.
    mutating func finish() -> [LocationRanges.Range] {
        var isSorted = true
        for index in self.ranges.indices.dropFirst()
        where self.ranges[index].range.first < self.ranges[index - 1].range.first {
            isSorted = false
            break
        }
        if !isSorted {
            self.ranges.sort { ($0.range.first, $0.line) < ($1.range.first, $1.line) }
        }
        var result: [LocationRanges.Range] = []
        result.reserveCapacity(self.ranges.count)
        var before: (range: LocationRanges.Range, line: Int)?
        for item in self.ranges {
            if let before, item.range.first <= before.range.last,
                item.range.first.family == before.range.last.family
            {
                let lines = [before.line, item.line].sorted()
                self.bad.add(line: lines[1], column: 1, .overlaps(line: lines[0]))
            }
            if before.map({ $0.range.last < item.range.last }) ?? true { before = item }
            if item.range.country == Self.unknown {
                self.unknownCount += 1
            } else {
                result.append(item.range)
            }
        }
        return result
    }
}
