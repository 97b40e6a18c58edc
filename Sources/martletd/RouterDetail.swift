// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import BGPWire
import Console
import RouteTable

/// What the console is told of routers that monitor their peers.
extension BMPSettings {
    /// A line of `show feeds`.
    func report(
        _ identity: FeedIdentity, _ routers: [BMPRouterStatus], isComplete: Bool
    ) -> FeedReport {
        if let range = self.range(identity.id) {
            let members = self.members(of: range, routers)
            return FeedReport(
                identity: identity, state: "\(members.count) of \(range.slots.count)",
                isUp: members.contains(where: \.isConnected),
                messagesReceived: members.reduce(0) { $0 + $1.counters.messages })
        }
        guard let status = routers.first(where: { $0.feed == identity.id }) else {
            return FeedReport(identity: identity, state: "gone", isUp: false)
        }
        let up = status.peers.reduce(0) { $0 + ($1.isUp ? 1 : 0) }
        return FeedReport(
            identity: identity,
            state: status.isConnected ? "\(up) peer\(up == 1 ? "" : "s")" : "waiting",
            isUp: status.isConnected, since: status.since,
            messagesReceived: status.counters.messages,
            unreadBytes: status.isConnected ? nil : 0,
            lastError: status.problem ?? status.lastError,
            lastErrorTime: status.problem == nil ? status.lastErrorTime : nil)
    }

    /// What `show feed` shows; nil for a feed that isn't a router's.
    func detail(of feed: FeedID, _ routers: [BMPRouterStatus], now: Int64) -> FeedDetail? {
        if let status = routers.first(where: { $0.feed == feed }) {
            return RouterDetail(status: status, now: now).detail
        }
        guard let settings = self.routers.first(where: { $0.feed == feed }),
            let range = settings.range
        else { return nil }
        let members = self.members(of: range, routers)
        return FeedDetail(
            name: settings.name,
            sections: [
                FeedDetail.Section(
                    "range", "Range",
                    facts: [
                        FeedDetail.Fact("routers", .text("\(settings.router)")),
                        FeedDetail.Fact("policy", .text(settings.view.rawValue)),
                        FeedDetail.Fact("present", .number(members.count)),
                        FeedDetail.Fact("maximum", .number(range.slots.count)),
                    ]),
                FeedDetail.Section(
                    "members", "Routers", columns: ["feed", "connected", "since"],
                    rows: members.map {
                        [.text($0.name), .flag($0.isConnected), .time($0.since)]
                    }),
            ])
    }

    private func range(_ feed: FeedID) -> BMPRouterSettings.Range? {
        self.routers.first { $0.feed == feed }?.range
    }

    private func members(
        of range: BMPRouterSettings.Range, _ routers: [BMPRouterStatus]
    ) -> [BMPRouterStatus] {
        routers.filter { range.slots.contains($0.feed) }
    }
}

/// A router's status in the sections of `show feed`.
private struct RouterDetail {
    private typealias Fact = FeedDetail.Fact
    private typealias Section = FeedDetail.Section
    let status: BMPRouterStatus
    let now: Int64

    var detail: FeedDetail {
        FeedDetail(
            name: self.status.name,
            sections: [self.session, self.counters, self.peers, self.statistics],
            hints: self.hints)
    }

    /// What looks misconfigured.
    private var hints: [String] {
        let counters = self.status.counters
        guard self.status.isConnected, counters.updates == 0, counters.otherViews > 0 else {
            return []
        }
        return [
            "The router tells of other views than \(self.status.view.rawValue), and of nothing "
                + "else: see policy in the feed's bmp."
        ]
    }

    private var session: Section {
        let status = self.status
        let problem = status.problem.map { [Fact("problem", .text($0))] } ?? []
        return Section(
            "session", "Session",
            facts: [
                Fact("connected", .flag(status.isConnected)),
                Fact("since", .age(Int(max(0, self.now - status.since)))),
                Fact("router", .text("\(status.router.address)")),
                Fact("name", status.systemName.map { .text($0) } ?? .unknown),
                Fact("description", status.systemDescription.map { .text($0) } ?? .unknown),
                Fact("policy", .text(status.view.rawValue)),
                Fact("routes", .text(status.liveness.rawValue)),
                Fact("complete", .flag(status.isComplete)),
                Fact("last_error", status.lastError.map { .text($0) } ?? .unknown),
                Fact("last_error_at", status.lastErrorTime.map { .time($0) } ?? .unknown),
            ] + problem)
    }

    private var counters: Section {
        let counters = self.status.counters
        return Section(
            "counters", "Counters",
            facts: [
                Fact("messages", .number(counters.messages)),
                Fact("sessions", .number(counters.sessions)),
                Fact("updates", .number(counters.updates)),
                Fact("announced", .number(counters.announced)),
                Fact("withdrawn", .number(counters.withdrawn)),
                Fact("updates_of_other_views", .number(counters.otherViews)),
                Fact("updates_of_unknown_peers", .number(counters.unknownPeers)),
                Fact("peers_refused", .number(counters.peersRefused)),
                Fact("paths_refused", .number(counters.pathsRefused)),
                Fact("updates_attribute_discarded", .number(counters.attributesDiscarded)),
                Fact("updates_treated_as_withdrawn", .number(counters.treatedAsWithdrawn)),
                Fact("updates_unusable", .number(counters.unusable)),
                Fact("prefixes_ignored", .number(counters.prefixesIgnored)),
                Fact("malformed", .number(counters.malformed)),
                Fact("unknown", .number(counters.unknown)),
                Fact("mirrored_lost", .number(counters.mirroredLost)),
                Fact("waits_for_the_table", .number(counters.pauses)),
            ])
    }

    private var peers: Section {
        Section(
            "peer", "Monitored peers",
            columns: [
                "peer", "as", "identifier", "up", "since", "end_of_rib", "updates", "reason",
            ],
            rows: self.status.peers.map { peer in
                [
                    .text("\(peer.peer)"), .number(Int(peer.asNumber.rawValue)),
                    .text("\(IPAddress(ipv4: peer.identifier))"), .flag(peer.isUp),
                    .age(Int(max(0, self.now - peer.since))),
                    .list(peer.endOfRIB.families.map { "\($0)" }), .number(peer.updates),
                    peer.reason.map { .text($0) } ?? .unknown,
                ]
            })
    }

    private var statistics: Section {
        Section(
            "statistic", "Statistics that the router sent", columns: ["peer", "what", "value"],
            rows: self.status.peers.flatMap { peer in
                peer.statistics.map { statistic in
                    [
                        .text("\(peer.peer)"), .text(statistic.name),
                        .number(Int(clamping: statistic.value)),
                    ]
                }
            })
    }
}
