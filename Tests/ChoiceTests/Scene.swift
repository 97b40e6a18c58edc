// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable

/// A few sites and what one client's class knows of them, with a ranking printed in a line.
struct Scene {
    static let names = ["a", "b", "c", "d", "e", "f"]

    var sites: [Site]
    var policy: Policy
    var distances: [SiteID: Int] = [:]
    var pins: [SiteID] = []
    var place: Place?
    var statuses: [SiteID: SiteStatus] = [:]
    var roundTrips: [SiteID: Duration] = [:]
    var client = IPAddress(ipv4: 0xc000_0201)
    var family: AddressFamily?

    /// Sites `a`, `b`, … with the distances given; nil is no route.
    init(_ distances: Int?...) {
        self.sites = distances.indices.map { index in
            Site(
                id: SiteID(rawValue: UInt8(index)), name: Self.names[index],
                asNumber: ASNumber(64600 + UInt32(index)),
                addresses: [IPAddress(ipv4: 0xc633_6400 + UInt32(index))])
        }
        self.policy = Policy(sites: self.sites.map(\.id))
        for (index, distance) in distances.enumerated() {
            if let distance { self.distances[SiteID(rawValue: UInt8(index))] = distance }
        }
    }

    static func id(_ name: String) -> SiteID {
        SiteID(rawValue: UInt8(Self.names.firstIndex(of: name) ?? 63))
    }

    /// Puts the client on the equator at 0°, and each site so many degrees east of it
    /// (111.19 km each); nil is nowhere.
    func located(_ degrees: Double?...) -> Scene {
        var scene = self
        scene.place = Place(latitude: 0, longitude: 0, name: "client")
        for (index, degree) in degrees.enumerated() {
            scene.sites[index].place = degree.map {
                Place(latitude: 0, longitude: $0, name: "site")
            }
        }
        return scene
    }

    func with(_ change: (inout Scene) -> Void) -> Scene {
        var scene = self
        change(&scene)
        return scene
    }

    func pinned(_ names: String...) -> Scene { self.with { $0.pins = names.map(Self.id) } }

    func status(_ name: String, _ status: SiteStatus) -> Scene {
        self.with { $0.statuses[Self.id(name)] = status }
    }

    func weights(_ weights: Int...) -> Scene {
        self.with { scene in
            for (index, weight) in weights.enumerated() { scene.sites[index].weight = weight }
        }
    }

    func without(_ name: String, _ without: WithoutRoutes) -> Scene {
        self.with { $0.sites[Int(Self.id(name).rawValue)].withoutRoutes = without }
    }

    func policy(_ change: (inout Policy) -> Void) -> Scene { self.with { change(&$0.policy) } }

    var ranking: Ranking {
        Ranking(
            policy: self.policy, sites: self.sites, statuses: self.statuses,
            values: ClassValues(distances: self.distances, pins: self.pins, place: self.place),
            roundTrips: self.roundTrips, family: self.family, client: self.client)
    }

    /// `a:cost b:cost | c:down`: sites and reasons in order, after the bar those that may not
    /// be answered.
    var line: String {
        let ranking = self.ranking
        var words = ranking.entries.map {
            "\(Self.names[Int($0.site.rawValue)]):\($0.reason.rawValue)"
        }
        if ranking.usableCount < words.count { words.insert("|", at: ranking.usableCount) }
        return words.joined(separator: " ")
    }
}
