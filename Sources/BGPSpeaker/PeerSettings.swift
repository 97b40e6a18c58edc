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
    /// How far the neighbour may be.
    public var reach: Reach
    /// How the session's segments are signed; nil: they are not.
    public var authentication: Authentication?
    /// Nil: as much as the table takes.
    public var limits: PrefixLimits?
    /// What OPEN offers beyond the families, and how connections come about.
    public var options = SessionOptions()

    public init(
        name: String, feed: FeedID, localAS: ASNumber, peerAS: ASNumber, routerID: UInt32,
        peerAddress: IPAddress, port: UInt16 = 179, localAddress: IPAddress? = nil,
        connect: ConnectMode = .both, holdTime: Int = 90, staleTime: Duration = .seconds(180),
        quietTime: Duration = .seconds(10), connectRetry: Duration = .seconds(5),
        maximumConnectRetry: Duration = .seconds(120), families: FamilySet = .both,
        kept: KeptAttributes = .path, reach: Reach = .usual,
        authentication: Authentication? = nil, limits: PrefixLimits? = nil
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
        self.reach = reach
        self.authentication = authentication
        self.limits = limits
    }

    public var isInternal: Bool { self.localAS == self.peerAS }

    var session: SessionSettings {
        var session = SessionSettings(
            localAS: self.localAS, peerAS: self.peerAS, identifier: self.routerID,
            holdTimeSeconds: self.holdTime, connect: self.connect, families: self.families,
            retry: self.connectRetry, maximumRetry: self.maximumConnectRetry)
        session.delayOpen = self.options.delayOpen
        session.dampPeerOscillations = self.options.dampsOscillations
        session.isConfederation = self.options.isConfederation
        session.role = self.options.role
        session.strictRole = self.options.isRoleStrict
        session.gracefulRestart = self.options.helpsRestart
        session.longLived = self.options.longLivedStaleTime
        session.addPath = self.options.addPath
        session.extendedMessages = self.options.extendedMessages
        return session
    }

    /// Whether a session with the old settings can go on under the new ones. A key is changed
    /// while it runs, as routers do it; signing or not is another session.
    func canContinue(from old: PeerSettings) -> Bool {
        var hot = old
        hot.staleTime = self.staleTime
        hot.quietTime = self.quietTime
        hot.connect = self.connect
        hot.connectRetry = self.connectRetry
        hot.maximumConnectRetry = self.maximumConnectRetry
        hot.limits = self.limits
        hot.judge = self.judge
        // What OPEN says is the state machine's to compare.
        hot.options = self.options
        if case .md5 = self.authentication, case .md5 = old.authentication {
            hot.authentication = self.authentication
        }
        return hot == self
    }
}

/// What is not every session's.
public struct SessionOptions: Sendable, Hashable {
    /// How long a new connection waits for the peer's OPEN before ours goes out (DelayOpen).
    public var delayOpen: Duration?
    /// After an error that we found, connections are refused for a while (DampPeerOscillations).
    public var dampsOscillations = true
    /// The peer is of our confederation (RFC 5065).
    public var isConfederation = false
    /// What we are to the peer (RFC 9234), and whether it must say what it is.
    public var role: PeeringRole?
    public var isRoleStrict = false
    /// We offer to keep routes while the peer restarts (RFC 4724).
    public var helpsRestart = true
    /// The most that routes may live beyond the restart time (RFC 9494); nil: they don't.
    public var longLivedStaleTime: Duration?
    /// Families of which several paths for a prefix are taken (RFC 7911).
    public var addPath: FamilySet = []
    /// Messages of up to 65,535 bytes are taken (RFC 8654).
    public var extendedMessages = true

    public init() {}
}
