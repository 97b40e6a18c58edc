// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import Testing

/// One attribute, alone, and what RFC 7606 makes of it.
struct AttributeCase: CustomTestStringConvertible, Sendable {
    enum Session: Sendable { case external, internalPeer, twoOctet, mrt }
    enum Outcome: Sendable { case accept, discard, withdraw, reset(UInt8) }

    var testDescription: String
    var bytes: [UInt8]
    var session: Session
    var outcome: Outcome

    init(
        _ name: String, _ bytes: String, _ outcome: Outcome, on session: Session = .external
    ) {
        self.testDescription = name
        self.bytes = hex(bytes)
        self.session = session
        self.outcome = outcome
    }

    var context: DecodeContext {
        switch self.session {
        case .external: external
        case .internalPeer: internalContext
        case .twoOctet: DecodeContext(fourOctetAS: false, isInternal: false)
        case .mrt: .tableDumpV2
        }
    }

    static let all: [AttributeCase] = [
        // RFC 7606 §7.1
        .init("ORIGIN IGP", "40 01 01 00", .accept),
        .init("ORIGIN INCOMPLETE", "40 01 01 02", .accept),
        .init("ORIGIN with a long length", "50 01 0001 00", .accept),
        .init("ORIGIN with meaningless flag bits", "4f 01 01 00", .accept),
        .init("ORIGIN undefined", "40 01 01 03", .withdraw),
        .init("ORIGIN empty", "40 01 00", .withdraw),
        .init("ORIGIN of two bytes", "40 01 02 0000", .withdraw),
        .init("ORIGIN optional", "c0 01 01 00", .withdraw),
        .init("ORIGIN not transitive", "00 01 01 00", .withdraw),
        // §7.2
        .init("AS_PATH empty", "40 02 00", .accept),
        .init("AS_PATH of a sequence", "40 02 06 02 01 0000fde9", .accept),
        .init("AS_PATH with a set", "40 02 10 02 01 00000001 01 02 00000002 00000003", .accept),
        .init("AS_PATH with one byte", "40 02 01 02", .withdraw),
        .init("AS_PATH overrun", "40 02 06 02 02 0000fde9", .withdraw),
        .init("AS_PATH underrun", "40 02 07 02 01 0000fde9 02", .withdraw),
        .init("AS_PATH with an empty segment", "40 02 02 02 00", .withdraw),
        .init("AS_PATH with segment type 5", "40 02 06 05 01 0000fde9", .withdraw),
        .init("AS_PATH with segment type 0", "40 02 06 00 01 0000fde9", .withdraw),
        .init("AS_PATH with AS 0 (RFC 7607)", "40 02 06 02 01 00000000", .withdraw),
        .init("AS_PATH optional", "80 02 06 02 01 0000fde9", .withdraw),
        .init("AS_PATH, confederation, from outside", "40 02 06 03 01 0000fde9", .withdraw),
        .init(
            "AS_PATH, confederation, from inside", "40 02 06 03 01 0000fde9", .accept,
            on: .internalPeer),
        .init("AS_PATH of two octets", "40 02 06 02 02 fde9 04c5", .accept, on: .twoOctet),
        .init("AS_PATH of four where two", "40 02 06 02 01 0000fde9", .withdraw, on: .twoOctet),
        // §7.3
        .init("NEXT_HOP", "40 03 04 c0000201", .accept),
        .init("NEXT_HOP on loopback", "40 03 04 7f000001", .accept),
        .init("NEXT_HOP of 5 bytes", "40 03 05 c000020100", .withdraw),
        .init("NEXT_HOP 0.0.0.0", "40 03 04 00000000", .withdraw),
        .init("NEXT_HOP multicast", "40 03 04 e0000001", .withdraw),
        .init("NEXT_HOP of 16 bytes", "40 03 10 20010db8000000000000000000000001", .withdraw),
        .init(
            "NEXT_HOP of 16 bytes in a dump", "40 03 10 20010db8000000000000000000000001",
            .accept, on: .mrt),
        // §7.4
        .init("MED", "80 04 04 00000064", .accept),
        .init("MED of 3 bytes", "80 04 03 000064", .withdraw),
        .init("MED transitive", "c0 04 04 00000064", .withdraw),
        // §7.5
        .init("LOCAL_PREF inside", "40 05 04 00000064", .accept, on: .internalPeer),
        .init("LOCAL_PREF of 5 bytes inside", "40 05 05 0000000064", .withdraw, on: .internalPeer),
        .init("LOCAL_PREF from outside", "40 05 04 00000064", .discard),
        .init("LOCAL_PREF, malformed, from outside", "40 05 01 00", .discard),
        // §7.6
        .init("ATOMIC_AGGREGATE", "40 06 00", .accept),
        .init("ATOMIC_AGGREGATE with a byte", "40 06 01 00", .discard),
        // §7.7
        .init("AGGREGATOR", "c0 07 08 0000fde9 c0000201", .accept),
        .init("AGGREGATOR of 6 bytes where 8", "c0 07 06 fde9 c0000201", .discard),
        .init("AGGREGATOR of 6 bytes", "c0 07 06 fde9 c0000201", .accept, on: .twoOctet),
        .init("AGGREGATOR of AS 0 (RFC 7607)", "c0 07 08 00000000 c0000201", .discard),
        // §7.8
        .init("COMMUNITIES", "c0 08 08 fde90001 fde90002", .accept),
        .init("COMMUNITIES empty", "c0 08 00", .withdraw),
        .init("COMMUNITIES of 5 bytes", "c0 08 05 fde9000100", .withdraw),
        // §7.9
        .init("ORIGINATOR_ID inside", "80 09 04 c0000201", .accept, on: .internalPeer),
        .init("ORIGINATOR_ID of 3 bytes", "80 09 03 c00002", .withdraw, on: .internalPeer),
        .init("ORIGINATOR_ID from outside", "80 09 04 c0000201", .discard),
        // §7.10
        .init("CLUSTER_LIST inside", "80 0a 04 c0000201", .accept, on: .internalPeer),
        .init("CLUSTER_LIST empty", "80 0a 00", .withdraw, on: .internalPeer),
        .init("CLUSTER_LIST of 6 bytes", "80 0a 06 c00002010000", .withdraw, on: .internalPeer),
        .init("CLUSTER_LIST from outside", "80 0a 01 c0", .discard),
        // §7.11
        .init(
            "MP_REACH_NLRI", "80 0e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8",
            .accept),
        .init("MP_REACH_NLRI of 4 bytes", "80 0e 04 0002 01 00", .reset(9)),
        .init("MP_REACH_NLRI with half a next hop", "80 0e 07 0002 01 10 2001 00", .reset(9)),
        .init("MP_REACH_NLRI with an odd next hop", "80 0e 09 0002 01 04 c0000201 00", .reset(9)),
        .init(
            "MP_REACH_NLRI with a prefix of 129 bits",
            "80 0e 1a 0002 01 10 20010db8000000000000000000000001 00 81 20010db8", .reset(9)),
        .init(
            "MP_REACH_NLRI with half a prefix",
            "80 0e 18 0002 01 10 20010db8000000000000000000000001 00 20 2001", .reset(9)),
        .init(
            "MP_REACH_NLRI of a family that nobody asked for",
            "80 0e 0a 0001 80 04 c0000201 00 ff", .accept),
        .init("MP_REACH_NLRI of AFI 25", "80 0e 06 0019 41 00 00 ff", .accept),
        .init(
            "MP_REACH_NLRI transitive",
            "c0 0e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8", .withdraw),
        .init(
            "MP_REACH_NLRI twice", "80 0e 06 0019 41 00 00 ff 80 0e 06 0019 41 00 00 ff",
            .reset(1)),
        // §7.12
        .init("MP_UNREACH_NLRI", "80 0f 08 0002 01 20 20010db8", .accept),
        .init("MP_UNREACH_NLRI of 2 bytes", "80 0f 02 0002", .reset(9)),
        .init("MP_UNREACH_NLRI with half a prefix", "80 0f 06 0002 01 20 2001", .reset(9)),
        // §7.14, RFC 5701, RFC 8092, RFC 9234
        .init("EXTENDED COMMUNITIES", "c0 10 08 0002fde900000001", .accept),
        .init("EXTENDED COMMUNITIES of 7 bytes", "c0 10 07 0002fde9000000", .withdraw),
        .init("IPv6 EXTENDED COMMUNITIES of 8 bytes", "c0 19 08 0002fde900000001", .withdraw),
        .init("LARGE_COMMUNITY", "c0 20 0c 0000fde9 00000001 00000002", .accept),
        .init("LARGE_COMMUNITY empty", "c0 20 00", .withdraw),
        .init("LARGE_COMMUNITY of 8 bytes", "c0 20 08 0000fde900000001", .withdraw),
        .init("ONLY_TO_CUSTOMER", "c0 23 04 0000fde9", .accept),
        .init("ONLY_TO_CUSTOMER of 2 bytes", "c0 23 02 fde9", .withdraw),
        // RFC 6793
        .init("AS4_PATH from a four-octet peer", "c0 11 06 02 01 0000fde9", .discard),
        .init("AS4_PATH", "c0 11 06 02 01 00010000", .accept, on: .twoOctet),
        .init("AS4_PATH overrun", "c0 11 06 02 02 00010000", .discard, on: .twoOctet),
        .init("AS4_PATH with AS 0", "c0 11 06 02 01 00000000", .discard, on: .twoOctet),
        .init("AS4_AGGREGATOR of 6 bytes", "c0 12 06 fde9 c0000201", .discard, on: .twoOctet),
        // Others are passed by length alone.
        .init("PREFIX_SID, all zeros", "c0 28 04 00000000", .accept),
        .init("attribute 255", "c0 ff 03 010203", .accept),
        .init("attribute 99, empty", "80 63 00", .accept),
        .init("attribute 99, well-known by its flags", "40 63 01 00", .reset(2)),
        // §3 (g), §4
        .init("ORIGIN twice", "40 01 01 00 40 01 01 07", .discard),
        .init("one byte of a header", "40", .withdraw),
        .init("no length", "40 01", .withdraw),
        .init("half a long length", "50 01 00", .withdraw),
        .init("a length beyond the end", "40 01 02 00", .withdraw),
        .init("the largest length", "50 63 ffff 00", .withdraw),
    ]
}

