// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import Testing

@Suite("Reading UPDATE")
struct UpdateDecodingTests {
    @Test("withdrawn and announced prefixes of both families")
    func whole() throws {
        let reach = hex("80 0e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8")
        let unreach = hex("80 0f 0a 0002 01 30 20010db80001")
        let body = updateBody(
            withdrawn: hex("08 0a  00"), attributes: reach + Sound.mandatory + unreach,
            announced: Sound.prefix + hex("20 c0000263"))
        let update = UpdateDecoding.decode(body)
        #expect(update.disposition == .accept)
        let (withdrawn, announced) = try update.changes(in: body)
        #expect(withdrawn.map(\.description) == ["10.0.0.0/8", "0.0.0.0/0", "2001:db8:1::/48"])
        #expect(
            announced.map(\.description) == ["2001:db8::/32", "192.0.2.0/24", "192.0.2.99/32"])
        #expect(update.endOfRIB == nil)
    }

    @Test("bits beyond a prefix's length don't matter")
    func strayBits() throws {
        let body = updateBody(attributes: Sound.mandatory, announced: hex("0b c0ff"))
        let update = UpdateDecoding.decode(body)
        #expect(try update.changes(in: body).announced == [prefix("192.224.0.0/11")])
    }

    @Test("withdrawals alone need no attributes")
    func withdrawOnly() {
        #expect(UpdateDecoding.decode(updateBody(withdrawn: hex("08 0a"))).disposition == .accept)
        let mp = updateBody(attributes: hex("80 0f 08 0002 01 20 20010db8"))
        #expect(UpdateDecoding.decode(mp).disposition == .accept)
    }

    @Test("what announces needs ORIGIN, AS_PATH and NEXT_HOP (RFC 7606 §3 (d))")
    func mandatory() {
        for (missing, attributes) in [
            (AttributeType.origin, Sound.path + Sound.nextHop),
            (.asPath, Sound.origin + Sound.nextHop), (.nextHop, Sound.origin + Sound.path),
        ] {
            let update = UpdateDecoding.decode(
                updateBody(attributes: attributes, announced: Sound.prefix))
            #expect(update.disposition == .treatAsWithdraw)
            #expect(update.attributes.complaints.map(\.type) == [missing])
        }
        let reach = hex("80 0e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8")
        let mp = updateBody(attributes: reach + Sound.origin + Sound.path)
        #expect(UpdateDecoding.decode(mp).disposition == .accept, "its next hop is in it")
    }

    @Test("from an internal peer, LOCAL_PREF too (RFC 4271 §5)")
    func localPreference() {
        let without = updateBody(attributes: Sound.mandatory, announced: Sound.prefix)
        var context = internalContext
        #expect(
            UpdateDecoding.decode(without, context).disposition == .accept,
            "records of others' sessions have none")
        context.requiresLocalPreference = true
        let update = UpdateDecoding.decode(without, context)
        #expect(update.disposition == .treatAsWithdraw)
        #expect(update.attributes.complaints.map(\.type) == [.localPreference])
        let with = updateBody(
            attributes: Sound.mandatory + hex("40 05 04 00000064"), announced: Sound.prefix)
        #expect(UpdateDecoding.decode(with, context).disposition == .accept)
    }

    @Test("a route that has leaked is not to be used (RFC 9234 §5)")
    func leaks() throws {
        let mark = hex("c0 23 04 0000fdea")
        let body = updateBody(attributes: Sound.mandatory + mark, announced: Sound.prefix)
        func context(_ rule: LeakRule) -> DecodeContext {
            DecodeContext(fourOctetAS: true, isInternal: false, leaks: rule)
        }
        let cases: [(LeakRule, Bool)] = [
            (.none, false), (.marked, true), (.markedByOther(than: 65002), false),
            (.markedByOther(than: 65001), true),
        ]
        for (rule, isLeak) in cases {
            let update = UpdateDecoding.decode(body, context(rule))
            #expect(update.disposition == (isLeak ? .ineligible : .accept))
            #expect(update.attributes.attributes.onlyToCustomer == 65002)
            #expect(
                try update.changes(in: body, context(rule)).announced == [prefix("192.0.2.0/24")])
        }
        let update = UpdateDecoding.decode(body, context(.marked))
        #expect(
            update.attributes.complaints.map(\.description) == [
                "ONLY_TO_CUSTOMER shows a route leak: AS 65002 marked it for customers only: "
                    + "routes not used"
            ])
        let unmarked = updateBody(attributes: Sound.mandatory, announced: Sound.prefix)
        #expect(UpdateDecoding.decode(unmarked, context(.marked)).disposition == .accept)
        // Errors are stronger, and a leak without a route is none.
        let malformed = updateBody(
            attributes: hex("40 01 01 09") + Sound.path + Sound.nextHop + mark,
            announced: Sound.prefix)
        #expect(UpdateDecoding.decode(malformed, context(.marked)).disposition == .treatAsWithdraw)
        let nothing = UpdateDecoding.decode(updateBody(attributes: mark), context(.marked))
        #expect(nothing.disposition == .ineligible)
    }

    @Test("nothing of routes and no route: errors reset the session (RFC 7606 §5.2)")
    func noRoute() {
        let harmless = UpdateDecoding.decode(updateBody(attributes: Sound.mandatory))
        #expect(harmless.disposition == .accept)
        let discarded = UpdateDecoding.decode(
            updateBody(attributes: Sound.mandatory + hex("40 06 01 00")))
        #expect(discarded.disposition == .discardAttribute)
        let malformed = UpdateDecoding.decode(updateBody(attributes: hex("40 01 01 09")))
        #expect(malformed.disposition == .resetSession(.update(.malformedAttributeList)))
        let withdrawOnly = UpdateDecoding.decode(
            updateBody(withdrawn: hex("08 0a"), attributes: hex("40 01 01 09")))
        #expect(withdrawOnly.disposition == .resetSession(.update(.malformedAttributeList)))
    }

    @Test("treated as withdrawn, the routes are still found")
    func withdrawnRoutes() throws {
        let body = updateBody(
            attributes: hex("40 01 01 09") + Sound.path + Sound.nextHop, announced: Sound.prefix)
        let update = UpdateDecoding.decode(body)
        #expect(update.disposition == .treatAsWithdraw)
        #expect(try update.changes(in: body).announced == [prefix("192.0.2.0/24")])
    }

    @Test("attributes that overrun leave the routes readable (RFC 7606 §4)")
    func overrun() throws {
        let body = updateBody(attributes: hex("40 01 05 00"), announced: Sound.prefix)
        let update = UpdateDecoding.decode(body)
        #expect(update.disposition == .treatAsWithdraw)
        #expect(try update.changes(in: body).announced == [prefix("192.0.2.0/24")])
    }

    @Test("lengths that don't fit the message reset the session")
    func lengths() {
        for body in [
            hex(""), hex("00"), hex("0000"), hex("0000 00"), hex("0001 0000"), hex("0000 0001"),
            hex("ffff 0000"), hex("0000 ffff 00"),
        ] {
            #expect(
                UpdateDecoding.decode(body).disposition
                    == .resetSession(.update(.malformedAttributeList)))
        }
    }

    @Test(
        "prefixes that can't be read reset the session (RFC 7606 §5.3)",
        arguments: ["21 0102030400", "18 c000", "20 c00002", "ff"])
    func malformedPrefixes(field: String) {
        let announced = UpdateDecoding.decode(
            updateBody(attributes: Sound.mandatory, announced: Sound.prefix + hex(field)))
        #expect(announced.disposition == .resetSession(.update(.invalidNetworkField)))
        let withdrawn = UpdateDecoding.decode(updateBody(withdrawn: hex(field)))
        #expect(withdrawn.disposition == .resetSession(.update(.invalidNetworkField)))
    }

    @Test("End-of-RIB, and what looks like it (RFC 4724 §2)")
    func endOfRIB() {
        #expect(UpdateDecoding.decode(updateBody()).endOfRIB == .ipv4)
        let ipv6 = updateBody(attributes: hex("80 0f 03 0002 01"))
        #expect(UpdateDecoding.decode(ipv6).endOfRIB == .ipv6)
        let ipv4 = updateBody(attributes: hex("90 0f 0003 0001 01"))
        #expect(UpdateDecoding.decode(ipv4).endOfRIB == .ipv4)
        let multicast = updateBody(attributes: hex("80 0f 03 0002 02"))
        #expect(UpdateDecoding.decode(multicast).endOfRIB == nil)
        let more = updateBody(attributes: Sound.origin + hex("80 0f 03 0002 01"))
        #expect(UpdateDecoding.decode(more).endOfRIB == nil)
        let full = updateBody(attributes: hex("80 0f 04 0002 01 00"))
        #expect(UpdateDecoding.decode(full).endOfRIB == nil)
    }

    @Test("multicast prefixes are ignored, those around them are not (RFC 4271 §6.3)")
    func multicast() throws {
        let ipv4 = updateBody(
            withdrawn: hex("04 e0"), attributes: Sound.mandatory,
            announced: Sound.prefix + hex("10 e001 18 c63364 08 ef 20 e0000001 18 cb0071"))
        var update = UpdateDecoding.decode(ipv4)
        #expect(update.disposition == .accept)
        #expect(update.attributes.complaintCount == 0)
        #expect(update.announcesPrefixes)
        #expect(update.ignoredPrefixes == 3)
        #expect(
            try update.ignored(in: ipv4) == ["224.1.0.0/16", "239.0.0.0/8", "224.0.0.1/32"])
        let changes = try update.changes(in: ipv4)
        #expect(changes.withdrawn.map(\.description) == ["224.0.0.0/4"])
        #expect(
            changes.announced.map(\.description) == [
                "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",
            ])

        let head = "0002 01 10 20010db8000000000000000000000001 00"
        let value = hex(head + "20 20010db8 10 ff0e 20 3fff0000 08 ff")
        let reach = hex("80 0e") + [UInt8(value.count)] + value
        let both = updateBody(
            attributes: reach + Sound.mandatory, announced: hex("05 e0") + Sound.prefix)
        update = UpdateDecoding.decode(both)
        #expect(update.disposition == .accept)
        #expect(update.ignoredPrefixes == 3)
        #expect(try update.ignored(in: both) == ["ff0e::/16", "ff00::/8", "224.0.0.0/5"])
        #expect(
            try update.changes(in: both).announced.map(\.description) == [
                "2001:db8::/32", "3fff::/32", "192.0.2.0/24",
            ])

        // RFC 4760 §3: IPv4 prefixes may stand in MP_REACH_NLRI too.
        let inReach = updateBody(
            attributes: hex("80 0e 10 0001 01 04 c0000201 00 04 e0 08 0a 10 0000")
                + Sound.mandatory)
        update = UpdateDecoding.decode(inReach)
        #expect(update.disposition == .accept)
        #expect(try update.ignored(in: inReach) == ["224.0.0.0/4"])
        #expect(
            try update.changes(in: inReach).announced.map(\.description) == [
                "10.0.0.0/8", "0.0.0.0/16",
            ])
    }

    @Test(
        "only what lies inside 224.0.0.0/4 and ff00::/8 is multicast",
        arguments: [
            ("0.0.0.0/0", false), ("128.0.0.0/1", false), ("192.0.0.0/2", false),
            ("224.0.0.0/3", false), ("127.0.0.0/8", false), ("223.255.255.0/24", false),
            ("223.255.255.255/32", false), ("224.0.0.0/4", true), ("224.0.0.0/32", true),
            ("239.255.255.255/32", true), ("240.0.0.0/4", false), ("255.255.255.255/32", false),
            ("::/0", false), ("8000::/1", false), ("fe00::/7", false), ("fe80::/10", false),
            ("fe00::/8", false), ("feff:ffff::/32", false), ("ff00::/8", true),
            ("ff00::/128", true), ("ff02::1/128", true), ("e000::/4", false),
            ("ffff:ffff:ffff:ffff::/64", true),
        ])
    func multicastBounds(text: String, isMulticast: Bool) throws {
        let block = try prefix(text)
        #expect(block.isMulticast == isMulticast)
        let encoded =
            [UInt8(block.length)] + block.address.bytes.prefix((block.length + 7) / 8)
        for addPath in [false, true] {
            // The byte behind a prefix of length 0 is the next one's: here, with path identifiers,
            // one that multicast addresses begin with. The prefix there is none of theirs.
            let next: [UInt8] =
                addPath ? [block.family == .ipv4 ? 0xe0 : 0xff, 0, 0, 2, 3, 0xe0] : [7, 0xff]
            let identifier: [UInt8] = addPath ? [0xe0, 0, 0, 1] : []
            var context = external
            if addPath { context.addPath = .both }
            let field = identifier + encoded + next
            let body: [UInt8]
            if block.family == .ipv4 {
                body = updateBody(attributes: Sound.mandatory, announced: field)
            } else {
                let value = hex("0002 01 10 20010db8000000000000000000000001 00") + field
                body = updateBody(
                    attributes: hex("80 0e") + [UInt8(value.count)] + value + Sound.mandatory)
            }
            let update = UpdateDecoding.decode(body, context)
            #expect(update.disposition == .accept)
            #expect(update.ignoredPrefixes == (isMulticast ? 1 : 0))
            #expect(try update.ignored(in: body, context) == (isMulticast ? [text] : []))
            let announced = try update.changes(in: body, context).announced
            #expect(announced.count == (isMulticast ? 1 : 2))
            #expect(announced.contains(block) == !isMulticast)
        }
    }

    @Test("multicast prefixes of messages that are malformed, or of families not negotiated")
    func multicastElsewhere() throws {
        let withdrawn = updateBody(
            attributes: hex("40 01 01 09") + Sound.path + Sound.nextHop,
            announced: hex("04 e0") + Sound.prefix)
        var update = UpdateDecoding.decode(withdrawn)
        #expect(update.disposition == .treatAsWithdraw)
        #expect(update.ignoredPrefixes == 1)
        #expect(try update.changes(in: withdrawn).announced == [prefix("192.0.2.0/24")])
        // All of them ignored: there was a prefix, and its attributes must be there.
        let alone = updateBody(attributes: Sound.origin, announced: hex("04 e0"))
        update = UpdateDecoding.decode(alone)
        #expect(update.disposition == .treatAsWithdraw)
        #expect(try update.changes(in: alone).announced.isEmpty)
        let unreadable = updateBody(attributes: Sound.mandatory, announced: hex("04 e0 21 00"))
        update = UpdateDecoding.decode(unreadable)
        #expect(update.disposition == .resetSession(.update(.invalidNetworkField)))
        #expect(update.ignoredPrefixes == 0)
        let unreach = updateBody(attributes: hex("80 0f 05 0002 01 08 ff"))
        update = UpdateDecoding.decode(unreach)
        #expect(update.disposition == .accept)
        #expect(update.ignoredPrefixes == 0)
        #expect(try update.changes(in: unreach).withdrawn == [prefix("ff00::/8")])
        let onlyIPv6 = DecodeContext(fourOctetAS: true, isInternal: false, families: .ipv6)
        let ipv4 = updateBody(attributes: Sound.mandatory, announced: hex("04 e0"))
        #expect(UpdateDecoding.decode(ipv4, onlyIPv6).ignoredPrefixes == 0)
        // The address family of SAFI 2 is another's: it is not looked into.
        let routing = updateBody(
            attributes: hex("80 0e 0b 0001 02 04 c0000201 00 04 e0") + Sound.mandatory)
        #expect(UpdateDecoding.decode(routing).ignoredPrefixes == 0)
    }

    @Test("IPv4 prefixes are passed by where only IPv6 was negotiated")
    func notNegotiated() throws {
        let context = DecodeContext(fourOctetAS: true, isInternal: false, families: .ipv6)
        let body = updateBody(attributes: Sound.mandatory, announced: hex("ff ff ff"))
        let update = UpdateDecoding.decode(body, context)
        #expect(update.disposition == .accept)
        #expect(try update.changes(in: body, context).announced.isEmpty)
    }

    @Test("path identifiers are read where they were negotiated, and only there (RFC 7911)")
    func addPath() throws {
        var context = external
        context.addPath = .ipv4
        let body = updateBody(
            withdrawn: hex("00000007 08 0a"), attributes: Sound.mandatory,
            announced: hex("00000001 18 c00002  00000002 18 c00002"))
        let update = UpdateDecoding.decode(body, context)
        var identifiers: [UInt32] = []
        try update.forEachAnnounced(in: body.span.bytes, context: context) { id, _ in
            identifiers.append(id)
        }
        #expect(identifiers == [1, 2])
        #expect(try update.changes(in: body, context).withdrawn == [prefix("10.0.0.0/8")])
    }
}

