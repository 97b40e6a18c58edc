// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import Testing

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

    @Test("the gravest is the first of the strongest, and what isn't expected the least")
    func gravest() {
        func gravest(_ text: String) -> AttributeType? {
            AttributeDecoding.decode(hex(text)).gravestComplaint?.type
        }
        #expect(gravest("40 01 01 00") == nil)
        #expect(gravest("40 06 01 00  40 01 01 09  80 04 01 00") == .origin)
        #expect(gravest("40 05 04 00000064") == .localPreference)
        #expect(gravest("40 05 04 00000064  40 06 01 00") == .atomicAggregate)
        #expect(gravest("40 06 01 00  40 05 04 00000064") == .atomicAggregate)
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
