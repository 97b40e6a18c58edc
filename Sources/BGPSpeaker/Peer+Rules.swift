// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSession
import BGPWire
import FeedRules
import RouteTable

extension Peer {
    /// The table has routes from before the start, or from before a reset, as the rules of then left
    /// them. They are judged by those of now, as far as what is kept of them allows.
    func judgeHeld(showsAtOnce: Bool) {
        let settings = self.settings
        guard
            let revision = self.core.validator.revision(
                of: settings.feed, by: settings.judge, keeping: settings.kept,
                showsAtOnce: showsAtOnce)
        else { return }
        self.core.submit(.revise(revision), for: settings.feed)
    }

    /// The feed's rules are others from now on: what it has is judged again, by what is kept of it;
    /// and the peer is asked for its routes once more, where that was agreed (RFC 2918), since
    /// what the rules of before turned away isn't there to be judged.
    ///
    /// - Returns: What was done, and what is missing, in words.
    func judgeAgain(after old: RouteJudge?) -> String {
        self.judgeHeld(showsAtOnce: true)
        let judge = self.settings.judge ?? RouteJudge(RuleSet())
        var words =
            "feed \(self.settings.name): other rules; "
            + judge.wordsOfHeld(self.settings.kept)
        let status = self.status
        if status.state == .established, status.negotiation?.canRefresh == true {
            self.requestRefresh(self.settings.families)
            return words + "; its routes are asked for again"
        }
        let rejected = old?.rejected ?? 0
        if rejected > 0 {
            words +=
                "; what the rules of before turned away (\(rejected) announcements) is missing "
                + "until its next session: "
                + (status.state == .established
                    ? "the peer has no route refresh" : "there is none now")
        }
        return words
    }
}

extension RouteJudge {
    /// What becomes of routes that are held when these are the rules from now on, in words.
    func wordsOfHeld(_ kept: KeptAttributes) -> String {
        self.canRevise(kept)
            ? "what it has is judged again"
            : "what it has counts as it did until it comes again, since 'keep' doesn't hold what "
                + "the rules ask for"
    }

    /// Announcements that were turned away.
    fileprivate var rejected: Int {
        let counts = self.tally.total
        return zip(self.rules.rules, counts.rules).reduce(
            counts.defaultRoutes + counts.lengths + counts.bogons
        ) { $1.0.action == .reject ? $0 + $1.1 : $0 }
    }
}
