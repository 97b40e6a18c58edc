// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import RouteTable

extension Interpreter {
    /// Believes a feed that its guard holds.
    func releaseGuard(_ name: String, wantsJSON: Bool) async throws -> Reply {
        let feed = try self.feed(named: name)
        let summaries = try await self.backend.owner.query { $0.feedSummaries() }
        guard case .holding? = summaries.first(where: { $0.id == feed.id })?.guardState else {
            throw CommandFailure(
                .noSuchThing, "nothing of feed '\(feed.name)' is held by its guard")
        }
        self.backend.owner.submit(.releaseGuard(feed.id))
        return .done("released", wantsJSON: wantsJSON)
    }

    /// A sentence for each feed whose losses are held.
    func alarms(_ summaries: some Collection<FeedSummary>) -> [String] {
        summaries.sorted { $0.id.rawValue < $1.id.rawValue }.compactMap { summary in
            guard case .holding(let since) = summary.guardState else { return nil }
            let age = max(0, self.now() - since)
            return "Feed \(summary.name) lost much at once \(age) seconds ago: "
                + "\(summary.stalePrefixes) of its prefixes are held as stale. "
                + "'guard release \(summary.name)' lets them go."
        }
    }
}

extension FeedGuardState {
    /// As `show feeds` says it.
    var word: String {
        switch self {
        case .off: "off"
        case .watching: "watching"
        case .holding: "holding"
        }
    }
}
