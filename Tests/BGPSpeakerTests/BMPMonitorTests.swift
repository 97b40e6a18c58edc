// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import BGPWire
import Testing

@Suite("The peers that a router monitors")
struct BMPMonitorTests {
    /// A Peer Up as it comes, and its header.
    private static func up(
        _ address: UInt8, kind: UInt8 = 0, modes: (UInt8, UInt8)? = nil
    ) throws -> (BMPPeerHeader, BMPPeerUp) {
        func open(_ mode: UInt8?) -> [UInt8] {
            var capabilities = [Capability.multiprotocol(.ipv4), .multiprotocol(.ipv6)]
            if let mode { capabilities.append(Capability(.addPath, [0, 1, 1, mode])) }
            return OutgoingMessage.open(
                OpenMessage(
                    asNumber: 64999, holdTimeSeconds: 90, identifier: 1,
                    capabilities: capabilities)
            ).encoded()
        }
        let body =
            [kind, 0] + [UInt8](repeating: 0, count: 20) + [192, 0, 2, address]
            + [0, 0, 0xfd, 0xe7, 192, 0, 2, address] + [UInt8](repeating: 0, count: 8 + 20)
            + open(modes?.0) + open(modes?.1)
        guard
            case .peerUp(let header, let up) = try BMPMessage.decode(
                .peerUp, body: body.span.bytes)
        else { throw Unexpected() }
        return (header, up)
    }

    private struct Unexpected: Error {}

    private func monitor() -> BMPMonitor { BMPMonitor(maximumPeers: 3, keepsCommunities: false) }

    @Test("each has an identifier of its own, over its ups and downs and over sessions")
    func numbers() throws {
        var monitor = self.monitor()
        let (first, firstUp) = try Self.up(1)
        let (second, secondUp) = try Self.up(2)
        #expect(monitor.peerUp(first, firstUp, now: 1) == [])
        #expect(monitor.peerUp(second, secondUp, now: 1) == [])
        #expect(monitor.identifier(of: first.peer, path: nil) == 1)
        #expect(monitor.identifier(of: second.peer, path: nil) == 2)
        #expect(monitor.peerDown(first, "gone", now: 2) == [1])
        #expect(monitor.peers[first.peer]?.reason == "gone")
        #expect(monitor.upCount == 1)
        #expect(monitor.peerUp(first, firstUp, now: 3) == [])
        monitor.sessionEnded(now: 4)
        #expect(monitor.upCount == 0)
        #expect(monitor.peerUp(first, firstUp, now: 5) == [], "its routes are refreshed in place")
        #expect(monitor.identifier(of: first.peer, path: nil) == 1)
        #expect(monitor.peerDown(second, "gone", now: 6) == [2], "stale ones leave too")
    }

    @Test("a Peer Up of a peer that is up takes its routes away first, where it has any")
    func again() throws {
        var monitor = self.monitor()
        let (header, up) = try Self.up(1)
        _ = monitor.peerUp(header, up, now: 1)
        #expect(monitor.peerUp(header, up, now: 2) == [])
        #expect(monitor.identifier(of: header.peer, path: nil, isAnnounced: false) == 1)
        #expect(monitor.peerDown(header, "gone", now: 3) == [])
        _ = monitor.peerUp(header, up, now: 4)
        _ = monitor.identifier(of: header.peer, path: nil)
        #expect(monitor.peerUp(header, up, now: 5) == [1])
        #expect(monitor.peerUp(header, up, now: 6) == [])
    }

    @Test("a Peer Down of a peer that never was up means nothing")
    func downFirst() throws {
        var monitor = self.monitor()
        let (header, _) = try Self.up(1)
        #expect(monitor.peerDown(header, "never there", now: 1) == [])
        #expect(monitor.peers.isEmpty)
    }

