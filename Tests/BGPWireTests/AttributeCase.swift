// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import Testing

/// One attribute, alone, and what RFC 7606 makes of it on a kind of session.
struct AttributeCase: CustomTestStringConvertible, Sendable {
    enum Session: String, Sendable, CaseIterable {
        case external, internalPeer, confederation, twoOctet

        var context: DecodeContext {
            switch self {
            case .external: DecodeContext(fourOctetAS: true, isInternal: false)
            case .internalPeer: DecodeContext(fourOctetAS: true, isInternal: true)
            case .confederation:
                DecodeContext(fourOctetAS: true, isInternal: false, isConfederation: true)
            case .twoOctet: DecodeContext(fourOctetAS: false, isInternal: false)
            }
        }
    }

    enum Outcome: Sendable { case accept, discard, withdraw, reset(UInt8) }

    var name: String
    var bytes: [UInt8]
    var context: DecodeContext
    var outcome: Outcome

    var testDescription: String { self.name }

    private init(_ name: String, _ bytes: String, _ outcome: Outcome, in context: DecodeContext) {
        self.name = name
        self.bytes = hex(bytes)
        self.context = context
        self.outcome = outcome
    }

    /// Wherever it comes from.
    private static func any(
        _ name: String, _ bytes: String, _ outcome: Outcome
    ) -> [AttributeCase] {
        Session.allCases.map {
            AttributeCase("\(name), \($0.rawValue)", bytes, outcome, in: $0.context)
        }
    }

    /// From a peer inside (of our AS, or our confederation) one thing, from outside another.
    private static func by(
        _ name: String, _ bytes: String, inside: Outcome, outside: Outcome
    ) -> [AttributeCase] {
        Session.allCases.map {
            let isInside = $0 == .internalPeer || $0 == .confederation
            return AttributeCase(
                "\(name), \($0.rawValue)", bytes, isInside ? inside : outside, in: $0.context)
        }
    }

    /// AS numbers of four octets one thing, of two another.
    private static func size(
        _ name: String, _ bytes: String, four: Outcome, two: Outcome
    ) -> [AttributeCase] {
        Session.allCases.map {
            AttributeCase(
                "\(name), \($0.rawValue)", bytes, $0 == .twoOctet ? two : four, in: $0.context)
        }
    }

    private static func one(
        _ name: String, _ bytes: String, _ outcome: Outcome, in context: DecodeContext
    ) -> [AttributeCase] {
        [AttributeCase(name, bytes, outcome, in: context)]
    }

    static let all: [AttributeCase] =
        Self.origins + Self.paths + Self.nextHops + Self.numbers + Self.aggregates
        + Self.communities + Self.reflection + Self.reachability + Self.olderSpeakers
        + Self.rolesAndOthers + Self.lists

    /// RFC 7606 §7.1.
    static let origins = [
        any("ORIGIN IGP", "40 01 01 00", .accept),
        any("ORIGIN EGP", "40 01 01 01", .accept),
        any("ORIGIN INCOMPLETE", "40 01 01 02", .accept),
        any("ORIGIN with a long length (§4)", "50 01 0001 00", .accept),
        any("ORIGIN with meaningless flag bits", "4f 01 01 00", .accept),
        // RFC 7606 §3 (c) judges by two bits only.
        any("ORIGIN partial", "60 01 01 00", .accept),
        any("ORIGIN 3", "40 01 01 03", .withdraw),
        any("ORIGIN 4", "40 01 01 04", .withdraw),
        any("ORIGIN 255", "40 01 01 ff", .withdraw),
        any("ORIGIN empty", "40 01 00", .withdraw),
        any("ORIGIN of two bytes", "40 01 02 0000", .withdraw),
        any("ORIGIN optional", "c0 01 01 00", .withdraw),
        any("ORIGIN not transitive", "00 01 01 00", .withdraw),
        any("ORIGIN optional, not transitive", "80 01 01 00", .withdraw),
    ].flatMap { $0 }

