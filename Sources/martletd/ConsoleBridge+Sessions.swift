// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import Configuration
import Console
import Logging
import RouteTable

/// What the console asks of sessions.
extension ConsoleBridge {
    func strangers() async -> Int {
        await self.daemon.speaker.strangers() + self.daemon.station.strangers()
    }

    func carryOut(_ order: FeedOrder, on feed: FeedID) async -> Result<String, CommandFailure> {
        let isOfRouter = await self.daemon.station.status().contains { $0.feed == feed }
        if isOfRouter {
            guard case .clear = order else {
                return .failure(
                    CommandFailure(
                        .notUnderstood,
                        "feed '\(self.name(of: feed))' comes by BMP: its router connects, and can "
                            + "only be made to begin anew, by 'clear feed'"))
            }
            if await self.daemon.station.clear(feed) {
                return .success("the session is closed: the router has to connect again")
            }
        }
        let speaker = self.daemon.speaker
        let (outcome, words): (SessionOrder, String) =
            switch order {
            case .clear: (await speaker.clear(feed), "the session begins anew")
            case .refresh: (await speaker.refresh(feed), "the routes were asked for again")
            case .shutDown(let message):
                (await speaker.shutDown(feed, message: message), "shut down")
            case .resume: (await speaker.resume(feed), "the session may begin")
            }
        switch outcome {
        case .done:
            self.daemon.logger.notice(
                "an operator's order",
                metadata: ["feed": "\(self.name(of: feed))", "order": "\(order.words)"])
            return .success(words)
        case .noSuchPeer:
            return .failure(
                CommandFailure(.noSuchThing, "feed '\(self.name(of: feed))' has no session"))
        case .refused(let reason):
            return .failure(CommandFailure(.notUnderstood, reason))
        }
    }

    private func name(of feed: FeedID) -> String {
        self.feedIdentities().first { $0.id == feed }?.name ?? "\(feed.rawValue)"
    }

    /// Messages are decoded here, off the event loop of the sessions, as they are taken.
    func watchFeed(_ feed: FeedID) async -> FeedWatch? {
        let speaker = self.daemon.speaker
        let status = await speaker.status()
        let range = self.plan.speaker.ranges.first { $0.template.feed == feed }
        guard range != nil || status.contains(where: { $0.feed == feed }) else { return nil }
        let watch = MessageWatch(now: { TableOwner.systemTime() })
        await speaker.attach(watch, to: feed)
        let showsNames = range != nil
        let text = WatchText(showsNames: showsNames)
        return FeedWatch(lines: watch.lines { text.lines($0) }) {
            watch.finish()
            Task { await speaker.detach(watch) }
        }
    }

    func feedDetail(_ feed: FeedID) async -> FeedDetail? {
        var detail = await self.sessionDetail(feed) ?? self.fileDetail(feed)
        if let record = self.daemon.dumps.section(of: feed) { detail?.sections.append(record) }
        return detail
    }

    private func fileDetail(_ feed: FeedID) -> FeedDetail? {
        let dump = self.plan.dumps.first { $0.feeds.contains { $0.feed == feed } }
        guard let entry = self.daemon.board[feed], let dump else { return nil }
        var report = entry.file ?? FileFeedReport(paths: [dump.file], state: "loading")
        report.since = entry.since
        report.lastError = entry.lastError
        return report.detail(of: entry.name)
    }

    private func sessionDetail(_ feed: FeedID) async -> FeedDetail? {
        let all = await self.daemon.speaker.status()
        if let status = all.first(where: { $0.feed == feed }) {
            return SessionDetail(status, now: TableOwner.systemTime()).detail
        }
        guard let range = self.plan.speaker.ranges.first(where: { $0.template.feed == feed })
        else {
            let routers = await self.daemon.station.status()
            return self.plan.bmp.detail(of: feed, routers, now: TableOwner.systemTime())
        }
        let members = all.filter { $0.range == range.template.name }
        return FeedDetail(
            name: range.template.name,
            sections: [
                FeedDetail.Section(
                    "range", "Range",
                    facts: [
                        FeedDetail.Fact("peers", .text("\(range.prefix)")),
                        FeedDetail.Fact("as", .number(Int(range.template.peerAS.rawValue))),
                        FeedDetail.Fact("present", .number(members.count)),
                        FeedDetail.Fact("maximum", .number(range.slots.count)),
                    ]),
                FeedDetail.Section(
                    "members", "Neighbours", columns: ["feed", "state", "since"],
                    rows: members.map {
                        [.text($0.name), .text($0.state.rawValue), .time($0.since)]
                    }),
            ])
    }
}

extension FeedOrder {
    fileprivate var words: String {
        switch self {
        case .clear: "clear"
        case .refresh: "clear soft"
        case .shutDown(nil): "shutdown"
        case .shutDown(let message?): "shutdown: \(message)"
        case .resume: "no shutdown"
        }
    }
}

/// Lines for who watches a session.
struct WatchText: Sendable {
    /// Whose message it is, where several are watched.
    let showsNames: Bool

    func lines(_ sight: MessageWatch.Sight) -> [String] {
        switch sight {
        case .missed(let count):
            return ["... \(count) messages left out: they came faster than they were read"]
        case .end(let seconds):
            return ["\(LocalTime.clock(seconds)) the feed is there no more: that was all"]
        case .change(let old, let new, let reason, let session, let seconds):
            return [
                self.head(seconds, session)
                    + "\(old.rawValue) -> \(new.rawValue)" + (reason.map { ": \($0)" } ?? "")
            ]
        case .message(let bytes, let direction, let session, let seconds):
            var lines = MessageText.lines(bytes, context: session.context)
            let arrow = direction == .received ? "< " : "> "
            lines[0] = self.head(seconds, session) + arrow + lines[0]
            return lines
        }
    }

    private func head(_ seconds: Int64, _ session: TappedSession) -> String {
        let name = self.showsNames ? "\(session.name) " : ""
        return "\(LocalTime.clock(seconds)) \(name)"
    }
}
