// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable

/// The table's meaning, spelled out naively: linear searches over plain collections.
struct ReferenceTable {
    /// A path of a feed to a prefix.
    struct RouteKey: Hashable, Comparable {
        var prefix: IPPrefix
        var pathID: UInt32 = 0

        static func < (a: RouteKey, b: RouteKey) -> Bool {
            (a.prefix, a.pathID) < (b.prefix, b.pathID)
        }
    }

    enum RouteState {
        case fresh
        case unconfirmed
        case stale
        case longLived
    }

    struct Route {
        var attributes: RouteAttributes
        var since: Int64
        var state: RouteState

        var isStale: Bool { self.state == .stale || self.state == .longLived }
        var isLongLived: Bool { self.state == .longLived || self.attributes.hasLongLivedStale }
        /// How far behind others it comes, whatever its distance.
        var level: Int { self.isLongLived ? 2 : self.isStale ? 1 : 0 }
    }

    struct FeedState {
        var definition: FeedDefinition
        var routes: [RouteKey: Route] = [:]
        var isDown = false
        var hidden = Set(AddressFamily.allCases)
        var refreshing: Set<AddressFamily> = []

        var isHidden: Bool { self.hidden.count == AddressFamily.allCases.count }
        var prefixes: Set<IPPrefix> { Set(self.routes.keys.map(\.prefix)) }

        mutating func turn(
            _ old: Set<RouteState>, into new: RouteState?, in family: AddressFamily? = nil
        ) {
            self.routes = self.routes.compactMapValues { key, route in
                guard family == nil || key.prefix.family == family, old.contains(route.state) else {
                    return route
                }
                return new.map {
                    Route(attributes: route.attributes, since: route.since, state: $0)
                }
            }
        }
    }

    var feeds: [FeedID: FeedState] = [:]
    var pins: [(IPPrefix, [SiteID])] = []
    var locations: [LocationRange] = []
    var roundTrips = ReferenceRoundTrips()
    var now: Int64 = 0

