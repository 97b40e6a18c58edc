// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable

/// Commands about one feed's sessions.
extension Interpreter {
    func feed(named name: String) throws(CommandFailure) -> FeedID {
        guard let feed = self.backend.feedIdentities().first(where: { $0.name == name }) else {
            throw CommandFailure(.noSuchThing, "there is no feed '\(name)'")
        }
        return feed.id
    }

    func showFeed(_ name: String, wantsJSON: Bool) async throws -> Reply {
        let feed = try self.feed(named: name)
        guard var detail = await self.backend.feedDetail(feed) else {
            throw CommandFailure(.noSuchThing, "feed '\(name)' has no session")
        }
        let summaries = try await self.summaries()
        if let summary = summaries[feed] { detail.sections.append(Self.table(summary)) }
        let reports = await self.backend.feedReports()
        detail.hints += reports.first { $0.identity.id == feed }?.hints ?? []
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
            ])
    }

    /// Hints about all feeds, each with its name.
    func hints(_ summaries: [FeedID: FeedSummary], _ reports: [FeedReport]) -> [String] {
        reports.flatMap { report in report.hints.map { "\(report.identity.name): \($0)" } }
            + FeedHints(self.hintSubjects(summaries, reports)).all
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
                refused: summary.refused)
        }
    }

    func carryOut(
        _ order: Command.FeedOrder, on name: String, wantsJSON: Bool
    ) async throws -> Reply {
        let feed = try self.feed(named: name)
        return .done(try await self.backend.carryOut(order, on: feed).get(), wantsJSON: wantsJSON)
    }

    func watch(_ name: String) async throws -> Reply {
        let feed = try self.feed(named: name)
        guard var watch = await self.backend.watchFeed(feed) else {
            let words =
                switch self.backend.feedIdentities().first(where: { $0.id == feed })?.kind {
                case .bmp?: "comes by BMP: its routers' sessions are not ours to watch"
                case .mrt?, .text?: "comes from a file: there is no session to watch"
                case .bgp?, nil: "has no session to watch"
                }
            throw CommandFailure(.noSuchThing, "feed '\(name)' \(words)")
        }
        watch.opening = "watching \(name): a line or Ctrl-C ends it"
        return .live(watch)
    }
}
