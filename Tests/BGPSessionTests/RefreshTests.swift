// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Testing

@Suite("Route refresh (RFC 2918, RFC 7313)")
struct RefreshTests {
    static func rig(_ capabilities: [Capability]) -> Rig {
        var rig = Rig.at(.openSent)
        rig.take(.received(.outgoing, .open(Rig.open(capabilities: capabilities))))
        rig.take(.received(.outgoing, .keepalive))
        return rig
    }

    static let enhanced: [Capability] = [
        .multiprotocol(.ipv4), .routeRefresh, .enhancedRouteRefresh,
    ]

    static func message(
        _ subtype: RouteRefreshMessage.Subtype, _ family: AddressFamily = .ipv4
    ) -> SessionEvent {
        .received(.outgoing, .routeRefresh(RouteRefreshMessage(family, subtype: subtype)))
    }

    @Test("is asked of families that were agreed, where it was")
    func request() {
        func sent(_ capabilities: [Capability], _ families: FamilySet) -> [OutgoingMessage] {
            var rig = Self.rig(capabilities)
            return rig.take(.requestRefresh(families)).compactMap {
                if case .send(.outgoing, let message) = $0 { message } else { nil }
            }
        }
        let both: [Capability] = [.multiprotocol(.ipv4), .multiprotocol(.ipv6), .routeRefresh]
        #expect(sent(both, .both) == [.routeRefresh(.ipv4), .routeRefresh(.ipv6)])
        #expect(sent(both, .ipv6) == [.routeRefresh(.ipv6)])
        #expect(sent([.multiprotocol(.ipv6), .routeRefresh], .both) == [.routeRefresh(.ipv6)])
        #expect(sent([.multiprotocol(.ipv4)], .both).isEmpty)
        #expect(
            sent([.multiprotocol(.ipv4), Capability(.oldRouteRefresh)], .both).isEmpty,
            "the old number has a message of its own")
        for state in SessionState.allCases where state != .established {
            var rig = Rig.at(state)
            let actions = rig.take(.requestRefresh(.both))
            #expect(actions.isEmpty, "in \(state.rawValue)")
        }
    }

    @Test("has a beginning and an end, each of its family")
    func borders() {
        var rig = Self.rig(Self.enhanced + [.multiprotocol(.ipv6)])
        let began = rig.take(Self.message(.beginning))
        #expect(began.contains(.refreshBegan(.ipv4)))
        #expect(began.duration(of: .refresh(.ipv4)) == .seconds(600))
        let other = rig.take(Self.message(.end, .ipv6))
        #expect(!other.contains(.refreshEnded(.ipv6, isOverdue: false)), "it never began")
        let ended = rig.take(Self.message(.end))
        #expect(ended.contains(.refreshEnded(.ipv4, isOverdue: false)))
        #expect(ended.stops(.refresh(.ipv4)))
        let again = rig.take(Self.message(.end))
        #expect(!again.contains(.refreshEnded(.ipv4, isOverdue: false)))
    }

    @Test("that begins again before it ended begins anew")
    func beginsAgain() {
        var rig = Self.rig(Self.enhanced)
        rig.take(Self.message(.beginning))
        let again = rig.take(Self.message(.beginning))
        #expect(again.contains(.refreshBegan(.ipv4)))
        #expect(again.duration(of: .refresh(.ipv4)) != nil)
    }

    @Test("that never ends is over after a while")
    func overdue() {
        var rig = Self.rig(Self.enhanced)
        rig.take(Self.message(.beginning))
        let over = rig.take(.expired(.refresh(.ipv4)))
        #expect(over == [.refreshEnded(.ipv4, isOverdue: true)])
        let late = rig.take(Self.message(.end))
        #expect(!late.contains { if case .refreshEnded = $0 { true } else { false } })
    }

    @Test("ends with its session")
    func sessionEnds() {
        var rig = Self.rig(Self.enhanced)
        rig.take(Self.message(.beginning))
        let actions = rig.take(.closed(.outgoing, nil))
        #expect(actions.stops(.refresh(.ipv4)))
    }

    @Test("borders that were not agreed are requests, and those of no family of ours nothing")
    func notAgreed() {
        var rig = Self.rig([.multiprotocol(.ipv4), .routeRefresh])
        let message = RouteRefreshMessage(.ipv4, subtype: .beginning)
        let actions = rig.take(.received(.outgoing, .routeRefresh(message)))
        #expect(actions.contains(.refreshRequested(message)))
        var enhanced = Self.rig(Self.enhanced)
        let foreign = enhanced.take(Self.message(.beginning, .ipv6))
        #expect(foreign == [.startTimer(.hold(.outgoing), .seconds(30))])
        let unknown = enhanced.take(Self.message(.init(rawValue: 9)))
        #expect(unknown == [.startTimer(.hold(.outgoing), .seconds(30))])
    }
}
