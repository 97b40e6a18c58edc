// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import Testing

@Suite("Values of path attributes")
struct AttributeValueTests {
    @Test("all that is known is read")
    func values() throws {
        let bytes =
            Sound.mandatory + hex("80 04 04 00000064  40 05 04 000000c8  40 06 00")
            + hex("c0 07 08 00010001 c0000207  c0 08 08 fde90001 ffffff01")
            + hex("80 09 04 0a000001  80 0a 08 0a000002 0a000003")
            + hex("c0 10 08 0002fde900000001  c0 20 0c 00010001 00000002 00000003")
            + hex("c0 23 04 0000fde9  c0 28 02 0000")
        let decoding = AttributeDecoding.decode(bytes, internalContext)
        #expect(decoding.disposition == .accept)
        let attributes = decoding.attributes
        #expect(attributes.origin == 0)
        #expect(attributes.asPath == ASPath([65001, 1221]))
        #expect(attributes.nextHop == (try address("192.0.2.1")))
        #expect(attributes.multiExitDiscriminator == 100)
        #expect(attributes.localPreference == 200)
        #expect(attributes.isAtomicAggregate)
        #expect(attributes.aggregator?.asNumber == 65537)
        #expect(attributes.aggregator?.address == (try address("192.0.2.7")))
        #expect(attributes.communities == [0xfde9_0001, 0xffff_ff01])
        #expect(attributes.originatorID == 0x0a00_0001)
        #expect(attributes.clusterList == [0x0a00_0002, 0x0a00_0003])
        #expect(attributes.extendedCommunities == [0x0002_fde9_0000_0001])
        #expect(attributes.largeCommunities.map(\.description) == ["65537:2:3"])
        #expect(attributes.onlyToCustomer == 65001)
    }

    @Test("lists are checked but not kept where nobody wants them")
    func lean() {
        var context = external
        context.keepsCommunities = false
        let sound = AttributeDecoding.decode(hex("c0 08 04 fde90001"), context)
        #expect(sound.attributes.communities.isEmpty)
        #expect(sound.disposition == .accept)
        let malformed = AttributeDecoding.decode(hex("c0 08 03 fde900"), context)
        #expect(malformed.disposition == .treatAsWithdraw)
    }

    @Test("the first of two attributes counts")
    func repeated() {
        let decoding = AttributeDecoding.decode(hex("80 04 04 00000001 80 04 04 00000002"))
        #expect(decoding.attributes.multiExitDiscriminator == 1)
    }

    @Test("next hops of MP_REACH_NLRI, with and without a link-local one")
    func multiprotocolNextHop() throws {
        let global = "20010db8000000000000000000000001"
        let local = "fe800000000000000000000000000001"
        let one = AttributeDecoding.decode(
            hex("80 0e 1a 0002 01 10 \(global) 00 20 20010db8"))
        #expect(one.mpReach?.nextHop == (try address("2001:db8::1")))
        #expect(one.mpReach?.family == .ipv6)
        #expect(one.attributes.nextHop == nil)
        let two = AttributeDecoding.decode(
            hex("80 0e 2a 0002 01 20 \(global) \(local) 00 20 20010db8"))
        #expect(two.mpReach?.nextHop == (try address("2001:db8::1")))
        // RFC 8950: IPv4 prefixes, IPv6 next hop.
        let mixed = AttributeDecoding.decode(hex("80 0e 19 0001 01 10 \(global) 00 18 c00002"))
        #expect(mixed.mpReach?.family == .ipv4)
        #expect(mixed.disposition == .accept)
    }

    @Test("families that were not negotiated are not looked into")
    func notNegotiated() {
        let context = DecodeContext(fourOctetAS: true, isInternal: false, families: .ipv4)
        let decoding = AttributeDecoding.decode(
            hex("80 0e 0a 0002 01 04 ffffffff 00 ff"), context)
        #expect(decoding.disposition == .accept)
        #expect(decoding.mpReach?.family == nil)
        #expect(decoding.mpReach?.familyNumber == 2)
    }
}