    /// RFC 7606 §7.2, RFC 7607, RFC 5065 §5.
    static let paths = [
        any("AS_PATH empty", "40 02 00", .accept),
        size("AS_PATH of four octets", "40 02 06 02 01 0001fde9", four: .accept, two: .withdraw),
        size("AS_PATH of two octets", "40 02 06 02 02 fde9 04c5", four: .withdraw, two: .accept),
        size(
            "AS_PATH with a set", "40 02 10 02 01 00000001 01 02 00000002 00000003",
            four: .accept, two: .withdraw),
        any("AS_PATH partial", "60 02 00", .accept),
        any("AS_PATH optional", "c0 02 00", .withdraw),
        any("AS_PATH not transitive", "00 02 00", .withdraw),
        any("AS_PATH with one byte", "40 02 01 02", .withdraw),
        any("AS_PATH, segment overrun", "40 02 06 02 ff 0000fde9", .withdraw),
        any("AS_PATH, segment underrun", "40 02 07 02 01 0000fde9 02", .withdraw),
        any("AS_PATH with an empty segment", "40 02 02 02 00", .withdraw),
        any("AS_PATH with an empty segment at last", "40 02 08 02 01 0000fde9 0200", .withdraw),
        any("AS_PATH with segment type 0", "40 02 06 00 01 0000fde9", .withdraw),
        any("AS_PATH with segment type 5", "40 02 06 05 01 0000fde9", .withdraw),
        any("AS_PATH with segment type 255", "40 02 06 ff 01 0000fde9", .withdraw),
        size("AS_PATH with AS 0", "40 02 06 02 01 00000000", four: .withdraw, two: .withdraw),
        any("AS_PATH with AS 0 in a set", "40 02 0a 01 02 0000fde9 00000000", .withdraw),
        size(
            "AS_PATH of two octets with AS 0", "40 02 04 02 01 0000", four: .withdraw,
            two: .withdraw),
        by(
            "AS_PATH with a confederation sequence", "40 02 06 03 01 0000fde9",
            inside: .accept, outside: .withdraw),
        by(
            "AS_PATH with a confederation set", "40 02 06 04 01 0000fde9",
            inside: .accept, outside: .withdraw),
    ].flatMap { $0 }

    /// RFC 7606 §7.3, RFC 4271 §6.3.
    static let nextHops = [
        any("NEXT_HOP", "40 03 04 c0000201", .accept),
        any("NEXT_HOP on loopback", "40 03 04 7f000001", .accept),
        any("NEXT_HOP of no byte", "40 03 00", .withdraw),
        any("NEXT_HOP of 3 bytes", "40 03 03 c00002", .withdraw),
        any("NEXT_HOP of 5 bytes", "40 03 05 c000020100", .withdraw),
        any("NEXT_HOP of 16 bytes", "40 03 10 20010db8000000000000000000000001", .withdraw),
        any("NEXT_HOP 0.0.0.0", "40 03 04 00000000", .withdraw),
        any("NEXT_HOP multicast", "40 03 04 e0000001", .withdraw),
        any("NEXT_HOP 255.255.255.255", "40 03 04 ffffffff", .withdraw),
        any("NEXT_HOP optional", "c0 03 04 c0000201", .withdraw),
        any("NEXT_HOP not transitive", "00 03 04 c0000201", .withdraw),
        one(
            "NEXT_HOP of 16 bytes in a dump", "40 03 10 20010db8000000000000000000000001",
            .accept, in: .tableDumpV2),
    ].flatMap { $0 }

    /// RFC 7606 §7.4, §7.5.
    static let numbers = [
        any("MED", "80 04 04 00000064", .accept),
        any("MED empty", "80 04 00", .withdraw),
        any("MED of 3 bytes", "80 04 03 000064", .withdraw),
        any("MED of 5 bytes", "80 04 05 0000000064", .withdraw),
        any("MED transitive", "c0 04 04 00000064", .withdraw),
        any("MED well-known", "40 04 04 00000064", .withdraw),
        by("LOCAL_PREF", "40 05 04 00000064", inside: .accept, outside: .discard),
        by("LOCAL_PREF empty", "40 05 00", inside: .withdraw, outside: .discard),
        by("LOCAL_PREF of 3 bytes", "40 05 03 000064", inside: .withdraw, outside: .discard),
        by("LOCAL_PREF of 5 bytes", "40 05 05 0000000064", inside: .withdraw, outside: .discard),
        // §3 (h): of two errors the stronger holds.
        any("LOCAL_PREF optional", "c0 05 04 00000064", .withdraw),
    ].flatMap { $0 }

