// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable

extension Interpreter {
    /// What `show ip bgp` answers.
    ///
    /// For an address: the longest prefix that any site has for it, one path for each site that has
    /// a route, and for each that a route map prefers. For a prefix: the feeds' routes at exactly
    /// that.
    func zebraEntry(_ target: Command.Target) async throws -> ZebraEntry {
        let world = self.backend.oracle.world
        let identities = Dictionary(
            self.backend.feedIdentities().map { ($0.id, $0) },
            uniquingKeysWith: { first, _ in first })
        let prefix: IPPrefix?
        let routes: [SiteRoute]
        let client: IPAddress
        switch target {
        case .address(let address):
            let found = try await self.backend.owner.query { $0.paths(covering: address) }
            (prefix, routes, client) = (found?.prefix, found?.paths ?? [], address)
        case .prefix(let exact):
            let found = try await self.backend.owner.query { $0.routes(at: exact) }
            (prefix, routes, client) = (exact, found, exact.address)
        }
        let (ranking, scope) = self.answerer.withBatch { batch, _ in
            var order = SiteOrder()
            let match = batch.order(
                policy: 0, family: nil, client: client, places: 1, into: &order)
            let ranking = batch.ranking(policy: 0, family: nil, client: client).ranking
            return (ranking, Int(match.scope))
        }
        var paths = routes.map { Self.path(of: $0, world: world, identities: identities) }
        var sites = routes.map(\.site)
        if case .address = target {
            for entry in ranking.usable where entry.reason == .pinned {
                if let index = sites.firstIndex(of: entry.site) {
                    paths[index].asPath = nil
                } else {
                    paths.append(Self.path(ofPinned: entry.site, world: world, client: client))
                    sites.append(entry.site)
                }
            }
        }
        guard !paths.isEmpty else {
            var nothing = ZebraEntry.nothing
            nothing.details = self.rejections
            throw nothing
        }
        // An ignored route is no site's path, nor is one that doesn't count yet.
        let usable = paths.indices.filter { !paths[$0].isIgnored && !paths[$0].isHeldBack }
        let best = ranking.usable.lazy.compactMap { entry in
            usable.first { sites[$0] == entry.site }
        }.first
        return ZebraEntry(
            prefix: prefix ?? IPPrefix(masking: client, length: scope), paths: paths, best: best)
    }

    /// What feeds' rules rejected: such routes aren't held, and can't be shown.
    private var rejections: [String] {
        self.backend.feedIdentities().compactMap { feed in
            let count = self.backend.ruleReport(feed.id)?.rejected ?? 0
            guard count > 0 else { return nil }
            return "rules of feed \(feed.name) rejected \(count) "
                + "\(count == 1 ? "announcement" : "announcements"): see 'show feed \(feed.name) rules'"
        }
    }

    private static func path(
        of route: SiteRoute, world: World, identities: [FeedID: FeedIdentity]
    ) -> ZebraEntry.Path {
        let site = world.site(route.site)
        let identity = identities[route.feed]
        var path = ZebraEntry.Path(
            siteAS: site?.asNumber ?? 0, siteName: site?.name ?? "\(route.site.rawValue)")
        path.asPath = route.attributes.asPath
        path.nextHop = route.attributes.nextHop
        path.peer = identity?.peerAddress
        path.peerIdentifier = identity?.peerIdentifier
        path.origin = route.attributes.origin
        path.metric = route.attributes.multiExitDiscriminator
        path.localPreference = route.attributes.localPreference
        path.communities = route.attributes.communities
        path.isInternal = identity?.isInternal ?? false
        path.isStale = route.isStale
        path.isLongLivedStale = route.isLongLivedStale
        path.pathID = route.pathID
        path.isIgnored = route.attributes.isIgnored
        path.isHeldBack = route.isHeldBack
        path.validation = route.attributes.validation
        path.tags = route.attributes.tags
        path.prefix = route.prefix
        path.feed = identity?.name
        path.since = route.since
        return path
    }

    private static func path(
        ofPinned id: SiteID, world: World, client: IPAddress
    ) -> ZebraEntry.Path {
        let site = world.site(id)
        var path = ZebraEntry.Path(
            siteAS: site?.asNumber ?? 0, siteName: site?.name ?? "\(id.rawValue)")
        path.nextHop =
            site?.addresses.first { $0.family == client.family } ?? site?.addresses.first
        path.isInternal = true
        return path
    }

    /// Feeds with a router behind them, as Zebra lists its neighbours.
    func zebraSummary() async throws -> ZebraSummary {
        let summaries = try await self.summaries()
        let world = self.backend.oracle.world
        let counts = try await self.backend.owner.query { $0.counts() }
        let now = self.now()
        let reports = await self.backend.feedReports()
        let neighbors = reports.compactMap { report in
            report.identity.peerAddress.map { peer in
                let summary = summaries[report.identity.id]
                return ZebraSummary.Neighbor(
                    address: peer.description, asNumber: report.identity.peerAS,
                    received: report.messagesReceived, sent: report.messagesSent,
                    age: report.since.map { Int(max(0, now - $0)) },
                    prefixes: report.isUp
                        ? (summary?.ipv4Prefixes ?? 0) + (summary?.ipv6Prefixes ?? 0) : nil,
                    state: report.state,
                    site: world.site(report.identity.site)?.name ?? "-",
                    feed: report.identity.name, ipv4: summary?.ipv4Prefixes,
                    ipv6: summary?.ipv6Prefixes, stale: summary?.stalePrefixes,
                    unreadBytes: report.unreadBytes, unsentBytes: report.unsentBytes,
                    lastError: report.lastError,
                    errorAge: report.lastErrorTime.map { Int(max(0, now - $0)) })
            }
        }
        var result = ZebraSummary(
            router: self.backend.router, paths: counts.attributeSets, neighbors: neighbors)
        result.strangers = await self.backend.strangers()
        result.hints = self.hints(summaries, reports)
        return result
    }

    func summaries() async throws -> [FeedID: FeedSummary] {
        let summaries = try await self.backend.owner.query { $0.feedSummaries() }
        return Dictionary(
            summaries.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }
}
