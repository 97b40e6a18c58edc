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

/// What `show` tells of a peer.
public struct PeerStatus: Sendable, Hashable {
    public struct Change: Sendable, Hashable {
        /// Unix seconds.
        public var time: Int64
        public var state: SessionState
        public var reason: String?
        /// So many attempts in a row have gone as the one that begins here.
        public var times = 1
    }

    /// A timer that runs, and the seconds that it has left.
    public struct RunningTimer: Sendable, Hashable {
        public var name: String
        public var seconds: Double
    }

    public var settings: PeerSettings
    /// The range that it is one of, by its feed's name.
    public var range: String?
    public var state: SessionState
    /// Unix seconds.
    public var since: Int64
    /// When the last session began or ended, Unix seconds; nil where there was none.
    public var establishedChange: Int64?
    public var liveness: FeedLiveness
    /// Why it has no session and is not to have one.
    public var suspension: PeerSuspension?
    public var counters: PeerCounters
    /// Messages a second, of the last ten seconds.
    public var messageRate: Double
    /// In words, of the last session or try that ended, and when.
    public var lastError: String?
    public var lastErrorTime: Int64?
    /// Why the last session ended, or why one end has told the other that there is to be none, and
    /// when. Attempts that come to nothing leave it.
    public var lastEnd: String?
    public var lastEndTime: Int64?
    /// When it was last asked for its routes again (RFC 2918), Unix seconds.
    public var refreshRequestTime: Int64?
    /// Of the established session.
    public var negotiation: Negotiation?
    /// What we offer, or offered in this session.
    public var offered: Capabilities
    /// Families whose End-of-RIB has come in this session.
    public var endOfRIB: FamilySet
    /// Families that the peer is sending again.
    public var refreshing: FamilySet
    /// The first transfer of this session is over.
    public var isComplete: Bool
    /// Announcements of this session that a route reflector had passed on (RFC 4456).
    public var reflected: Int
    /// Seconds until stale routes go; nil where there are none.
    public var secondsUntilFlush: Int?
    public var timers: [RunningTimer]
    /// The connection's ends, where there is one.
    public var localEnd: String?
    public var remoteEnd: String?
    public var queues: TCPQueues?
    /// Bytes of a message that has not come whole.
    public var bufferedBytes: Int
    /// Reading waits for the table.
    public var isPaused: Bool
    /// Why it may not be able to connect: its key can't be set where we listen, or we can't listen.
    public var problem: String?
    /// The last ten changes of state, oldest first; of attempts that failed alike the last one.
    public var history: [Change]

    public var name: String { self.settings.name }
    public var feed: FeedID { self.settings.feed }
    public var peerAddress: IPAddress { self.settings.peerAddress }
    public var peerAS: ASNumber { self.settings.peerAS }
    public var localAS: ASNumber { self.settings.localAS }
}
