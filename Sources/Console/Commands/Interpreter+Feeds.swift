// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable

/// Commands about one feed's sessions.
extension Interpreter {
    /// The feed with a name, or the only one whose peer has an address.
    func feed(named text: String) throws(CommandFailure) -> FeedIdentity {
        let identities = self.backend.feedIdentities()
        if let feed = identities.first(where: { $0.name == text }) { return feed }
        let address = (try? IPAddress(parsing: text))?.unmapped
        let feeds = identities.filter { address != nil && $0.peerAddress == address }
        guard let feed = feeds.first else {
            throw CommandFailure(.noSuchThing, "there is no feed '\(text)'")
        }
        guard feeds.count == 1 else {
            let names = feeds.map(\.name).joined(separator: ", ")
            throw CommandFailure(.notUnderstood, "'\(text)' is the peer of several feeds: \(names)")
        }
        return feed
    }

    func showFeed(_ text: String, wantsJSON: Bool) async throws -> Reply {
        let identity = try self.feed(named: text)
        let (feed, name) = (identity.id, identity.name)
        guard var detail = await self.backend.feedDetail(feed) else {
            throw CommandFailure(.noSuchThing, "feed '\(name)' has no session")
        }
        let summaries = try await self.summaries()
        if let summary = summaries[feed] { detail.sections.append(Self.table(summary)) }
        let reports = await self.backend.feedReports()
        detail.hints += reports.filter { $0.identity.id == feed }.flatMap {
            Self.hints($0, summaries)
        }
        detail.hints += FeedHints(self.hintSubjects(summaries, reports)).hints(about: name)
        let text = FeedDetailText(detail, date: self.date)
        return wantsJSON
            ? .json(text.json)
            : .page(forPeople: text.linesForPeople, forPrograms: text.linesForPrograms)
    }

    private static func table(_ summary: FeedSummary) -> FeedDetail.Section {
        FeedDetail.Section(
            "table", "In the table",
            facts: [
                FeedDetail.Fact("ipv4", .number(summary.ipv4Prefixes)),
                FeedDetail.Fact("ipv6", .number(summary.ipv6Prefixes)),
                FeedDetail.Fact("stale", .number(summary.stalePrefixes)),
                FeedDetail.Fact("refused", .number(summary.refused)),
                FeedDetail.Fact(
                    "transfer",
                    .text(
                        summary.isFirstTransfer
                            ? "first" : summary.isComplete ? "complete" : "open")),
                FeedDetail.Fact("guard", .text(summary.guardState.word)),
                FeedDetail.Fact("long_lived_stale", .number(summary.longLivedStale)),
                FeedDetail.Fact("further_paths", .number(summary.furtherPaths)),
                FeedDetail.Fact("missing", .number(summary.missing)),
            ])
    }

    /// Hints about all feeds, each with its name.
    func hints(_ summaries: [FeedID: FeedSummary], _ reports: [FeedReport]) -> [String] {
        reports.flatMap { report in
            Self.hints(report, summaries).map { "\(report.identity.name): \($0)" }
        }
            + FeedHints(self.hintSubjects(summaries, reports)).all
    }

    /// About one feed alone; what the table has refused of one that is compared is told with the
    /// rest.
    private static func hints(
        _ report: FeedReport, _ summaries: [FeedID: FeedSummary]
    ) -> [String] {
        let missing = summaries[report.identity.id]?.missing ?? 0
        return report.hints
            + (report.session == nil && missing > 0 ? [FeedHints.hint(missing: missing)] : [])
    }

    /// The feeds whose first transfer is over, as hints look at them.
    func hintSubjects(
        _ summaries: [FeedID: FeedSummary], _ reports: [FeedReport]
    ) -> [FeedHints.Subject] {
        reports.compactMap { report in
            guard let session = report.session, report.isUp, session.isComplete,
                let summary = summaries[report.identity.id]
            else { return nil }
            return FeedHints.Subject(
                name: report.identity.name, isInternal: report.identity.isInternal,
                ipv4: session.negotiated.contains(.ipv4) ? summary.ipv4Prefixes : nil,
                ipv6: session.negotiated.contains(.ipv6) ? summary.ipv6Prefixes : nil,
                wanted: session.wanted, reflected: session.reflected, limits: session.limits,
                missing: summary.missing,
                rejected: self.backend.ruleReport(report.identity.id)?.rejected ?? 0)
        }
    }

    func carryOut(
        _ order: Command.FeedOrder, on name: String, wantsJSON: Bool
    ) async throws -> Reply {
        let feed = try self.feed(named: name).id
        return .done(try await self.backend.carryOut(order, on: feed).get(), wantsJSON: wantsJSON)
    }

    func watch(_ text: String) async throws -> Reply {
        let feed = try self.feed(named: text)
        guard var watch = await self.backend.watchFeed(feed.id) else {
            let words =
                switch feed.kind {
                case .bmp: "comes by BMP: its routers' sessions are not ours to watch"
                case .mrt, .text: "comes from a file: there is no session to watch"
                case .bgp: "has no session to watch"
                }
            throw CommandFailure(.noSuchThing, "feed '\(feed.name)' \(words)")
        }
        watch.opening = "watching \(feed.name): a line or Ctrl-C ends it"
        return .live(watch)
    }
}
