// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Testing

@Suite("AS numbers")
struct ASNumberTests {
    @Test(
        "read in asplain and asdot, print in both",
        arguments: [
            ("0", 0, "0"), ("65535", 65535, "65535"), ("65536", 65536, "1.0"),
            ("1.0", 65536, "1.0"),
            ("0.65535", 65535, "65535"), ("65535.65535", 4_294_967_295, "65535.65535"),
            ("4294967295", 4_294_967_295, "65535.65535"), ("007", 7, "7"), ("1.10", 65546, "1.10"),
        ] as [(String, UInt32, String)])
    func text(text: String, value: UInt32, asdot: String) throws {
        let number = try ASNumber(parsing: text)
        #expect(number.rawValue == value)
        #expect(number.description == "\(value)")
        #expect(number.asdot == asdot)
        #expect(number.isTwoOctet == (value < 65536))
        #expect(try ASNumber(parsing: asdot) == number)
    }

    @Test(
        "say what is wrong and where",
        arguments: [
            ("", .empty, 0), ("4294967296", .asNumberTooLarge, 0),
            ("65536.0", .asNumberTooLarge, 0),
            ("0.65536", .asNumberTooLarge, 0), ("1.", .incomplete, 2),
            (".1", .unexpectedCharacter(0x2e), 0), ("1.2.3", .unexpectedCharacter(0x2e), 3),
            ("AS1", .unexpectedCharacter(0x41), 0), ("-1", .unexpectedCharacter(0x2d), 0),
            ("1 ", .unexpectedCharacter(0x20), 1),
            ("99999999999999999999999", .asNumberTooLarge, 0),
        ] as [(String, AddressSyntaxError.Reason, Int)])
    func errors(text: String, reason: AddressSyntaxError.Reason, offset: Int) {
        #expect(throws: AddressSyntaxError(reason, offset: offset)) {
            try ASNumber(parsing: text)
        }
    }
}

@Suite("AS paths")
struct ASPathTests {
    private typealias Segment = ASPath.Segment

    @Test("count a set as one hop and confederation segments as none")
    func length() {
        let path = ASPath(segments: [
            Segment(kind: .confederationSequence, members: [65001, 65002]),
            Segment(kind: .confederationSet, members: [65003]),
            Segment(kind: .sequence, members: [1, 2, 2, 2]),
            Segment(kind: .set, members: [7, 8, 9]),
        ])
        #expect(path.length == 5)
        #expect(path.description == "(65001 65002) [65003] 1 2 2 2 {7,8,9}")
        #expect(path.first == nil && path.origin == nil)
        #expect(path.contains(65002) && path.contains(9) && !path.contains(10))
        #expect(ASPath(segments: path.segments) == path)
    }

    @Test("know their ends")
    func ends() {
        let path = ASPath([3, 2, 1])
        #expect(path.first == 3 && path.origin == 1 && path.length == 3)
        #expect(ASPath.empty.isEmpty && ASPath.empty.length == 0)
        #expect(ASPath.empty.first == nil && ASPath.empty.origin == nil)
        #expect(ASPath([]) == .empty)
        #expect(ASPath.empty.description == "")
    }

    @Test("split sequences of more than 255 members, and count them whole")
    func long() throws {
        let members = (1...600).map { ASNumber($0) }
        let path = ASPath(members)
        #expect(path.segments.map(\.members.count) == [255, 255, 90])
        #expect(path.segments.flatMap(\.members) == members)
        #expect(path.length == 600)
        #expect(try ASPath(encoded: path.encoded.span.bytes) == path)
    }

    @Test("encode as RFC 4271 and RFC 6793 say")
    func encoding() throws {
        let path = ASPath([65536, 2])
        #expect(path.encoded == [2, 2, 0, 1, 0, 0, 0, 0, 0, 2])
        #expect(try ASPath(encoded: path.encoded.span.bytes) == path)
    }

    @Test("cut short anywhere but between segments are refused")
    func truncations() throws {
        let whole = ASPath(segments: [
            Segment(kind: .sequence, members: [1, 2]), Segment(kind: .set, members: [3]),
        ]).encoded
        for count in 0..<whole.count {
            let part = Array(whole.prefix(count))
            if count == 0 || count == 10 {
                #expect(try ASPath(encoded: part.span.bytes).encoded == part)
            } else {
                #expect(throws: ASPath.EncodingError.self) {
                    try ASPath(encoded: part.span.bytes)
                }
            }
        }
    }

    @Test(
        "of unknown or empty segments are refused (RFC 7606 §7.2)",
        arguments: [
            ([5, 1, 0, 0, 0, 1], .unknownSegmentType(5)), ([0, 0], .unknownSegmentType(0)),
            ([2, 0], .emptySegment), ([2, 1, 0, 0, 0, 1, 1, 0], .emptySegment),
            ([2], .truncated(need: 2, have: 1)), ([2, 255, 0, 0], .truncated(need: 1022, have: 4)),
        ] as [([UInt8], ASPath.EncodingError)])
    func malformed(bytes: [UInt8], error: ASPath.EncodingError) {
        #expect(throws: error) { try ASPath(encoded: bytes.span.bytes) }
    }
}