    /// RFC 7606 §7.6, §7.7, RFC 7607.
    static let aggregates = [
        any("ATOMIC_AGGREGATE", "40 06 00", .accept),
        any("ATOMIC_AGGREGATE with a byte", "40 06 01 00", .discard),
        any("ATOMIC_AGGREGATE optional", "c0 06 00", .withdraw),
        size("AGGREGATOR of 8 bytes", "c0 07 08 0000fde9 c0000201", four: .accept, two: .discard),
        size("AGGREGATOR of 6 bytes", "c0 07 06 fde9 c0000201", four: .discard, two: .accept),
        any("AGGREGATOR empty", "c0 07 00", .discard),
        any("AGGREGATOR of 5 bytes", "c0 07 05 0000fde90a", .discard),
        any("AGGREGATOR of 7 bytes", "c0 07 07 0000fde90a0000", .discard),
        any("AGGREGATOR of 9 bytes", "c0 07 09 0000fde90a00000200", .discard),
        any("AGGREGATOR of AS 0", "c0 07 08 00000000 c0000201", .discard),
        size(
            "AGGREGATOR of AS 0, two octets", "c0 07 06 0000 c0000201", four: .discard,
            two: .discard),
        any("AGGREGATOR not transitive", "80 07 08 0000fde9 c0000201", .withdraw),
        any("AGGREGATOR well-known", "40 07 08 0000fde9 c0000201", .withdraw),
    ].flatMap { $0 }

    /// RFC 7606 §7.8, §7.14, §7.15, RFC 8092 §6.
    static let communities = [
        any("COMMUNITIES", "c0 08 08 fde90001 fde90002", .accept),
        any("COMMUNITIES partial", "e0 08 04 fde90001", .accept),
        any("COMMUNITIES empty", "c0 08 00", .withdraw),
        any("COMMUNITIES of 3 bytes", "c0 08 03 fde900", .withdraw),
        any("COMMUNITIES of 5 bytes", "c0 08 05 fde9000100", .withdraw),
        any("COMMUNITIES not transitive", "80 08 04 fde90001", .withdraw),
        any("EXTENDED COMMUNITIES", "c0 10 08 0002fde900000001", .accept),
        any("EXTENDED COMMUNITIES empty", "c0 10 00", .withdraw),
        any("EXTENDED COMMUNITIES of 7 bytes", "c0 10 07 0002fde9000000", .withdraw),
        any("EXTENDED COMMUNITIES of 9 bytes", "c0 10 09 0002fde90000000100", .withdraw),
        any("EXTENDED COMMUNITIES not transitive", "80 10 08 0002fde900000001", .withdraw),
        any(
            "IPv6 EXTENDED COMMUNITIES", "c0 19 14 0002 20010db8000000000000000000000001 0001",
            .accept),
        any("IPv6 EXTENDED COMMUNITIES empty", "c0 19 00", .withdraw),
        any("IPv6 EXTENDED COMMUNITIES of 8 bytes", "c0 19 08 0002fde900000001", .withdraw),
        any(
            "IPv6 EXTENDED COMMUNITIES of 21 bytes",
            "c0 19 15 0002 20010db8000000000000000000000001 0001 00", .withdraw),
        any(
            "IPv6 EXTENDED COMMUNITIES not transitive",
            "80 19 14 0002 20010db8000000000000000000000001 0001", .withdraw),
        any("LARGE_COMMUNITY", "c0 20 0c 0000fde9 00000001 00000002", .accept),
        any("LARGE_COMMUNITY empty", "c0 20 00", .withdraw),
        any("LARGE_COMMUNITY of 8 bytes", "c0 20 08 0000fde900000001", .withdraw),
        any("LARGE_COMMUNITY of 13 bytes", "c0 20 0d 0000fde9000000010000000200", .withdraw),
        any("LARGE_COMMUNITY not transitive", "80 20 0c 0000fde90000000100000002", .withdraw),
    ].flatMap { $0 }

    /// RFC 7606 §7.9, §7.10.
    static let reflection = [
        by("ORIGINATOR_ID", "80 09 04 c0000201", inside: .accept, outside: .discard),
        by("ORIGINATOR_ID empty", "80 09 00", inside: .withdraw, outside: .discard),
        by("ORIGINATOR_ID of 3 bytes", "80 09 03 c00002", inside: .withdraw, outside: .discard),
        by("ORIGINATOR_ID of 5 bytes", "80 09 05 c000020100", inside: .withdraw, outside: .discard),
        any("ORIGINATOR_ID transitive", "c0 09 04 c0000201", .withdraw),
        by("CLUSTER_LIST", "80 0a 08 c0000201c0000202", inside: .accept, outside: .discard),
        by("CLUSTER_LIST empty", "80 0a 00", inside: .withdraw, outside: .discard),
        by("CLUSTER_LIST of 5 bytes", "80 0a 05 c000020100", inside: .withdraw, outside: .discard),
        any("CLUSTER_LIST transitive", "c0 0a 04 c0000201", .withdraw),
    ].flatMap { $0 }

