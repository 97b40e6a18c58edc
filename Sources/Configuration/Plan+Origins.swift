// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
public import BGPSpeaker
public import RouteTable

extension Plan {
    /// What judging held routes by their origins takes, of all feeds and of those that may come.
    public var validated: [FeedID: OriginValidator.Feed] {
        var feeds: [FeedID: OriginValidator.Feed] = [:]
        for peer in self.speaker.peers + self.speaker.ranges.map(\.template) {
            feeds[peer.feed] = OriginValidator.Feed(
                localAS: peer.localAS, judge: peer.judge, kept: peer.kept)
        }
        for range in self.speaker.ranges {
            for slot in range.slots { feeds[slot] = feeds[range.template.feed] }
        }
        for router in self.bmp.routers {
            let feed = OriginValidator.Feed(judge: router.judge, kept: router.kept)
            for id in [router.feed] + (router.range?.slots ?? []) { feeds[id] = feed }
        }
        for selection in self.dumps.flatMap(\.feeds) {
            feeds[selection.feed] = OriginValidator.Feed(
                localAS: selection.peerAS ?? 0, judge: selection.judge, kept: selection.kept)
        }
        return feeds
    }
}