@Suite("Dispositions of RFC 7606")
struct AttributeDispositionTests {
    @Test("each attribute has its own", arguments: AttributeCase.all)
    func disposition(of example: AttributeCase) {
        let decoding = AttributeDecoding.decode(example.bytes, example.context)
        switch example.outcome {
        case .accept: #expect(decoding.disposition == .accept)
        case .discard: #expect(decoding.disposition == .discardAttribute)
        case .withdraw: #expect(decoding.disposition == .treatAsWithdraw)
        case .reset(let subcode):
            guard case .resetSession(let notification) = decoding.disposition else {
                Issue.record("no reset but \(decoding.disposition)")
                return
            }
            #expect(notification.code == .update)
            #expect(notification.subcode == subcode)
        }
        #expect((decoding.disposition == .accept) == decoding.complaints.isEmpty)
        #expect(decoding.complaints.map(\.disposition).max() ?? .accept == decoding.disposition)
    }

    @Test("the strongest of several holds, and each is told")
    func strongest() {
        let decoding = AttributeDecoding.decode(
            hex("40 06 01 00  40 01 01 09  c0 07 01 00") + Sound.path)
        #expect(decoding.disposition == .treatAsWithdraw)
        #expect(decoding.complaints.map(\.type) == [.atomicAggregate, .origin, .aggregator])
        #expect(decoding.complaints.map(\.hexadecimal) == ["40060100", "40010109", "c0070100"])
        #expect(decoding.attributes.asPath?.length == 2, "what comes after is still read")
    }

