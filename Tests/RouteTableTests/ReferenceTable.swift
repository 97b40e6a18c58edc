// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable

/// The table's meaning, spelled out naively: linear searches over plain collections.
struct ReferenceTable {
    struct Route {
        var attributes: RouteAttributes
        var since: Int64
        var isFresh: Bool
    }

    struct FeedState {
        var definition: FeedDefinition
        var routes: [IPPrefix: Route] = [:]
        var isDown = false
        var isHidden = true

        func isStale(_ route: Route) -> Bool { self.isDown || !route.isFresh }
    }

    var feeds: [FeedID: FeedState] = [:]
    var pins: [(IPPrefix, [SiteID])] = []
    var locations: [LocationRange] = []
    var roundTrips = ReferenceRoundTrips()
    var now: Int64 = 0

    mutating func apply(_ command: TableCommand) {
        switch command {
        case .defineSite, .releaseGuard: break
        case .removeSite(let site):
            self.roundTrips.forget(site)
            for (id, feed) in self.feeds {
                if feed.definition.site == site {
                    self.feeds[id] = nil
                } else {
                    self.feeds[id]?.definition.throughSites[site] = nil
                }
            }
        case .addFeed(let definition):
            if self.feeds[definition.id] == nil {
                self.feeds[definition.id] = FeedState(definition: definition)
            } else {
                self.feeds[definition.id]?.definition = definition
            }
        case .removeFeed(let id): self.feeds[id] = nil
        case .routes: preconditionFailure("the tests announce and withdraw by hand")
        case .feedUp(let id):
            guard var feed = self.feeds[id] else { return }
            feed.isDown = false
            if feed.routes.isEmpty { feed.isHidden = true }
            feed.routes = feed.routes.mapValues {
                Route(attributes: $0.attributes, since: $0.since, isFresh: false)
            }
            self.feeds[id] = feed
        case .feedComplete(let id):
            guard var feed = self.feeds[id], !feed.isDown else { return }
            feed.isHidden = false
            feed.routes = feed.routes.filter { $0.value.isFresh }
            self.feeds[id] = feed
        case .feedDown(let id): self.feeds[id]?.isDown = true
        case .feedFlush(let id):
            self.feeds[id]?.routes = [:]
            self.feeds[id]?.isHidden = true
        case .setPins(let pins): self.pins = pins
        case .setLocations(let ranges): self.locations = ranges.ranges
        case .observe(let trips):
            for trip in trips { self.roundTrips.observe(trip, at: self.now) }
        case .setRoundTrips(let trips): self.roundTrips.file(trips)
        case .restoreRoundTrips: preconditionFailure("restored in tests of its own")
        case .setRoundTripRules(let rules): self.roundTrips.rules = rules
        case .expireRoundTrips: self.roundTrips.expire(at: self.now)
        case .revise(let revision):
            for (id, feed) in self.feeds where revision.feeds?.contains(id) ?? true {
                for (prefix, route) in feed.routes
                where revision.within?.contains(where: { $0.contains(prefix) }) ?? true {
                    let revised = revision.body(id, prefix, route.attributes)
                    self.feeds[id]?.routes[prefix] = revised.map {
                        Route(attributes: $0, since: route.since, isFresh: route.isFresh)
                    }
                }
            }
        }
    }

    mutating func announce(_ prefix: IPPrefix, _ attributes: RouteAttributes, on id: FeedID) {
        let old = self.feeds[id]?.routes[prefix]
        let since = old?.attributes == attributes ? old?.since : nil
        self.feeds[id]?.routes[prefix] = Route(
            attributes: attributes, since: since ?? self.now, isFresh: true)
    }

    mutating func withdraw(_ prefix: IPPrefix, on id: FeedID) {
        self.feeds[id]?.routes[prefix] = nil
    }

    // MARK: Questions

    private func distance(_ feed: FeedState, _ route: Route, for site: SiteID) -> Int? {
        if route.attributes.isIgnored { return nil }
        if feed.definition.site == site { return route.attributes.distance }
        return feed.definition.throughSites[site].flatMap { route.attributes.distance(after: $0) }
    }

    /// The route that decides a site's distance at an address.
    func route(of site: SiteID, at address: IPAddress) -> SiteRoute? {
        var best: (key: (Int, Int, Int, Int, Int), route: SiteRoute)?
        for (id, feed) in self.feeds where !feed.isHidden {
            for (prefix, route) in feed.routes where prefix.contains(address) {
                guard let distance = self.distance(feed, route, for: site) else { continue }
                let isStale = feed.isStale(route)
                let key = (
                    -prefix.length, isStale ? 1 : 0, distance, feed.definition.order,
                    Int(id.rawValue)
                )
                if let best, best.key < key { continue }
                best = (
                    key,
                    SiteRoute(
                        site: site, feed: id, prefix: prefix, attributes: route.attributes,
                        distance: distance, since: route.since, isStale: isStale)
                )
            }
        }
        return best?.route
    }

    var sites: Set<SiteID> {
        self.feeds.values.reduce(into: []) {
            $0.insert($1.definition.site)
            $0.formUnion($1.definition.throughSites.keys)
        }
    }

    func values(at address: IPAddress) -> ClassValues {
        var distances: [SiteID: Int] = [:]
        for site in self.sites {
            distances[site] = self.route(of: site, at: address)?.distance
        }
        var pin: (length: Int, sites: [SiteID]) = (-1, [])
        for (prefix, sites) in self.pins
        where prefix.contains(address) && prefix.length >= pin.length {
            pin = (prefix.length, sites)
        }
        var place: (first: IPAddress, last: IPAddress, place: Place)?
        for range in self.locations
        where range.first.family == address.family && range.first <= address
            && address <= range.last
        {
            if let place {
                if range.first < place.first { continue }
                if range.first == place.first, range.last > place.last { continue }
            }
            place = (range.first, range.last, range.place)
        }
        return ClassValues(
            distances: distances, roundTrips: self.roundTrips.values(at: address),
            pins: pin.sites, place: place?.place)
    }

    /// All addresses of a family where values may change, ascending, the first address included.
    func boundaries(_ family: AddressFamily) -> [IPAddress] {
        var points: Set<UInt128> = [0]
        func add(_ first: IPAddress, _ last: IPAddress) {
            guard first.family == family else { return }
            points.insert(first.leftAligned)
            let step: UInt128 = family == .ipv4 ? 1 << 96 : 1
            let (next, overflow) = last.leftAligned.addingReportingOverflow(step)
            if !overflow { points.insert(next) }
        }
        for feed in self.feeds.values {
            for prefix in feed.routes.keys { add(prefix.address, prefix.last) }
        }
        for key in self.roundTrips.entries.keys { add(key.prefix.address, key.prefix.last) }
        for (prefix, _) in self.pins { add(prefix.address, prefix.last) }
        for range in self.locations { add(range.first, range.last) }
        return points.sorted().map { IPAddress(family: family, leftAligned: $0) }
    }
}
