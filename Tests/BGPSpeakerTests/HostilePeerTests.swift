// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import RouteTable
import Testing

/// One peer that behaves, with a short hold time, beside others that don't.
@Suite("Peers that harm nobody", .serialized, .timeLimit(.minutes(5)))
struct HostilePeerTests {
    /// How long they have for it: longer than the hold time.
    private static let time = Duration.seconds(7)

    /// What one of them does, again and again.
    enum Conduct: String, CaseIterable {
        case sendsRoutesWithoutEnd, sendsKeepalivesWithoutEnd, oneByteAtATime, garbage, nothing
        case silentAfterOpen, halfAMessage, opensAndCloses, stranger
    }

    private static func settings() throws -> [PeerSettings] {
        try (0..<2).map { index in
            var peer = try SpeakerTests.peer()
            peer.name = index == 0 ? "good" : "bad"
            peer.feed = FeedID(UInt16(1 + index))
            peer.peerAddress = IPAddress(ipv4: 0x7f00_0002 + UInt32(index))
            peer.holdTime = 6
            return peer
        }
    }

    @Test(
        "whatever one does, another's session goes on and its routes come in time",
        arguments: Conduct.allCases)
    func harmless(conduct: Conduct) async throws {
        let station = try await Station(
            SpeakerSettings(listen: try SpeakerTests.listen(), peers: try Self.settings()))
        let port = try #require(station.port)
        let good = try await ScriptedPeer.dial(port: port)
        try await good.establish(holdTime: 6)
        let keepalives = Task {
            while true {
                try await good.send(.keepalive)
                try await ContinuousClock().sleep(for: .milliseconds(500))
            }
        }
        let bad = Task { while !Task.isCancelled { try? await Self.behave(conduct, port) } }
        for family in AddressFamily.allCases { try await good.send(.endOfRIB(family)) }
        var reader = try station.owner.lookup.makeReader()
        let end = ContinuousClock.now + Self.time
        var number: UInt32 = 0
        while ContinuousClock.now < end {
            number += 1
            let address = IPAddress(ipv4: 0xc000_0000 + number)
            try await good.send(try ScriptedPeer.announce(["\(address)/32"]))
            let isThere = try await eventually(within: .seconds(4)) {
                reader.withSnapshot { snapshot in
                    snapshot.values(ofClass: snapshot.classID(of: address))
                        .distance(of: SiteID(0)) != nil
                }
            }
            #expect(isThere, "\(address)")
        }
        // The writer takes from all in turn: beside one that sends all it can, a route is there in
        // a tenth of a second; a busy machine may take longer now and then.
        #expect(number > 20, "the shorter they wait, the more there are")
        let status = try await station.status()
        #expect(status.state == .established)
        #expect(status.counters.established == 1)
        // One is due every two seconds.
        #expect(good.keepalives >= 2)
        bad.cancel()
        keepalives.cancel()
        await good.close()
        await bad.value
        try await station.stop()
    }

    private static func behave(_ conduct: Conduct, _ port: UInt16) async throws {
        let address = conduct == .stranger ? "127.0.0.77" : "127.0.0.3"
        let peer = try await ScriptedPeer.dial(port: port, from: address)
        defer { Task { await peer.close() } }
        switch conduct {
        case .sendsRoutesWithoutEnd:
            try await peer.establish(holdTime: 6)
            // Ever new ones.
            var block: UInt32 = 0x0100_0000 >> 8
            while !Task.isCancelled {
                block &+= 1
                let prefixes = (0..<200 as Range<UInt32>).map {
                    "\(IPAddress(ipv4: block << 8 | $0))/32"
                }
                try await peer.send(try ScriptedPeer.announce(prefixes))
            }
        case .sendsKeepalivesWithoutEnd:
            try await peer.establish(holdTime: 6)
            let many = Array(repeatElement(OutgoingMessage.keepalive.encoded(), count: 1000))
                .flatMap(\.self)
            while !Task.isCancelled { try await peer.send(many) }
        case .oneByteAtATime:
            try await peer.establish(holdTime: 6)
            let update = try ScriptedPeer.announce((0..<200).map { "10.0.0.\($0)/32" })
            while !Task.isCancelled {
                for byte in update where !Task.isCancelled { try await peer.send([byte]) }
            }
        case .garbage:
            try await peer.establish(holdTime: 6)
            try await peer.send((0..<4096).map { _ in .random(in: 0...255) })
        case .nothing:
            while !Task.isCancelled { try await ContinuousClock().sleep(for: .seconds(1)) }
        case .silentAfterOpen:
            try await peer.establish(holdTime: 6)
            while !Task.isCancelled { try await ContinuousClock().sleep(for: .seconds(1)) }
        case .halfAMessage:
            try await peer.establish(holdTime: 6)
            try await peer.send([UInt8](repeating: 0xff, count: 16) + [0x10, 0, 2, 0])
            while !Task.isCancelled { try await ContinuousClock().sleep(for: .seconds(1)) }
        case .opensAndCloses, .stranger: break
        }
    }
}
