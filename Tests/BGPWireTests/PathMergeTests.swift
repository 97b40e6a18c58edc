// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import Testing

/// A two-octet AS_PATH, an AS4_PATH, and what they make (RFC 6793 §4.2.3). In texts `{}` is a
/// set, `()` a confederation sequence, `[]` a confederation set.
struct MergeCase: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var path: [ASPath.Segment]
    var as4Path: [ASPath.Segment]
    var merged: String

    static func sequence(_ members: ASNumber...) -> ASPath.Segment {
        .init(kind: .sequence, members: members)
    }
    static func set(_ members: ASNumber...) -> ASPath.Segment {
        .init(kind: .set, members: members)
    }
    static func confederation(_ members: ASNumber...) -> ASPath.Segment {
        .init(kind: .confederationSequence, members: members)
    }

    static let all: [MergeCase] = [
        .init(
            testDescription: "the same length: AS4_PATH stands",
            path: [sequence(23456, 23456)], as4Path: [sequence(65536, 65537)],
            merged: "65536 65537"),
        .init(
            testDescription: "two speakers of two octets came after",
            path: [sequence(10, 20, 23456)], as4Path: [sequence(65536)],
            merged: "10 20 65536"),
        .init(
            testDescription: "AS4_PATH longer than AS_PATH is ignored",
            path: [sequence(23456)], as4Path: [sequence(65536, 65537)], merged: "23456"),
        .init(
            testDescription: "a set counts one",
            path: [sequence(10, 23456), set(1, 2, 3)],
            as4Path: [sequence(65536), set(65537, 65538)], merged: "10 65536 {65537,65538}"),
        .init(
            testDescription: "a set before AS4_PATH goes along",
            path: [set(1, 2), sequence(23456)], as4Path: [sequence(65536)],
            merged: "{1,2} 65536"),
        .init(
            testDescription: "leading confederation segments go along and count nothing",
            path: [confederation(64512, 64513), sequence(10, 23456)],
            as4Path: [sequence(65536)], merged: "(64512 64513) 10 65536"),
        .init(
            testDescription: "confederation segments in AS4_PATH are left out",
            path: [sequence(10, 23456)],
            as4Path: [confederation(64512), sequence(65536)], merged: "10 65536"),
        .init(
            testDescription: "a sequence of 255 stays apart from what follows",
            path: [
                .init(kind: .sequence, members: (1...255).map { ASNumber($0) }),
                sequence(23456),
            ], as4Path: [sequence(65536)],
            merged: (1...255).map(String.init).joined(separator: " ") + " 65536"),
    ]

    var bytes: [UInt8] {
        var value: [UInt8] = []
        for segment in self.path {
            value += [segment.kind.rawValue, UInt8(segment.members.count)]
            for member in segment.members {
                value += [UInt8(member.rawValue >> 8 & 255), UInt8(member.rawValue & 255)]
            }
        }
        let four = ASPath(segments: self.as4Path).encoded
        return [0x50, 2, UInt8(value.count >> 8), UInt8(value.count & 255)] + value
            + [0xd0, 17, UInt8(four.count >> 8), UInt8(four.count & 255)] + four
    }
}

@Suite("AS4_PATH")
struct PathMergeTests {
    static let context = DecodeContext(
        fourOctetAS: false, isInternal: false, isConfederation: true)

    @Test("is merged into AS_PATH", arguments: MergeCase.all)
    func merge(example: MergeCase) {
        let decoding = AttributeDecoding.decode(example.bytes, Self.context)
        #expect(decoding.attributes.asPath?.description == example.merged)
        #expect(decoding.disposition == .accept)
        // RFC 6793 §6: what was left out is told.
        let hasConfederation = example.as4Path.contains { $0.kind == .confederationSequence }
        #expect(
            decoding.complaints.map(\.problem) == (hasConfederation ? [.segmentsLeftOut] : []))
    }

    @Test("is ignored, with AS4_AGGREGATOR, where a two-octet speaker aggregated later")
    func aggregatedLater() {
        let path = hex("40 02 06 02 02 000a 5ba0  c0 11 06 02 01 00010000")
        let later = AttributeDecoding.decode(
            path + hex("c0 07 06 000a c0000201  c0 12 08 00010000 c0000202"), Self.context)
        #expect(later.attributes.asPath == ASPath([10, 23456]))
        #expect(later.attributes.aggregator?.asNumber == 10)
        let same = AttributeDecoding.decode(
            path + hex("c0 07 06 5ba0 c0000201  c0 12 08 00010000 c0000202"), Self.context)
        #expect(same.attributes.asPath == ASPath([10, 65536]))
        #expect(same.attributes.aggregator?.asNumber == 65536)
    }

    @Test("stands without an AS_PATH for nothing")
    func alone() {
        let decoding = AttributeDecoding.decode(hex("c0 11 06 02 01 00010000"), Self.context)
        #expect(decoding.attributes.asPath == nil)
    }
}
