// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire

/// OpenSent, OpenConfirm and Established (RFC 4271 §8.2.2): what messages do.
extension SessionMachine {
    mutating func received(_ message: ReceivedMessage, on slot: ConnectionSlot) {
        guard let phase = self.connections[slot]?.phase else { return }
        switch (phase, message) {
        case (_, .notification(let notification)): self.received(notification, on: slot)
        case (.delayed, .open(let open)), (.openSent, .open(let open)):
            self.received(open, on: slot)
        case (.openConfirm, .keepalive): self.establish(slot)
        case (.established, .update), (.established, .keepalive): self.restartHold(slot)
        case (.established, .routeRefresh(let refresh)):
            self.restartHold(slot)
            self.received(refresh)
        // RFC 6608: what doesn't belong in the state.
        case (.delayed, .update), (.delayed, .keepalive), (.delayed, .routeRefresh):
            self.fail(slot, .state(.unspecific, on: message.type))
        case (.openSent, .update), (.openSent, .keepalive), (.openSent, .routeRefresh):
            self.fail(slot, .state(.inOpenSent, on: message.type))
        case (.openConfirm, .open), (.openConfirm, .update), (.openConfirm, .routeRefresh):
            self.fail(slot, .state(.inOpenConfirm, on: message.type))
        case (.established, .open): self.fail(slot, .state(.inEstablished, on: .open))
        }
    }

    private mutating func received(_ notification: Notification, on slot: ConnectionSlot) {
        // RFC 5492 §3: a peer that knows no optional parameters is tried without them. It must
        // be IPv4 then, and a role can't be insisted on.
        if notification.code == .open,
            notification.subcode == Notification.OpenSubcode.unsupportedParameter.rawValue,
            self.connections[slot]?.sent?.capabilities.list.isEmpty == false,
            self.settings.families.contains(.ipv4), !self.settings.strictRole
        {
            self.omitsCapabilities = true
        }
        self.actions.append(.close(slot))
        self.end(slot, .received(notification))
    }

    private mutating func received(_ open: OpenMessage, on slot: ConnectionSlot) {
        if let error = self.error(in: open) {
            self.fail(slot, error)
            return
        }
        guard self.survivesCollision(slot, open) else {
            self.drop(slot)
            return
        }
        if self.connections[slot]?.phase == .delayed {
            // It was quicker than our delay (RFC 4271 §8.1.4, event 20).
            self.actions.append(.stopTimer(.delayOpen(slot)))
            self.sendOpen(slot)
        }
        guard let sent = self.connections[slot]?.sent else { return }
        let negotiation = Negotiation(
            sent: sent, received: open, isConfederation: self.settings.isConfederation)
        guard !negotiation.context.families.isEmpty else {
            // RFC 5492 §5: what is missing is listed.
            let missing = sent.capabilities.list.filter { $0.code == .multiprotocol }
            let offered = open.capabilities.families ?? .ipv4
            self.fail(
                slot,
                .open(.unsupportedCapability, data: Capabilities(missing).encoded).because(
                    "the router offers \(offered), \(self.settings.families) is wanted"))
            return
        }
        self.connections[slot]?.phase = .openConfirm
        self.connections[slot]?.negotiation = negotiation
        self.send(.keepalive, on: slot)
        self.restartHold(slot)
        self.startKeepalive(slot)
    }

    /// RFC 4271 §6.2, RFC 6286 §2.2, RFC 7607 §2, RFC 9234 §4.2: what the form of an OPEN
    /// doesn't show.
    private func error(in open: OpenMessage) -> Notification? {
        guard open.asNumber == self.settings.peerAS, open.asNumber.rawValue != 0 else {
            return .open(.badPeerAS).because(
                "the router says AS \(open.asNumber), AS \(self.settings.peerAS) is configured")
        }
        guard open.identifier != 0 else {
            return .open(.badIdentifier).because("the router's is 0.0.0.0")
        }
        guard !self.settings.isInternal || open.identifier != self.settings.identifier else {
            return .open(.badIdentifier).because(
                "the router's is \(IPAddress(ipv4: open.identifier)), which is ours")
        }
        if let role = self.settings.role, !self.settings.isInternal {
            let roles = open.capabilities.roles
            guard roles.isEmpty ? !self.settings.strictRole : roles == [role.counterpart] else {
                let said = roles.map(\.description).joined(separator: " and ")
                return .open(.roleMismatch).because(
                    (said.isEmpty
                        ? "the router says nothing of its role" : "the router's role is \(said)")
                        + ", ours is \(role): \(role) goes with "
                        + "\(role.counterpart?.description ?? "none")")
            }
        }
        return nil
    }

