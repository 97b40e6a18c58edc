// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CMaxMindDB

/// Reads what a MaxMind database's records say of locations, each record once.
///
/// Known are MaxMind's own shape (`country` or `registered_country` with an `iso_code`, `location`
/// with `latitude` and `longitude`), which DB-IP shares, and the flat one of IPinfo and others
/// (`country` or `country_code` as text, `latitude`, `lat`, `longitude`, `lng`, as numbers or text).
struct LocationRecords {
    private var known: [UInt32: LocationDatabase.Location?] = [:]

    private static let countryPaths = [
        ["country", "iso_code"], ["country_code"], ["country"],
        ["registered_country", "iso_code"],
    ].map(LookupPath.init)
    private static let latitudePaths =
        [["location", "latitude"], ["latitude"], ["lat"]].map(LookupPath.init)
    private static let longitudePaths =
        [["location", "longitude"], ["longitude"], ["lng"], ["lon"]].map(LookupPath.init)

    /// Nil where the record says nothing, or nothing that can be read.
    mutating func location(_ entry: MMDB_entry_s) -> LocationDatabase.Location? {
        if let known = self.known[entry.offset] { return known }
        let location = Self.read(entry)
        self.known[entry.offset] = .some(location)
        return location
    }

    private static func read(_ entry: MMDB_entry_s) -> LocationDatabase.Location? {
        let country = self.countryPaths.lazy.compactMap {
            $0.text(entry).flatMap { CountryCode($0) }
        }
        .first
        var coordinates: LocationDatabase.Coordinates?
        if let latitude = self.latitudePaths.lazy.compactMap({ $0.number(entry) }).first,
            let longitude = self.longitudePaths.lazy.compactMap({ $0.number(entry) }).first,
            abs(latitude) <= 90, abs(longitude) <= 180
        {
            coordinates = LocationDatabase.Coordinates(
                latitude: self.rounded(latitude), longitude: self.rounded(longitude))
        }
        guard country != nil || coordinates != nil else { return nil }
        return LocationDatabase.Location(country: country, coordinates: coordinates)
    }

    /// To half a degree: as many places as this leaves, and no more, are worth telling apart.
    private static func rounded(_ degrees: Double) -> Double { (degrees * 2).rounded() / 2 + 0 }
}

/// Where in a record a value stands: the keys of the maps around it, from the outermost on.
///
/// Sendable: the strings are never written, and never freed.
private struct LookupPath: @unchecked Sendable {
    private let keys: UnsafePointer<UnsafePointer<CChar>?>

    init(_ keys: [String]) {
        let list = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: keys.count + 1)
        list.initialize(repeating: nil, count: keys.count + 1)
        for (position, key) in keys.enumerated() {
            let text = UnsafeMutablePointer<CChar>.allocate(capacity: key.utf8.count + 1)
            text.initialize(repeating: 0, count: key.utf8.count + 1)
            for (offset, byte) in key.utf8.enumerated() { text[offset] = CChar(bitPattern: byte) }
            list[position] = UnsafePointer(text)
        }
        self.keys = UnsafePointer(list)
    }

    private func value(_ entry: MMDB_entry_s) -> MMDB_entry_data_s? {
        var entry = entry
        var value = MMDB_entry_data_s()
        let status = MMDB_aget_value(&entry, &value, self.keys)
        return status == MMDB_SUCCESS && value.has_data ? value : nil
    }

    func text(_ entry: MMDB_entry_s) -> String? {
        self.value(entry).flatMap(Self.text)
    }

    private static func text(_ value: MMDB_entry_data_s) -> String? {
        guard Int32(value.type) == MMDB_DATA_TYPE_UTF8_STRING, let start = value.utf8_string,
            value.data_size <= 64
        else { return nil }
        return String(
            decoding: UnsafeRawBufferPointer(start: start, count: Int(value.data_size)),
            as: UTF8.self)
    }

    /// A finite number, also one that is written as text.
    func number(_ entry: MMDB_entry_s) -> Double? {
        guard let value = self.value(entry) else { return nil }
        let number: Double? =
            switch Int32(value.type) {
            case MMDB_DATA_TYPE_DOUBLE: value.double_value
            case MMDB_DATA_TYPE_FLOAT: Double(value.float_value)
            case MMDB_DATA_TYPE_INT32: Double(value.int32)
            case MMDB_DATA_TYPE_UINT16: Double(value.uint16)
            case MMDB_DATA_TYPE_UINT32: Double(value.uint32)
            case MMDB_DATA_TYPE_UTF8_STRING: Self.text(value).flatMap { Double($0) }
            default: nil
            }
        return number.flatMap { $0.isFinite ? $0 : nil }
    }
}
