// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
package import RouteTable

/// `show ip bgp ADDRESS` as Zebra answers it, to the letter: programs written for Zebra's console
/// read the prefix, the number after `best #`, and the path lines.
package struct ZebraEntry: Sendable {
    package struct Path: Sendable {
        /// The AS number that stands for the site.
        package var siteAS: ASNumber
        package var siteName: String
        /// Nil where a route map alone decides: then the path is the site's AS.
        package var asPath: ASPath?
        package var nextHop: IPAddress?
        package var peer: IPAddress?
        package var peerIdentifier: IPAddress?
        package var origin: RouteAttributes.Origin = .igp
        package var metric: UInt32?
        package var localPreference: UInt32?
        /// Empty where the feed doesn't keep them.
        package var communities = RouteCommunities()
        package var isInternal = false
        package var isStale = false
        /// Stale for long, here or before it came to us (RFC 9494).
        package var isLongLivedStale = false
        /// The peer's number of the path (RFC 7911); 0 where it gives none.
        package var pathID: UInt32 = 0
        /// Held, but without a say in any distance.
        package var isIgnored = false
        /// Its feed's first transfer is not over: it has none yet.
        package var isHeldBack = false
        package var validation = OriginValidationState.notChecked
        /// Names that the feed's rules gave it.
        package var tags: [String] = []
        package var prefix: IPPrefix?
        package var feed: String?
        /// In Unix seconds; nil where the time is not known.
        package var since: Int64?

        package init(siteAS: ASNumber, siteName: String) {
            self.siteAS = siteAS
            self.siteName = siteName
        }
    }

    package var prefix: IPPrefix
    package var paths: [Path]
    /// The index of the best path; nil where none is.
    package var best: Int?

    package init(prefix: IPPrefix, paths: [Path], best: Int?) {
        self.prefix = prefix
        self.paths = paths
        self.best = best
    }

    package static let nothing = CommandFailure(.noSuchThing, "Network not in table")

    /// The lines, each path closed by an empty one.
    package func lines(date: (Int64) -> String) -> [String] {
        let choice = self.best.map { "best #\($0 + 1)" } ?? "no best path"
        var lines = [
            "BGP routing table entry for \(self.prefix)",
            "Paths: (\(self.paths.count) available, \(choice), table Default-IP-Routing-Table)",
        ]
        for (index, path) in self.paths.enumerated() {
            lines.append("  " + path.pathText)
            let peer = path.peer ?? path.nextHop
            let unspecified = IPAddress(family: self.prefix.family, leftAligned: 0)
            lines.append(
                "    \(path.nextHop ?? peer ?? unspecified) from \(peer ?? unspecified)"
                    + " (\(path.peerIdentifier ?? peer ?? unspecified))")
            lines.append("      " + path.attributeText(isBest: index == self.best))
            lines += path.communityLines
            // As FRR has it.
            if path.pathID != 0 { lines.append("      AddPath ID: RX \(path.pathID)") }
            if let since = path.since { lines.append("      Last update: \(date(since))") }
            lines.append("")
        }
        return lines
    }

    package var table: Table {
        var table = Table(
            "paths",
            columns: [
                Table.Column("site"), Table.Column("as"), Table.Column("best"),
                Table.Column("prefix"), Table.Column("feed"), Table.Column("as_path"),
                Table.Column("next_hop"), Table.Column("peer"), Table.Column("origin"),
                Table.Column("metric"), Table.Column("local_preference"),
                Table.Column("internal"), Table.Column("stale"), Table.Column("last_update"),
                Table.Column("communities"), Table.Column("extended_communities"),
                Table.Column("large_communities"), Table.Column("ignored"),
                Table.Column("validation"), Table.Column("tags"),
                Table.Column("long_lived_stale"), Table.Column("path_id"),
                Table.Column("held_back"),
            ])
        table.fields = [("prefix", .text(self.prefix.description))]
        table.rows = self.paths.enumerated().map { index, path in
            [
                .text(path.siteName), .integer(Int(path.siteAS.rawValue)),
                .flag(index == self.best), .text(path.prefix?.description), .text(path.feed),
                path.asPath.map { .path($0) } ?? .none, .text(path.nextHop?.description),
                .text(path.peer?.description), .text(path.origin.word),
                .integer(path.metric.map(Int.init)),
                .integer(path.localPreference.map(Int.init)), .flag(path.isInternal),
                .flag(path.isStale), .integer(path.since.map { Int($0) }),
                .list(path.communities.standardDescriptions),
                .list(path.communities.extendedDescriptions),
                .list(path.communities.largeDescriptions), .flag(path.isIgnored),
                .text(path.validation.word), .list(path.tags),
                .flag(path.isLongLivedStale), .integer(path.pathID == 0 ? nil : Int(path.pathID)),
                .flag(path.isHeldBack),
            ]
        }
        return table
    }
}

extension ZebraEntry.Path {
    var pathText: String {
        guard let asPath, !asPath.isEmpty else { return self.siteAS.description }
        // A site that no number stands for.
        return self.siteAS == 0 ? asPath.description : "\(self.siteAS) \(asPath)"
    }

    /// As Zebra has them: a line for each kind that there is. Tags, which it doesn't know, alike.
    var communityLines: [String] {
        let kinds = [
            ("Community", self.communities.standardDescriptions),
            ("Extended Community", self.communities.extendedDescriptions),
            ("Large Community", self.communities.largeDescriptions), ("Tags", self.tags),
        ]
        return kinds.compactMap { name, words in
            words.isEmpty ? nil : "      \(name): \(words.joined(separator: " "))"
        }
    }

    func attributeText(isBest: Bool) -> String {
        var text = "Origin \(self.origin.zebraWord)"
        if let metric { text += ", metric \(metric)" }
        text += ", localpref \(self.localPreference ?? 100)"
        text += self.isIgnored ? ", ignored" : self.isHeldBack ? ", held back" : ", valid"
        text += self.isInternal ? ", internal" : ", external"
        if self.isLongLivedStale {
            text += ", long-lived stale"
        } else if self.isStale {
            text += ", stale"
        }
        if isBest { text += ", best" }
        if let word = self.validation.word { text += ", rpki validation-state: \(word)" }
        return text
    }
}

extension OriginValidationState {
    /// As routers print it; nil where nothing was asked.
    var word: String? {
        switch self {
        case .notChecked: nil
        case .valid: "valid"
        case .notFound: "not-found"
        case .invalid: "invalid"
        }
    }
}

extension RouteAttributes.Origin {
    var zebraWord: String {
        switch self {
        case .igp: "IGP"
        case .egp: "EGP"
        case .incomplete: "incomplete"
        }
    }

    var word: String { self.zebraWord.lowercased() }
}
