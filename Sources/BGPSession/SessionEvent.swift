// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import BGPWire

/// One of the two connections that a peering may have for a while (RFC 4271 §6.8), named after
/// who opened it.
public enum ConnectionSlot: Sendable, Hashable, CaseIterable {
    case outgoing
    case incoming

    var other: ConnectionSlot { self == .outgoing ? .incoming : .outgoing }
}

/// RFC 4271 §8.2.2.
public enum SessionState: String, Sendable, Hashable, CaseIterable, Comparable {
    case idle = "Idle"
    case connect = "Connect"
    case active = "Active"
    case openSent = "OpenSent"
    case openConfirm = "OpenConfirm"
    case established = "Established"

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    public static func < (a: Self, b: Self) -> Bool { a.rank < b.rank }
}

/// RFC 4271 §8.1.3 and §10, one of each at a time.
public enum SessionTimer: Sendable, Hashable {
    /// Time for another try to connect.
    case connectRetry
    /// The wait in Idle after an error that we found (DampPeerOscillations, §8.1.1).
    case idleHold
    /// A session that has lasted so long ends the doubling of waits.
    case stability
    case hold(ConnectionSlot)
    case keepalive(ConnectionSlot)
    /// RFC 9687: nothing could be written for too long.
    case sendHold(ConnectionSlot)
}

/// A message, as far as the state machine cares.
public enum ReceivedMessage: Sendable, Hashable {
    case open(OpenMessage)
    /// One or more: what is in them is not the session's business.
    case update
    case keepalive
    case notification(Notification)
    case routeRefresh(RouteRefreshMessage)
}

/// What happens to a session. The numbers are those of RFC 4271 §8.1.
public enum SessionEvent: Sendable, Hashable {
    /// ManualStart (1) and its automatic forms.
    case start
    /// ManualStop (2), with what the peer is told.
    case stop(Notification)
    /// Our dialling succeeded: Tcp_CR_Acked (16).
    case connected
    /// Our dialling came to nothing: TcpConnectionFails (18).
    case connectFailed(String)
    /// The peer opened a connection: TcpConnectionConfirmed (17). It is ours to take or refuse.
    case accepted
    /// A connection has gone: TcpConnectionFails (18); why, if the system said so.
    case closed(ConnectionSlot, String?)
    case received(ConnectionSlot, ReceivedMessage)
    /// Bytes that deserve a NOTIFICATION: BGPHeaderErr (21), BGPOpenMsgErr (22),
    /// UpdateMsgErr (28).
    case malformed(ConnectionSlot, Notification)
    case expired(SessionTimer)
    /// All that was sent has left.
    case flushed(ConnectionSlot)
}

/// What is to be done, in this order.
public enum SessionAction: Sendable, Hashable {
    /// Open a connection. ``SessionEvent/connected`` or ``SessionEvent/connectFailed(_:)`` follows.
    case dial
    /// Forget the connection that is being opened; nothing follows.
    case abandonDial
    /// The accepted connection is the incoming one from now.
    case adopt
    /// Send this on the accepted connection and close it.
    case refuse(Notification)
    case send(ConnectionSlot, OutgoingMessage)
    /// Close once what was sent has left; nothing follows.
    case close(ConnectionSlot)
    /// Set a timer, anew where it runs.
    case startTimer(SessionTimer, Duration)
    case stopTimer(SessionTimer)
    case established(ConnectionSlot, Negotiation)
    /// The session that was established is over.
    case down(SessionEnd)
    /// A try came to nothing.
    case failed(SessionEnd)
    /// The peer says something about a refresh, on the established session.
    case refresh(RouteRefreshMessage)
}

/// Why a session, or a try to have one, ended.
public enum SessionEnd: Error, Sendable, Hashable {
    case sent(Notification)
    case received(Notification)
    case connectionLost(String?)
    case connectFailed(String)
    /// We stopped it.
    case stopped(Notification)
}

extension SessionEnd: CustomStringConvertible {
    public var description: String {
        switch self {
        case .sent(let notification): "we ended it: \(notification)"
        case .received(let notification): "the peer ended it: \(notification)"
        case .connectionLost(nil): "the peer closed the connection"
        case .connectionLost(let reason?): "connection lost: \(reason)"
        case .connectFailed(let reason): "can't connect: \(reason)"
        case .stopped(let notification): "stopped here: \(notification)"
        }
    }
}
