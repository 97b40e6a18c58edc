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

    /// Two machines, wired to each other, both dialling at once, again and again.
    @Test("two that dial each other at once agree on one connection", arguments: 1...200)
    func bothDial(seed: Int) {
        var random = Jitter(seed: UInt64(seed))
        var pair = Pair(seed: UInt64(seed))
        pair.start()
        for _ in 0..<400 where !pair.isIdle { pair.step(using: &random) }
        for _ in 0..<50 where !pair.isEstablished {
            pair.retry()
            for _ in 0..<400 where !pair.isIdle { pair.step(using: &random) }
        }
        #expect(pair.isEstablished, "seed \(seed)")
        #expect(pair.a.machine.establishedSlot != pair.b.machine.establishedSlot)
    }
}

/// Two machines and the wires between them. A wire keeps its order; of several wires any may
/// be next.
struct Pair {
    var a: Rig
    var b: Rig
    /// By the side that opened the connection (0 is `a`) and the side that reads.
    var wires: [[[SessionEvent]]] = [[[], []], [[], []]]
    /// Whether the connection that a side opened exists.
    var isOpen = [false, false]
    var dials = [false, false]

    init(seed: UInt64) {
        var settings = Rig.settings
        self.a = Rig(settings, seed: seed)
        settings.localAS = 65001
        settings.peerAS = 65000
        settings.identifier = 20
        self.b = Rig(settings, seed: seed &+ 1)
    }

    var isIdle: Bool { self.wires.joined().allSatisfy(\.isEmpty) && !self.dials.contains(true) }
    var isEstablished: Bool {
        self.a.state == .established && self.b.state == .established && self.isIdle
    }

    mutating func start() {
        self.take(.start, 0)
        self.take(.start, 1)
    }

    /// Time passes: whoever waits tries again, both at once.
    mutating func retry() {
        for side in 0...1 {
            self.take(.expired(.idleHold), side)
            self.take(.expired(.connectRetry), side)
        }
    }

    mutating func take(_ event: SessionEvent, _ side: Int) {
        let actions = side == 0 ? self.a.take(event) : self.b.take(event)
        for action in actions { self.perform(action, side) }
    }

    private mutating func perform(_ action: SessionAction, _ side: Int) {
        switch action {
        case .dial: self.dials[side] = true
        case .abandonDial: self.dials[side] = false
        case .refuse(let notification):
            self.wires[1 - side][1 - side].append(
                .received(.outgoing, .notification(notification)))
            self.isOpen[1 - side] = false
        case .send(let slot, let message):
            let opener = slot == .outgoing ? side : 1 - side
            let theirs: ConnectionSlot = slot == .outgoing ? .incoming : .outgoing
            guard self.isOpen[opener] else { return }
            let received: ReceivedMessage? =
                switch message {
                case .open(let open): .open(open)
                case .keepalive: .keepalive
                case .notification(let notification): .notification(notification)
                case .routeRefresh(let family): .routeRefresh(RouteRefreshMessage(family))
                case .endOfRIB: .update
                }
            if let received {
                self.wires[opener][1 - side].append(.received(theirs, received))
            }
        case .close(let slot):
            let opener = slot == .outgoing ? side : 1 - side
            let theirs: ConnectionSlot = slot == .outgoing ? .incoming : .outgoing
            guard self.isOpen[opener] else { return }
            self.isOpen[opener] = false
            self.wires[opener][side] = []
            self.wires[opener][1 - side].append(.closed(theirs, nil))
        default: break
        }
    }

    /// One thing happens: a dial succeeds, or one wire gives its first message.
    mutating func step(using random: inout Jitter) {
        var choices: [(Int, Int)] = []
        for side in 0...1 where self.dials[side] { choices.append((side, -1)) }
        for opener in 0...1 {
            for reader in 0...1 where !self.wires[opener][reader].isEmpty {
                choices.append((opener, reader))
            }
        }
        guard let (first, second) = choices.randomElement(using: &random) else { return }
        if second == -1 {
            self.dials[first] = false
            self.isOpen[first] = true
            self.take(.accepted, 1 - first)
            self.take(.connected, first)
        } else {
            self.take(self.wires[first][second].removeFirst(), second)
        }
    }
}
