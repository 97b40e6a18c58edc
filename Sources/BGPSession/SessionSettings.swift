// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import BGPWire

/// Which side opens the connection.
public enum ConnectMode: String, Sendable, Hashable, CaseIterable {
    /// Only we dial.
    case active
    /// Only the peer does.
    case passive
    case both

    public var dials: Bool { self != .passive }
    public var accepts: Bool { self != .active }
}

/// What an operator says about one session, as far as the state machine cares.
public struct SessionSettings: Sendable, Hashable {
    public var localAS: ASNumber
    public var peerAS: ASNumber
    /// Our BGP identifier (RFC 6286): any number but zero.
    public var identifier: UInt32
    /// What we offer: 0, or at least 3.
    public var holdTimeSeconds: Int
    public var connect: ConnectMode
    /// What we offer to read.
    public var families: FamilySet
    /// The first wait before another try; it doubles with each failure…
    public var retry: Duration
    /// …up to this one.
    public var maximumRetry: Duration

    /// DelayOpen (RFC 4271 §8.1.1): how long a new connection waits for the peer's OPEN before
    /// ours goes out. Nil: not at all.
    public var delayOpen: Duration?
    /// DampPeerOscillations (RFC 4271 §8.1.1): after an error that we found, neither dial nor
    /// accept for a wait that doubles. Off, only the dialling waits.
    public var dampPeerOscillations = true

    /// The peer is of our confederation, though of another member AS (RFC 5065).
    public var isConfederation = false
    /// What we are to the peer (RFC 9234). Nil: nothing is said. Never said to an internal peer.
    public var role: PeeringRole?
    /// A peer that doesn't say its role is refused (RFC 9234 §4.2).
    public var strictRole = false

    /// We offer to help the peer restart (RFC 4724, RFC 8538).
    public var gracefulRestart = true
    /// We offer to keep routes beyond the restart time, at most so long (RFC 9494). Nil: we don't.
    public var longLived: Duration?
    /// We offer to tell a refresh's beginning and end (RFC 7313).
    public var enhancedRefresh = true
    /// How long a refresh may take, from its beginning to its end (RFC 7313 §4).
    public var refreshLimit = Duration.seconds(600)
    /// Families of which we offer to take several paths for a prefix (RFC 7911).
    public var addPath: FamilySet = []
    /// We offer to take messages of 65,535 bytes (RFC 8654).
    public var extendedMessages = true
    /// We offer to take IPv4 prefixes with IPv6 next hops (RFC 8950).
    public var extendedNextHop = true

    public init(
        localAS: ASNumber, peerAS: ASNumber, identifier: UInt32, holdTimeSeconds: Int = 90,
        connect: ConnectMode = .both, families: FamilySet = .both,
        retry: Duration = .seconds(5), maximumRetry: Duration = .seconds(120)
    ) {
        self.localAS = localAS
        self.peerAS = peerAS
        self.identifier = identifier
        self.holdTimeSeconds = holdTimeSeconds
        self.connect = connect
        self.families = families
        self.retry = retry
        self.maximumRetry = maximumRetry
    }

    public var isInternal: Bool { self.localAS == self.peerAS }

    /// What we say of ourselves.
    public var open: OpenMessage {
        var capabilities = self.families.families.map { Capability.multiprotocol($0) }
        capabilities.append(.routeRefresh)
        if self.extendedNextHop, self.families.contains(.ipv4) {
            capabilities.append(.extendedNextHop)
        }
        if self.extendedMessages { capabilities.append(.extendedMessage) }
        if let role = self.role, !self.isInternal { capabilities.append(.role(role)) }
        if self.gracefulRestart { capabilities.append(.gracefulRestartHelper) }
        let addPath = self.addPath.intersection(self.families)
        if !addPath.isEmpty { capabilities.append(.addPathReceive(addPath)) }
        if self.enhancedRefresh { capabilities.append(.enhancedRouteRefresh) }
        if self.gracefulRestart, self.longLived != nil { capabilities.append(.longLivedHelper) }
        return OpenMessage(
            asNumber: self.localAS, holdTimeSeconds: UInt16(clamping: self.holdTimeSeconds),
            identifier: self.identifier, capabilities: capabilities)
    }

    /// Whether a session under `old` settings needn't end for these: what is said in OPEN, and
    /// who the peer is, stay the same.
    func canContinue(from old: SessionSettings) -> Bool {
        self.open == old.open && self.peerAS == old.peerAS
            && self.isConfederation == old.isConfederation
    }
}
