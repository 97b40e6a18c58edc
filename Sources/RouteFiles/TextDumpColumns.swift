// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Where the fields of a router's table stand, as its heading tells:
///
///     Network          Next Hop            Metric LocPrf Weight Path
///
/// Networks and next hops begin where their words do, numbers end where theirs do, give or take a
/// column or two: some versions print their routes one column beside the heading.
struct TextDumpColumns: Hashable, Sendable {
    var network: Int
    var nextHop: Int
    /// One beyond the last digit of metric, local preference and weight.
    var ends: (metric: Int, localPreference: Int, weight: Int)

    /// How far beside its column a number may end.
    static let tolerance = 2

    /// Nil where the line isn't a heading.
    init?(heading line: Span<UInt8>) {
        let words: [StaticString] = ["Network", "Next Hop", "Metric", "LocPrf", "Weight", "Path"]
        var places: [Range<Int>] = []
        var position = 0
        for word in words {
            while position < line.count, line[position] == UInt8(ascii: " ") { position += 1 }
            guard Self.has(word, line, at: position) else { return nil }
            places.append(position..<position + word.utf8CodeUnitCount)
            position += word.utf8CodeUnitCount
        }
        self.network = places[0].lowerBound
        self.nextHop = places[1].lowerBound
        self.ends = (places[2].upperBound, places[3].upperBound, places[4].upperBound)
    }

    /// Whether a line heads networks of any kind: routers have other such tables.
    static func isHeading(_ line: Span<UInt8>) -> Bool {
        Self.has("Network ", line, at: TextLines.field(of: line, in: 0..<line.count).lowerBound)
    }

    private static func has(_ word: StaticString, _ line: Span<UInt8>, at start: Int) -> Bool {
        guard start + word.utf8CodeUnitCount <= line.count else { return false }
        for index in 0..<word.utf8CodeUnitCount where line[start + index] != word.utf8Start[index] {
            return false
        }
        return true
    }

    static func == (a: Self, b: Self) -> Bool {
        a.network == b.network && a.nextHop == b.nextHop && a.ends == b.ends
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(self.network)
        hasher.combine(self.nextHop)
    }

    /// The numbers of a line, in the columns that they stand in.
    struct Numbers {
        var metric: UInt32?
        var localPreference: UInt32?
        var weight: UInt32?
        /// Where the path begins, or the line ends.
        var end: Int
    }

    /// Reads metric, local preference and weight: right-aligned, and any of them may be blank but for
    /// the weight. One that is too long for its column pushes those after it to the right.
    ///
    /// - Parameters:
    ///   - line: The line, without blanks at its end.
    ///   - start: Where to begin: behind the next hop.
    ///   - shift: How far to the right of the heading the line is.
    /// - Returns: Nil where a number stands in no column, or is none.
    func numbers(in line: Span<UInt8>, from start: Int, shift: Int) -> Numbers? {
        var numbers = Numbers(end: start)
        var shift = shift
        var field = TextLines.field(of: line, in: start..<line.count)
        let columns = [
            (self.ends.metric, \Numbers.metric),
            (self.ends.localPreference, \Numbers.localPreference),
            (self.ends.weight, \Numbers.weight),
        ]
        for (column, keyPath) in columns {
            guard !field.isEmpty else { return numbers }
            let end = column + shift
            guard field.lowerBound < end, field.upperBound >= end - Self.tolerance else { continue }
            guard let value = Self.number(line, field) else { return nil }
            if field.upperBound > end + Self.tolerance { shift += field.upperBound - end }
            numbers[keyPath: keyPath] = value
            numbers.end = field.upperBound
            field = TextLines.field(of: line, in: field.upperBound..<line.count)
        }
        return numbers.weight == nil ? nil : numbers
    }

    private static func number(_ line: Span<UInt8>, _ field: Range<Int>) -> UInt32? {
        var value: UInt64 = 0
        for position in field {
            let digit = line[position] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            value = value * 10 + UInt64(digit)
            guard value <= UInt64(UInt32.max) else { return nil }
        }
        return UInt32(truncatingIfNeeded: value)
    }
}
