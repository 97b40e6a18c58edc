// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
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
    /// DelayOpen (RFC 4271 §8.1.1): the peer has not said who it is, so we do first.
    case delayOpen(ConnectionSlot)
    /// A refresh has begun and ought to have ended (RFC 7313 §4).
    case refresh(AddressFamily)
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
    /// AutomaticStop (8): the session ends for a reason of ours, and another begins after a
    /// while, or, without one, at the next ``start``.
    case suspend(Notification, restartAfter: Duration?)
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
    /// The peer is to send its routes of these families again (RFC 2918). Nothing comes of it
    /// unless that was agreed (``Negotiation/canRefresh``).
    case requestRefresh(FamilySet)
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
    /// The peer asks for our routes again, of which there are none.
    case refreshRequested(RouteRefreshMessage)
    /// The peer begins to send its routes of a family again: all that it has are doubtful from
    /// now (RFC 7313 §4). It may begin anew before it has ended.
    case refreshBegan(AddressFamily)
    /// It has sent them all, or has taken too long: what is still doubtful is no more.
    case refreshEnded(AddressFamily, isOverdue: Bool)
}

/// Why a session, or a try to have one, ended.
public enum SessionEnd: Error, Sendable, Hashable {
    case sent(Notification)
    case received(Notification)
    case connectionLost(String?)
    case connectFailed(String)
    /// We stopped it.
    case stopped(Notification)
    /// The peer has restarted without closing its connection, and opened another (RFC 4724 §4.2).
    case replaced
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
        case .replaced: "the peer has restarted: it opened a new connection"
        }
    }
}
