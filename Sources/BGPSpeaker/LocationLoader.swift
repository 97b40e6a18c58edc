// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import RouteFiles
public import RouteTable

/// Reads location files into the table's places: the centre of the country of each range.
public enum LocationLoader {
    public struct Locations: Sendable {
        /// For `TableCommand.setLocations`.
        public var ranges: [LocationRange] = []
        /// Ranges that say nobody knows.
        public var unknownCount = 0
        /// Countries whose centre isn't known, with the number of their ranges, which are left
        /// out: `EU`, say.
        public var withoutCentre: [CountryCode: Int] = [:]
    }

    /// Reads all files, or none.
    ///
    /// - Throws: ``InputFileError`` or ``BadLines``, of the first file that is bad.
    public static func load(paths: [String]) throws -> Locations {
        var result = Locations()
        var places: [CountryCode: Place] = [:]
        for path in paths {
            let file = try LocationRanges(path: path)
            result.unknownCount += file.unknownCount
            result.ranges.reserveCapacity(result.ranges.count + file.ranges.count)
            for range in file.ranges {
                guard let place = places[range.country] ?? self.place(range.country) else {
                    result.withoutCentre[range.country, default: 0] += 1
                    continue
                }
                places[range.country] = place
                result.ranges.append(
                    LocationRange(first: range.first, last: range.last, place: place))
            }
        }
        return result
    }

    private static func place(_ country: CountryCode) -> Place? {
        CountryCentres.place(country).map {
            Place(latitude: $0.latitude, longitude: $0.longitude, name: country.description)
        }
    }
}
