// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSession
import BGPWire

/// What `show` tells of a peer.
extension Peer {
    var status: PeerStatus {
        var counters = self.journal.counters
        counters.announced = self.feed.announced
        counters.withdrawn = self.feed.withdrawn
        let connection = self.connection
        return PeerStatus(
            settings: self.settings, range: self.core.rangeName(self.range),
            state: self.machine.state, since: self.journal.since,
            establishedChange: self.journal.establishedChange, liveness: self.feed.liveness,
            suspension: self.suspension, counters: counters,
            messageRate: self.journal.rate.perSecond(at: self.core.loopSeconds),
            lastError: self.journal.lastError, lastErrorTime: self.journal.lastErrorTime,
            lastEnd: self.journal.lastEnd, lastEndTime: self.journal.lastEndTime,
            refreshRequestTime: self.journal.refreshRequestTime,
            negotiation: self.machine.negotiation,
            offered: self.machine.negotiation?.localCapabilities
                ?? self.settings.session.open.capabilities,
            endOfRIB: self.feed.life.ended, refreshing: self.feed.life.refreshed,
            isComplete: self.feed.life.isComplete, reflected: self.feed.reflected,
            secondsUntilFlush: self.feed.secondsUntilFlush, timers: self.runningTimers,
            localEnd: connection?.localEnd, remoteEnd: connection?.remoteEnd,
            queues: connection?.options?.queues, bufferedBytes: connection?.bufferedBytes ?? 0,
            isPaused: self.isPaused, problem: self.core.problem(of: self),
            history: self.journal.history)
    }

    private var runningTimers: [PeerStatus.RunningTimer] {
        self.timers.remaining.map { timer, seconds in
            PeerStatus.RunningTimer(name: timer.name, seconds: seconds)
        }.sorted { ($0.name, $0.seconds) < ($1.name, $1.seconds) }
    }
}

extension SessionTimer {
    /// As people call it.
    var name: String {
        switch self {
        case .connectRetry: "connect retry"
        case .idleHold: "idle hold"
        case .stability: "stability"
        case .delayOpen: "delay open"
        case .hold: "hold"
        case .keepalive: "keepalive"
        case .sendHold: "send hold"
        case .refresh(let family): "refresh of \(family)"
        }
    }
}
