// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSession
import BGPWire
import FeedRules
import RouteTable

extension Peer {
    /// The feed's rules are others from now on: asks the peer for its routes again, where that was
    /// agreed (RFC 2918).
    ///
    /// - Returns: What was done, and what is missing, in words.
    func judgeAgain() -> String {
        let feed = "feed \(self.settings.name): other rules"
        guard let negotiation = self.status.negotiation, self.status.state == .established else {
            return feed + ", for its next session"
        }
        guard negotiation.canRefresh else {
            return feed + " for what comes from now on: the peer has no route refresh, and what it "
                + "announced before counts as it did until it comes again"
        }
        self.handle(.requestRefresh(self.settings.families))
        return feed + "; its routes are asked for again"
    }
}
