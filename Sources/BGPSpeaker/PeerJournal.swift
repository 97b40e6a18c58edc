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
    private(set) var history: [PeerStatus.Change] = []

    init(now: Int64) { self.since = now }

    mutating func fail(_ end: SessionEnd, now: Int64) {
        self.lastError = end.description
        self.lastErrorTime = now
    }

    /// Notes a change of state.
    ///
    /// - Returns: Its reason, where one of the actions has one.
    mutating func note(
        _ state: SessionState, actions: [SessionAction], now: Int64
    ) -> String? {
        var reason: String?
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