@Suite("Fields of prefixes")
struct NLRITests {
    @Test("random prefixes come back as they were written", arguments: [false, true])
    func roundTrip(addPath: Bool) throws {
        var random = SeededGenerator(seed: 0x4e4c_5249)
        for family in AddressFamily.allCases {
            var written: [IPPrefix] = []
            var bytes: [UInt8] = []
            for index in 0..<2000 {
                let high = UInt64.random(in: 0 ... .max, using: &random)
                let low = UInt64.random(in: 0 ... .max, using: &random)
                let length = Int.random(in: 0...family.width, using: &random)
                let block = IPPrefix(
                    masking: IPAddress(
                        family: family, leftAligned: UInt128(high) << 64 | UInt128(low)),
                    length: length)
                written.append(block)
                if addPath { bytes += [0, 0, UInt8(index >> 8), UInt8(index & 255)] }
                bytes.append(UInt8(length))
                bytes += block.address.bytes.prefix((length + 7) / 8)
            }
            var read: [IPPrefix] = []
            var identifiers: [UInt32] = []
            try NLRI.forEachPrefix(in: bytes.span.bytes, family: family, addPath: addPath) {
                identifiers.append($0)
                read.append($1)
            }
            #expect(read == written)
            #expect(identifiers == (0..<2000).map { addPath ? UInt32($0) : 0 })
            let count = try NLRI.check(bytes.span.bytes, family: family, addPath: addPath)
            #expect(count.prefixes == 2000)
            let multicast = try prefix(family == .ipv4 ? "224.0.0.0/4" : "ff00::/8")
            #expect(count.multicast == written.count { multicast.contains($0) })
            #expect(written.filter(\.isMulticast) == written.filter { multicast.contains($0) })
        }
    }

    @Test("an error says where it is; what came before was read")
    func errors() throws {
        let bytes = hex("08 0a  18 c00002  21 0000000000")
        var read: [IPPrefix] = []
        #expect(throws: NLRI.SyntaxError.self) {
            try NLRI.forEachPrefix(in: bytes.span.bytes, family: .ipv4, addPath: false) {
                read.append($1)
            }
        }
        #expect(read.count == 2)
        do {
            try NLRI.check(bytes.span.bytes, family: .ipv4, addPath: false)
            Issue.record("a length of 33 is none")
        } catch {
            #expect(error.reason == .lengthOutOfRange(33))
            #expect(error.offset == 6)
        }
    }
}
