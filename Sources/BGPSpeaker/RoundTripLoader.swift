// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import RouteFiles
public import RouteTable

/// Reads files of measured round trips for the table.
public enum RoundTripLoader {
    /// Reads all files, or none.
    ///
    /// - Returns: For `TableCommand.setRoundTrips`, in the files' order.
    /// - Throws: ``InputFileError`` or ``BadLines``, of the first file that is bad.
    public static func load(
        paths: [String], sites: [(id: SiteID, name: String)]
    ) throws -> [RoundTrip] {
        let names = sites.map(\.name)
        var result: [RoundTrip] = []
        for path in paths {
            let file = try RoundTripFile(path: path, sites: names)
            result.reserveCapacity(result.count + file.measurements.count)
            for measurement in file.measurements {
                result.append(
                    RoundTrip(
                        prefix: measurement.prefix, site: sites[measurement.site].id,
                        microseconds: max(1, measurement.microseconds)))
            }
        }
        return result
    }
}
