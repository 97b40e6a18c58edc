// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSpeaker
import Console
import Logging
import RouteTable
import ServiceLifecycle

/// Says in the log which of the table's limits refuses announcements: when it first does, and again
/// after a while as long as it goes on. How many were refused is in `show feeds` and `show memory`.
///
/// When there is room again, neighbours are asked for their routes once more: what was refused is
/// theirs alone to send.
struct LimitService: Service {
    let daemon: Daemon

    private static let period = Duration.seconds(2)
    /// Between two lines about one limit.
    private static let silence = Duration.seconds(900)

    private struct Told {
        var count: UInt64
        var time: ContinuousClock.Instant
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var told: [RefusalReason: Told] = [:]
            var pace = RequestPace()
            let start = ContinuousClock.now
            var isWeighed = self.daemon.owner.limits.memory == nil
            while (try? await Task.sleep(for: Self.period)) != nil {
                guard let counts = try? await self.daemon.owner.query({ $0.counts() }) else {
                    continue
                }
                if !isWeighed {
                    isWeighed = await self.weigh(counts)
                }
                let now = ContinuousClock.now
                for reason in RefusalReason.allCases {
                    let count = counts.refusals[reason] ?? 0
                    guard count > told[reason]?.count ?? 0,
                        told[reason].map({ now - $0.time >= Self.silence }) ?? true
                    else { continue }
                    told[reason] = Told(count: count, time: now)
                    await self.tell(reason, count, counts)
                }
                if counts.refused > 0 { await self.ask(&pace, at: now - start) }
            }
        }
        try await gracefulShutdown()
    }

    private func tell(_ reason: RefusalReason, _ count: UInt64, _ counts: TableCounts) async {
        let summaries = (try? await self.daemon.owner.query { $0.feedSummaries() }) ?? []
        let feeds = summaries.filter { $0.refused > 0 }.map { "\($0.name) \($0.refused)" }
        self.daemon.logger.warning(
            "announcements are refused: \(reason.words(self.daemon.owner.limits))",
            metadata: [
                "refused": "\(count)", "feeds": "\(feeds.joined(separator: ", "))",
                "prefixes": "\(counts.ipv4Prefixes + counts.ipv6Prefixes)",
                "routes": "\(counts.routes)", "classes": "\(counts.classes)",
            ])
    }

    /// Asks the feeds whose refused announcements would be taken now, no one too often, and says so;
    /// or what an operator can do about those that can't be asked.
    private func ask(_ pace: inout RequestPace, at time: Duration) async {
        let owner = self.daemon.owner
        guard let feeds = try? await owner.query({ $0.feedsToAsk() }), !feeds.isEmpty,
            let summaries = try? await owner.query({ $0.feedSummaries() })
        else { return }
        for feed in feeds where pace.admit(feed.feed, at: time) {
            let outcome = await self.daemon.speaker.refresh(feed.feed)
            let metadata: Logger.Metadata = [
                "feed": "\(summaries.first { $0.id == feed.feed }?.name ?? "-")",
                "missing": "\(feed.missing)",
            ]
            let reason =
                switch outcome {
                case .done: ""
                case .refused(let words): words
                case .noSuchPeer:
                    "'clear feed' has a router that speaks BMP begin anew; a file is read again "
                        + "when it has changed"
                }
            guard !reason.isEmpty else {
                self.daemon.logger.notice(
                    "there is room for routes that were refused: they are asked for again",
                    metadata: metadata)
                continue
            }
            self.daemon.logger.warning(
                "there is room for routes that were refused, but they can't be asked for",
                metadata: metadata.merging(["reason": "\(reason)"]) { $1 })
        }
    }

    /// Says so where the table is beyond its limit of memory before it has a route.
    ///
    /// - Returns: Whether that needn't be looked at again.
    private func weigh(_ counts: TableCounts) async -> Bool {
        guard counts.routes == 0 else { return true }
        guard let limit = self.daemon.owner.limits.memory,
            let parts = try? await self.daemon.owner.query({ $0.memory() })
        else { return false }
        let bytes = parts.reduce(0) { $0 + $1.bytes }
        guard bytes >= limit else { return false }
        let largest = parts.max { $0.bytes < $1.bytes }
        self.daemon.logger.warning(
            "without a route the table takes more than it may: all routes will be refused",
            metadata: [
                "bytes": "\(bytes)", "limits.memory": "\(limit)",
                "largest": "\(largest.map { "\($0.name) \($0.bytes)" } ?? "-")",
            ])
        return true
    }
}
