// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A place on Earth, how large what stands there is, and how exactly that is known (RFC 1876).
struct Location: Hashable {
    /// Centimetres, as a digit and a power of ten.
    var size: UInt8 = 0x12
    var horizontalPrecision: UInt8 = 0x16
    var verticalPrecision: UInt8 = 0x13
    /// Thousandths of a second of arc, 2³¹ at the equator and at the prime meridian.
    var latitude: UInt32
    var longitude: UInt32
    /// Centimetres above 100 km below the ellipsoid.
    var altitude: UInt32

    private static let middle = 1 << 31

    /// Nil for another version, and for values that no place has.
    init?(wire bytes: ArraySlice<UInt8>) {
        let bytes = Array(bytes)
        guard bytes.count == 16, bytes[0] == 0 else { return nil }
        func word(_ at: Int) -> UInt32 { bytes[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) } }
        (self.size, self.horizontalPrecision, self.verticalPrecision) = (
            bytes[1], bytes[2], bytes[3]
        )
        (self.latitude, self.longitude, self.altitude) = (word(4), word(8), word(12))
        let arcs = [(self.latitude, 90), (self.longitude, 180)]
        guard arcs.allSatisfy({ abs(Int($0) - Self.middle) <= $1 * 3_600_000 }),
            bytes[1...3].allSatisfy({ $0 >> 4 <= 9 && $0 & 15 <= 9 })
        else { return nil }
    }

    var wire: [UInt8] {
        [0, self.size, self.horizontalPrecision, self.verticalPrecision]
            + bigEndian(self.latitude) + bigEndian(self.longitude) + bigEndian(self.altitude)
    }

    // MARK: Text

    /// Takes the words of a location from the front: degrees, minutes and seconds with a
    /// direction, twice; the altitude; size and precisions.
    ///
    /// Gives what was wanted where a word is something else.
    static func read(_ words: inout ArraySlice<ArraySlice<UInt8>>) -> Result<Location, Wanted> {
        let latitude: UInt32
        let longitude: UInt32
        switch self.arc(&words, "NS", degrees: 90, "latitude") {
        case .success(let value): latitude = value
        case .failure(let wanted): return .failure(wanted)
        }
        switch self.arc(&words, "EW", degrees: 180, "longitude") {
        case .success(let value): longitude = value
        case .failure(let wanted): return .failure(wanted)
        }
        guard let word = words.first, let altitude = self.centimetres(word),
            let raised = UInt32(exactly: altitude + 10_000_000)
        else { return .failure(Wanted(text: "an altitude from -100000.00m to 42849672.95m")) }
        words.removeFirst()
        var location = Location(latitude: latitude, longitude: longitude, altitude: raised)
        let paths: [WritableKeyPath<Location, UInt8>] = [
            \.size, \.horizontalPrecision, \.verticalPrecision,
        ]
        for path in paths {
            guard let word = words.first else { break }
            guard let length = self.centimetres(word), (0...9_000_000_000).contains(length) else {
                return .failure(Wanted(text: "a length from 0m to 90000000.00m"))
            }
            words.removeFirst()
            location[keyPath: path] = self.rounded(length)
        }
        return .success(location)
    }

    struct Wanted: Error {
        var text: String
    }

    private init(latitude: UInt32, longitude: UInt32, altitude: UInt32) {
        self.latitude = latitude
        self.longitude = longitude
        self.altitude = altitude
    }

    /// `52 22 23.000 N`: minutes and seconds may be missing.
    private static func arc(
        _ words: inout ArraySlice<ArraySlice<UInt8>>, _ directions: StaticString, degrees: Int,
        _ name: String
    ) -> Result<UInt32, Wanted> {
        var parts: [Int] = []
        let limits = [degrees, 59, 59_999]
        while true {
            guard let word = words.first else {
                return .failure(Wanted(text: "a \(name) with its direction"))
            }
            if word.count == 1, let letter = word.first {
                let signs = directions.withUTF8Buffer { Array($0) }
                if let index = signs.firstIndex(of: letter & 0xdf), !parts.isEmpty {
                    words.removeFirst()
                    let sum =
                        parts[0] * 3_600_000 + (parts.count > 1 ? parts[1] * 60_000 : 0)
                        + (parts.count > 2 ? parts[2] : 0)
                    guard sum <= degrees * 3_600_000 else {
                        return .failure(Wanted(text: "a \(name) of at most \(degrees) degrees"))
                    }
                    // North and east come first.
                    return .success(UInt32(self.middle + (index == 0 ? sum : -sum)))
                }
            }
            let number =
                parts.count == 2
                ? self.fixed(word, decimals: 3) : ByteText.number(word, maximum: 180)
            guard parts.count < 3, let number, number >= 0, number <= limits[parts.count] else {
                return .failure(Wanted(text: "a \(name) in degrees, minutes and seconds"))
            }
            words.removeFirst()
            parts.append(number)
        }
    }

    /// Metres with up to two decimals and perhaps an `m`.
    private static func centimetres(_ word: ArraySlice<UInt8>) -> Int? {
        self.fixed(word.last == UInt8(ascii: "m") ? word.dropLast() : word, decimals: 2)
    }

    /// A decimal fraction as a whole number of its last place.
    private static func fixed(_ word: ArraySlice<UInt8>, decimals: Int) -> Int? {
        let isNegative = word.first == UInt8(ascii: "-")
        let word = isNegative || word.first == UInt8(ascii: "+") ? word.dropFirst() : word
        let halves = word.split(
            separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = halves.first.flatMap({ ByteText.number($0, maximum: 1 << 32) }) else {
            return nil
        }
        var fraction = 0
        if halves.count == 2 {
            guard (1...decimals).contains(halves[1].count),
                let digits = ByteText.number(halves[1], maximum: 999)
            else { return nil }
            fraction = (halves[1].count..<decimals).reduce(digits) { value, _ in value * 10 }
        }
        let value = (0..<decimals).reduce(whole) { value, _ in value * 10 } + fraction
        return isNegative ? -value : value
    }

    /// A digit and a power of ten, no greater than the length.
    private static func rounded(_ centimetres: Int) -> UInt8 {
        var (value, power) = (centimetres, 0)
        while value > 9 {
            value /= 10
            power += 1
        }
        return UInt8(value << 4 | power)
    }
}

extension Location: CustomStringConvertible {
    var description: String {
        func arc(_ value: UInt32, _ positive: String, _ negative: String) -> String {
            let offset = Int(value) - Self.middle
            let (seconds, rest) = abs(offset).quotientAndRemainder(dividingBy: 1000)
            return "\(seconds / 3600) \(seconds / 60 % 60) \(seconds % 60)."
                + Self.padded(rest, 3) + " " + (offset < 0 ? negative : positive)
        }
        func metres(_ centimetres: Int) -> String {
            (centimetres < 0 ? "-" : "") + "\(abs(centimetres) / 100)."
                + Self.padded(abs(centimetres) % 100, 2) + "m"
        }
        func length(_ value: UInt8) -> String {
            metres((0..<Int(value & 15)).reduce(Int(value >> 4)) { length, _ in length * 10 })
        }
        return [
            arc(self.latitude, "N", "S"), arc(self.longitude, "E", "W"),
            metres(Int(self.altitude) - 10_000_000), length(self.size),
            length(self.horizontalPrecision), length(self.verticalPrecision),
        ].joined(separator: " ")
    }

    private static func padded(_ value: Int, _ digits: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
