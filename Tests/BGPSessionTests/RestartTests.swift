// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Testing

@Suite("Restarts (RFC 4724, RFC 8538, RFC 9494)")
struct RestartTests {
    static let restarting = Capability(.gracefulRestart, [0x40, 120, 0, 1, 1, 0x80, 0, 2, 1, 0])

    static func rig(
        _ slot: ConnectionSlot, _ capabilities: [Capability], _ settings: SessionSettings
    ) -> Rig {
        var rig = Rig.at(.openSent, slot: slot, settings: settings)
        rig.take(.received(slot, .open(Rig.open(capabilities: capabilities))))
        rig.take(.received(slot, .keepalive))
        return rig
    }

    static func rig(
        _ slot: ConnectionSlot = .outgoing, _ more: [Capability] = [Self.restarting]
    ) -> Rig {
        Self.rig(slot, [.multiprotocol(.ipv4), .multiprotocol(.ipv6)] + more, Rig.settings)
    }

    @Test("a peer that calls again on its own connection's top has restarted (§4.2)")
    func replaced() throws {
        var rig = Self.rig(.incoming)
        let actions = rig.take(.accepted)
        #expect(actions.notifications.isEmpty, "the old connection is dropped without a word")
        let closed = try #require(actions.firstIndex(of: .close(.incoming)))
        let down = try #require(actions.firstIndex(of: .down(.replaced)))
        let adopted = try #require(actions.firstIndex(of: .adopt))
        #expect(closed < down && down < adopted)
        #expect(actions.opens == [.incoming])
        #expect(rig.state == .openSent)
        #expect(
            SessionEnd.replaced.description == "the peer has restarted: it opened a new connection")
    }

    @Test("a call beside the connection that we opened must say OPEN first")
    func tracked() {
        var rig = Self.rig(.outgoing)
        let called = rig.take(.accepted)
        #expect(called.contains(.adopt))
        #expect(!called.isDown, "the two may have crossed on the way")
        #expect(rig.state == .established)
        var crossed = rig
        let gone = crossed.take(.closed(.incoming, nil))
        #expect(gone.end == nil)
        #expect(crossed.state == .established)
        let opened = rig.take(.received(.incoming, .open(Rig.open())))
        #expect(opened.contains(.down(.replaced)))
        #expect(opened.contains(.close(.outgoing)))
        #expect(opened.notifications.isEmpty)
        #expect(rig.state == .openConfirm)
        rig.take(.received(.incoming, .keepalive))
        #expect(rig.machine.establishedSlot == .incoming)
    }

    @Test("without graceful restart a second call is refused")
    func notAgreed() {
        for more in [[], [Capability(.gracefulRestart, [0, 120])]] {
            var rig = Self.rig(.incoming, more)
            let actions = rig.take(.accepted)
            #expect(actions == [.refuse(.cease(.collisionResolution))])
            #expect(rig.state == .established)
        }
        var settings = Rig.settings
        settings.gracefulRestart = false
        var rig = Self.rig(.incoming, [.multiprotocol(.ipv4), Self.restarting], settings)
        let actions = rig.take(.accepted)
        #expect(actions == [.refuse(.cease(.collisionResolution))])
    }

    @Test("a shutdown that both could take for a restart is a Hard Reset (RFC 8538 §3)")
    func hardReset() {
        let shutdown = Notification.cease(.administrativeShutdown, message: "bye")
        var rig = Self.rig()
        let actions = rig.take(.stop(shutdown))
        #expect(actions.notifications == [shutdown.hardened])
        #expect(actions.end == .stopped(shutdown), "here it is what it is")
        var reset = Self.rig()
        let soft = reset.take(.stop(.cease(.administrativeReset)))
        #expect(soft.notifications == [.cease(.administrativeReset)])
        var plain = Self.rig(.outgoing, [Capability(.gracefulRestart, [0, 120, 0, 1, 1, 0])])
        let told = plain.take(.stop(shutdown))
        #expect(told.notifications == [shutdown], "the peer knows no Hard Reset")
    }

    @Test("restart time, families and forwarding are those of families that both have")
    func negotiated() throws {
        let both = try #require(Self.rig().machine.negotiation)
        #expect(both.gracefulRestart?.restartSeconds == 120)
        #expect(both.gracefulRestart?.families == .both)
        #expect(both.gracefulRestart?.preserved == .ipv4)
        #expect(both.survivesNotifications)
        let one = Self.rig(.outgoing, [.multiprotocol(.ipv6), Self.restarting], Rig.settings)
        let ipv6 = try #require(one.machine.negotiation?.gracefulRestart)
        #expect(ipv6.families == .ipv6)
        #expect(ipv6.preserved == [])
        var settings = Rig.settings
        settings.gracefulRestart = false
        let off = Self.rig(.outgoing, [.multiprotocol(.ipv4), Self.restarting], settings)
        let negotiation = try #require(off.machine.negotiation)
        #expect(negotiation.gracefulRestart == nil)
        #expect(!negotiation.survivesNotifications && !negotiation.exchangesEndOfRIB)
    }

    @Test("long-lived times are by family, where both said so, at most what we bear")
    func longLived() throws {
        let asked = Capability(
            .longLivedGracefulRestart, [0, 1, 1, 0x80, 0, 0x0e, 0x10, 0, 2, 1, 0, 0, 0, 0])
        var settings = Rig.settings
        settings.longLived = .seconds(1800)
        let capabilities = [.multiprotocol(.ipv4), .multiprotocol(.ipv6), Self.restarting, asked]
        let agreed = try #require(
            Self.rig(.outgoing, capabilities, settings).machine.negotiation)
        #expect(agreed.longLived.map(\.family) == [.ipv4], "IPv6 asks for no time")
        #expect(agreed.longLived.first?.isPreserved == true)
        #expect(agreed.longLivedTime(.ipv4, atMost: .seconds(7200)) == .seconds(3600))
        #expect(agreed.longLivedTime(.ipv4, atMost: .seconds(1800)) == .seconds(1800))
        #expect(agreed.longLivedTime(.ipv6, atMost: .seconds(1800)) == nil)
        let unasked = try #require(
            Self.rig(.outgoing, [Self.restarting, asked]).machine.negotiation)
        #expect(unasked.longLived.isEmpty, "we didn't offer it")
        let alone = try #require(
            Self.rig(.outgoing, [.multiprotocol(.ipv4), asked], settings).machine.negotiation)
        #expect(alone.longLived.isEmpty, "it builds on graceful restart (RFC 9494 §4.1)")
    }
}
