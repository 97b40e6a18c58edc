// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import Console

/// A peer's status in the sections of `show feed`.
struct SessionDetail {
    private typealias Fact = FeedDetail.Fact
    private typealias Section = FeedDetail.Section
    private let status: PeerStatus
    private let now: Int64

    init(_ status: PeerStatus, now: Int64) {
        self.status = status
        self.now = now
    }

    var detail: FeedDetail {
        FeedDetail(
            name: self.status.name,
            sections: [
                self.session, self.connection, self.capabilities, self.timers, self.messages,
                self.dispositions, self.transfer, self.limits, self.changes,
            ].filter { !$0.isEmpty })
    }

    private var session: Section {
        let status = self.status
        var facts = [
            Fact("state", .text(status.state.rawValue)),
            Fact("since", .age(Int(max(0, self.now - status.since)))),
            Fact("peer", .text("\(status.peerAddress)")),
            Fact("as", .number(Int(status.peerAS.rawValue))),
            Fact("local_as", .number(Int(status.localAS.rawValue))),
            Fact("kind", .text(status.settings.isInternal ? "internal" : "external")),
            Fact(
                "identifier",
                status.negotiation.map { .text("\(IPAddress(ipv4: $0.peerIdentifier))") }
                    ?? .unknown),
            Fact(
                "routes",
                .text(
                    status.liveness == .lost && status.state == .established
                        ? "first transfer" : status.liveness.rawValue)),
            Fact("last_end", status.lastEnd.map { .text($0) } ?? .unknown),
            Fact("last_end_at", status.lastEndTime.map { .time($0) } ?? .unknown),
            Fact("last_error", status.lastError.map { .text($0) } ?? .unknown),
            Fact(
                "last_error_at", status.lastErrorTime.map { .time($0) } ?? .unknown),
        ]
        if let negotiation = status.negotiation {
            facts.append(Fact("hold_time", .number(negotiation.holdTimeSeconds)))
        }
        if let suspension = status.suspension {
            facts.append(Fact("kept_down", .text(suspension.words)))
        }
        if let problem = status.problem { facts.append(Fact("problem", .text(problem))) }
        if let range = status.range { facts.append(Fact("range", .text(range))) }
        if let time = status.refreshRequestTime {
            facts.append(Fact("asked_again_at", .time(time)))
        }
        return Section("session", "Session", facts: facts)
    }

    private var connection: Section {
        let status = self.status
        var facts = [
            Fact("connect", .text(status.settings.connect.rawValue)),
            Fact(
                "signed", .text(status.settings.authentication?.words ?? "no")),
            Fact("reach", .text(status.settings.reach.words(status.settings.isInternal))),
        ]
        guard let local = status.localEnd, let remote = status.remoteEnd else {
            return Section("connection", "Connection", facts: facts)
        }
        facts += [
            Fact("local", .text(local)), Fact("remote", .text(remote)),
            Fact("incomplete_bytes", .number(status.bufferedBytes)),
            Fact("reading_waits", .flag(status.isPaused)),
        ]
        if let queues = status.queues {
            facts += [
                Fact("unread_bytes", queues.unreadBytes.map { .number($0) } ?? .unknown),
                Fact("unsent_bytes", .number(queues.unsentBytes)),
                Fact("unacknowledged_segments", .number(queues.unacknowledgedSegments)),
                Fact("retransmissions", .number(queues.retransmissions)),
                Fact("round_trip_ms", .tenths(Double(queues.roundTripMicroseconds) / 1000)),
            ]
        }
        return Section("connection", "Connection", facts: facts)
    }

    /// What each end says it can do, side by side. Before there is a session it isn't known of the
    /// peer.
    private var capabilities: Section {
        let local = self.status.offered
        let peer = self.status.negotiation?.peerCapabilities
        let codes = Set((local.list + (peer?.list ?? [])).map(\.code))
        let rows = codes.sorted { $0.rawValue < $1.rawValue }.map { code in
            [
                FeedDetail.Datum.text(code.description), .text(local.words(code)),
                peer.map { .text($0.words(code)) } ?? .unknown,
            ]
        }
        return Section(
            "capability", "Capabilities", columns: ["capability", "ours", "theirs"], rows: rows)
    }

    private var timers: Section {
        var rows = self.status.timers.map { timer -> [FeedDetail.Datum] in
            [.text(timer.name), .tenths(max(0, timer.seconds))]
        }
        if let seconds = self.status.secondsUntilFlush {
            rows.append([.text("stale routes"), .tenths(Double(seconds))])
        }
        return Section("timer", "Timers", columns: ["timer", "seconds"], rows: rows)
    }

    private var messages: Section {
        let counters = self.status.counters
        let types: [(MessageType, String)] = [
            (.open, "OPEN"), (.update, "UPDATE"), (.notification, "NOTIFICATION"),
            (.keepalive, "KEEPALIVE"), (.routeRefresh, "ROUTE-REFRESH"),
        ]
        return Section(
            "messages", "Messages", columns: ["type", "received", "sent"],
            rows: types.map { type, name in
                [
                    .text(name), .number(counters.received[type]), .number(counters.sent[type]),
                ]
            })
    }

