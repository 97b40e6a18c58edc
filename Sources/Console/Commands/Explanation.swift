// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
package import Choice
import JSON
package import RouteTable

/// A ranking with all that is known about it: what `rank`, `explain` and their JSON show.
package struct Explanation: Sendable {
    package var client: IPAddress
    package var name: String?
    package var policy: Policy
    package var ranking: Ranking
    package var scope: Int
    package var place: Place?
    package var sites: [SiteID: Site]
    /// The route that decides each site's distance; empty for `rank`.
    package var routes: [SiteID: SiteRoute] = [:]
    /// What sets those routes' distances where they aren't their paths' lengths, as far as it is
    /// known.
    package var distanceReasons: [SiteID: DistanceReason] = [:]
    /// Routes to the client that are ignored.
    package var ignored: [SiteRoute] = []
    /// Prefixes around the client that are held, since they flip.
    package var held: [FlipHold] = []
    package var feedNames: [FeedID: String] = [:]
    /// Since when sites have no session, and feeds none, in Unix seconds.
    package var staleSites: [SiteID: Int64] = [:]
    package var staleFeeds: [FeedID: Int64] = [:]
    /// Sites whose routes are gone.
    package var lostSites: Set<SiteID> = []
    /// Those of DNS answers, where the name is one of DNS.
    package var answerScopes: [AnswerScope]?
    /// What pins the client, where something does.
    package var pin: PinReport?
    /// What else feeds have to do with the state of routes.
    package var feedNews = FeedNews()
    /// The time, in Unix seconds.
    package var now: Int64 = 0

    /// The block in which everyone is ranked the same.
    package var block: IPPrefix { IPPrefix(masking: self.client, length: self.scope) }

    private static let rankColumns: [Table.Column] = [
        // Programs get these as one line.
        Table.Column(key: nil, title: nil, json: nil),
        Table.Column(key: "", title: "#", json: nil, isRightAligned: true),
        Table.Column(key: "", title: "site", json: "site"),
        .jsonOnly("addresses"),
        Table.Column(key: "", title: "hops", json: "distance", isRightAligned: true),
        Table.Column(key: "", title: "cost", json: "cost", isRightAligned: true),
        Table.Column(key: "", title: "km", json: "km", isRightAligned: true),
        Table.Column(key: "", title: "rtt", json: "rtt", isRightAligned: true),
        Table.Column(key: "", title: "state", json: "state"),
        Table.Column(key: "", title: "reason", json: "reason"),
    ]

    private static let routeColumns: [Table.Column] = [
        Table.Column("prefix"),
        Table.Column("feed"),
        Table.Column("since", right: true),
        Table.Column("path", json: "as_path"),
        Table.Column(key: "penalty", title: nil, json: "penalty"),
        Table.Column(key: "set_distance", title: nil, json: "set_distance"),
        Table.Column(key: "validation", title: nil, json: "validation"),
        Table.Column(key: "tags", title: nil, json: "tags"),
    ]

    /// Keys that came later go last.
    private static let staleColumn = Table.Column(
        key: "stale_since", title: nil, json: "stale_since")

    private static let lastColumns: [Table.Column] = [
        Table.Column(key: "stale", title: nil, json: "stale"), Self.staleColumn,
        Table.Column(key: "long_lived_stale", title: nil, json: "long_lived_stale"),
        Table.Column(key: "path_id", title: nil, json: "path_id"),
    ]

    /// `withRoutes`: with the columns of `explain`.
    package func table(withRoutes: Bool) -> Table {
        var table = Table(
            "sites",
            columns: Self.rankColumns
                + (withRoutes ? Self.routeColumns + Self.lastColumns : [Self.staleColumn]))
        for (index, entry) in self.ranking.entries.enumerated() {
            let site = self.sites[entry.site]
            var row: [Value] = [
                .line(entry.line(place: index + 1, name: Value.text(site?.name).forPrograms)),
                .integer(index + 1),
                .text(site?.name),
                .list(site?.addresses(of: self.policy.service).map(\.description) ?? []),
                .integer(entry.distance),
                .real(entry.cost),
                .real(entry.kilometres),
                .real(entry.roundTrip.map { $0 / .milliseconds(1) }),
                .text(entry.state.rawValue),
                .text(entry.reason.rawValue),
            ]
            if withRoutes {
                let route = self.routes[entry.site]
                row += [
                    .text(route?.prefix.description),
                    .text(route.map { self.feedNames[$0.feed] ?? "\($0.feed.rawValue)" }),
                    .age(route.map { Int(max(0, self.now - $0.since)) }),
                    route.map { .path($0.attributes.asPath) } ?? .none,
                    .integer(route.map { Int($0.attributes.penalty) }),
                    .integer(route?.attributes.distanceOverride.map(Int.init)),
                    .text(route?.attributes.validation.word),
                    .list(route?.attributes.tags ?? []),
                    route.map { .flag($0.isStale) } ?? .none, .age(self.staleAge(entry.site)),
                    route.map { .flag($0.isLongLivedStale) } ?? .none,
                    .integer(route.flatMap { $0.pathID == 0 ? nil : Int($0.pathID) }),
                ]
            } else {
                row.append(.age(self.staleAge(entry.site)))
            }
            table.rows.append(row)
        }
        table.fields = [
            ("address", .text(self.client.description)),
            ("client", .text(self.block.description)),
            ("scope", .integer(self.scope)),
            ("name", .text(self.name)),
        ]
        table.trailingFields = [
            ("location", .text(self.place?.name)),
            ("all_down", .flag(self.ranking.allDown)),
        ]
        table.notes = self.staleNotes
        if withRoutes {
            table.heading = self.heading
            table.notes =
                self.notes + self.answerNotes + self.staleNotes + self.routeNotes
            table.trailingFields.append(("ignored", .list(self.ignored.map(self.words))))
            table.trailingFields.append(("held", .list(self.held.map(self.words))))
            table.trailingFields.append(
                ("first_transfers", .list(self.feedNews.transfers.map(\.feed))))
            table.trailingFields.append(("pin", .text(self.pin?.prefix.description)))
            table.trailingFields.append(("pin_source", .text(self.pin?.place)))
            if let answerScopes {
                table.trailingFields.append(("answer_scopes", .list(answerScopes.map(\.line))))
            }
        }
        return table
    }

    /// Seconds since a site's routes are stale, or the feed's of its deciding route.
    private func staleAge(_ site: SiteID) -> Int? {
        let route = self.routes[site].flatMap { route in
            route.isStale
                ? self.staleFeeds[route.feed] ?? self.feedNews.guards[route.feed] : nil
        }
        return (route ?? self.staleSites[site]).map { Int(max(0, self.now - $0)) }
    }

    // MARK: In words

    private var staleNotes: [String] {
        self.ranking.entries.compactMap { entry in
            let name = self.sites[entry.site]?.name ?? "\(entry.site.rawValue)"
            if let words = self.held(entry.site, name) { return words }
            guard let age = self.staleAge(entry.site) else { return nil }
            let time = Value.clock(age)
            if self.lostSites.contains(entry.site) {
                // What it has doesn't count yet, which is said below.
                return self.feedNews.transfers.contains { $0.site == entry.site && $0.isUp }
                    ? nil : "\(name) has had no routes for \(time)."
            }
            return self.staleSites[entry.site] == nil
                ? "\(name)'s route has been stale for \(time): the session that it came by is "
                    + "lost."
                : "\(name) has been stale for \(time): none of its feeds has a session."
        }
    }

    /// A stale route that a site's answer rests on though its feed has a session.
    private func held(_ site: SiteID, _ name: String) -> String? {
        guard let route = self.routes[site], route.isStale, self.staleFeeds[route.feed] == nil
        else { return nil }
        let feed = self.feedNames[route.feed] ?? "\(route.feed.rawValue)"
        if let since = self.feedNews.guards[route.feed] {
            let time = Value.clock(Int(max(0, self.now - since)))
            return "\(name)'s route is held as stale by the guard of feed \(feed), which lost much "
                + "at once \(time) ago: 'guard release \(feed)' lets it go."
        }
        return self.feedNews.returning.contains(route.feed)
            ? "\(name)'s route is stale: feed \(feed) has a session again, in which it has not come."
            : nil
    }

    private var heading: [String] {
        var words = "\(self.client)"
        if let place = self.place { words += " in \(place.name)" }
        if let name = self.name { words += ", asking for \(name)" }
        return [words + ": the same for all of \(self.block)"]
    }

    private var notes: [String] {
        guard let first = self.ranking.entries.first else { return ["The name lists no site."] }
        var notes: [String] = []
        if self.ranking.allDown {
            let rule = self.policy.allDown
            let words =
                switch rule {
                case .all: "they are answered as if they were up"
                case .last: "the last that was up is answered"
                case .none: "none is answered"
                }
            notes.append(
                "All sites are down, drained or full; all-down is \(rule.rawValue): \(words).")
        }
        if self.place == nil {
            notes.append("The client's location is not known: kilometres count nothing.")
        }
        guard self.ranking.usableCount > 0 else {
            return notes + ["Nothing is answered."]
        }
        let name = self.sites[first.site]?.name ?? "?"
        notes.append("\(name) is first: \(self.sentence(for: first)).")
        return notes
    }

    /// For whom DNS answers hold.
    private var answerNotes: [String] {
        (self.answerScopes ?? []).map { answer in
            let block = IPPrefix(masking: self.client, length: answer.length)
            let words = "DNS answers with \(answer.type): the same for all of \(block)"
            return switch answer.reason {
            case .table: words + "."
            case .sameAnswer: words + ", though their ranking differs."
            case .weight: words + ", which the weighted hash takes as one."
            case .rotation: words + ", by which a site's addresses are rotated."
            case .resolver:
                "DNS answers with \(answer.type): by the resolver's address, scope 0, as "
                    + "client-subnet is off."
            case .noData: "DNS answers with \(answer.type): none, whoever asks."
            }
        }
    }

    /// What rules and validators made of the routes.
    private var routeNotes: [String] {
        var notes: [String] = []
        for entry in self.ranking.entries {
            guard let route = self.routes[entry.site] else { continue }
            let attributes = route.attributes
            var parts: [String] = []
            if let words = attributes.distanceWords(self.distanceReasons[entry.site]) {
                parts.append(words)
            }
            if attributes.penalty > 0 {
                parts.append("a rule adds \(Value.count(attributes.penalty, "hop"))")
            }
            if !attributes.tags.isEmpty {
                parts.append("it is tagged \(attributes.tags.joined(separator: ", "))")
            }
            if let word = attributes.validation.word { parts.append("RPKI says \(word)") }
            if route.isLongLivedStale {
                parts.append("it is long-lived stale, and any other is better")
            }
            if route.pathID != 0 { parts.append("it is path \(route.pathID) of its feed's") }
            guard !parts.isEmpty else { continue }
            let name = self.sites[entry.site]?.name ?? "\(entry.site.rawValue)"
            notes.append("\(name)'s route: \(parts.joined(separator: "; ")).")
        }
        let listed = Set(self.ranking.entries.map(\.site))
        notes += self.feedNews.transfers.filter { listed.contains($0.site) }.map {
            $0.words(site: self.sites[$0.site]?.name ?? "\($0.site.rawValue)", self.client.family)
        }
        notes += self.ignored.map { "Ignored: \(self.words($0))." }
        return notes
            + self.held.map {
                "Held as it was: \(self.words($0)): the hops are those of before, the paths those "
                    + "of now."
            }
    }

    private func words(_ hold: FlipHold) -> String {
        let age = Value.clock(Int(max(0, self.now - hold.since)))
        return "\(hold.prefix) for \(age), \(Value.count(hold.flips, "flip"))"
    }

    private func words(_ route: SiteRoute) -> String {
        let feed = self.feedNames[route.feed] ?? "\(route.feed.rawValue)"
        return "\(route.prefix) by \(feed), \(route.attributes.ignoredWords)"
    }

    private func sentence(for entry: RankedSite) -> String {
        switch entry.reason {
        case .pinned:
            guard let pin = self.pin else { return "a route map or an operator pins it here" }
            return "a route map pins \(pin.prefix) here (\(pin.place))"
        case .rtt: return "the measured round trip breaks the tie"
        case .cost:
            var parts: [String] = []
            if let roundTrip = entry.roundTrip {
                parts.append("a round trip of \(Value.rounded(roundTrip / .milliseconds(1))) ms")
            } else {
                if let kilometres = entry.kilometres {
                    parts.append("\(Value.rounded(kilometres)) km x 0.02")
                }
                if let hops = entry.distance {
                    var cost = JSONText()
                    cost.real(self.policy.hopCost)
                    parts.append("\(Value.count(hops, "hop")) x \(cost.text)")
                }
            }
            let sum = parts.isEmpty ? "" : " (" + parts.joined(separator: " + ") + ")"
            return "the least cost\(sum)"
        case .hops: return "the fewest hops"
        case .location: return "the nearest of equals by kilometres"
        case .weight:
            let length = self.policy.weightLength(for: self.client.family)
            return "the weighted hash of \(IPPrefix(masking: self.client, length: length)) "
                + "chose it among equals"
        case .order: return "it is listed before its equals"
        case .noRoute: return "no site has a route"
        case .down, .drained, .full: return "it is \(entry.reason.rawValue), as the others are"
        }
    }
}
