// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSpeaker
import Choice
import Console
import RouteFiles
import RouteTable
import Synchronization

/// How the feeds of a recording stand, and what follows for the sites.
final class ReplayBoard: Sendable {
    let oracle: Oracle
    let identities: [FeedIdentity]
    private let feeds: [FeedDefinition]
    private let states: Mutex<[FeedID: SiteStatus.Feeds]>

    init(_ stage: ReplayStage, _ oracle: Oracle) {
        self.oracle = oracle
        self.feeds = stage.feeds.map(\.definition)
        self.identities = stage.feeds.map { feed in
            FeedIdentity(
                id: feed.definition.id, name: feed.definition.name, site: feed.definition.site,
                kind: .mrt, peerAS: feed.replay.peer.asNumber,
                peerAddress: feed.replay.peer.address)
        }
        self.states = Mutex(
            Dictionary(
                stage.feeds.map { ($0.definition.id, .lost) }, uniquingKeysWith: { $1 }))
        self.publish()
    }

    func set(_ feed: FeedID, _ status: Replay.FeedStatus) {
        let state: SiteStatus.Feeds =
            switch status.liveness {
            case .live: .live
            case .stale: .stale
            case .lost: .lost
            }
        self.states.withLock { $0[feed] = state }
        self.publish()
    }

    /// A site stands as the best of its feeds.
    private func publish() {
        let states = self.states.withLock { $0 }
        self.oracle.update { world in
            for site in world.sites {
                let own = self.feeds.filter {
                    $0.site == site.id || $0.throughSites[site.id] != nil
                }.compactMap { states[$0.id] }
                world.status[site.id, default: SiteStatus()].feeds =
                    own.contains(.live)
                    ? .live : own.contains(.stale) ? .stale : own.isEmpty ? .none : .lost
            }
        }
    }

    func reports(_ replay: Replay) -> [FeedReport] {
        self.identities.map { identity in
            let status = replay.status(of: identity.id) ?? Replay.FeedStatus()
            var identity = identity
            identity.peerAS = identity.peerAS ?? status.peer?.asNumber
            identity.peerAddress = identity.peerAddress ?? status.peer?.address
            return FeedReport(
                identity: identity, state: status.liveness.rawValue,
                isUp: status.liveness == .live, since: status.since,
                messagesReceived: status.messages)
        }
    }

    /// What was played of a feed, for `show feed`.
    func detail(of feed: FeedID, _ replay: Replay, files: [String]) -> FeedDetail? {
        guard let identity = self.identities.first(where: { $0.id == feed }) else { return nil }
        let status = replay.status(of: feed) ?? Replay.FeedStatus()
        var report = FileFeedReport(paths: files, state: status.liveness.rawValue)
        report.since = status.since
        report.peerAddress = identity.peerAddress ?? status.peer?.address
        report.peerAS = identity.peerAS ?? status.peer?.asNumber
        report.messages = status.messages
        report.announced = status.announced
        report.withdrawn = status.withdrawn
        report.malformed = status.malformed
        report.treatedAsWithdrawn = status.treatedAsWithdrawn
        return report.detail(of: identity.name)
    }

    /// The names of feeds whose peers have no record.
    func silent(_ replay: Replay) -> [String] {
        self.identities.filter { replay.status(of: $0.id)?.since == nil }.map(\.name)
    }
}
