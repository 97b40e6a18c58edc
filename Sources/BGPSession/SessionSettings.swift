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
        OpenMessage(
            asNumber: self.localAS,
            holdTimeSeconds: UInt16(clamping: self.holdTimeSeconds),
            identifier: self.identifier,
            capabilities: self.families.families.map { .multiprotocol($0) }
                + [.routeRefresh, .gracefulRestartHelper])
    }
}
