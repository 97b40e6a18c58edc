// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable

extension Interpreter {
    func sites() -> Table {
        let world = self.backend.oracle.world
        return self.table(of: world.sites, in: world) { $0.addresses }
    }

    /// The sites that a name lists, as it lists them, with the addresses that it answers with.
    func sites(of name: String) throws(CommandFailure) -> Table {
        let number = try self.policy(for: name)
        let world = self.backend.oracle.world
        guard world.policies.indices.contains(number) else { throw Self.unknown(name: name) }
        let policy = world.policies[number]
        let sites = policy.sites.compactMap(world.site)
        var table = self.table(of: sites, in: world) { $0.addresses(of: policy.service) }
        guard let report = self.backend.nearestName(name) else { return table }
        table.trailingFields = [
            ("answers", .integer(report.answers)), ("ttl", .integer(report.timeToLive)),
            ("minimum_ttl", .integer(report.minimumTimeToLive)),
            ("client_subnet", .flag(report.usesClientSubnet)),
        ]
        guard !report.aliases.isEmpty else { return table }
        table.columns.append(Table.Column("alias"))
        for (row, site) in sites.enumerated() {
            table.rows[row].append(.text(report.aliases[site.name]))
        }
        return table
    }

    private func table(
        of sites: [Site], in world: World, _ addresses: (Site) -> [IPAddress]
    ) -> Table {
        var table = Table(
            "sites",
            columns: [
                .alone("site"), Table.Column("as", right: true),
                Table.Column("weight", right: true), Table.Column("state"),
                Table.Column("health"), Table.Column("admin"), Table.Column("full"),
                Table.Column("feeds"), Table.Column("location"), Table.Column("addresses"),
            ])
        table.rows = sites.map { site in
            let status = world.status[site.id] ?? SiteStatus()
            return [
                .text(site.name), .integer(Int(site.asNumber.rawValue)), .integer(site.weight),
                .text(status.displayState(withoutRoutes: site.withoutRoutes).rawValue),
                .text(status.health.rawValue), .text(status.admin.rawValue),
                .flag(status.isFull), .text(status.feeds.rawValue), .text(site.place?.name),
                .list(addresses(site).map(\.description)),
            ]
        }
        if table.rows.isEmpty { table.notes = ["There are no sites."] }
        return table
    }

    func feeds() async throws -> Table {
        let summaries = try await self.summaries()
        let world = self.backend.oracle.world
        let now = self.now()
        var table = Table(
            "feeds",
            columns: [
                .alone("feed"), Table.Column("site"), Table.Column("kind"),
                Table.Column("peer"), Table.Column("as", right: true), Table.Column("state"),
                Table.Column("since", right: true), Table.Column("ipv4", right: true),
                Table.Column("ipv6", right: true), Table.Column("stale", right: true),
                Table.Column("refused", right: true), Table.Column("received", right: true),
                Table.Column("sent", right: true), Table.Column("transfer"),
                Table.Column("error"), Table.Column("guard"),
            ])
        let reports = await self.backend.feedReports()
        table.rows = reports.map { report in
            let summary = summaries[report.identity.id]
            let transfer =
                summary.map { $0.isFirstTransfer ? "first" : $0.isComplete ? "complete" : "open" }
            return [
                .text(report.identity.name), .text(world.site(report.identity.site)?.name),
                .text(report.identity.kind.rawValue),
                .text(report.identity.peerAddress?.description),
                .integer(report.identity.peerAS.map { Int($0.rawValue) }), .text(report.state),
                .age(report.since.map { Int(max(0, now - $0)) }),
                .integer(summary?.ipv4Prefixes), .integer(summary?.ipv6Prefixes),
                .integer(summary?.stalePrefixes), .integer(summary?.refused),
                .integer(report.messagesReceived), .integer(report.messagesSent),
                .text(transfer), .text(report.lastError), .text(summary?.guardState.word),
            ]
        }
        table.notes = self.alarms(summaries.values)
        table.notes += self.hints(summaries, reports)
        if table.rows.isEmpty { table.notes = ["There are no feeds."] }
        return table
    }

