// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
public import RouteFiles
public import RouteTable

/// Reads location files into the table's places: the centre of a country, or coordinates.
public enum LocationLoader {
    public struct Locations: Sendable {
        /// For `TableCommand.setLocations`.
        public var places = LocationSet()
        /// Ranges that say nobody knows.
        public var unknownCount = 0
        /// Countries whose centre isn't known, with the number of their ranges, which are left
        /// out: `EU`, say.
        public var withoutCentre: [CountryCode: Int] = [:]

        fileprivate mutating func place(_ country: CountryCode) -> Place? {
            guard let centre = CountryCentres.place(country) else {
                self.withoutCentre[country, default: 0] += 1
                return nil
            }
            return Place(
                latitude: centre.latitude, longitude: centre.longitude, name: country.description)
        }
    }

    /// Reads all files, or none.
    ///
    /// - Parameters:
    ///   - paths: Files of ranges, as `LocationRanges` reads them.
    ///   - database: A MaxMind database, which counts where the ranges say nothing.
    /// - Returns: What all of them say together.
    /// - Throws: `InputFileError`, `BadLines` or `LocationDatabaseError`, of the first file that
    ///   is bad.
    public static func load(paths: [String], database: String? = nil) throws -> Locations {
        var result = Locations()
        for path in paths { try self.load(ranges: path, into: &result) }
        if let database { try self.load(database: database, into: &result) }
        return result
    }

    private static func load(ranges path: String, into result: inout Locations) throws {
        var places: [CountryCode: Place] = [:]
        let file = try LocationRanges(path: path)
        result.unknownCount += file.unknownCount
        for range in file.ranges {
            guard let place = places[range.country] ?? result.place(range.country) else { continue }
            places[range.country] = place
            result.places.append(from: range.first, through: range.last, place: place)
        }
    }

    private static func load(database path: String, into result: inout Locations) throws {
        let database = try LocationDatabase(path: path)
        let known = AddressFamily.allCases.map { result.places.coverage($0) }
        var places: [LocationDatabase.Location: Place] = [:]
        try database.forEachRange { first, last, location in
            guard let place = places[location] ?? self.place(location, &result) else { return }
            places[location] = place
            result.places.append(
                from: first, through: last, place: place,
                outside: known[first.family == .ipv4 ? 0 : 1])
        }
    }

    private static func place(
        _ location: LocationDatabase.Location, _ result: inout Locations
    ) -> Place? {
        guard let point = location.coordinates else {
            return location.country.flatMap { result.place($0) }
        }
        return Place(
            latitude: point.latitude, longitude: point.longitude,
            name: location.country?.description ?? "\(point.latitude) \(point.longitude)")
    }
}
