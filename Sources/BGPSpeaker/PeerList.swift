// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import RouteTable

/// The speaker's peers: those of the configuration in its order, then those of ranges as they
/// came.
final class PeerList {
    private(set) var all: [Peer] = []
    private var byFeed: [FeedID: Peer] = [:]

    subscript(feed: FeedID) -> Peer? { self.byFeed[feed] }

    func contains(_ peer: Peer) -> Bool { self.byFeed[peer.settings.feed] === peer }

    func add(_ peer: Peer) {
        self.all.append(peer)
        self.byFeed[peer.settings.feed] = peer
    }

    func remove(_ peer: Peer) {
        self.all.removeAll { $0 === peer }
        if self.contains(peer) { self.byFeed[peer.settings.feed] = nil }
    }

    /// All of them anew.
    func replace(_ peers: [Peer]) {
        self.all = peers
        self.byFeed = Dictionary(
            peers.map { ($0.settings.feed, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The neighbours of a range that are there.
    func guests(of range: PeerRange) -> [Peer] {
        self.all.filter { $0.range == range.template.feed }
    }

    /// Whose a connection is that was accepted: the peer of the remote address that wants to be
    /// reached at this local one, else the peer that doesn't mind; of several those that accept.
    func peer(from remote: IPAddress, to local: IPAddress?) -> Peer? {
        let candidates = self.all.filter { $0.settings.peerAddress == remote }
        let fitting =
            candidates.filter { $0.settings.localAddress == local && local != nil }
            + candidates.filter { $0.settings.localAddress == nil }
        return fitting.first { $0.settings.connect.accepts } ?? fitting.first
    }
}

extension SpeakerSettings {
    /// The keys of all who may connect.
    var keys: [IPPrefix: Authentication] {
        var keys: [IPPrefix: Authentication] = [:]
        for peer in self.peers where peer.connect.accepts {
            keys[IPPrefix(host: peer.peerAddress)] = peer.authentication
        }
        for range in self.ranges { keys[range.prefix] = range.template.authentication }
        return keys
    }
}