    /// Routes in slices that hold the owner of the table for well under a millisecond each.
    func routes(_ filter: Command.RouteFilter, wantsJSON: Bool) throws -> RowStream {
        let identities = self.backend.feedIdentities()
        let chosen = try filter.feed.map { try self.feed(named: $0).id }
        let feedNames = Dictionary(
            identities.map { ($0.id, $0.name) }, uniquingKeysWith: { first, _ in first })
        let world = self.backend.oracle.world
        let siteNames = Dictionary(
            world.sites.map { ($0.id, $0.name) }, uniquingKeysWith: { first, _ in first })
        let siteWidth = max(4, siteNames.values.map(\.count).max() ?? 0)
        let feedWidth = max(4, feedNames.values.map(\.count).max() ?? 0)
        // Rows stream, so that widths are chosen before the first is seen.
        let isLong = filter.within?.family == .ipv6
        let table = Table(
            "routes",
            columns: [
                .alone("prefix", width: isLong ? 32 : 18), Table.Column("site", width: siteWidth),
                Table.Column("feed", width: feedWidth),
                Table.Column("distance", title: "hops", right: true, width: 4),
                Table.Column("since", right: true, width: 10), Table.Column("stale", width: 5),
                Table.Column("nexthop", json: "next_hop", width: isLong ? 26 : 15),
                Table.Column("metric", right: true, width: 6),
                Table.Column("localpref", json: "local_preference", right: true, width: 9),
                Table.Column("origin", width: 10),
                Table.Column(key: "", title: "marks", json: nil, width: 7),
                Table.Column("path", json: "as_path"),
                Table.Column(key: "penalty", title: nil, json: "penalty"),
                Table.Column(key: "set_distance", title: nil, json: "set_distance"),
                Table.Column(key: "ignored", title: nil, json: "ignored"),
                Table.Column(key: "validation", title: nil, json: "validation"),
                Table.Column(key: "tags", title: nil, json: "tags"),
                Table.Column(key: "long_lived_stale", title: nil, json: "long_lived_stale"),
                Table.Column(key: "path_id", title: nil, json: "path_id"),
                Table.Column(key: "held_back", title: nil, json: "held_back"),
            ])
        let (owner, within, now) = (self.backend.owner, filter.within, self.now)
        let slice = {
            @Sendable (cursor: RowCursor?, wanted: Int) async throws -> RowStream.Slice in
            let limit = min(wanted, 256)
            let (routes, next) = try await owner.query {
                let found = $0.routes(
                    after: cursor?.routes, feed: chosen, within: within, limit: limit)
                return (found.routes, found.next)
            }
            let time = now()
            let rows: [[Value]] = routes.map { route in
                let attributes = route.attributes
                return [
                    .text(route.prefix.description),
                    .text(siteNames[route.site] ?? "\(route.site.rawValue)"),
                    .text(feedNames[route.feed] ?? "\(route.feed.rawValue)"),
                    attributes.isIgnored ? .none : .integer(route.distance),
                    .age(Int(max(0, time - route.since))),
                    .flag(route.isStale), .text(attributes.nextHop?.description),
                    .integer(attributes.multiExitDiscriminator.map(Int.init)),
                    .integer(attributes.localPreference.map(Int.init)),
                    .text(attributes.origin.word), .list(route.marks),
                    .path(attributes.asPath), .integer(Int(attributes.penalty)),
                    .integer(attributes.distanceOverride.map(Int.init)),
                    .flag(attributes.isIgnored), .text(attributes.validation.word),
                    .list(attributes.tags), .flag(route.isLongLivedStale),
                    .integer(route.pathID == 0 ? nil : Int(route.pathID)),
                    .flag(route.isHeldBack),
                ]
            }
            return RowStream.Slice(rows: rows, next: next.map { .routes($0) })
        }
        return RowStream(table: table, wantsJSON: wantsJSON, slice: slice, limit: filter.limit)
    }

