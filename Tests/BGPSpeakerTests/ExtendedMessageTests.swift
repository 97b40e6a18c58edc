// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import Testing

@Suite("Messages of 65,535 bytes (RFC 8654)", .timeLimit(.minutes(2)))
struct ExtendedMessageTests {
    /// An UPDATE of the longest, with the number of prefixes in it.
    static func longest() -> (bytes: [UInt8], prefixes: Int) {
        let attributes: [UInt8] = [
            0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0, 7, 0x40, 3, 4, 192, 0, 2, 1,
        ]
        var announced: [UInt8] = []
        let room = 65535 - 23 - attributes.count
        var number: UInt32 = 0x0a00_00
        while announced.count + 4 <= room {
            announced += [
                24, UInt8(number >> 16 & 255), UInt8(number >> 8 & 255), UInt8(number & 255),
            ]
            number += 1
        }
        let bytes = ScriptedPeer.update(attributes: attributes, announced: announced)
        return (bytes, announced.count / 4)
    }

    @Test("are taken where both said so")
    func agreed() async throws {
        let (station, port) = try await SpeakerTests.station()
        let peer = try await ScriptedPeer.dial(port: port)
        try await peer.establish(capabilities: [.multiprotocol(.ipv4), .extendedMessage])
        let (bytes, prefixes) = Self.longest()
        #expect(bytes.count > 65500)
        try await peer.send(bytes)
        let isThere = try await eventually {
            try await station.status().counters.announced == prefixes
        }
        let status = try await station.status()
        #expect(isThere, "\(status.counters.announced) of \(prefixes)")
        #expect(status.state == .established)
        try await station.stop()
    }

    @Test("end the session where they were not agreed")
    func notAgreed() async throws {
        let (station, port) = try await SpeakerTests.station()
        let peer = try await ScriptedPeer.dial(port: port)
        try await peer.establish(capabilities: [.multiprotocol(.ipv4)])
        let (bytes, _) = Self.longest()
        // It may be closed before all of it has gone.
        try? await peer.send(bytes)
        let notification = try await peer.notification()
        #expect(notification == .header(.badLength, data: Array(bytes[16...17])))
        #expect(try await station.status().counters.announced == 0)
        try await station.stop()
    }
}
