// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

@Suite("Locations")
struct LocationSetTests {
    static func place(_ number: Int) -> Place {
        Place(latitude: Double(number % 90), longitude: Double(number / 90), name: "\(number)")
    }

    private static func number(_ place: Place?) -> Int { place.flatMap { Int($0.name) } ?? -1 }

    /// The ranges widen what they are kept in: values beyond one byte and two, boundaries beyond 32
    /// bits and 64.
    @Test(
        "of many places, at boundaries of any length, are found",
        arguments: [(200, 24), (300, 32), (300, 64), (70_000, 64), (70_000, 128)])
    func widths(places: Int, length: Int) throws {
        let owner = try TableOwner()
        defer { owner.shutdown() }
        var set = LocationSet()
        let base: UInt128 = 0x2001_0db8 &<< 96
        let family: AddressFamily = length <= 32 ? .ipv4 : .ipv6
        let step = UInt128(1) &<< UInt128(128 - length)
        func address(_ position: Int) -> UInt128 { base &+ UInt128(position) &* step }
        for number in 0..<places {
            // Two blocks in three have a place.
            set.append(
                from: IPAddress(family: family, leftAligned: address(3 * number)),
                through: IPAddress(
                    family: family,
                    leftAligned: address(3 * number + 2) &- 1),
                place: Self.place(number))
        }
        #expect(set.count == places && set.places.count == places)
        owner.submit(.setLocations(set))
        owner.flushAndWait()
        var reader = try owner.lookup.makeReader()
        var random = SplitMix(seed: UInt64(places + length))
        reader.withSnapshot { snapshot in
            for _ in 0..<20_000 {
                let position = random.below(3 * places + 2)
                let client = IPAddress(family: family, leftAligned: address(position))
                let place = snapshot.values(ofClass: snapshot.classID(of: client)).place
                let expected = position % 3 == 2 || position >= 3 * places ? -1 : position / 3
                guard Self.number(place) == expected else {
                    Issue.record("\(client): \(Self.number(place)), not \(expected)")
                    return
                }
            }
        }
    }

    @Test("give their ranges back")
    func ranges() throws {
        let ranges = [
            LocationRange(
                first: try IPAddress(parsing: "192.0.2.0"),
                last: try IPAddress(parsing: "192.0.2.9"),
                place: Self.place(1)),
            LocationRange(
                first: try IPAddress(parsing: "::"), last: try IPAddress(parsing: "ffff::"),
                place: Self.place(2)),
        ]
        #expect(LocationSet(ranges).ranges == ranges)
    }

    @Test("fill in where others say nothing", arguments: 0..<40 as Range<UInt64>)
    func filling(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let family: AddressFamily = seed % 2 == 0 ? .ipv4 : .ipv6
        // 64 addresses: in IPv4 the last ones there are, in IPv6 with bits in both halves.
        let base = family == .ipv4 ? UInt128(0xffff_ffc0) : UInt128.max - 63
        func address(_ number: Int) -> IPAddress {
            let bits = base + UInt128(number)
            return IPAddress(family: family, leftAligned: family == .ipv4 ? bits << 96 : bits)
        }
        var known = LocationSet()
        var isKnown = [Bool](repeating: false, count: 64)
        for _ in 0..<random.below(6) {
            let (a, b) = (random.below(64), random.below(64))
            known.append(
                from: address(min(a, b)), through: address(max(a, b)), place: Self.place(0))
            for number in min(a, b)...max(a, b) { isKnown[number] = true }
        }
        let coverage = known.coverage(family)
        for _ in 0..<20 {
            let (a, b) = (random.below(64), random.below(64))
            var filled = LocationSet()
            filled.append(
                from: address(min(a, b)), through: address(max(a, b)), place: Self.place(1),
                outside: coverage)
            for number in 0..<64 {
                let times = filled.ranges.count {
                    $0.first <= address(number) && address(number) <= $0.last
                }
                let expected = (min(a, b)...max(a, b)).contains(number) && !isKnown[number]
                #expect(times == (expected ? 1 : 0), "seed \(seed), \(a) to \(b), \(number)")
            }
        }
    }
}
