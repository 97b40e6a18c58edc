// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSession

/// What `show` tells of a peer's past.
struct PeerJournal {
    static let length = 10

    var counters = PeerCounters()
    var rate = MessageRate()
    /// Of the present state, Unix seconds.
    private(set) var since: Int64
    private(set) var lastError: String?
    private(set) var lastErrorTime: Int64?
    /// When the peer was last asked for its routes again, Unix seconds.
    var refreshRequestTime: Int64?
    private(set) var history: [PeerStatus.Change] = []

    init(now: Int64) { self.since = now }

    mutating func fail(_ end: SessionEnd, now: Int64) {
        self.lastError = end.description
        self.lastErrorTime = now
    }

    /// Notes why a connection was closed before a byte of it was read.
    mutating func refuse(_ reason: String, now: Int64) {
        self.lastError = "connection refused: \(reason)"
        self.lastErrorTime = now
    }

    /// Notes a change of state.
    ///
    /// - Returns: Its reason, where one of the actions has one, or the event itself is one.
    mutating func note(
        _ state: SessionState, after event: SessionEvent, actions: [SessionAction], now: Int64
    ) -> String? {
        var reason = event.reason
        for action in actions {
            switch action {
            case .down(let end), .failed(let end): reason = end.description
            default: break
            }
        }
        self.since = now
        self.history.append(PeerStatus.Change(time: now, state: state, reason: reason))
        if self.history.count > Self.length { self.history.removeFirst() }
        return reason
    }
}

extension SessionEvent {
    /// Why a state changes that this event alone changes, in words: what an operator, a timer or a
    /// connection did.
    fileprivate var reason: String? {
        switch self {
        case .start: "started here"
        case .stop(let notification): SessionEnd.stopped(notification).description
        case .suspend(let notification, nil): SessionEnd.stopped(notification).description
        case .suspend(let notification, let wait?):
            "\(SessionEnd.stopped(notification)), for \(wait.components.seconds) s"
        case .connected: "connected"
        case .accepted: "the peer connected"
        case .expired(.connectRetry): "tried again"
        case .expired(.idleHold): "the wait after the error is over"
        case .connectFailed, .closed, .received, .malformed, .expired, .flushed, .requestRefresh:
            nil
        }
    }
}