    /// RFC 7606 §5.3, §7.11, §7.12, RFC 4760 §7, RFC 8950.
    static let reachability = [
        any(
            "MP_REACH_NLRI", "80 0e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8",
            .accept),
        any(
            "MP_REACH_NLRI with two next hops",
            "80 0e 2a 0002 01 20 20010db8000000000000000000000001 "
                + "fe800000000000000000000000000001 00 20 20010db8", .accept),
        any("MP_REACH_NLRI of IPv4", "80 0e 0c 0001 01 04 c0000201 00 10 c612", .accept),
        any(
            "MP_REACH_NLRI of IPv4 over IPv6",
            "80 0e 18 0001 01 10 20010db8000000000000000000000001 00 10 c612", .accept),
        one(
            "MP_REACH_NLRI of IPv4 over IPv6, not agreed",
            "80 0e 18 0001 01 10 20010db8000000000000000000000001 00 10 c612", .withdraw,
            in: DecodeContext(fourOctetAS: true, isInternal: false, extendedNextHop: false)),
        one(
            "MP_REACH_NLRI of IPv6, that not agreed",
            "80 0e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8", .accept,
            in: DecodeContext(fourOctetAS: true, isInternal: false, extendedNextHop: false)),
        any("MP_REACH_NLRI empty", "80 0e 00", .reset(9)),
        any("MP_REACH_NLRI of 4 bytes", "80 0e 04 0002 01 00", .reset(9)),
        any("MP_REACH_NLRI with half a next hop", "80 0e 07 0002 01 10 2001 00", .reset(9)),
        any(
            "MP_REACH_NLRI with a next hop of 9 bytes",
            "80 0e 17 0002 01 09 20010db80000000000 00 40 20010db800000001", .reset(9)),
        any(
            "MP_REACH_NLRI with a next hop of 64 bytes, 17 there",
            "80 0e 15 0002 01 40 20010db8000000000000000000000001 00", .reset(9)),
        any(
            "MP_REACH_NLRI without what follows the next hop",
            "80 0e 0c 0002 01 10 20010db800000000", .reset(9)),
        any("MP_REACH_NLRI of IPv6 over IPv4", "80 0e 09 0002 01 04 c0000201 00", .reset(9)),
        any("MP_REACH_NLRI of IPv4, 8 bytes", "80 0e 0d 0001 01 08 c0000201c0000202 00", .reset(9)),
        any(
            "MP_REACH_NLRI with a prefix of 129 bits",
            "80 0e 1a 0002 01 10 20010db8000000000000000000000001 00 81 20010db8", .reset(9)),
        any(
            "MP_REACH_NLRI of IPv4 with a prefix of 33 bits",
            "80 0e 0f 0001 01 04 c0000201 00 21 c612000000", .reset(9)),
        any(
            "MP_REACH_NLRI with half a prefix",
            "80 0e 18 0002 01 10 20010db8000000000000000000000001 00 20 2001", .reset(9)),
        any(
            "MP_REACH_NLRI of a family that nobody asked for",
            "80 0e 0a 0001 80 04 c0000201 00 ff", .accept),
        any("MP_REACH_NLRI of AFI 25", "80 0e 06 0019 41 00 00 ff", .accept),
        one(
            "MP_REACH_NLRI of IPv6 where IPv4 was agreed", "80 0e 06 0002 01 00 00 ff", .accept,
            in: DecodeContext(fourOctetAS: true, isInternal: false, families: .ipv4)),
        any(
            "MP_REACH_NLRI transitive",
            "c0 0e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8", .withdraw),
        any("MP_UNREACH_NLRI", "80 0f 08 0002 01 20 20010db8", .accept),
        any("MP_UNREACH_NLRI of no prefix", "80 0f 03 0002 01", .accept),
        any("MP_UNREACH_NLRI empty", "80 0f 00", .reset(9)),
        any("MP_UNREACH_NLRI of 2 bytes", "80 0f 02 0002", .reset(9)),
        any("MP_UNREACH_NLRI with half a prefix", "80 0f 08 0002 01 40 20010db8", .reset(9)),
        any("MP_UNREACH_NLRI with a prefix of 255 bits", "80 0f 04 0002 01 ff", .reset(9)),
        any("MP_UNREACH_NLRI of AFI 25", "80 0f 04 0019 41 ff", .accept),
    ].flatMap { $0 }