@Suite("Communities of all kinds")
struct CommunityTests {
    static let route =
        hex("c0 19 28 0002 20010db8000000000000000000000001 0007")
        + hex("000b 20010db8000000000000000000000002 0000")

    @Test("IPv6 extended ones: type, address, number (RFC 5701 §2)")
    func ipv6() throws {
        let decoding = AttributeDecoding.decode(Self.route)
        let list = decoding.attributes.ipv6ExtendedCommunities
        #expect(list.map(\.type) == [0x0002, 0x000b])
        #expect(list.map(\.local) == [7, 0])
        #expect(list.first?.address == (try address("2001:db8::1")))
        #expect(
            list.map(\.description) == ["rt:2001:db8::1:7", "0x000b:2001:db8::2:0"])
        var context = external
        context.keepsCommunities = false
        let checked = AttributeDecoding.decode(Self.route, context)
        #expect(checked.attributes.ipv6ExtendedCommunities.isEmpty)
    }

    @Test("those of long-lived restarts are known even where none are kept (RFC 9494)")
    func staleMarks() {
        var context = external
        context.keepsCommunities = false
        func marks(_ text: String) -> PathAttributes.StaleMarks {
            AttributeDecoding.decode(hex(text), context).attributes.staleMarks
        }
        #expect(marks("c0 08 04 fde90006") == [])
        #expect(marks("c0 08 08 fde90001 ffff0006") == .longLivedStale)
        #expect(marks("c0 08 04 ffff0007") == .notLongLived)
        #expect(marks("c0 08 08 ffff0007 ffff0006") == [.longLivedStale, .notLongLived])
        #expect(marks("c0 08 06 ffff0007 ffff") == [], "of a malformed list nothing counts")
    }

    @Test("large ones count once each, in their order (RFC 8092 §3)")
    func largeOnce() {
        let twice =
            hex("c0 20 24 00000001 00000002 00000003 00000001 00000000 00000003")
            + hex("00000001 00000002 00000003")
        let list = AttributeDecoding.decode(twice).attributes.largeCommunities
        #expect(list.map(\.description) == ["1:2:3", "1:0:3"])
    }
}

@Suite("Attributes in table dumps")
struct TableDumpAttributeTests {
    static let global = "20010db8000000000000000000000001"

    @Test("an abbreviated MP_REACH_NLRI gives the next hop (RFC 6396 §4.3.4)")
    func abbreviated() throws {
        let decoding = AttributeDecoding.decode(
            hex("80 0e 11 10 \(Self.global)"), .tableDumpV2)
        #expect(decoding.attributes.nextHop == (try address("2001:db8::1")))
        #expect(decoding.disposition == .accept)
        let two = AttributeDecoding.decode(
            hex("80 0e 21 20 \(Self.global) fe800000000000000000000000000001"), .tableDumpV2)
        #expect(two.attributes.nextHop == (try address("2001:db8::1")))
    }

    @Test("a whole MP_REACH_NLRI does too", arguments: [DecodeContext.tableDump, .tableDumpV2])
    func whole(context: DecodeContext) throws {
        let decoding = AttributeDecoding.decode(
            hex("80 0e 1a 0002 01 10 \(Self.global) 00 20 20010db8"), context)
        #expect(decoding.attributes.nextHop == (try address("2001:db8::1")))
    }

    @Test("AS numbers take two octets in TABLE_DUMP, with AS4_PATH merged")
    func twoOctets() {
        let decoding = AttributeDecoding.decode(
            hex("40 02 06 02 02 fde9 5ba0  c0 11 06 02 01 00010000"), .tableDump)
        #expect(decoding.attributes.asPath == ASPath([65001, 65536]))
    }

    @Test("TABLE_DUMP_V2 has merged AS4_PATH already")
    func fourOctets() {
        let decoding = AttributeDecoding.decode(
            hex("40 02 06 02 01 00010000  c0 11 06 02 01 00000001"), .tableDumpV2)
        #expect(decoding.attributes.asPath == ASPath([65536]))
        #expect(decoding.disposition == .accept)
    }
}