    @Test("an error inside one attribute doesn't misplace the next")
    func boundaries() {
        let decoding = AttributeDecoding.decode(
            hex("40 02 06 02 09 0000fde9") + hex("80 04 04 0000002a"))
        #expect(decoding.attributes.asPath == nil)
        #expect(decoding.attributes.multiExitDiscriminator == 42)
    }

    @Test("a message full of errors keeps few of them")
    func manyComplaints() {
        var bytes: [UInt8] = []
        for _ in 0..<1000 { bytes += hex("40 01 00") }
        let decoding = AttributeDecoding.decode(bytes)
        #expect(decoding.complaintCount == 1000)
        #expect(decoding.complaints.count == AttributeDecoding.maximumComplaints)
    }

    @Test("a long attribute is quoted in part")
    func quoted() {
        let decoding = AttributeDecoding.decode(
            hex("50 01 0800") + [UInt8](repeating: 7, count: 2048))
        #expect(decoding.complaints.first?.bytes.count == AttributeComplaint.maximumBytes)
    }

    @Test("complaints speak in sentences")
    func words() {
        let decoding = AttributeDecoding.decode(hex("40 01 01 09"))
        #expect(
            decoding.complaints.first?.description
                == "ORIGIN has an undefined value: treated as withdrawn")
    }
}
