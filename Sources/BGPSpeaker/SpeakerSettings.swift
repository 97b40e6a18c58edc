// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import BGPSession
public import BGPWire
public import FeedRules
public import RouteTable

/// One neighbour that feeds routes, as the configuration says.
public struct PeerSettings: Sendable, Hashable {
    /// The feed's name.
    public var name: String
    public var feed: FeedID
    public var localAS: ASNumber
    public var peerAS: ASNumber
    /// Our BGP identifier.
    public var routerID: UInt32
    public var peerAddress: IPAddress
    /// Where we dial.
    public var port: UInt16
    /// What we dial from, and what the peer must dial to.
    public var localAddress: IPAddress?
    public var connect: ConnectMode
    /// In seconds: 0, or at least 3.
    public var holdTime: Int
    /// How long routes outlive their session, unless graceful restart was agreed: until another
    /// session has brought them whole again, whatever sessions come and go before.
    public var staleTime: Duration
    /// A first transfer is complete after so long without an UPDATE, from a peer that sends no
    /// End-of-RIB.
    public var quietTime: Duration
    /// The first wait before another try to connect, and the longest.
    public var connectRetry: Duration
    public var maximumConnectRetry: Duration
    public var families: FamilySet
    /// What is kept of the routes' attributes.
    public var kept: KeptAttributes
    /// Who judges its routes; nil: all count as they are. Two judges are equal if their rules are.
    public var judge: RouteJudge?

    public init(
        name: String, feed: FeedID, localAS: ASNumber, peerAS: ASNumber, routerID: UInt32,
        peerAddress: IPAddress, port: UInt16 = 179, localAddress: IPAddress? = nil,
        connect: ConnectMode = .both, holdTime: Int = 90, staleTime: Duration = .seconds(180),
        quietTime: Duration = .seconds(10), connectRetry: Duration = .seconds(5),
        maximumConnectRetry: Duration = .seconds(120), families: FamilySet = .both,
        kept: KeptAttributes = .path, judge: RouteJudge? = nil
    ) {
        self.name = name
        self.feed = feed
        self.localAS = localAS
        self.peerAS = peerAS
        self.routerID = routerID
        self.peerAddress = peerAddress
        self.port = port
        self.localAddress = localAddress
        self.connect = connect
        self.holdTime = holdTime
        self.staleTime = staleTime
        self.quietTime = quietTime
        self.connectRetry = connectRetry
        self.maximumConnectRetry = maximumConnectRetry
        self.families = families
        self.kept = kept
        self.judge = judge
    }

    var session: SessionSettings {
        SessionSettings(
            localAS: self.localAS, peerAS: self.peerAS, identifier: self.routerID,
            holdTimeSeconds: self.holdTime, connect: self.connect, families: self.families,
            retry: self.connectRetry, maximumRetry: self.maximumConnectRetry)
    }

    /// Whether a session with the old settings can go on under the new ones.
    func canContinue(from old: PeerSettings) -> Bool {
        var hot = old
        hot.staleTime = self.staleTime
        hot.quietTime = self.quietTime
        hot.connect = self.connect
        hot.connectRetry = self.connectRetry
        hot.maximumConnectRetry = self.maximumConnectRetry
        hot.judge = self.judge
        return hot == self
    }
}

/// The whole of the speaker's configuration.
public struct SpeakerSettings: Sendable, Hashable {
    public var listen: [ListenAddress]
    public var peers: [PeerSettings]

    public init(listen: [ListenAddress] = [], peers: [PeerSettings] = []) {
        self.listen = listen
        self.peers = peers
    }
}