    @Test("UPDATEs of peers that are not up can't be read, but for the router's own choice")
    func contexts() throws {
        var monitor = self.monitor()
        let (header, up) = try Self.up(1)
        #expect(monitor.context(of: header, now: 1) == nil)
        _ = monitor.peerUp(header, up, now: 1)
        #expect(monitor.context(of: header, now: 1)?.fourOctetAS == true)
        var old = header
        old.flags = .twoOctetAS
        #expect(monitor.context(of: old, now: 1)?.fourOctetAS == false)
        #expect(monitor.context(of: header, now: 1)?.fourOctetAS == true)
        _ = monitor.peerDown(header, "gone", now: 1)
        #expect(monitor.context(of: header, now: 1) == nil)
        let (chosen, _) = try Self.up(0, kind: 3)
        #expect(monitor.context(of: chosen, now: 1)?.addPath == [])
        #expect(monitor.peers[chosen.peer]?.isUp == true)
    }

    @Test("paths of a peer with ADD-PATH have identifiers of their own")
    func paths() throws {
        var monitor = self.monitor()
        let (first, firstUp) = try Self.up(1, modes: (1, 2))
        let (second, secondUp) = try Self.up(2, modes: (1, 2))
        _ = monitor.peerUp(first, firstUp, now: 1)
        _ = monitor.peerUp(second, secondUp, now: 1)
        #expect(monitor.context(of: first, now: 1)?.addPath == .ipv4)
        let identifiers = [
            monitor.identifier(of: first.peer, path: 7),
            monitor.identifier(of: first.peer, path: 8),
            monitor.identifier(of: second.peer, path: 7),
        ].compactMap(\.self)
        #expect(Set(identifiers).count == 3)
        #expect(identifiers.allSatisfy { $0 >= BMPMonitor.firstPath })
        #expect(monitor.identifier(of: first.peer, path: 7) == identifiers[0])
        #expect(monitor.peerDown(first, "gone", now: 2) == [1] + identifiers[..<2])
    }

    @Test("there are no more peers up than allowed, and no more paths than can be told apart")
    func limits() throws {
        var monitor = self.monitor()
        for address in 1...5 as ClosedRange<UInt8> {
            let (header, up) = try Self.up(address)
            _ = monitor.peerUp(header, up, now: 1)
        }
        #expect(monitor.peers.count == 3)
        #expect(monitor.refusedPeers == 2)
        let (header, _) = try Self.up(1)
        for path in 0..<UInt32(BMPMonitor.maximumPaths) {
            _ = monitor.identifier(of: header.peer, path: path)
        }
        #expect(monitor.refusedPaths == 0)
        #expect(monitor.identifier(of: header.peer, path: .max) == nil)
        #expect(monitor.refusedPaths == 1)
    }

    @Test("peers that come and go, and all their paths, take no more room than there is")
    func reuse() throws {
        var monitor = self.monitor()
        var leaving: [UInt32] = []
        for round in 0..<300 as Range<UInt32> {
            let (header, up) = try Self.up(UInt8(round % 250))
            leaving += monitor.peerUp(header, up, now: Int64(round))
            #expect(monitor.identifier(of: header.peer, path: nil).map { $0 <= 3 } == true)
            let paths = (0..<1000 as Range<UInt32>).map {
                monitor.identifier(of: header.peer, path: round << 16 | $0)
            }
            #expect(paths.allSatisfy { $0.map { $0 < BMPMonitor.firstPath + 1000 } == true })
            leaving += monitor.peerDown(header, "gone", now: Int64(round))
        }
        #expect(monitor.peers.count == 3)
        #expect(monitor.refusedPeers == 0 && monitor.refusedPaths == 0)
        #expect(leaving.count == 300 * 1001, "each left before it was another's")
    }

