// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import BGPSession
public import BGPWire
public import RouteTable

public enum MessageDirection: String, Sendable, Hashable {
    case received
    case sent
}

/// Whose messages a tap is shown, and how they are to be read.
public struct TappedSession: Sendable, Hashable {
    public var feed: FeedID
    /// The feed's name; `FEED@ADDRESS` for one of a range's neighbours.
    public var name: String
    public var peerAddress: IPAddress
    /// Our end of the connection.
    public var localAddress: IPAddress?
    public var peerAS: ASNumber
    public var localAS: ASNumber
    /// How UPDATEs are read; nil as long as the session is not established.
    public var context: DecodeContext?

    public init(
        feed: FeedID, name: String, peerAddress: IPAddress, localAddress: IPAddress? = nil,
        peerAS: ASNumber, localAS: ASNumber, context: DecodeContext? = nil
    ) {
        self.feed = feed
        self.name = name
        self.peerAddress = peerAddress
        self.localAddress = localAddress
        self.peerAS = peerAS
        self.localAS = localAS
        self.context = context
    }
}

/// Sees what passes on a peer's sessions, message by message, for a live record or for somebody
/// who watches.
///
/// It is called on the event loop of all sessions: it never blocks, and what takes long it does
/// elsewhere.
public protocol SessionTap: AnyObject, Sendable {
    /// A whole message, marker and header included: one that has come, before it is acted on; or
    /// one of ours as it is handed to the system. One that is malformed is shown as far as its
    /// header says how long it is.
    func message(_ bytes: RawSpan, _ direction: MessageDirection, of session: TappedSession)

    /// The state machine has gone from one state to another; `reason` in words, where there is one.
    func changed(
        from old: SessionState, to new: SessionState, reason: String?, of session: TappedSession)

    /// The feed that it was attached to is there no more: it is shown nothing after this.
    func ended()
}

extension SessionTap {
    public func ended() {}
}

/// The taps of all peers, by the feed they were attached to.
final class TapBoard {
    private var taps: [FeedID: [any SessionTap]] = [:]

    func attach(_ tap: any SessionTap, to feed: FeedID) { self.taps[feed, default: []].append(tap) }

    func detach(_ tap: any SessionTap) {
        for feed in Array(self.taps.keys) {
            self.taps[feed]?.removeAll { $0 === tap }
            if self.taps[feed]?.isEmpty == true { self.taps[feed] = nil }
        }
    }

    /// A feed is there no more.
    func remove(_ feed: FeedID) {
        for tap in self.taps.removeValue(forKey: feed) ?? [] { tap.ended() }
    }

    /// Those of a feed, and of the range that it is one of.
    func taps(of feed: FeedID, range: FeedID?) -> [any SessionTap] {
        if self.taps.isEmpty { return [] }
        var found = self.taps[feed] ?? []
        if let range, range != feed { found += self.taps[range] ?? [] }
        return found
    }
}
