// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import BGPSession
public import BGPWire
public import RouteTable

/// Whether a feed's routes can be had, for the choice of sites.
public enum FeedLiveness: String, Sendable, Hashable {
    /// A session is established, and the feed's routes are in answers.
    case live
    /// The session is lost, its routes are kept.
    case stale
    /// There are none, or they have been too old.
    case lost
}

/// Counts of one peer, since the speaker knows it.
public struct PeerCounters: Sendable, Hashable {
    public var messagesIn = 0
    public var messagesOut = 0
    public var updatesIn = 0
    public var announced = 0
    public var withdrawn = 0
    /// Sessions that came to be established.
    public var established = 0
    /// UPDATEs with at least one attribute left out (RFC 7606).
    public var attributesDiscarded = 0
    /// UPDATEs whose routes have leaked (RFC 9234).
    public var leaked = 0
    /// UPDATEs whose routes were taken for withdrawn (RFC 7606).
    public var treatedAsWithdrawn = 0
    /// Sessions that ended for an error of the peer's.
    public var resets = 0
    /// Times that reading waited for the table.
    public var pauses = 0

    public init() {}
}

/// What `show` tells of a peer.
public struct PeerStatus: Sendable, Hashable {
    public struct Change: Sendable, Hashable {
        /// Unix seconds.
        public var time: Int64
        public var state: SessionState
        public var reason: String?
    }

    public var name: String
    public var feed: FeedID
    public var peerAddress: IPAddress
    public var peerAS: ASNumber
    public var localAS: ASNumber
    public var state: SessionState
    /// Unix seconds.
    public var since: Int64
    public var liveness: FeedLiveness
    public var counters: PeerCounters
    /// In words, of the last session or try that ended, and when.
    public var lastError: String?
    public var lastErrorTime: Int64?
    /// Of the established session.
    public var negotiation: Negotiation?
    /// Families whose End-of-RIB has come in this session.
    public var endOfRIB: FamilySet
    /// The first transfer of this session is over.
    public var isComplete: Bool
    /// The last ten changes of state, oldest first.
    public var history: [Change]
}