    @Test("a withdrawal of what was never announced takes no identifier")
    func withdrawals() throws {
        var monitor = self.monitor()
        let (header, up) = try Self.up(1, modes: (1, 2))
        _ = monitor.peerUp(header, up, now: 1)
        let withdrawn = (0..<UInt32(BMPMonitor.maximumPaths) + 10).compactMap {
            monitor.identifier(of: header.peer, path: $0, isAnnounced: false)
        }
        #expect(withdrawn.isEmpty)
        let first = monitor.identifier(of: header.peer, path: 5)
        #expect(first == BMPMonitor.firstPath)
        #expect(monitor.identifier(of: header.peer, path: 5, isAnnounced: false) == first)
        #expect(monitor.refusedPaths == 0)
    }

    @Test("paths of a lost session keep their identifiers until the next one has told all")
    func stalePaths() throws {
        var monitor = self.monitor()
        let (header, up) = try Self.up(1, modes: (1, 2))
        _ = monitor.peerUp(header, up, now: 1)
        let before = (0..<4).map { monitor.identifier(of: header.peer, path: $0) }
        monitor.sessionEnded(now: 2)
        #expect(monitor.peerUp(header, up, now: 3) == [])
        #expect(monitor.identifier(of: header.peer, path: 2) == before[2])
        #expect(
            monitor.identifier(of: header.peer, path: 1, isAnnounced: false) == before[1],
            "a stale one may be withdrawn")
        let new = monitor.identifier(of: header.peer, path: 9)
        #expect(!before.contains(new))
        monitor.staleLeft()
        #expect(monitor.identifier(of: header.peer, path: 1, isAnnounced: false) == nil)
        let reused = (20..<23).map { monitor.identifier(of: header.peer, path: $0) }
        #expect(Set(reused) == Set([before[0], before[1], before[3]]))
        #expect(monitor.peerDown(header, "gone", now: 4).count == 6)
    }

    @Test("room is made by who is down, and stale routes leave last")
    func room() throws {
        var monitor = self.monitor()
        var headers: [BMPPeerHeader] = []
        for address in 1...3 as ClosedRange<UInt8> {
            let (header, up) = try Self.up(address)
            headers.append(header)
            _ = monitor.peerUp(header, up, now: 1)
            _ = monitor.identifier(of: header.peer, path: nil)
        }
        monitor.sessionEnded(now: 2)
        _ = monitor.peerUp(headers[1], try Self.up(2).1, now: 3)
        #expect(monitor.peerDown(headers[1], "gone", now: 4) == [2])
        let (fourth, up) = try Self.up(4)
        #expect(monitor.peerUp(fourth, up, now: 5) == [], "the second has left nothing")
        #expect(monitor.peers[headers[1].peer] == nil)
        let (fifth, _) = try Self.up(5)
        #expect(monitor.peerUp(fifth, up, now: 6) == [1], "a stale one's")
        monitor.maximumPeers = 1
        let (sixth, _) = try Self.up(6)
        #expect(monitor.peerUp(sixth, up, now: 7) == [3], "the last stale one's")
        #expect(monitor.refusedPeers == 1, "those that are up stay")
        #expect(monitor.peers.count == 2)
    }

    @Test("all have told all when each that is up has ended each family")
    func ended() throws {
        var monitor = self.monitor()
        #expect(!monitor.hasEnded)
        let (first, firstUp) = try Self.up(1)
        let (second, secondUp) = try Self.up(2)
        _ = monitor.peerUp(first, firstUp, now: 1)
        _ = monitor.peerUp(second, secondUp, now: 1)
        for peer in [first.peer, second.peer] {
            #expect(!monitor.hasEnded)
            monitor.noteUpdate(of: peer, endOfRIB: .ipv4)
            monitor.noteUpdate(of: peer, endOfRIB: nil)
            #expect(!monitor.hasEnded)
            monitor.noteUpdate(of: peer, endOfRIB: .ipv6)
        }
        #expect(monitor.hasEnded)
        #expect(monitor.peers[first.peer]?.updates == 3)
        _ = monitor.peerUp(second, secondUp, now: 2)
        #expect(!monitor.hasEnded)
        _ = monitor.peerDown(second, "gone", now: 3)
        #expect(monitor.hasEnded)
    }
}
