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
    /// It says when that begins and ends, so that what it didn't send again can go (RFC 7313).
    public var marksRefresh: Bool
    /// Where the peer keeps forwarding through a restart, and we said that we help (RFC 4724).
    /// Its families are among those that both have.
    public var gracefulRestart: Capabilities.GracefulRestart?
    /// The end of a session by a NOTIFICATION is a restart too, unless it is a Hard Reset
    /// (RFC 8538): both said so.
    public var survivesNotifications: Bool
    /// How long the peer's routes may outlive the restart time, by family (RFC 9494), where both
    /// said so. Without the bound that an operator sets.
    public var longLived: [Capabilities.LongLived]
    /// The peer waits for an End-of-RIB from us, and sends one (RFC 4724 §2).
    public var exchangesEndOfRIB: Bool
    /// What we are to the peer, and it to us, where that was said (RFC 9234): ours as we said it,
    /// the peer's as it did, or as ours implies.
    public var localRole: PeeringRole?
    public var peerRole: PeeringRole?

    /// What both OPENs agree on, and whether the peer is of our confederation (RFC 5065), which
    /// no OPEN says: member ASes look like any others.
    public init(sent: OpenMessage, received: OpenMessage, isConfederation: Bool = false) {
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
            extendedMessages: both(.extendedMessage),
            extendedNextHop: local.extendedNextHop && peer.extendedNextHop,
            isConfederation: isConfederation, keepsCommunities: false)
        self.context.requiresLocalPreference = self.context.isInternal
        self.holdTimeSeconds = Int(min(sent.holdTimeSeconds, received.holdTimeSeconds))
        self.peerIdentifier = received.identifier
        self.peerAS = received.asNumber
        self.localCapabilities = local
        self.peerCapabilities = peer
        self.canRefresh = both(.routeRefresh)
        self.marksRefresh = both(.enhancedRouteRefresh)
        self.exchangesEndOfRIB = both(.gracefulRestart)
        var restart = both(.gracefulRestart) ? peer.gracefulRestart : nil
        restart?.families.formIntersection(families)
        restart?.preserved.formIntersection(families)
        self.gracefulRestart = restart?.families.isEmpty == false ? restart : nil
        self.survivesNotifications =
            local.gracefulRestart?.isForNotifications == true
            && restart?.isForNotifications == true
        self.longLived =
            both(.gracefulRestart) && both(.longLivedGracefulRestart)
            ? peer.longLived.filter { families.contains($0.family) && $0.staleSeconds > 0 } : []
        self.localRole = local.roles.first
        self.peerRole = peer.roles.first ?? self.localRole?.counterpart
        // RFC 9234 §5: by our own role alone, too.
        if self.localRole != nil {
            self.context.leaks = LeakRule(role: self.peerRole, peerAS: received.asNumber)
        }
    }

    /// How long the peer's routes of a family may outlive the restart time, at most `bound`; nil
    /// where that was not agreed (RFC 9494 §4.2).
    public func longLivedTime(_ family: AddressFamily, atMost bound: Duration) -> Duration? {
        self.longLived.first { $0.family == family }.map {
            min(.seconds($0.staleSeconds), bound)
        }
    }

    /// RFC 4271 §10: a third of the hold time, before jitter.
    public var keepaliveInterval: Duration? {
        self.holdTimeSeconds == 0 ? nil : .milliseconds(self.holdTimeSeconds * 1000 / 3)
    }
}