    func memory() async throws -> Table {
        var (parts, counts) = try await self.backend.owner.query { ($0.memory(), $0.counts()) }
        parts.append(MemoryPart(name: "scopes", bytes: self.backend.oracle.scopeBytes))
        var table = Table("memory", columns: [.alone("part"), Table.Column("bytes", right: true)])
        table.rows = parts.map { [.text($0.name), .integer($0.bytes)] }
        table.rows.append([.text("table"), .integer(parts.reduce(0) { $0 + $1.bytes })])
        if let limit = self.backend.owner.limits.memory {
            table.rows.append([.text("limit"), .integer(limit)])
        }
        if let resident = ProcessMemory.resident {
            table.rows.append([.text("process"), .integer(resident)])
        }
        var numbers: [(String, Int)] = [
            ("ipv4_prefixes", counts.ipv4Prefixes), ("ipv6_prefixes", counts.ipv6Prefixes),
            ("routes", counts.routes), ("classes", counts.classes),
            ("attribute_sets", counts.attributeSets), ("updates", Int(clamping: counts.updates)),
            ("refused", Int(clamping: counts.refused)),
            ("refused_for_memory", Int(clamping: counts.refusals[.memory] ?? 0)),
            ("round_trip_prefixes", counts.roundTripPrefixes),
            ("refused_observations", Int(clamping: counts.refusedObservations)),
            ("further_paths", counts.furtherPaths), ("flips", Int(clamping: counts.flips)),
            ("flip_holds", Int(clamping: counts.flipHolds)),
            ("held_prefixes", counts.heldPrefixes),
        ]
        numbers += StepKind.allCases.map {
            ("longest_\($0.rawValue)", Int(clamping: counts.longestSteps[$0].processor))
        }
        numbers += RefusalReason.allCases.filter { $0 != .memory }.map {
            (
                "refused_for_" + $0.rawValue.replacing("-", with: "_"),
                Int(clamping: counts.refusals[$0] ?? 0)
            )
        }
        table.trailingFields = numbers.map { ($0.0, .integer($0.1)) }
        table.notes = [
            "\(counts.ipv4Prefixes) IPv4 and \(counts.ipv6Prefixes) IPv6 prefixes, "
                + "\(Value.count(counts.routes, "route")), "
                + "\(counts.classes) \(counts.classes == 1 ? "class" : "classes"), "
                + "\(Value.count(counts.attributeSets, "attribute set")), "
                + "\(Value.count(counts.updates, "update")), "
                + "\(counts.refused) refused"
        ]
        let limits = self.backend.owner.limits
        table.notes += RefusalReason.allCases.compactMap { reason in
            counts.refusals[reason].map { "\($0) refused: \(reason.words(limits))" }
        }
        table.lastLine = "counts " + numbers.map { "\($0.0)=\($0.1)" }.joined(separator: " ")
        return table
    }

    func version() -> Table {
        let version = self.backend.version
        var table = Table(
            "daemon",
            columns: [
                .alone("program"), Table.Column("version"), Table.Column("uptime"),
                Table.Column("router"), Table.Column("as"),
                Table.Column(key: "started", title: nil, json: "started"),
            ])
        table.notes = ["Started \(self.date(version.started))."]
        table.rows = [
            [
                .text("martlet"), .text(version.version),
                .age(Int(max(0, self.now() - version.started))),
                .text(self.backend.router.identifier.description),
                .integer(Int(self.backend.router.asNumber.rawValue)),
                .integer(Int(version.started)),
            ]
        ]
        return table
    }
}

extension SiteRoute {
    /// What rules, validators and the end of sessions made of the route, in words for people, and
    /// which of its feed's paths it is.
    fileprivate var marks: [String] {
        let attributes = self.attributes
        var marks = attributes.isIgnored ? ["ignored"] : []
        if self.isHeldBack { marks.append("held-back") }
        if let word = attributes.validation.word { marks.append(word) }
        if let distance = attributes.distanceOverride { marks.append("=\(distance)") }
        if attributes.penalty > 0 { marks.append("+\(attributes.penalty)") }
        if self.isLongLivedStale { marks.append("long-lived-stale") }
        if self.pathID != 0 { marks.append("path:\(self.pathID)") }
        return marks + attributes.tags
    }
}