    /// RFC 6793 §4.1, §6.
    static let olderSpeakers = [
        // A peer of four octets must not send it: passed by, whatever is in it.
        any("AS4_PATH, of what doesn't matter", "c0 11 06 02 02 00010000", .discard),
        size("AS4_PATH", "c0 11 06 02 01 00010000", four: .discard, two: .accept),
        size("AS4_PATH empty", "c0 11 00", four: .discard, two: .discard),
        size("AS4_PATH with an empty segment", "c0 11 02 02 00", four: .discard, two: .discard),
        size("AS4_PATH with AS 0", "c0 11 06 02 01 00000000", four: .discard, two: .discard),
        size(
            "AS4_PATH with segment type 0", "c0 11 06 00 01 00010001", four: .discard, two: .discard
        ),
        any("AS4_PATH not transitive", "80 11 06 02 01 00010000", .withdraw),
        size("AS4_AGGREGATOR", "c0 12 08 00010000 c0000201", four: .discard, two: .accept),
        any("AS4_AGGREGATOR of 6 bytes", "c0 12 06 fde9 c0000201", .discard),
        any("AS4_AGGREGATOR of 7 bytes", "c0 12 07 0000fde90a0000", .discard),
        any("AS4_AGGREGATOR of 9 bytes", "c0 12 09 0000fde90a00000200", .discard),
        any("AS4_AGGREGATOR of AS 0", "c0 12 08 00000000 c0000201", .discard),
        any("AS4_AGGREGATOR not transitive", "80 12 08 00010000 c0000201", .withdraw),
    ].flatMap { $0 }

    /// RFC 9234 §5; all others are passed by length alone.
    static let rolesAndOthers = [
        any("ONLY_TO_CUSTOMER", "c0 23 04 0000fde9", .accept),
        // RFC 9234 §5 judges by the length, and RFC 7607 doesn't name it.
        any("ONLY_TO_CUSTOMER of AS 0", "c0 23 04 00000000", .accept),
        any("ONLY_TO_CUSTOMER partial", "e0 23 04 0000fde9", .accept),
        any("ONLY_TO_CUSTOMER empty", "c0 23 00", .withdraw),
        any("ONLY_TO_CUSTOMER of 3 bytes", "c0 23 03 0000fd", .withdraw),
        any("ONLY_TO_CUSTOMER of 5 bytes", "c0 23 05 0000fde900", .withdraw),
        any("ONLY_TO_CUSTOMER not transitive", "80 23 04 0000fde9", .withdraw),
        any("PMSI_TUNNEL cut short", "c0 16 04 00060000", .accept),
        any("tunnel encapsulation, TLV overrun", "c0 17 06 0007000401ff", .accept),
        any("AIGP empty", "80 1a 00", .accept),
        any("AIGP of an unknown TLV", "80 1a 0b 09000b0000000000000000", .accept),
        any("BGP-LS, TLV overrun", "80 1d 05 040000ff00", .accept),
        any("PREFIX_SID, all zeros", "c0 28 04 00000000", .accept),
        any("PREFIX_SID, TLV overrun", "c0 28 06 0100ff000000", .accept),
        any("ATTR_SET, nonsense", "c0 80 03 ffffff", .accept),
        any("attribute 253", "80 fd 04 deadbeef", .accept),
        any("attribute 254, transitive", "c0 fe 04 deadbeef", .accept),
        any("attribute 255", "c0 ff 03 010203", .accept),
        any("attribute 0, optional", "80 00 01 00", .accept),
        any("attribute 99, empty", "80 63 00", .accept),
        // RFC 4271 §6.3, which RFC 7606 leaves as it is.
        any("attribute 99, well-known by its flags", "40 63 01 00", .reset(2)),
    ].flatMap { $0 }

    /// RFC 7606 §3 (g), §4.
    static let lists = [
        any("ORIGIN twice, the second undefined", "40 01 01 00 40 01 01 07", .discard),
        any("ORIGIN twice, the first undefined", "40 01 01 07 40 01 01 00", .withdraw),
        any("attribute 99 twice", "80 63 00 80 63 00", .discard),
        any(
            "MP_REACH_NLRI twice", "80 0e 06 0019 41 00 00 ff 80 0e 06 0019 41 00 00 ff",
            .reset(1)),
        any("MP_UNREACH_NLRI twice", "80 0f 03 0002 01 80 0f 03 0001 01", .reset(1)),
        any("one byte of a header", "40", .withdraw),
        any("a header without a length", "40 01", .withdraw),
        any("half a long length", "50 01 00", .withdraw),
        any("a length beyond the end", "40 01 02 00", .withdraw),
        any("the largest length", "50 63 ffff 00", .withdraw),
        any("an attribute, and one byte", "40 01 01 00 40", .withdraw),
    ].flatMap { $0 }
}
