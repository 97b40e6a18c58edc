// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What all layers say for the addresses of one class.
public struct ClassValues: Hashable, Sendable {
    /// A byte a site, distance + 1; 0 where the site has no route. No zeros at the end, so that
    /// equal values are equal whatever the table's width.
    private let storedDistances: [UInt8]
    /// A ``RoundTripCode`` a site, likewise.
    private let roundTrips: [UInt8]
    /// The sites that clients here prefer outright, the first first.
    public var pins: [SiteID]
    public var place: Place?

    init(storedDistances: [UInt8], roundTrips: [UInt8], pins: [SiteID], place: Place?) {
        func used(_ bytes: [UInt8]) -> [UInt8] {
            Array(bytes.prefix(bytes.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0))
        }
        self.storedDistances = used(storedDistances)
        self.roundTrips = used(roundTrips)
        self.pins = pins
        self.place = place
    }

    /// Values made up by hand. Round trips are taken for the nearest step that classes have.
    public init(
        distances: [SiteID: Int] = [:], roundTrips: [SiteID: Duration] = [:],
        pins: [SiteID] = [], place: Place? = nil
    ) {
        var stored = [UInt8](repeating: 0, count: SiteID.limit)
        for (site, distance) in distances where Int(site.rawValue) < stored.count {
            stored[Int(site.rawValue)] = UInt8(clamping: max(0, min(distance, 254)) + 1)
        }
        var codes = [UInt8](repeating: 0, count: SiteID.limit)
        for (site, roundTrip) in roundTrips where Int(site.rawValue) < codes.count {
            let microseconds = max(1, roundTrip / .microseconds(1))
            codes[Int(site.rawValue)] = RoundTripCode(nearest: microseconds).rawValue
        }
        self.init(storedDistances: stored, roundTrips: codes, pins: pins, place: place)
    }

    /// Hops from the site, 0 to 254; nil where it has no route.
    public func distance(of site: SiteID) -> Int? {
        let column = Int(site.rawValue)
        guard column < self.storedDistances.count, self.storedDistances[column] != 0 else {
            return nil
        }
        return Int(self.storedDistances[column]) - 1
    }

    /// The measured round trip, in steps of a tenth; nil where none was measured.
    public func roundTrip(of site: SiteID) -> Duration? {
        let column = Int(site.rawValue)
        guard column < self.roundTrips.count else { return nil }
        return RoundTripCode(rawValue: self.roundTrips[column]).duration
    }
}
