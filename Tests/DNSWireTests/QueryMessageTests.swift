// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire
import Testing

@Suite("Reading queries")
struct QueryMessageTests {
    /// A query for www.example.com A, its counts and what follows the question as given.
    private func query(
        flags: UInt16 = 0x0100, counts: [UInt16] = [1, 0, 0, 0], type: UInt16 = 1,
        _ tail: [UInt8] = []
    ) -> [UInt8] {
        var bytes: [UInt8] = [0x12, 0x34]
        for value in [flags] + counts { bytes += [UInt8(value >> 8), UInt8(value & 0xff)] }
        bytes += name("www.example.com").wire + [UInt8(type >> 8), UInt8(type & 0xff), 0, 1]
        return bytes + tail
    }

    private let opt: [UInt8] = [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]

    @Test("takes what dig sends")
    func dig() throws {
        let message = try #require(readQuery(Capture.digWithSubnet))
        #expect(message.problem == nil)
        #expect(message.header.identifier == 0x2233)
        #expect(message.type == .a)
        #expect(message.recordClass == .internet)
        #expect(message.nameByteCount == 17)
        #expect(message.labelCount == 3)
        #expect(message.echoedByteCount == 33)
        let subnet = ClientSubnet(try IPPrefix(parsing: "192.0.2.0/24"))
        var expected = EDNSRequest(payloadSize: 1232, clientSubnet: subnet)
        // 54016a40b006b6d4, the first byte lowest.
        expected.cookie = Cookie(client: 0xd4b6_06b0_406a_0154)
        #expect(message.edns == expected)
    }

    @Test("takes what kdig sends")
    func kdig() throws {
        let message = try #require(readQuery(Capture.kdigWithSubnet))
        #expect(message.problem == nil)
        #expect(message.type == .aaaa)
        let subnet = ClientSubnet(try IPPrefix(parsing: "2001:db8::/56"))
        var expected = EDNSRequest(payloadSize: 4096, clientSubnet: subnet)
        expected.wantsIdentifier = true
        #expect(message.edns == expected)
    }

    @Test("never answers an answer, nor less than a header")
    func silence() {
        #expect(readQuery(query(flags: 0x8000)) == nil)
        for count in 0..<12 {
            let bytes = Array(query().prefix(count))
            #expect(readQuery(bytes) == nil)
        }
    }

    @Test(
        "gives NOTIMP for other opcodes, whatever follows", arguments: 1...15 as ClosedRange<UInt16>
    )
    func opcodes(opcode: UInt16) throws {
        let bytes = Array(query(flags: opcode << 11, counts: [9, 9, 9, 9]).prefix(20))
        let message = try #require(readQuery(bytes))
        #expect(message.problem == .notImplemented)
        #expect(message.echoedByteCount == 12)
    }

