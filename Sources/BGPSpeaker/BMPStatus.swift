// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import BGPWire
public import RouteTable

/// Counts of one router, since the station knows it.
public struct BMPCounters: Sendable, Hashable {
    public var messages = 0
    public var sessions = 0
    public var updates = 0
    public var announced = 0
    public var withdrawn = 0
    /// Route Monitoring of other views than the feed's.
    public var otherViews = 0
    /// Route Monitoring of peers that were not up.
    public var unknownPeers = 0
    /// Peers, and announcements of paths, that were more than can be told apart.
    public var peersRefused = 0
    public var pathsRefused = 0
    /// Messages that can't be read, or are of unknown types.
    public var malformed = 0
    public var unknown = 0
    /// UPDATEs with at least one attribute left out, and those whose routes were taken for
    /// withdrawn (RFC 7606).
    public var attributesDiscarded = 0
    public var treatedAsWithdrawn = 0
    /// UPDATEs that say nothing that can be used: in a BGP session they would have ended it.
    public var unusable = 0
    /// Announced multicast prefixes (RFC 4271 §6.3).
    public var prefixesIgnored = 0
    /// Mirrored messages that the router says it lost.
    public var mirroredLost = 0
    /// Times that reading waited for the table.
    public var pauses = 0

    public init() {}
}

/// What `show` tells of a router that monitors its peers for us.
public struct BMPRouterStatus: Sendable {
    public struct Peer: Sendable {
        public var peer: BMPPeerHeader.Peer
        public var asNumber: ASNumber
        public var identifier: UInt32
        public var isUp: Bool
        /// Unix seconds.
        public var since: Int64
        /// Why it went down.
        public var reason: String?
        public var endOfRIB: FamilySet
        public var updates: Int
        /// Of the last Statistics Report.
        public var statistics: [BMPStatistic]
    }

    public var name: String
    public var feed: FeedID
    /// Who connects, or may.
    public var router: IPPrefix
    public var view: BMPPeerHeader.View
    /// A session is there, its Initiation has come.
    public var isConnected: Bool
    /// Unix seconds.
    public var since: Int64
    public var liveness: FeedLiveness
    public var isComplete: Bool
    public var counters: BMPCounters
    /// What the router says of itself.
    public var systemName: String?
    public var systemDescription: String?
    public var lastError: String?
    public var lastErrorTime: Int64?
    /// Why it may not be able to connect.
    public var problem: String?
    /// By address.
    public var peers: [Peer]
}
