// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSession

/// What `show` tells of a peer's past.
struct PeerJournal {
    var counters = PeerCounters()
    var rate = MessageRate()
    /// Of the present state, Unix seconds.
    private(set) var since: Int64
    /// When the last session began or ended, Unix seconds; nil before the first.
    private(set) var establishedChange: Int64?
    private(set) var lastError: String?
    private(set) var lastErrorTime: Int64?
    /// Why the last session ended, or what one end has told the other instead of one.
    private(set) var lastEnd: String?
    private(set) var lastEndTime: Int64?
    /// When the peer was last asked for its routes again, Unix seconds.
    var refreshRequestTime: Int64?
    private var changes = StateHistory()

    init(now: Int64) { self.since = now }

    var history: [PeerStatus.Change] { self.changes.rows }

    /// Notes why there is no session.
    mutating func fail(_ end: SessionEnd, wasEstablished: Bool, now: Int64) {
        self.lastError = end.description
        self.lastErrorTime = now
        switch end {
        case .sent, .received, .stopped, .replaced: break
        case .connectionLost, .connectFailed: guard wasEstablished else { return }
        }
        self.lastEnd = self.lastError
        self.lastEndTime = now
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
        _ state: SessionState, from before: SessionState, after event: SessionEvent,
        actions: [SessionAction], now: Int64
    ) -> String? {
        var reason = event.reason
        for action in actions {
            switch action {
            case .down(let end), .failed(let end): reason = end.description
            default: break
            }
        }
        self.since = now
        if before == .established || state == .established { self.establishedChange = now }
        self.changes.append(
            PeerStatus.Change(time: now, state: state, reason: reason),
            isAttempt: event.beginsAttempt)
        return reason
    }
}

/// The last changes of a peer's state. Of attempts that fail alike, one after another, the last one
/// is kept, and their number: else nothing else would be left after half a minute.
struct StateHistory {
    static let length = 10

    /// What begins with an attempt at a session, or with the first change of all.
    private struct Part {
        var isAttempt: Bool
        var rows: [PeerStatus.Change]

        func isLike(_ other: Self) -> Bool {
            self.isAttempt && other.isAttempt
                && self.rows.elementsEqual(other.rows) {
                    $0.state == $1.state && $0.reason == $1.reason
                }
        }
    }

    private var parts: [Part] = []

    /// Oldest first.
    var rows: [PeerStatus.Change] { self.parts.flatMap(\.rows) }

    mutating func append(_ change: PeerStatus.Change, isAttempt: Bool) {
        if isAttempt || self.parts.isEmpty {
            self.foldLast()
            self.parts.append(Part(isAttempt: isAttempt, rows: [change]))
        } else {
            self.parts[self.parts.count - 1].rows.append(change)
        }
        while self.parts.reduce(0, { $0 + $1.rows.count }) > Self.length {
            self.parts[0].rows.removeFirst()
            // What is left of it is like no other.
            self.parts[0].isAttempt = false
            if self.parts[0].rows.isEmpty { self.parts.removeFirst() }
        }
    }

    /// The last attempt is over.
    private mutating func foldLast() {
        guard let last = self.parts.last, let before = self.parts.dropLast().last,
            last.isLike(before)
        else { return }
        self.parts[self.parts.count - 1].rows[0].times += before.rows[0].times
        self.parts.remove(at: self.parts.count - 2)
    }
}

extension SessionEvent {
    /// Whether it is the first one of another attempt at a session.
    fileprivate var beginsAttempt: Bool {
        switch self {
        case .accepted, .expired(.connectRetry), .expired(.idleHold): true
        default: false
        }
    }

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
