// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
package import RouteTable

/// What feeds have to do with routes that are stale, or that don't count yet.
package struct FeedNews: Sendable {
    /// A feed whose routes of a family are held back until they have all come.
    package struct Transfer: Sendable {
        package var feed: String
        package var site: SiteID
        /// So many have come.
        package var routes: Int
        /// It goes on; else its session was lost meanwhile.
        package var isUp: Bool
        /// It comes from a file.
        package var isFile: Bool
        /// How it ends, where that is known.
        package var end: TransferEnd?

        func words(site: String, _ family: AddressFamily) -> String {
            let count = "\(self.routes) \(family) \(self.routes == 1 ? "route" : "routes")"
            guard self.isUp else {
                return "\(site)'s feed \(self.feed) lost its session in its first transfer: its "
                    + "\(count) \(self.routes == 1 ? "doesn't" : "don't") count."
            }
            guard !self.isFile else {
                return "\(site)'s feed \(self.feed) is being read, \(count) so far: its routes "
                    + "count when all have been."
            }
            let end =
                switch self.end {
                case nil: ""
                case .endOfRIB: ", at End-of-RIB"
                case .quiet(let seconds):
                    ", after \(seconds) s without news, since the router sends no End-of-RIB"
                }
            return "\(site)'s feed \(self.feed) is in its first transfer, \(count) so far: its "
                + "routes count when it is over\(end)."
        }
    }

    /// Those of a family, by the feeds' order in the configuration.
    package var transfers: [Transfer] = []
    /// Since when feeds' guards hold what they lost, in Unix seconds.
    package var guards: [FeedID: Int64] = [:]
    /// Feeds with a session that has yet to bring what the one before had.
    package var returning: Set<FeedID> = []

    package init() {}
}

extension Interpreter {
    /// The same of what the table says of the feeds.
    func feedNews(_ summaries: [FeedSummary], _ family: AddressFamily) async -> FeedNews {
        var news = FeedNews()
        var transfers: [FeedSummary] = []
        for summary in summaries {
            if case .holding(let since) = summary.guardState { news.guards[summary.id] = since }
            if summary.isUp, !summary.isComplete { news.returning.insert(summary.id) }
            let isOpen = summary.isUp && summary.isFirstTransfer
            if isOpen || summary.heldBack(family) > 0 { transfers.append(summary) }
        }
        guard !transfers.isEmpty else { return news }
        let reports = Dictionary(
            await self.backend.feedReports().map { ($0.identity.id, $0) },
            uniquingKeysWith: { first, _ in first })
        news.transfers = transfers.map { summary in
            let report = reports[summary.id]
            return FeedNews.Transfer(
                feed: summary.name, site: summary.site, routes: summary.heldBack(family),
                isUp: summary.isUp,
                isFile: report?.identity.kind == .mrt || report?.identity.kind == .text,
                end: report?.session?.end)
        }
        return news
    }
}

extension FeedSummary {
    fileprivate func heldBack(_ family: AddressFamily) -> Int {
        family == .ipv4 ? self.heldBackIPv4 : self.heldBackIPv6
    }
}
