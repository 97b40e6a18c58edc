// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import BGPWire

/// What both OPENs together allow, made from them and from nothing else.
public struct Negotiation: Sendable, Hashable {
    public var context: DecodeContext
    /// The smaller offer (RFC 4271 §4.2); 0: neither keepalives nor a limit to silence.
    public var holdTimeSeconds: Int
    public var peerIdentifier: UInt32
    public var peerAS: ASNumber
    public var localCapabilities: Capabilities
    public var peerCapabilities: Capabilities
    /// The peer sends its routes again when asked (RFC 2918).
    public var canRefresh: Bool
    /// Where the peer keeps forwarding through a restart, and we said that we help (RFC 4724).
    public var gracefulRestart: Capabilities.GracefulRestart?
    /// The peer waits for an End-of-RIB from us, and sends one (RFC 4724 §2).
    public var exchangesEndOfRIB: Bool

    public init(sent: OpenMessage, received: OpenMessage) {
        let local = sent.capabilities
        let peer = received.capabilities
        func both(_ code: Capability.Code) -> Bool {
            local.contains(code) && peer.contains(code)
        }
        // RFC 4760 §8: who announces no family at all speaks IPv4.
        let families = (local.families ?? .ipv4).intersection(peer.families ?? .ipv4)
        self.context = DecodeContext(
            fourOctetAS: local.fourOctetAS != nil && peer.fourOctetAS != nil,
            isInternal: sent.asNumber == received.asNumber,
            families: families,
            addPath: local.addPath(sends: false).intersection(peer.addPath(sends: true))
                .intersection(families),
            extendedMessages: both(.extendedMessage), keepsCommunities: false)
        self.holdTimeSeconds = Int(min(sent.holdTimeSeconds, received.holdTimeSeconds))
        self.peerIdentifier = received.identifier
        self.peerAS = received.asNumber
        self.localCapabilities = local
        self.peerCapabilities = peer
        self.canRefresh = both(.routeRefresh)
        self.exchangesEndOfRIB = both(.gracefulRestart)
        let restart = both(.gracefulRestart) ? peer.gracefulRestart : nil
        self.gracefulRestart = restart?.families.isEmpty == false ? restart : nil
    }

    /// RFC 4271 §10: a third of the hold time, before jitter.
    public var keepaliveInterval: Duration? {
        self.holdTimeSeconds == 0 ? nil : .milliseconds(self.holdTimeSeconds * 1000 / 3)
    }
}