    @Test("gives FORMERR for what is no query")
    func malformed() throws {
        let address: [UInt8] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4]
        let cases: [(String, [UInt8])] = [
            ("no question", query(counts: [0, 0, 0, 0])),
            ("two questions", query(counts: [2, 0, 0, 0])),
            ("an answer", query(counts: [1, 1, 0, 0], address)),
            ("an authority", query(counts: [1, 0, 1, 0], address)),
            ("trailing bytes", query([0])),
            ("fewer records than counted", query(counts: [1, 0, 0, 2], opt)),
            ("two OPT records", query(counts: [1, 0, 0, 2], opt + opt)),
            ("an OPT record with an owner", query(counts: [1, 0, 0, 1], [1, 0x61] + opt)),
            (
                "an OPT record owned through a pointer",
                query(counts: [1, 0, 0, 1], [0xc0, 28] + opt.dropFirst())
            ),
            ("a question for OPT", query(type: 41)),
            (
                "a record that runs over",
                query(counts: [1, 0, 0, 1], opt.dropLast() + [1])
            ),
            ("half an option", query(counts: [1, 0, 0, 1], opt.dropLast() + [3, 0, 8, 0])),
            (
                "an option that runs over",
                query(counts: [1, 0, 0, 1], opt.dropLast() + [5, 0, 10, 0, 2, 0])
            ),
            (
                "a cookie of nine bytes",
                query(
                    counts: [1, 0, 0, 1],
                    opt.dropLast() + [13, 0, 10, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9])
            ),
            (
                "no question and an OPT record without a cookie",
                Array(query(counts: [0, 0, 0, 1]).prefix(12)) + opt
            ),
            (
                "an OPT record among the answers", query(counts: [1, 1, 0, 0], opt)
            ),
            (
                "an OPT record in the authority section of IXFR",
                query(counts: [1, 0, 1, 0], type: 251, opt)
            ),
            (
                "a bad subnet",
                query(counts: [1, 0, 0, 1], opt.dropLast() + [8, 0, 8, 0, 4, 0, 3, 0, 0])
            ),
        ]
        for (what, bytes) in cases {
            let message = try #require(readQuery(bytes), "\(what)")
            #expect(message.problem == .formatError, "\(what)")
        }
    }

    @Test("answers a fault in the OPT record with one (RFC 6891 §7)")
    func ednsFault() throws {
        let bytes = query(counts: [1, 0, 0, 1], opt.dropLast() + [8, 0, 8, 0, 4, 0, 3, 0, 0])
        let message = try #require(readQuery(bytes))
        #expect(message.edns?.payloadSize == 1232)
        #expect(message.echoedByteCount == 33)
    }

    @Test("takes a message without a question that asks for a cookie (RFC 7873 §5.4)")
    func cookieAlone() throws {
        let option: [UInt8] = opt.dropLast() + [12, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]
        let bytes = Array(query(counts: [0, 0, 0, 1]).prefix(12)) + option
        let message = try #require(readQuery(bytes))
        #expect(message.problem == nil)
        #expect(message.nameByteCount == 0)
        #expect(message.echoedByteCount == 12)
        #expect(message.edns?.cookie == Cookie(client: 0x0807_0605_0403_0201))
    }

    @Test("passes over the subnet where it isn't wanted, even a bad one")
    func withoutSubnet() throws {
        let bad: [UInt8] = opt.dropLast() + [8, 0, 8, 0, 4, 0, 3, 0, 0]
        for bytes in [Capture.digWithSubnet, query(counts: [1, 0, 0, 1], bad)] {
            let message = try #require(readQuery(bytes, readsSubnet: false))
            #expect(message.problem == nil)
            #expect(message.edns != nil)
            #expect(message.edns?.clientSubnet == nil)
        }
    }

    @Test("of several cookies or subnets the first holds")
    func repeated() throws {
        let options: [UInt8] =
            [0, 10, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0]
            + [0, 8, 0, 5, 0, 1, 8, 0, 10, 0, 8, 0, 5, 0, 1, 8, 0, 11]
        let bytes = query(counts: [1, 0, 0, 1], opt.dropLast() + [UInt8(options.count)] + options)
        let message = try #require(readQuery(bytes))
        #expect(message.problem == nil)
        #expect(message.edns?.cookie?.client == 1)
        #expect(message.edns?.clientSubnet == ClientSubnet(try IPPrefix(parsing: "10.0.0.0/8")))
    }

    @Test("gives BADVERS for another version, its options unread")
    func version() throws {
        var bytes = query(counts: [1, 0, 0, 1], opt.dropLast() + [4, 0, 8, 0, 9])
        bytes[33 + 6] = 1
        let message = try #require(readQuery(bytes))
        #expect(message.problem == .badVersion)
    }

    @Test("passes over other records and unknown options")
    func unknown() throws {
        let other: [UInt8] = [0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1]
        let option: [UInt8] = opt.dropLast() + [6, 0xff, 0xfe, 0, 2, 1, 2]
        let bytes = query(counts: [1, 0, 0, 2], option + other)
        let message = try #require(readQuery(bytes))
        #expect(message.problem == nil)
        #expect(message.edns != nil)
    }

    @Test("finds the OPT record of a message with another opcode, whatever is in it")
    func otherOpcode() throws {
        let flags: UInt16 = 5 << 11
        let record: [UInt8] = [0xc0, 12, 0, 1, 0, 255, 0, 0, 0, 0, 0, 0]
        let update = query(flags: flags, counts: [1, 1, 1, 2], record + record + record + opt)
        let message = try #require(readQuery(update))
        #expect(message.problem == .notImplemented)
        #expect(message.edns?.payloadSize == 1232)
        #expect(message.echoedByteCount == 12)
        for count in 0..<update.count - 12 {
            let cut = try #require(readQuery(Array(update.dropLast(count + 1))))
            #expect(cut.problem == .notImplemented && cut.edns == nil)
        }
        // Elsewhere than among the additional records it is none.
        let wrong = query(flags: flags, counts: [1, 0, 1, 0], opt)
        #expect(readQuery(wrong)?.edns == nil)
    }

    @Test("takes a signature that is whole and stands last (RFC 8945)")
    func signature() throws {
        let head: [UInt8] = [0, 0, 250, 0, 255, 0, 0, 0, 0, 0]
        // The root's algorithm, a time, a MAC of two bytes, identifier, error, two bytes more.
        let data: [UInt8] = [0, 0, 0, 1, 2, 3, 4, 1, 44, 0, 2, 7, 7, 0xab, 0xcd, 0, 0, 0, 2, 8, 8]
        let whole = head + [UInt8(data.count)] + data
        let message = try #require(readQuery(query(counts: [1, 0, 0, 2], opt + whole)))
        #expect(message.problem == .notAuthorized)
        #expect(message.edns != nil)
        #expect(message.signature?.repeated == 44..<44 + 11 + 9)
        #expect(readQuery(query(counts: [1, 0, 0, 2], whole + opt))?.problem == .formatError)
        #expect(readQuery(query(counts: [1, 0, 1, 0], whole))?.problem == .formatError)
        for count in 0..<data.count {
            let cut = head + [UInt8(count)] + data.prefix(count)
            #expect(
                readQuery(query(counts: [1, 0, 0, 1], cut))?.problem == .formatError, "\(count)")
        }
        let long = head + [UInt8(data.count + 1)] + data + [0]
        #expect(readQuery(query(counts: [1, 0, 0, 1], long))?.problem == .formatError)
        var otherClass = whole
        otherClass[4] = 1
        #expect(readQuery(query(counts: [1, 0, 0, 1], otherClass))?.problem == .formatError)
        // A pointer into the question stands for the same in an answer; others don't.
        for (pointer, isGood) in [(12, true), (32, true), (33, false), (11, false)] {
            let bytes = query(
                counts: [1, 0, 0, 1], [0xc0, UInt8(pointer)] + whole.dropFirst())
            #expect(
                readQuery(bytes)?.problem == (isGood ? .notAuthorized : .formatError), "\(pointer)")
        }
    }

    @Test("takes IXFR's authority record")
    func incremental() throws {
        let soa: [UInt8] = [0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 0]
        let bytes = query(counts: [1, 0, 1, 0], type: 251, soa)
        #expect(readQuery(bytes)?.problem == nil)
    }

    @Test("refuses names of more than 255 bytes, pointers and reserved labels in the question")
    func badQuestions() throws {
        let long = (0..<127).flatMap { _ in [1, 0x61] as [UInt8] }
        for (wire, isGood) in [
            (long + [0], true), (long + [1, 0x61, 0], false), ([0xc0, 12], false),
            ([1, 0x61, 0xc0, 12], false), ([0x41, 0], false),
            ([64] + [UInt8](repeating: 1, count: 64) + [0], false),
        ] {
            let bytes = Array(query().prefix(12)) + wire + [0, 1, 0, 1]
            let message = try #require(readQuery(bytes))
            #expect((message.problem == nil) == isGood)
        }
    }

    @Test(
        "calls every truncation malformed",
        arguments: [Capture.digWithSubnet, Capture.kdigWithSubnet])
    func truncations(bytes: [UInt8]) throws {
        for count in 12..<bytes.count {
            let cut = Array(bytes.prefix(count))
            let message = try #require(readQuery(cut))
            #expect(message.problem == .formatError, "\(count) bytes")
            #expect(message.echoedByteCount <= count)
        }
    }

    @Test("stands any bytes, and echoes no more than came")
    func noise() {
        let seed: UInt64 = 20_261_121
        var generator = SeededGenerator(seed: seed)
        for round in 0..<40_000 {
            var bytes: [UInt8]
            if round % 2 == 0 {
                bytes = (0..<Int.random(in: 0...80, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
            } else {
                bytes = round % 4 == 1 ? Capture.digWithSubnet : Capture.kdigWithSubnet
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    let bit = Int.random(in: 0..<bytes.count * 8, using: &generator)
                    bytes[bit / 8] ^= 1 << UInt8(bit % 8)
                }
            }
            guard let message = readQuery(bytes) else { continue }
            #expect(message.echoedByteCount <= bytes.count, "seed \(seed), round \(round)")
            #expect(message.nameByteCount <= 255, "seed \(seed), round \(round)")
        }
    }
}
