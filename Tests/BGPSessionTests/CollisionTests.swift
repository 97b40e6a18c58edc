// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire
import Testing

@Suite("Collisions (RFC 4271 §6.8)")
struct CollisionTests {
    static let lost = Notification.cease(.collisionResolution)

    /// Both connections are there, OPEN has come on `first`.
    func rig(local: UInt32, peer: UInt32, first: ConnectionSlot) -> Rig {
        var settings = Rig.settings
        settings.identifier = local
        var rig = Rig(settings)
        rig.take(.start)
        rig.take(.accepted)
        rig.take(.connected)
        rig.take(.received(first, .open(Rig.open(identifier: peer))))
        return rig
    }

    @Test(
        "the connection stays that the higher identifier opened",
        arguments: [(10, 20), (20, 10)] as [(UInt32, UInt32)], ConnectionSlot.allCases)
    func identifiers(identifiers: (UInt32, UInt32), first: ConnectionSlot) {
        let (local, peer) = identifiers
        let survivor: ConnectionSlot = local > peer ? .outgoing : .incoming
        let loser: ConnectionSlot = local > peer ? .incoming : .outgoing
        let second: ConnectionSlot = first == .outgoing ? .incoming : .outgoing
        var rig = self.rig(local: local, peer: peer, first: first)
        let actions = rig.take(.received(second, .open(Rig.open(identifier: peer))))
        #expect(actions.contains(.send(loser, .notification(Self.lost))))
        #expect(actions.contains(.close(loser)))
        #expect(!actions.contains(.close(survivor)))
        #expect(rig.state == .openConfirm)
        rig.take(.received(survivor, .keepalive))
        #expect(rig.state == .established)
        #expect(rig.machine.establishedSlot == survivor)
        let late = rig.take(.received(loser, .keepalive))
        #expect(late.isEmpty, "it is gone")
    }

    @Test("of equal identifiers the higher AS number decides (RFC 6286 §2.3)")
    func equalIdentifiers() {
        var rig = self.rig(local: 10, peer: 10, first: .outgoing)
        let actions = rig.take(.received(.incoming, .open(Rig.open(identifier: 10))))
        #expect(actions.contains(.close(.outgoing)), "65001 is the peer's")
    }

    @Test("an established connection always stays")
    func established() {
        var rig = self.rig(local: 10, peer: 20, first: .outgoing)
        let actions = rig.take(.received(.outgoing, .keepalive))
        #expect(actions.contains(.close(.incoming)))
        #expect(rig.machine.establishedSlot == .outgoing)
        let refused = rig.take(.accepted)
        #expect(refused == [.refuse(Self.lost)])
        #expect(rig.state == .established)
    }

    @Test("a caller ends our own dialling only once it is established")
    func dialling() {
        var rig = Rig()
        rig.take(.start)
        rig.take(.accepted)
        rig.take(.received(.incoming, .open(Rig.open())))
        #expect(rig.state == .openConfirm)
        let actions = rig.take(.received(.incoming, .keepalive))
        #expect(actions.contains(.abandonDial))
        let late = rig.take(.connectFailed("refused"))
        #expect(late.isEmpty)
        #expect(rig.state == .established)
    }

    @Test("a second call replaces a first that has said nothing")
    func secondCall() {
        var rig = Rig.at(.openSent, slot: .incoming)
        let actions = rig.take(.accepted)
        #expect(actions.contains(.close(.incoming)))
        #expect(actions.contains(.adopt))
        #expect(actions.opens == [.incoming])
        rig.take(.received(.incoming, .open(Rig.open())))
        let refused = rig.take(.accepted)
        #expect(refused == [.refuse(Self.lost)])
    }

    @Test("the loser's last words are no error")
    func lastWords() {
        var rig = self.rig(local: 10, peer: 20, first: .incoming)
        let actions = rig.take(.received(.outgoing, .notification(Self.lost)))
        #expect(actions.end == nil)
        #expect(rig.state == .openConfirm)
    }
}