    private var dispositions: Section {
        let counters = self.status.counters
        let odd = counters.dispositions
        return Section(
            "counters", "Counters",
            facts: [
                Fact("messages_a_second", .tenths(self.status.messageRate)),
                Fact("announced", .number(counters.announced)),
                Fact("withdrawn", .number(counters.withdrawn)),
                Fact("reflected", .number(self.status.reflected)),
                Fact("sessions", .number(counters.established)),
                Fact("resets", .number(counters.resets)),
                Fact("connections_refused", .number(counters.refused)),
                Fact("waits_for_the_table", .number(counters.pauses)),
                Fact("updates_remarked", .number(odd.remarked)),
                Fact("updates_attribute_discarded", .number(odd.discardedAttribute)),
                Fact(
                    "updates_ineligible", .number(odd.ineligible),
                    label: "updates ineligible (leaked)"),
                Fact("updates_treated_as_withdrawn", .number(odd.treatedAsWithdrawn)),
                Fact("updates_session_reset", .number(odd.resetSession)),
            ])
    }

    private var transfer: Section {
        guard let negotiation = self.status.negotiation else {
            return Section("family", "Families", columns: [], rows: [])
        }
        let rows = AddressFamily.allCases.map { family -> [FeedDetail.Datum] in
            let isAgreed = negotiation.context.families.contains(family)
            return [
                .text("\(family)"), .flag(self.status.settings.families.contains(family)),
                .flag(isAgreed),
                isAgreed ? .flag(self.status.endOfRIB.contains(family)) : .unknown,
                isAgreed ? .flag(self.status.refreshing.contains(family)) : .unknown,
                isAgreed ? .flag(negotiation.context.addPath.contains(family)) : .unknown,
            ]
        }
        return Section(
            "family", "Families",
            columns: [
                "family", "wanted", "agreed", "end_of_rib", "refreshing", "several_paths",
            ], rows: rows)
    }

    private var limits: Section {
        let limits = self.status.settings.limits
        var facts: [FeedDetail.Fact] = []
        if let ipv4 = limits?.ipv4 { facts.append(Fact("ipv4", .number(ipv4))) }
        if let ipv6 = limits?.ipv6 { facts.append(Fact("ipv6", .number(ipv6))) }
        if let limits {
            facts.append(Fact("warning_per_cent", .number(limits.warning)))
            facts.append(
                Fact(
                    "restart_after_seconds",
                    limits.restartAfter.map { .number(Int($0.components.seconds)) } ?? .unknown))
        }
        return Section("limits", "Limits", facts: facts)
    }

    private var changes: Section {
        Section(
            "change", "Last changes of state", columns: ["time", "state", "reason"],
            rows: self.status.history.reversed().map { change in
                [
                    .time(change.time), .text(change.state.rawValue),
                    change.words.map { .text($0) } ?? .unknown,
                ]
            })
    }
}

extension PeerStatus {
    /// Why there is no session, or was none: what ended the last one, and what came of trying again.
    var obstacle: String? {
        guard let end = self.lastEnd, let endTime = self.lastEndTime else { return self.lastError }
        guard let error = self.lastError, error != end, let time = self.lastErrorTime,
            time >= endTime
        else { return end }
        return "\(end); since then: \(error)"
    }
}

extension PeerStatus.Change {
    fileprivate var words: String? {
        guard self.times > 1 else { return self.reason }
        return [self.reason, "\(self.times) times alike"].compactMap(\.self).joined(separator: ", ")
    }
}

extension Capabilities {
    /// What is said of one capability: `yes` where it is all that it says, `no` where it isn't
    /// there.
    fileprivate func words(_ code: Capability.Code) -> String {
        var words: [String] = []
        for capability in self.list where capability.code == code {
            let head = "\(code): "
            let text = capability.description
            let word =
                text == code.description
                ? "yes" : text.hasPrefix(head) ? String(text.dropFirst(head.count)) : text
            if !words.contains(word) { words.append(word) }
        }
        return words.isEmpty ? "no" : words.joined(separator: ", ")
    }
}

extension FeedDetail.Section {
    fileprivate var isEmpty: Bool {
        switch self.content {
        case .facts(let facts): facts.isEmpty
        case .rows(_, let rows): rows.isEmpty
        }
    }
}

extension PeerSuspension {
    var words: String {
        switch self {
        case .shutDown(nil): "shut down here"
        case .shutDown(let message?): "shut down here: \(message)"
        case .limit(let words, nil): "\(words): until 'clear feed'"
        case .limit(let words, let time?): "\(words): for \(time.components.seconds) s"
        }
    }

    /// As the summary's state column has it.
    var state: String {
        switch self {
        case .shutDown: "idle (Admin)"
        case .limit: "idle (PfxCt)"
        }
    }
}

extension Reach {
    fileprivate func words(_ isInternal: Bool) -> String {
        switch self {
        case .usual: isInternal ? "any distance" : "one hop"
        case .multihop(let hops): "multihop \(hops)"
        case .secured(let hops): "ttl-security \(hops)"
        }
    }
}
