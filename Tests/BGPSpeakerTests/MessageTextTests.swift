// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import RouteTable
import Testing

@Suite("Messages in words")
struct MessageTextTests {
    static let context = DecodeContext(fourOctetAS: true, isInternal: true)

    @Test("each kind in its own")
    func kinds() throws {
        func lines(_ message: OutgoingMessage) -> [String] {
            MessageText.lines(message.encoded(), context: Self.context)
        }
        let open = OpenMessage(
            asNumber: 65001, holdTimeSeconds: 90, identifier: 0xc000_0201,
            capabilities: [.multiprotocol(.ipv6), .routeRefresh])
        #expect(
            lines(.open(open)) == [
                "OPEN AS 65001, identifier 192.0.2.1, hold time 90",
                "  capabilities: \(open.capabilities)",
            ])
        #expect(lines(.keepalive) == ["KEEPALIVE"])
        #expect(
            lines(.notification(.cease(.administrativeShutdown, message: "tea")))
                == ["NOTIFICATION Cease/Administrative Shutdown: \"tea\""])
        #expect(lines(.routeRefresh(.ipv6)) == ["ROUTE-REFRESH: routes of IPv6 unicast, please"])
        #expect(lines(.endOfRIB(.ipv4)) == ["UPDATE: End-of-RIB, IPv4 unicast"])
    }

    @Test("an UPDATE with its attributes and prefixes; of many prefixes their number")
    func update() throws {
        let bytes = try ScriptedPeer.announce(["10.0.0.0/8", "192.0.2.0/24"])
        #expect(
            MessageText.lines(bytes, context: Self.context) == [
                "UPDATE of \(bytes.count) bytes", "  origin IGP, path 7",
                "  announced, next hop 192.0.2.1: 10.0.0.0/8 192.0.2.0/24",
            ])
        #expect(
            MessageText.lines(bytes, context: nil) == ["UPDATE of \(bytes.count) bytes"],
            "nobody has said how it is to be read")
        let multicast = try ScriptedPeer.announce(["224.1.0.0/16", "10.0.0.0/8", "239.0.0.0/8"])
        #expect(
            MessageText.lines(multicast, context: Self.context).dropFirst(2) == [
                "  announced, next hop 192.0.2.1: 10.0.0.0/8",
                "  ignored, being multicast: 224.1.0.0/16 239.0.0.0/8",
            ])
        let many = try ScriptedPeer.withdraw((0..<60).map { "10.0.\($0).0/24" })
        let lines = MessageText.lines(many, context: Self.context)
        #expect(lines.last?.hasSuffix("10.0.49.0/24 and 10 more") == true)
        let bad = try ScriptedPeer.announce(["10.0.0.0/8"], origin: [0x40, 1, 1, 9])
        #expect(
            MessageText.lines(bad, context: Self.context).contains {
                $0.hasPrefix("  ! ORIGIN has an undefined value: treated as withdrawn; bytes 40")
            })
    }

    @Test("communities of all four kinds")
    func communities() throws {
        let bytes = try ScriptedPeer.announce(
            ["10.0.0.0/8"],
            more: hex("c00808 fde80007 ffffff01")
                + hex("c01010 0002fde800000064 4300000000000002")
                + hex("c01914 0002 20010db8000000000000000000000001 0007")
                + hex("c0200c 0000fde8 00000001 00000002"))
        #expect(
            MessageText.lines(bytes, context: Self.context)[1]
                == "  origin IGP, path 7, communities 65000:7 no-export, extended communities "
                + "rt:65000:100 0x4300000000000002, IPv6 extended communities rt:2001:db8::1:7, large "
                + "communities 65000:1:2")
    }

    @Test("attributes that are passed by, with what their headers say")
    func passedBy() throws {
        let bytes = try ScriptedPeer.announce(
            ["10.0.0.0/8"],
            more: hex("801a0b 01000b0000000000000064") + hex("e063 01 00") + hex("d0280000"))
        #expect(
            MessageText.lines(bytes, context: Self.context).dropFirst().prefix(2) == [
                "  origin IGP, path 7",
                "  passed by: AIGP (type 26, optional, 11 bytes), attribute 99 (optional "
                    + "transitive partial, 1 byte), BGP Prefix-SID (type 40, optional transitive, "
                    + "0 bytes)",
            ])
    }

    @Test("any bytes can be shown", arguments: 0..<40 as Range<UInt64>)
    func noise(seed: UInt64) throws {
        var random = Jitter(seed: seed)
        var bytes = try ScriptedPeer.announce(["10.0.0.0/8", "192.0.2.0/24"])
        for _ in 0..<8 {
            bytes[.random(in: 0..<bytes.count, using: &random)] =
                .random(in: 0...255, using: &random)
        }
        for length in 0...bytes.count {
            #expect(!MessageText.lines(Array(bytes.prefix(length)), context: Self.context).isEmpty)
        }
    }

    @Test("who watches and doesn't read loses messages, and is told how many")
    func bounded() async throws {
        let watch = MessageWatch(now: { 1 })
        let session = TappedSession(
            feed: FeedID(1), name: "core", peerAddress: IPAddress(ipv4: 1), localAddress: nil,
            peerAS: 1, localAS: 2, context: nil)
        let message = [UInt8](repeating: 0, count: 4096)
        let count = 1000
        for _ in 0..<count { watch.message(message.span.bytes, .received, of: session) }
        let lines = watch.lines { sight in
            switch sight {
            case .message(let bytes, _, _, _): ["\(bytes.count)"]
            case .change: ["change"]
            case .missed(let count): ["missed \(count)"]
            case .end: ["end"]
            }
        }
        var iterator = lines.makeAsyncIterator()
        let first = await iterator.next()
        #expect(first == "4096")
        // There is room again: the next one is seen, after what was missed.
        watch.message(message.span.bytes, .sent, of: session)
        watch.finish()
        var seen = 1
        var missed: String?
        while let line = await iterator.next() {
            if line == "4096" { seen += 1 } else { missed = line }
        }
        #expect(seen <= MessageWatch.capacity / 4096 + 1)
        #expect(missed == "missed \(count + 1 - seen)")
    }
}
