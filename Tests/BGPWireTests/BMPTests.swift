// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import Testing

@Suite("BMP messages")
struct BMPTests {
    /// The message's body, its header checked and taken off.
    private func body(_ bytes: [UInt8]) throws -> (BMPMessageType, [UInt8]) {
        let frame = try #require(try BMPFrame.read(bytes.span.bytes, at: 0))
        #expect(frame.length == bytes.count)
        return (frame.type, Array(bytes[BMPFrame.headerLength...]))
    }

    private func decode(_ bytes: [UInt8]) throws -> BMPMessage {
        let (type, body) = try self.body(bytes)
        return try BMPMessage.decode(type, body: body.span.bytes)
    }

    private let bird = BMPPeerHeader.Peer(
        kind: .global, address: IPAddress(ipv4: 0x7f00_0029))

    private func peerUp(_ bytes: [UInt8]) throws -> (BMPPeerHeader, BMPPeerUp) {
        guard case .peerUp(let header, let up) = try self.decode(bytes) else {
            throw Unexpected()
        }
        return (header, up)
    }

    private struct Unexpected: Error {}

    /// The routes of a recorded Route Monitoring, read as its peer's Peer Up says.
    private func routes(_ bytes: [UInt8], _ up: BMPPeerUp) throws -> (BMPPeerHeader, [String]) {
        let (_, body) = try self.body(bytes)
        guard case .routeMonitoring(let header, let range) = try self.decode(bytes) else {
            throw Unexpected()
        }
        let context = up.context(of: header, keepsCommunities: false)
        let update = body.span.bytes.extracting(range)
        let decoding = UpdateDecoding.decode(update, context: context)
        #expect(decoding.disposition == .accept)
        var routes: [String] = []
        try decoding.forEachAnnounced(in: update, context: context) { _, prefix in
            routes.append("\(prefix) \(decoding.attributes.attributes.asPath ?? .empty)")
        }
        return (header, routes)
    }

    // MARK: FRR

