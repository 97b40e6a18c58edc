// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Testing

@Suite("What is offered, and what comes of it")
struct CapabilityTests {
    func offered(_ change: (inout SessionSettings) -> Void) -> [Capability] {
        var settings = Rig.settings
        change(&settings)
        return settings.open.capabilities.list
    }

    func negotiation(
        _ capabilities: [Capability], _ change: (inout SessionSettings) -> Void = { _ in }
    ) throws -> Negotiation {
        var settings = Rig.settings
        change(&settings)
        var rig = Rig.at(.openSent, settings: settings)
        rig.take(.received(.outgoing, .open(Rig.open(capabilities: capabilities))))
        let negotiation = rig.machineNegotiationAfterKeepalive()
        return try #require(negotiation)
    }

    @Test("each setting has its capability")
    func settings() {
        let usual: [Capability] = [
            .fourOctetAS(65000), .multiprotocol(.ipv4), .multiprotocol(.ipv6), .routeRefresh,
            .extendedNextHop, .extendedMessage, .gracefulRestartHelper, .enhancedRouteRefresh,
        ]
        #expect(self.offered { _ in } == usual)
        let rest = self.offered {
            $0.families = .ipv6
            $0.extendedMessages = false
            $0.gracefulRestart = false
            $0.longLived = .seconds(100)
            $0.enhancedRefresh = false
            $0.addPath = .ipv4
        }
        #expect(
            rest == [.fourOctetAS(65000), .multiprotocol(.ipv6), .routeRefresh],
            "nor is anything offered for a family that isn't")
        let more = self.offered {
            $0.addPath = .both
            $0.longLived = .seconds(100)
            $0.role = .customer
        }
        #expect(more.contains(Capability(.addPath, [0, 1, 1, 1, 0, 2, 1, 1])))
        #expect(more.contains(Capability(.longLivedGracefulRestart)))
        #expect(more.contains(Capability(.role, [3])))
        let inside = self.offered {
            $0.role = .customer
            $0.peerAS = 65000
        }
        #expect(!inside.contains { $0.code == .role }, "roles are between ASes (RFC 9234 §4)")
    }

    @Test("a form is used only where both said so")
    func both() throws {
        let all: [Capability] = [
            .multiprotocol(.ipv4), .multiprotocol(.ipv6), .extendedMessage, .extendedNextHop,
            Capability(.addPath, [0, 1, 1, 3, 0, 2, 1, 1]), .enhancedRouteRefresh, .routeRefresh,
        ]
        let full = try self.negotiation(all) { $0.addPath = .both }
        #expect(full.context.addPath == .ipv4, "of IPv6 it would only take several paths")
        #expect(full.context.extendedMessages && full.context.extendedNextHop)
        #expect(full.canRefresh && full.marksRefresh)
        let unasked = try self.negotiation(all) {
            $0.extendedMessages = false
            $0.extendedNextHop = false
            $0.enhancedRefresh = false
        }
        #expect(unasked.context.addPath == [])
        #expect(!unasked.context.extendedMessages && !unasked.context.extendedNextHop)
        #expect(!unasked.marksRefresh)
        let silent = try self.negotiation([.multiprotocol(.ipv4)]) { $0.addPath = .both }
        #expect(silent.context.families == .ipv4)
        #expect(silent.context.addPath == [])
        #expect(!silent.context.extendedMessages && !silent.context.extendedNextHop)
        #expect(!silent.canRefresh && !silent.marksRefresh && !silent.exchangesEndOfRIB)
        let foreign = Capability(.addPath, [0, 2, 1, 2])
        let narrowed = try self.negotiation([.multiprotocol(.ipv4), foreign]) { $0.addPath = .both }
        #expect(narrowed.context.addPath == [], "its family was not agreed")
    }

    @Test("capabilities that nobody knows are passed by (RFC 5492 §3)")
    func unknown() throws {
        let odd = (0...255).map { Capability(.init(rawValue: $0), [1, 2, 3]) }
            .filter { ![1, 65].contains($0.code.rawValue) }
        let negotiation = try self.negotiation([.multiprotocol(.ipv4)] + odd)
        #expect(negotiation.context.families == .ipv4)
        #expect(negotiation.context.addPath == [])
        #expect(negotiation.gracefulRestart == nil)
    }

    @Test("no family in common is told, with what is missing (RFC 5492 §5)")
    func noFamily() {
        var settings = Rig.settings
        settings.families = .ipv6
        var rig = Rig.at(.openSent, settings: settings)
        let open = Rig.open(capabilities: [.multiprotocol(.ipv4)])
        let actions = rig.take(.received(.outgoing, .open(open)))
        #expect(
            actions.notifications == [.open(.unsupportedCapability, data: [1, 4, 0, 2, 0, 1])])
        #expect(
            actions.end?.description
                == "we ended it: OPEN Message Error/Unsupported Capability: the router offers IPv4 "
                + "unicast, IPv6 unicast is wanted")
    }

    @Test("a peer that refuses parameters is tried without them, once (RFC 5492 §3)")
    func withoutCapabilities() throws {
        var rig = Rig.at(.openSent)
        let refused = SessionEvent.received(
            .outgoing, .notification(.open(.unsupportedParameter)))
        rig.take(refused)
        rig.take(.expired(.connectRetry))
        let second = rig.take(.connected)
        let sent = second.compactMap { action -> OpenMessage? in
            if case .send(.outgoing, .open(let open)) = action { open } else { nil }
        }
        let open = try #require(sent.first)
        #expect(open.capabilities.list.isEmpty)
        #expect(open.twoOctetAS == 65000)
        var third = rig
        third.take(refused)
        third.take(.expired(.connectRetry))
        let whole = third.take(.connected)
        #expect(whole.contains(.send(.outgoing, .open(Rig.settings.open))))
        // All of what it said counts for nothing then.
        rig.take(.received(.outgoing, .open(Rig.open())))
        let agreed = rig.machineNegotiationAfterKeepalive()
        let negotiation = try #require(agreed)
        #expect(negotiation.context.families == .ipv4)
        #expect(!negotiation.context.fourOctetAS)
    }

    @Test("roles must fit each other (RFC 9234 §4.2)")
    func roles() {
        func answer(
            _ ours: PeeringRole, _ theirs: [PeeringRole], isStrict: Bool = false
        ) -> [Notification] {
            var settings = Rig.settings
            settings.role = ours
            settings.strictRole = isStrict
            var rig = Rig.at(.openSent, settings: settings)
            let open = Rig.open(capabilities: [.multiprotocol(.ipv4)] + theirs.map { .role($0) })
            return rig.take(.received(.outgoing, .open(open))).notifications
        }
        for ours in PeeringRole.all {
            for theirs in PeeringRole.all + [PeeringRole(rawValue: 9)] {
                let fits = ours.counterpart == theirs
                #expect(answer(ours, [theirs]) == (fits ? [] : [.open(.roleMismatch)]))
            }
            #expect(answer(ours, []) == [])
            #expect(answer(ours, [], isStrict: true) == [.open(.roleMismatch)])
        }
        #expect(
            answer(.provider, [.provider]).map(\.finding)
                == ["the router's role is provider, ours is provider: provider goes with customer"])
        #expect(
            answer(.routeServer, [], isStrict: true).map(\.finding)
                == ["the router says nothing of its role, ours is rs: rs goes with rs-client"])
        #expect(answer(.customer, [.provider, .provider]) == [])
        #expect(answer(.customer, [.provider, .peer]) == [.open(.roleMismatch)])
        #expect(
            Notification.open(.roleMismatch).description == "OPEN Message Error/Role Mismatch")
    }

    @Test("our role alone says which routes leak (RFC 9234 §5)")
    func leaks() throws {
        let rules: [(PeeringRole?, LeakRule)] = [
            (nil, .none), (.provider, .marked), (.routeServer, .marked),
            (.peer, .markedByOther(than: 65001)), (.customer, .none), (.routeServerClient, .none),
        ]
        for (role, rule) in rules {
            let silent = try self.negotiation([.multiprotocol(.ipv4)]) { $0.role = role }
            #expect(silent.context.leaks == rule)
            #expect(silent.peerRole == role?.counterpart)
            guard let theirs = role?.counterpart else { continue }
            let spoken = try self.negotiation([.multiprotocol(.ipv4), .role(theirs)]) {
                $0.role = role
            }
            #expect(spoken.context.leaks == rule)
            #expect(spoken.localRole == role)
        }
        let theirs = try self.negotiation([.multiprotocol(.ipv4), .role(.customer)])
        #expect(theirs.context.leaks == .none, "we said nothing")
        #expect(theirs.peerRole == .customer)
    }

    @Test("an internal peer must say LOCAL_PREF (RFC 4271 §5)")
    func localPreference() {
        for peer in [65000, 65001] as [ASNumber] {
            var settings = Rig.settings
            settings.peerAS = peer
            let negotiation = Negotiation(sent: settings.open, received: Rig.open(asNumber: peer))
            #expect(negotiation.context.isInternal == (peer == 65000))
            #expect(negotiation.context.requiresLocalPreference == (peer == 65000))
        }
    }

    @Test("a peer of our confederation is told of by settings alone (RFC 5065)")
    func confederation() throws {
        let inside = try self.negotiation([.multiprotocol(.ipv4)]) { $0.isConfederation = true }
        #expect(inside.context.isConfederation)
        #expect(!inside.context.isInternal)
        let outside = try self.negotiation([.multiprotocol(.ipv4)])
        #expect(!outside.context.isConfederation)
    }
}
