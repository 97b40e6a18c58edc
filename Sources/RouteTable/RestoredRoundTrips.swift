// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Round trips as ranges of the address space: what the table has of files, and what it will have
/// once a checkpoint's averages are back.
///
/// A range's value is the number of a tuple, a ``RoundTripCode`` a site. Tuple 0 is all zeros.
struct RestoredRoundTrips {
    /// Bytes of a tuple.
    let columns: Int
    let ipv4: RangeLayer
    let ipv6: RangeLayer
    /// Tuple after tuple.
    let codes: [UInt8]

    /// Nothing but what the table's trees will show.
    init(columns: Int) {
        self.columns = columns
        self.ipv4 = .empty
        self.ipv6 = .empty
        self.codes = Array(repeating: 0, count: columns)
    }

    /// - Parameters:
    ///   - saved: What the checkpoint has.
    ///   - sites: For each site of the checkpoint its column; nil where it is no more.
    ///   - columns: Sites up to the highest that has any.
    ///   - limit: Prefixes at most; further ones are left out.
    ///   - known: The next of what the table has, in tree order, sites ascending.
    /// - Throws: What `known` throws.
    init(
        _ saved: CheckpointRoundTrips, sites: [Int?], columns: Int, limit: Int,
        known: () throws -> RoundTripReport?
    ) throws {
        var walk = saved.walk
        var record = try walk.next()
        var report = try known()
        var tuples = Tuples(columns: columns)
        while tuples.count <= limit {
            let places = (record?.place, report.map { PrefixPlace($0.prefix) })
            guard let place = places.0.map({ min($0, places.1 ?? $0) }) ?? places.1 else { break }
            while let found = report, PrefixPlace(found.prefix) == place {
                tuples.take(found)
                report = try known()
            }
            while let found = record, found.place == place {
                if let column = sites[found.site] {
                    tuples.take(found.microseconds, column: column)
                }
                record = try walk.next()
            }
            tuples.end(place)
        }
        self.columns = columns
        self.ipv4 = RangeLayer(sorted: tuples.ipv4)
        self.ipv6 = RangeLayer(sorted: tuples.ipv6)
        self.codes = tuples.codes
    }
}

/// Puts tuples together, prefix by prefix in tree order: what a prefix has of a site, or else what
/// the longest prefix around it has.
private struct Tuples {
    let columns: Int
    private(set) var codes: [UInt8]
    private(set) var ipv4: [RangeLayer.Interval] = []
    private(set) var ipv6: [RangeLayer.Interval] = []
    /// The prefixes around the last one, and itself.
    private var open: [RangeLayer.Interval] = []
    private var family = AddressFamily.ipv4

    /// What the prefix at hand has itself.
    private var own: [UInt8]
    private var isEmpty = true
    /// Columns with an average that is newer than any checkpoint, as bits.
    private var observed: UInt64 = 0

    init(columns: Int) {
        self.columns = columns
        self.codes = Array(repeating: 0, count: columns)
        self.own = self.codes
    }

    var count: Int { self.ipv4.count + self.ipv6.count }

    /// What the table has.
    mutating func take(_ report: RoundTripReport) {
        let column = Int(report.site.rawValue)
        guard column < self.columns else { return }
        self.own[column] =
            RoundTripCode(nearest: max(1, report.used / .microseconds(1))).rawValue
        self.isEmpty = false
        if report.average != nil { self.observed |= 1 << UInt64(column) }
    }

    /// An average of the checkpoint's, as ``RoundTripLayer/restore(_:observed:)`` takes it in.
    mutating func take(_ microseconds: UInt32, column: Int) {
        guard column < self.columns, self.observed >> UInt64(column) & 1 == 0 else { return }
        self.own[column] =
            RoundTripCode(rawValue: self.own[column])
            .following(average: Double(microseconds)).rawValue
        self.isEmpty = false
    }

    /// All that the prefix has is there.
    mutating func end(_ place: PrefixPlace) {
        guard !self.isEmpty else { return }
        if place.family != self.family {
            self.family = place.family
            self.open.removeAll()
        }
        while let last = self.open.last, last.last < place.key { self.open.removeLast() }
        let outer = Int(self.open.last?.value ?? 0) * self.columns
        let number = UInt32(self.codes.count / self.columns)
        for column in 0..<self.columns {
            let code = self.own[column]
            self.codes.append(code != 0 ? code : self.codes[outer + column])
            self.own[column] = 0
        }
        self.isEmpty = true
        self.observed = 0
        let interval = RangeLayer.Interval(first: place.key, last: place.last, value: number)
        self.open.append(interval)
        if place.family == .ipv4 { self.ipv4.append(interval) } else { self.ipv6.append(interval) }
    }
}
