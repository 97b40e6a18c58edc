// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import RouteTable

/// What a configuration or an operator changes.
extension SpeakerCore {
    /// Takes new peers, drops old ones, and changes the others, with as few resets as can be.
    ///
    /// - Returns: What was reset, in words.
    func apply(_ settings: SpeakerSettings) -> [String] {
        var report: [String] = []
        var kept: [Peer] = []
        var rest = self.peers.all
        let ranges = Set(settings.ranges.map(\.template.feed))
        for range in self.settings.ranges where !ranges.contains(range.template.feed) {
            self.taps.remove(range.template.feed)
        }
        self.settings.ranges = settings.ranges
        self.listeners.retryTime = settings.listenRetry
        self.settings.peers = settings.peers
        for settings in settings.peers {
            let old = rest.firstIndex { $0.settings.feed == settings.feed && $0.range == nil }
            guard let old else {
                let peer = self.makePeer(settings)
                kept.append(peer)
                if self.isRunning { peer.start() }
                continue
            }
            kept.append(self.change(rest.remove(at: old), to: settings, &report))
        }
        for peer in rest {
            if let (settings, definition) = self.guestSettings(peer) {
                let peer = self.change(peer, to: settings, &report)
                self.appeared(peer, definition)
                kept.append(peer)
            } else {
                report.append(
                    "feed \(peer.settings.name): session ended, it is configured no more")
                if peer.range == nil {
                    peer.retire(.cease(.peerDeconfigured))
                    peer.feed.remove()
                    self.taps.remove(peer.settings.feed)
                } else {
                    self.removeGuest(peer)
                }
            }
        }
        self.peers.replace(kept)
        self.listeners.set(self.settings.keys)
        return report
    }

    /// What a neighbour of a range is to be like; nil where the range has it no more.
    private func guestSettings(_ peer: Peer) -> (PeerSettings, FeedDefinition)? {
        let address = peer.settings.peerAddress
        guard
            let range = self.settings.ranges.first(where: { $0.template.feed == peer.range }),
            range.prefix.contains(address), range.slots.contains(peer.settings.feed),
            !self.settings.peers.contains(where: { $0.peerAddress == address })
        else { return nil }
        let feed = peer.settings.feed
        return (
            range.settings(of: address, feed: feed), range.definition(of: address, feed: feed)
        )
    }

    private func change(
        _ peer: Peer, to settings: PeerSettings, _ report: inout [String]
    ) -> Peer {
        let judge = peer.settings.judge
        let wasKeptDown = peer.suspension != nil
        if peer.settings == settings || peer.adjust(to: settings) {
            if settings.judge != judge { report.append(peer.judgeAgain(after: judge)) }
            if wasKeptDown, peer.suspension == nil {
                report.append("feed \(settings.name): other limits; its session may begin again")
            }
            return peer
        }
        report.append("feed \(settings.name): session reset, its settings have changed")
        peer.retire(.cease(.configurationChange))
        let isSameNeighbour =
            peer.settings.peerAddress == settings.peerAddress
            && peer.settings.peerAS == settings.peerAS
        if !isSameNeighbour { peer.feed.remove() }
        let successor = self.makePeer(
            settings, range: peer.range, predecessor: isSameNeighbour ? peer : nil)
        // Its routes stay until they come again, which may be long.
        if isSameNeighbour, settings.judge != judge { successor.judgeHeld(showsAtOnce: false) }
        if self.isRunning { successor.start() }
        return successor
    }

    // MARK: Operators

    /// The peer of a feed, or those of a range.
    func members(of feed: FeedID) -> [Peer] {
        self.peers[feed].map { [$0] } ?? self.peers.all.filter { $0.range == feed }
    }

    /// Resets sessions, so that they begin anew.
    func clear(_ feed: FeedID, _ notification: Notification) -> SessionOrder {
        let members = self.members(of: feed)
        guard !members.isEmpty else { return .noSuchPeer }
        guard !members.allSatisfy(\.isShutDown) else {
            return .refused("it is shut down: 'no shutdown' first")
        }
        for peer in members { peer.clear(notification) }
        return .done
    }

    /// Has routes sent again, without the loss of the session.
    func refresh(_ feed: FeedID, _ families: FamilySet) -> SessionOrder {
        let members = self.members(of: feed)
        guard !members.isEmpty else { return .noSuchPeer }
        for peer in members {
            guard let negotiation = peer.machine.negotiation else {
                return .refused("there is no session with \(peer.settings.name)")
            }
            guard negotiation.canRefresh else {
                return .refused(
                    "\(peer.settings.name) can't send its routes again (RFC 2918): 'clear feed' "
                        + "without 'soft' resets the session")
            }
        }
        for peer in members { peer.requestRefresh(families) }
        return .done
    }

    func shutDown(_ feed: FeedID, message: String?) -> SessionOrder {
        let members = self.members(of: feed)
        guard !members.isEmpty else { return .noSuchPeer }
        for peer in members {
            peer.suspend(
                .shutDown(message: message), .cease(.administrativeShutdown, message: message))
        }
        return .done
    }

    func resume(_ feed: FeedID) -> SessionOrder {
        let members = self.members(of: feed)
        guard !members.isEmpty else { return .noSuchPeer }
        guard members.contains(where: { $0.suspension != nil }) else {
            return .refused("it is not shut down")
        }
        for peer in members where peer.suspension != nil { peer.resume() }
        return .done
    }
}

extension Peer {
    var isShutDown: Bool {
        if case .shutDown? = self.suspension { true } else { false }
    }
}

/// What became of an order to a session.
public enum SessionOrder: Sendable, Hashable {
    case done
    /// No peer has that feed.
    case noSuchPeer
    /// In words.
    case refused(String)
}
