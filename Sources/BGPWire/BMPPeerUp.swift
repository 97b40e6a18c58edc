// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// A peer that the router monitors has come up (RFC 7854 §4.10).
public struct BMPPeerUp: Sendable, Hashable {
    public var localAddress: IPAddress
    public var localPort: UInt16
    public var remotePort: UInt16
    /// What the router sent to its peer, and what it received; a loc-rib peer has two that the
    /// router made up (RFC 9069 §4.4).
    public var sent: OpenMessage
    public var received: OpenMessage
    public var information: [BMPInformation]

    /// Layout after the per-peer header: a local address (16 bytes, IPv4 in the last four), local
    /// port `u16`, remote port `u16`, the OPEN that was sent, the OPEN that was received, TLVs.
    init(_ body: RawSpan, at start: Int) throws(BMPError) {
        guard let header = BMPPeerHeader(body, at: 0), let localPort = body.uint16(at: start + 16),
            let remotePort = body.uint16(at: start + 18),
            let ipv6 = body.address(.ipv6, at: start),
            let ipv4 = body.address(.ipv4, at: start + 12)
        else { throw .truncated(.peerUp, need: start + 20, have: body.byteCount) }
        let isIPv6 = header.peer.kind != .locRIB && header.flags.contains(.ipv6)
        self.localAddress = isIPv6 ? ipv6 : ipv4
        self.localPort = localPort
        self.remotePort = remotePort
        let sent = try BMPMessage.innerMessage(.open, body, at: start + 20, of: .peerUp)
        self.sent = try Self.open(body, sent)
        let received = try BMPMessage.innerMessage(.open, body, at: sent.upperBound, of: .peerUp)
        self.received = try Self.open(body, received)
        self.information = try BMPInformation.list(body, from: received.upperBound, of: .peerUp)
    }

    private static func open(_ body: RawSpan, _ whole: Range<Int>) throws(BMPError) -> OpenMessage {
        do throws(Notification) {
            return try OpenMessage(
                body: body.extracting(
                    whole.lowerBound + MessageFrame.headerLength..<whole.upperBound))
        } catch {
            throw .innerMessage(.peerUp, error)
        }
    }

    /// How UPDATEs of this peer are to be read. From the OPENs comes whether prefixes carry path
    /// identifiers; the width of AS numbers stands in each message's own header.
    ///
    /// Attributes that only internal peers send are read of all: a router adds LOCAL_PREF
    /// to what its policy has let pass.
    public func context(of header: BMPPeerHeader, keepsCommunities: Bool) -> DecodeContext {
        let sent = self.sent.capabilities
        let received = self.received.capabilities
        func either(_ capabilities: Capabilities) -> FamilySet {
            capabilities.addPath(sends: true).union(capabilities.addPath(sends: false))
        }
        let addPath: FamilySet =
            switch header.view {
            case .pre, .post, nil:
                sent.addPath(sends: false).intersection(received.addPath(sends: true))
            case .outPre, .outPost:
                sent.addPath(sends: true).intersection(received.addPath(sends: false))
            case .locRIB: either(sent).intersection(either(received))
            }
        return DecodeContext(
            fourOctetAS: !header.flags.contains(.twoOctetAS) || header.peer.kind == .locRIB,
            isInternal: true, addPath: addPath, extendedMessages: true, isConfederation: true,
            keepsCommunities: keepsCommunities)
    }

    /// Families that routes may come of.
    public var families: FamilySet {
        (self.sent.capabilities.families ?? .ipv4)
            .intersection(self.received.capabilities.families ?? .ipv4)
    }

    /// The peer's AS.
    public var asNumber: ASNumber { self.received.asNumber }
}

/// A peer that the router monitors has gone down (RFC 7854 §4.9, RFC 9069 §5.3).
public enum BMPPeerDown: Sendable, Hashable {
    /// The router ended the session, with a NOTIFICATION, or for an event of its state machine.
    case local(Notification)
    case localEvent(UInt16)
    /// The peer did, with a NOTIFICATION or without.
    case remote(Notification)
    case remoteWithoutNotification
    /// The router's operator no longer wants it monitored.
    case notMonitored
    /// Of a loc-rib peer.
    case tableGone([BMPInformation])
    case other(UInt8)

    init(_ body: RawSpan, at start: Int) throws(BMPError) {
        guard let reason = body.uint8(at: start) else {
            throw .truncated(.peerDown, need: start + 1, have: body.byteCount)
        }
        switch reason {
        case 1: self = .local(try Self.notification(body, at: start + 1))
        case 2:
            guard let event = body.uint16(at: start + 1) else {
                throw .truncated(.peerDown, need: start + 3, have: body.byteCount)
            }
            self = .localEvent(event)
        case 3: self = .remote(try Self.notification(body, at: start + 1))
        case 4: self = .remoteWithoutNotification
        case 5: self = .notMonitored
        case 6:
            self = .tableGone(try BMPInformation.list(body, from: start + 1, of: .peerDown))
        default: self = .other(reason)
        }
    }

    private static func notification(
        _ body: RawSpan, at start: Int
    ) throws(BMPError) -> Notification {
        let whole = try BMPMessage.innerMessage(.notification, body, at: start, of: .peerDown)
        let inner = body.extracting(whole.lowerBound + MessageFrame.headerLength..<whole.upperBound)
        guard let notification = Notification(body: inner) else {
            throw .truncated(.peerDown, need: whole.upperBound + 2, have: body.byteCount)
        }
        return notification
    }
}

extension BMPPeerDown: CustomStringConvertible {
    public var description: String {
        switch self {
        case .local(let notification): "the router closed it: \(notification)"
        case .localEvent(let event): "the router closed it: event \(event) of its state machine"
        case .remote(let notification): "the peer closed it: \(notification)"
        case .remoteWithoutNotification: "the peer closed it without a NOTIFICATION"
        case .notMonitored: "it is monitored no more"
        case .tableGone(let information):
            (["its table is gone"] + information.map(\.description)).joined(separator: ", ")
        case .other(let reason): "reason \(reason)"
        }
    }
}
