// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSession
import BGPSpeaker

/// What looks misconfigured about a session that doesn't come about.
enum SessionHints {
    /// A state that lasts so many seconds is stuck.
    private static let patience: Int64 = 10
    /// The same of a router that had a session: it may just be away.
    private static let absence: Int64 = 60

    /// Sentences about a peer; `now` in Unix seconds.
    static func hints(_ status: PeerStatus, now: Int64) -> [String] {
        let age = now - status.since
        guard age >= Self.patience, status.suspension == nil else { return [] }
        switch (status.state, status.settings.authentication, status.settings.reach) {
        case (.connect, let authentication?, _):
            // The other end drops, without a word, what isn't signed as it wants.
            return [
                "signed by \(authentication.words), and no answer for \(age) s: is the key the same "
                    + "at both ends?"
            ]
        case (.active, let authentication?, _)
        where status.settings.connect == .passive
            && (status.counters.established == 0 || age >= Self.absence):
            // The kernel drops what isn't signed so, and tells nobody.
            return [
                "no connection signed by \(authentication.words) has come for \(age) s, and others "
                    + "are dropped without a word: does the router connect, and is the key the same "
                    + "at both ends?"
            ]
        case (.openSent, _, .secured(let hops)):
            return [
                "no OPEN for \(age) s, where ttl-security \(hops) lets no packet pass that has come "
                    + "farther: does the router send with a TTL of 255?"
            ]
        default: return []
        }
    }
}
