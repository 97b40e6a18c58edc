// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Where clients are: ranges of addresses and their places, each place kept once.
///
/// 12 bytes a range in IPv4, 48 in IPv6, so that a database of millions of ranges can be read.
/// Where ranges overlap, the one that begins later decides; of those that begin together the
/// shorter; of equal ones the last.
public struct LocationSet: Sendable {
    struct Range<Bits: FixedWidthInteger & Sendable>: Sendable {
        var first: Bits
        var last: Bits
        var place: UInt32
    }

    public private(set) var places: [Place] = []
    private(set) var ipv4: [Range<UInt32>] = []
    private(set) var ipv6: [Range<UInt128>] = []
    private var numbers: [Place: UInt32] = [:]
    private var latest: UInt32 = 0
    /// The first that ends before it begins, or in the other family; such are not kept.
    private(set) var firstBad: Int?
    /// Ranges added, good and bad.
    public private(set) var count = 0

    public init() {}

    public init(_ ranges: some Sequence<LocationRange>) {
        for range in ranges { self.append(range) }
    }

    public mutating func append(_ range: LocationRange) {
        self.append(from: range.first, through: range.last, place: range.place)
    }

    /// Adds the addresses from `first` to `last`, both included.
    ///
    /// A range that goes backwards or changes its family makes the set one that
    /// ``TableCommand/validate()`` refuses.
    public mutating func append(from first: IPAddress, through last: IPAddress, place: Place) {
        defer { self.count += 1 }
        guard first.family == last.family, first <= last else {
            self.firstBad = self.firstBad ?? self.count
            return
        }
        let number = self.number(of: place)
        switch first.family {
        case .ipv4:
            self.ipv4.append(
                Range(
                    first: UInt32(truncatingIfNeeded: first.leftAligned &>> 96),
                    last: UInt32(truncatingIfNeeded: last.leftAligned &>> 96), place: number))
        case .ipv6:
            self.ipv6.append(
                Range(first: first.leftAligned, last: last.leftAligned, place: number))
        }
    }

    private mutating func number(of place: Place) -> UInt32 {
        // Neighbours are often in one place.
        if Int(self.latest) < self.places.count, self.places[Int(self.latest)] == place {
            return self.latest
        }
        if let known = self.numbers[place] {
            self.latest = known
            return known
        }
        self.latest = UInt32(self.places.count)
        self.places.append(place)
        self.numbers[place] = self.latest
        return self.latest
    }

    /// All good ranges, those of IPv4 first, in the order they were added.
    public var ranges: [LocationRange] {
        func range<Bits>(_ range: Range<Bits>, _ family: AddressFamily) -> LocationRange {
            let shift = UInt128(128 - Bits.bitWidth)
            return LocationRange(
                first: IPAddress(family: family, leftAligned: UInt128(range.first) &<< shift),
                last: IPAddress(family: family, leftAligned: UInt128(range.last) &<< shift),
                place: self.places[Int(range.place)])
        }
        return self.ipv4.map { range($0, .ipv4) } + self.ipv6.map { range($0, .ipv6) }
    }
}

extension LocationSet: ExpressibleByArrayLiteral {
    public init(arrayLiteral ranges: LocationRange...) { self.init(ranges) }
}
