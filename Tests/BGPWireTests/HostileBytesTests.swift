// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import Testing

/// Any bytes: nothing here may stop the process, and what comes out must be consistent.
@Suite("Hostile bytes")
struct HostileBytesTests {
    static let contexts: [DecodeContext] = [
        external, internalContext, DecodeContext(fourOctetAS: false, isInternal: false),
        DecodeContext(fourOctetAS: true, isInternal: true, addPath: .both),
        DecodeContext(fourOctetAS: true, isInternal: false, families: []),
        .tableDump, .tableDumpV2,
    ]

    static let update = updateBody(
        withdrawn: hex("08 0a 18 c63364"),
        attributes: Sound.mandatory + hex("80 04 04 00000064 40 05 04 000000c8 40 06 00")
            + hex("c0 07 08 00010001 c0000207 c0 08 08 fde90001 ffffff01")
            + hex("80 09 04 0a000001 80 0a 08 0a000002 0a000003 c0 10 08 0002fde900000001")
            + hex("c0 11 06 02 01 00010000 c0 12 08 00010000 c0000201")
            + hex("c0 20 0c 00010001 00000002 00000003 c0 23 04 0000fde9")
            + hex("80 0e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8")
            + hex("90 0f 000a 0002 01 30 20010db80001 d0 63 0003 010203"),
        announced: Sound.prefix + hex("20 c0000263 00"))

    func take(_ body: [UInt8]) {
        for context in Self.contexts {
            let update = UpdateDecoding.decode(body, context)
            _ = AttributeDecoding.decode(body, context)
            for complaint in update.attributes.complaints {
                _ = complaint.description
                _ = complaint.hexadecimal
            }
            if case .resetSession(let notification) = update.disposition {
                _ = notification.description
                #expect(notification.data.count <= Notification.maximumData)
                continue
            }
            var count = 0
            var ignored = 0
            do {
                try update.forEachWithdrawn(in: body.span.bytes, context: context) { _, _ in
                    count += 1
                }
                try update.forEachAnnounced(in: body.span.bytes, context: context) { _, _ in
                    count += 1
                }
                try update.forEachIgnored(in: body.span.bytes, context: context) { _, prefix in
                    #expect(prefix.isMulticast)
                    ignored += 1
                }
            } catch {
                Issue.record("prefixes were checked, but \(error)")
            }
            #expect(ignored == update.ignoredPrefixes)
            #expect(count + ignored <= body.count)
        }
    }

    @Test("every truncation of a good UPDATE")
    func truncations() {
        #expect(
            UpdateDecoding.decode(Self.update, internalContext).disposition <= .discardAttribute)
        for count in 0...Self.update.count { self.take(Array(Self.update.prefix(count))) }
    }

    @Test("every single bit flipped")
    func bitFlips() {
        for bit in 0..<8 * Self.update.count {
            var body = Self.update
            body[bit / 8] ^= 1 << UInt8(bit % 8)
            self.take(body)
        }
    }

    @Test("many bytes changed at random", arguments: [1, 2, 3, 4] as [UInt64])
    func mutations(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<2000 {
            var body = Self.update
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                body[Int.random(in: 0..<body.count, using: &random)] =
                    UInt8.random(in: 0...255, using: &random)
            }
            self.take(body)
        }
    }

    @Test("random bytes", arguments: [5, 6] as [UInt64])
    func noise(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<3000 {
            let body = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            self.take(body)
            _ = try? openMessage(body)
            _ = notification(body)?.description
            _ = try? refresh(body)
            _ = try? MessageFrame.read(body.span.bytes, at: 0, extendedMessages: true)
        }
    }

    @Test("every truncation and every flipped bit of a good OPEN")
    func open() throws {
        let open = OpenMessage(
            asNumber: 4_200_000_000, holdTimeSeconds: 90, identifier: 1,
            capabilities: [
                .multiprotocol(.ipv6), .routeRefresh,
                Capability(.gracefulRestart, hex("8078 0001 01 80")),
                Capability(.addPath, hex("0001 01 03")),
            ])
        let body = Array(OutgoingMessage.open(open).encoded().dropFirst(19))
        for count in 0..<body.count {
            #expect(throws: Notification.self) {
                try openMessage(Array(body.prefix(count)))
            }
        }
        for bit in 0..<8 * body.count {
            var flipped = body
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            guard let open = try? openMessage(flipped) else { continue }
            _ = open.capabilities.description
            _ = open.capabilities.families
            _ = open.capabilities.gracefulRestart
            _ = open.capabilities.addPath(sends: true)
            _ = open.asNumber
        }
    }
}