    @Test("FRR says who it is")
    func initiationOfFRR() throws {
        let message = try self.decode(RecordedBMP.FRR.initiation)
        #expect(
            message == .initiation([.systemDescription("FRRouting 8.4.4"), .systemName("vm")]))
    }

    @Test(
        "a peer of FRR's comes up with both OPENs, and ADD-PATH that only one side offered isn't assumed"
    )
    func peerUpOfFRR() throws {
        let (header, up) = try self.peerUp(RecordedBMP.FRR.peerUp)
        #expect(header.peer == self.bird)
        #expect(header.view == .pre)
        #expect(header.asNumber == 64999)
        #expect(up.localAddress == IPAddress(ipv4: 0x7f00_002a))
        #expect(up.remotePort == 1841)
        #expect(up.sent.asNumber == 65042)
        #expect(up.received.asNumber == 64999)
        #expect(up.families == .both)
        #expect(up.sent.capabilities.addPath(sends: false) == .both)
        #expect(up.context(of: header, keepsCommunities: false).addPath == [])
    }

    @Test("FRR's routes before and after policy; it puts its own AS before the peer's path")
    func routesOfFRR() throws {
        let (_, up) = try self.peerUp(RecordedBMP.FRR.peerUp)
        let pre = try self.routes(RecordedBMP.FRR.prePolicy, up)
        #expect(pre.0.view == .pre)
        #expect(pre.1 == ["198.51.100.0/24 65042 64999"])
        let post = try self.routes(RecordedBMP.FRR.postPolicy, up)
        #expect(post.0.view == .post)
        #expect(post.0.peer == self.bird)
        #expect(post.1 == pre.1)
        #expect(
            try self.routes(RecordedBMP.FRR.postPolicyIPv6, up).1
                == ["2001:db8:abcd::/48 65042 64999"])
    }

    @Test("FRR's statistics, its mirrored messages, and a peer that is down")
    func restOfFRR() throws {
        guard case .statistics(_, let list) = try self.decode(RecordedBMP.FRR.statistics) else {
            throw Unexpected()
        }
        #expect(list.map(\.kind.rawValue) == [0, 4, 5, 3, 2, 11, 65531])
        #expect(list.first?.description == "prefixes rejected by policy: 0")
        guard
            case .routeMirroring(let header, let lost) = try self.decode(RecordedBMP.FRR.mirroring)
        else { throw Unexpected() }
        #expect(header.peer == self.bird)
        #expect(lost == 0)
        guard case .peerDown(let peer, let down) = try self.decode(RecordedBMP.FRR.peerDown)
        else { throw Unexpected() }
        #expect(peer.peer == self.bird)
        #expect(down == .localEvent(0))
    }

    // MARK: GoBGP

    @Test("GoBGP's peers and routes: before and after policy, and what it has chosen")
    func routesOfGoBGP() throws {
        #expect(
            try self.decode(RecordedBMP.GoBGP.initiation)
                == .initiation([.systemName("GoBGP"), .systemDescription("3.10.0")]))
        let (_, up) = try self.peerUp(RecordedBMP.GoBGP.peerUp)
        #expect(up.sent.asNumber == 65043)
        let pre = try self.routes(RecordedBMP.GoBGP.prePolicy, up)
        #expect(pre.1 == ["198.51.100.0/24 64999", "203.0.113.0/24 64999"])
        #expect(try self.routes(RecordedBMP.GoBGP.postPolicy, up).1 == ["198.51.100.0/24 64999"])
        let loc = try self.routes(RecordedBMP.GoBGP.locRIB, up)
        #expect(loc.0.view == .locRIB)
        #expect(loc.0.peer == BMPPeerHeader.Peer(kind: .locRIB, address: IPAddress(ipv4: 0)))
        #expect(loc.0.asNumber == 65043)
        #expect(loc.1 == ["198.51.100.0/24 64999"])
    }

    // MARK: What the recordings don't have

    @Test(
        "the O flag tells what a router sends to its peer (RFC 8671 §4.1)",
        arguments: [
            (0x00, BMPPeerHeader.View.pre), (0x40, .post), (0x10, .outPre), (0x50, .outPost),
        ] as [(UInt8, BMPPeerHeader.View)])
    func views(flags: UInt8, view: BMPPeerHeader.View) throws {
        let (_, up) = try self.peerUp(RecordedBMP.GoBGP.peerUp)
        var bytes = RecordedBMP.GoBGP.prePolicy
        bytes[7] = flags
        let (header, routes) = try self.routes(bytes, up)
        #expect(header.view == view)
        #expect(routes.count == 2)
    }

    @Test("the A flag means paths of two octets a number")
    func twoOctets() throws {
        let (_, up) = try self.peerUp(RecordedBMP.FRR.peerUp)
        let update = updateBody(
            attributes: Sound.origin + hex("40 02 06 02 02 fde9 04c5") + Sound.nextHop,
            announced: Sound.prefix)
        var bytes = RecordedBMP.FRR.prePolicy[..<48] + [UInt8](repeating: 0xff, count: 16)
        bytes += UInt16(19 + update.count).bytes + [2] + update
        bytes[7] = 0x20
        bytes.replaceSubrange(1..<5, with: UInt32(bytes.count).bytes)
        #expect(try self.routes(Array(bytes), up).1 == ["192.0.2.0/24 65001 1221"])
    }

    @Test("ADD-PATH is read where both OPENs have it, each view by its own direction")
    func addPath() throws {
        var (header, up) = try self.peerUp(RecordedBMP.FRR.peerUp)
        func offer(_ mode: UInt8) -> [Capability] { [Capability(.addPath, [0, 1, 1, mode])] }
        up.sent.capabilities = Capabilities(offer(1))
        up.received.capabilities = Capabilities(offer(2))
        func addPath(_ flags: UInt8, kind: BMPPeerHeader.Kind = .global) -> FamilySet {
            header.flags = .init(rawValue: flags)
            header.peer.kind = kind
            return up.context(of: header, keepsCommunities: false).addPath
        }
        #expect(addPath(0) == .ipv4)
        #expect(addPath(0x40) == .ipv4)
        #expect(addPath(0x10) == [])
        #expect(addPath(0, kind: .locRIB) == .ipv4)
        up.sent.capabilities = Capabilities(offer(2))
        up.received.capabilities = Capabilities(offer(1))
        #expect(addPath(0) == [])
        #expect(addPath(0x50) == .ipv4)
    }

    @Test("a Peer Down tells why, in words")
    func peerDown() throws {
        func reason(_ rest: [UInt8]) throws -> String {
            var bytes = RecordedBMP.FRR.peerDown[..<48] + rest
            bytes.replaceSubrange(1..<5, with: UInt32(bytes.count).bytes)
            guard case .peerDown(_, let down) = try self.decode(Array(bytes)) else {
                throw Unexpected()
            }
            return down.description
        }
        let notification =
            [UInt8](repeating: 0xff, count: 16) + UInt16(21).bytes + [3, 6, 2]
        #expect(
            try reason([1] + notification) == "the router closed it: Cease/Administrative Shutdown")
        #expect(
            try reason([3] + notification) == "the peer closed it: Cease/Administrative Shutdown")
        #expect(try reason([4]) == "the peer closed it without a NOTIFICATION")
        #expect(try reason([5]) == "it is monitored no more")
        #expect(try reason([6, 0, 3, 0, 1, 65]) == "its table is gone, table A")
        #expect(try reason([77]) == "reason 77")
        #expect(throws: BMPError.self) { try reason([1] + notification.dropLast(3)) }
        #expect(throws: BMPError.self) { try reason([2, 0]) }
    }

    @Test("a Termination tells why, and texts lose what would move a terminal's cursor")
    func termination() throws {
        let text = Array("bye\u{1b}[2J".utf8)
        let rest = [0, 0, 0, UInt8(text.count)] + text + [0, 1, 0, 2, 0, 2]
        let bytes = [3] + UInt32(6 + rest.count).bytes + [5] + rest
        #expect(try self.decode(bytes) == .termination([.text("bye[2J"), .reason(2)]))
        #expect(BMPInformation.reason(2).description == "out of resources")
    }

    @Test("statistics of a family, and gauges")
    func statistics() throws {
        let values =
            hex("00000002") + hex("0007 0008 0000000000000005")
            + hex("0009 000b 0002 01 0000000000000007")
        var bytes = RecordedBMP.FRR.statistics[..<48] + values
        bytes.replaceSubrange(1..<5, with: UInt32(bytes.count).bytes)
        guard case .statistics(_, let list) = try self.decode(Array(bytes)) else {
            throw Unexpected()
        }
        #expect(
            list.map(\.description) == [
                "routes before policy: 5", "routes before policy of a family (IPv6 unicast): 7",
            ])
    }

    // MARK: What can't be read

    @Test("headers that end the stream")
    func frames() throws {
        #expect(throws: BMPError.version(2)) { try BMPFrame.read(hex("02").span.bytes, at: 0) }
        #expect(throws: BMPError.length(5)) {
            try BMPFrame.read(hex("03 00000005 00").span.bytes, at: 0)
        }
        #expect(throws: BMPError.length(0x20001)) {
            try BMPFrame.read(hex("03 00020001 00").span.bytes, at: 0)
        }
        for count in 1..<6 {
            #expect(
                try BMPFrame.read(Array(RecordedBMP.FRR.peerUp[..<count]).span.bytes, at: 0) == nil)
        }
        #expect(try self.decode(hex("03 00000007 63 00")) == .unknown(.init(rawValue: 99)))
    }

    @Test("every truncation of every recorded message is an error or a shorter list")
    func truncations() throws {
        let recorded = [
            RecordedBMP.FRR.peerUp, RecordedBMP.FRR.peerDown, RecordedBMP.FRR.prePolicy,
            RecordedBMP.FRR.statistics, RecordedBMP.FRR.mirroring, RecordedBMP.GoBGP.peerUp,
            RecordedBMP.GoBGP.locRIB,
        ]
        for bytes in recorded {
            let (type, body) = try self.body(bytes)
            for count in 0..<body.count {
                let part = Array(body[..<count])
                do throws(BMPError) {
                    let message = try BMPMessage.decode(type, body: part.span.bytes)
                    switch message {
                    case .statistics, .peerUp, .routeMirroring: break
                    default: Issue.record("\(count) bytes of \(type) are no \(message)")
                    }
                } catch {
                    #expect(!error.description.isEmpty)
                }
            }
        }
    }
}

extension FixedWidthInteger {
    fileprivate var bytes: [UInt8] {
        withUnsafeBytes(of: self.bigEndian) { [UInt8]($0) }
    }
}