    mutating func apply(_ command: TableCommand) {
        switch command {
        case .defineSite, .releaseGuard, .routesRequested, .setFlipHold: break
        case .familyComplete, .refreshBegan, .refreshEnded, .longLivedStale, .staleExpired,
            .withdrawPaths, .feedUp, .feedComplete, .feedDown, .feedFlush:
            self.applyToFeed(command)
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
                for (place, route) in feed.routes
                where revision.within?.contains(where: { $0.contains(place.prefix) }) ?? true {
                    let revised = revision.body(id, place.prefix, route.attributes)
                    self.feeds[id]?.routes[place] = revised.map {
                        Route(attributes: $0, since: route.since, state: route.state)
                    }
                }
            }
        }
    }

    private mutating func applyToFeed(_ command: TableCommand) {
        switch command {
        case .feedUp(let id):
            self.change(id) { feed in
                feed.isDown = false
                feed.refreshing = []
                for family in AddressFamily.allCases
                where !feed.routes.keys.contains(where: { $0.prefix.family == family }) {
                    feed.hidden.insert(family)
                }
                feed.turn([.fresh, .unconfirmed], into: .stale)
            }
        case .feedComplete(let id):
            self.change(id) { feed in
                guard !feed.isDown else { return }
                feed.hidden = []
                feed.turn([.stale, .longLived], into: nil)
            }
        case .familyComplete(let id, let family):
            self.change(id) { feed in
                guard !feed.isDown else { return }
                feed.hidden.remove(family)
                feed.turn([.stale, .longLived], into: nil, in: family)
            }
        case .feedDown(let id):
            self.change(id) { feed in
                feed.isDown = true
                feed.refreshing = []
                feed.turn([.fresh, .unconfirmed], into: .stale)
            }
        case .feedFlush(let id):
            self.change(id) { feed in
                feed.routes = [:]
                feed.refreshing = []
                feed.hidden = Set(AddressFamily.allCases)
            }
        case .refreshBegan(let id, let family):
            self.change(id) { feed in
                guard !feed.isDown else { return }
                feed.turn([.fresh], into: .unconfirmed, in: family)
                feed.refreshing.insert(family)
            }
        case .refreshEnded(let id, let family):
            self.change(id) { feed in
                guard !feed.isDown, feed.refreshing.remove(family) != nil else { return }
                feed.turn([.unconfirmed, .stale, .longLived], into: nil, in: family)
            }
        case .longLivedStale(let id, let family):
            self.change(id) { feed in
                feed.routes = feed.routes.filter {
                    $0.key.prefix.family != family || $0.value.state != .stale
                        || !$0.value.attributes.refusesLongLivedStale
                }
                feed.turn([.stale], into: .longLived, in: family)
            }
        case .staleExpired(let id, let family):
            self.change(id) { feed in
                feed.turn([.stale, .longLived], into: nil, in: family)
                guard feed.isDown else { return }
                feed.hidden.insert(family)
                feed.refreshing.remove(family)
            }
        case .withdrawPaths(let id, let pathIDs):
            self.change(id) { feed in
                feed.routes = feed.routes.filter { !pathIDs.contains($0.key.pathID) }
            }
        default: preconditionFailure("not about a feed")
        }
    }

    private mutating func change(_ id: FeedID, _ body: (inout FeedState) -> Void) {
        guard var feed = self.feeds[id] else { return }
        body(&feed)
        self.feeds[id] = feed
    }

    mutating func announce(
        _ prefix: IPPrefix, pathID: UInt32 = 0, _ attributes: RouteAttributes, on id: FeedID
    ) {
        guard let feed = self.feeds[id] else { return }
        let key = RouteKey(prefix: prefix, pathID: pathID)
        let old = feed.routes[key]
        let since = old?.attributes == attributes ? old?.since : nil
        self.feeds[id]?.routes[key] = Route(
            attributes: attributes, since: since ?? self.now,
            state: feed.isDown ? .stale : .fresh)
    }

    mutating func withdraw(_ prefix: IPPrefix, pathID: UInt32 = 0, on id: FeedID) {
        self.feeds[id]?.routes[RouteKey(prefix: prefix, pathID: pathID)] = nil
    }

    // MARK: Questions

    private func distance(_ feed: FeedState, _ route: Route, for site: SiteID) -> Int? {
        if route.attributes.isIgnored { return nil }
        if feed.definition.site == site { return route.attributes.distance }
        return feed.definition.throughSites[site].flatMap { route.attributes.distance(after: $0) }
    }

    /// The route that decides a site's distance at an address.
    func route(of site: SiteID, at address: IPAddress) -> SiteRoute? {
        var best: (key: [Int], route: SiteRoute)?
        for (id, feed) in self.feeds {
            for (place, route) in feed.routes
            where place.prefix.contains(address) && !feed.hidden.contains(place.prefix.family) {
                guard let distance = self.distance(feed, route, for: site) else { continue }
                let key = [
                    -place.prefix.length, route.level, distance, feed.definition.order,
                    Int(id.rawValue), Int(place.pathID),
                ]
                if let best, best.key.lexicographicallyPrecedes(key) { continue }
                best = (key, self.report(route, place, of: id, site: site, distance: distance))
            }
        }
        return best?.route
    }

    private func report(
        _ route: Route, _ place: RouteKey, of feed: FeedID, site: SiteID, distance: Int
    ) -> SiteRoute {
        SiteRoute(
            site: site, feed: feed, prefix: place.prefix, attributes: route.attributes,
            distance: distance, since: route.since, isStale: route.isStale,
            isLongLivedStale: route.isLongLived, pathID: place.pathID,
            isHeldBack: self.feeds[feed]?.hidden.contains(place.prefix.family) ?? true)
    }

    /// Every feed's routes, in the order of a listing.
    var allRoutes: [SiteRoute] {
        self.feeds.flatMap { id, feed in
            feed.routes.map { place, route in
                self.report(
                    route, place, of: id, site: feed.definition.site,
                    distance: route.attributes.distance)
            }
        }.sorted {
            ($0.prefix, $0.feed, $0.pathID) < ($1.prefix, $1.feed, $1.pathID)
        }
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
            for prefix in feed.prefixes { add(prefix.address, prefix.last) }
        }
        for key in self.roundTrips.entries.keys { add(key.prefix.address, key.prefix.last) }
        for (prefix, _) in self.pins { add(prefix.address, prefix.last) }
        for range in self.locations { add(range.first, range.last) }
        return points.sorted().map { IPAddress(family: family, leftAligned: $0) }
    }
}

extension Dictionary {
    /// The values that `body` makes of each key and value, but for nil.
    fileprivate func compactMapValues(_ body: (Key, Value) -> Value?) -> [Key: Value] {
        var result: [Key: Value] = [:]
        for (key, value) in self { result[key] = body(key, value) }
        return result
    }
}
