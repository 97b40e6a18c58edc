// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// A point on Earth that stands for where clients are: a country's centre, a city.
public struct Place: Hashable, Sendable {
    /// Degrees, north positive.
    public var latitude: Double
    /// Degrees, east positive.
    public var longitude: Double
    /// A country code such as `AU`, or free text.
    public var name: String

    public init(latitude: Double, longitude: Double, name: String) {
        self.latitude = latitude
        self.longitude = longitude
        self.name = name
    }
}

/// Where the addresses from `first` to `last` are, both included.
public struct LocationRange: Hashable, Sendable {
    public var first: IPAddress
    public var last: IPAddress
    public var place: Place

    public init(first: IPAddress, last: IPAddress, place: Place) {
        self.first = first
        self.last = last
        self.place = place
    }
}
