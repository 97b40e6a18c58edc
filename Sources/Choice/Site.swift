// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import RouteTable

/// What becomes of a site all of whose feeds are lost beyond their stale time.
public enum WithoutRoutes: String, Hashable, Sendable, CaseIterable {
    /// It ranks after the sites that have a route.
    case last
    /// It is down: the feed is the health check, as in Supersparrow's day.
    case down
    /// It ranks among the others by kilometres.
    case location
}

/// A place that serves.
public struct Site: Hashable, Sendable {
    public var id: SiteID
    public var name: String
    /// The AS number that stands for the site in route maps and on AS paths.
    public var asNumber: ASNumber
    public var addresses: [IPAddress]
    /// Addresses for names of a service, by the service's name.
    public var services: [String: [IPAddress]]
    /// The share that the site takes where a tie is broken by weight. With 0 it takes none while
    /// another site of the tied group has more.
    public var weight: Int
    public var place: Place?
    public var withoutRoutes: WithoutRoutes

    public init(
        id: SiteID, name: String, asNumber: ASNumber, addresses: [IPAddress] = [],
        services: [String: [IPAddress]] = [:], weight: Int = 1, place: Place? = nil,
        withoutRoutes: WithoutRoutes = .last
    ) {
        self.id = id
        self.name = name
        self.asNumber = asNumber
        self.addresses = addresses
        self.services = services
        self.weight = weight
        self.place = place
        self.withoutRoutes = withoutRoutes
    }

    /// The addresses for a service; its own for none.
    public func addresses(of service: String?) -> [IPAddress] {
        service.map { self.services[$0] ?? [] } ?? self.addresses
    }

    /// Whether the site has an address of the family for the service, or any family is asked
    /// for (nil).
    public func serves(_ family: AddressFamily?, service: String? = nil) -> Bool {
        guard let family else { return true }
        return self.addresses(of: service).contains { $0.family == family }
    }
}