    /// RFC 4271 §6.8: of two connections the one stays that the speaker with the higher
    /// identifier opened, or, where these are equal, the one with the higher AS number
    /// (RFC 6286 §2.3). An established one always does, unless the peer has restarted.
    ///
    /// - Returns: Whether `slot`, on which an OPEN has come, stays. The other is dropped then.
    private mutating func survivesCollision(_ slot: ConnectionSlot, _ open: OpenMessage) -> Bool {
        switch self.connections[slot.other]?.phase {
        case nil, .delayed, .openSent: return true
        case .established:
            guard slot == .incoming, self.negotiation?.gracefulRestart != nil else {
                return false
            }
            self.replace(slot.other)
            return true
        case .openConfirm:
            let local = (self.settings.identifier, self.settings.localAS.rawValue)
            let peer = (open.identifier, open.asNumber.rawValue)
            let survivor: ConnectionSlot = local > peer ? .outgoing : .incoming
            if survivor == slot { self.drop(slot.other) }
            return survivor == slot
        }
    }

    private mutating func establish(_ slot: ConnectionSlot) {
        guard let negotiation = self.connections[slot]?.negotiation else { return }
        self.connections[slot]?.phase = .established
        if self.connections[slot.other] != nil { self.drop(slot.other) }
        if self.isDialling {
            self.isDialling = false
            self.actions.append(.abandonDial)
        }
        self.actions.append(.stopTimer(.connectRetry))
        self.restartHold(slot)
        self.actions.append(.startTimer(.stability, Self.stableTime))
        self.actions.append(.established(slot, negotiation))
        guard negotiation.exchangesEndOfRIB else { return }
        for family in negotiation.context.families.families {
            self.send(.endOfRIB(family), on: slot)
        }
    }

    // MARK: Refreshes

    mutating func requestRefresh(_ families: FamilySet) {
        guard let slot = self.establishedSlot, let negotiation = self.negotiation,
            negotiation.canRefresh
        else { return }
        for family in families.intersection(negotiation.context.families).families {
            self.send(.routeRefresh(family), on: slot)
        }
    }

    /// RFC 7313 §4 and §5. Where beginnings and ends were not agreed, the byte that tells them
    /// means nothing (RFC 2918 §3).
    private mutating func received(_ refresh: RouteRefreshMessage) {
        guard let negotiation = self.negotiation else { return }
        guard negotiation.marksRefresh, refresh.subtype != .request else {
            self.actions.append(.refreshRequested(refresh))
            return
        }
        guard let family = refresh.family, negotiation.context.families.contains(family) else {
            return
        }
        switch refresh.subtype {
        case .beginning:
            self.refreshing.insert(FamilySet(family))
            self.actions.append(.startTimer(.refresh(family), self.settings.refreshLimit))
            self.actions.append(.refreshBegan(family))
        case .end: self.refreshEnded(family, isOverdue: false)
        default: break
        }
    }

    mutating func refreshEnded(_ family: AddressFamily, isOverdue: Bool) {
        guard self.refreshing.contains(family) else { return }
        self.refreshing.remove(FamilySet(family))
        if !isOverdue { self.actions.append(.stopTimer(.refresh(family))) }
        self.actions.append(.refreshEnded(family, isOverdue: isOverdue))
    }
}

extension ReceivedMessage {
    var type: MessageType {
        switch self {
        case .open: .open
        case .update: .update
        case .keepalive: .keepalive
        case .notification: .notification
        case .routeRefresh: .routeRefresh
        }
    }
}
