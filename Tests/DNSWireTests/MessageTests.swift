// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire
import Testing

@Suite("Whole messages")
struct MessageTests {
    @Test("read what NSD answers")
    func captured() throws {
        let message = try readMessage(Capture.nsdAlias)
        #expect(message.questions == [.init(name("alias.example.com"), .a)])
        #expect(
            message.answers == [
                ResourceRecord(
                    name("alias.example.com"), timeToLive: 300, .alias(name("www.example.com"))),
                ResourceRecord(
                    name("www.example.com"), timeToLive: 300,
                    .address(try IPAddress(parsing: "192.0.2.80"))),
            ])
        #expect(
            message.authority.map(\.data.target) == [
                name("ns1.example.com"), name("ns2.example.com"),
            ])
        #expect(message.additional.count == 3)
        #expect(message.code == .noError)

        let missing = try readMessage(Capture.nsdMissing)
        #expect(missing.code == .nameError)
        #expect(
            missing.authority.first?.data
                == .startOfAuthority(
                    StartOfAuthority(
                        host: name("ns1.example.com"), mailbox: name("hostmaster.example.com"),
                        serial: 2_026_112_101)))
    }

    @Test(
        "are written as NSD writes them, byte for byte",
        arguments: [Capture.nsdAlias, Capture.nsdMissing])
    func written(bytes: [UInt8]) throws {
        let message = try readMessage(bytes)
        #expect(MessageWriter.encode(message) == bytes)
    }

    @Test("come back as they were, of every kind of record")
    func roundTrip() throws {
        let host = name("host.sub.example.com")
        let data: [RecordData] = [
            .address(IPAddress(ipv4: 0xc000_0201)), .address(try IPAddress(parsing: "2001:db8::1")),
            .nameServer(host), .alias(host), .pointer(host), .mailExchange(10, host),
            .service(priority: 1, weight: 2, port: 53, host), .text("v=spf1 -all"),
            .text(strings: [[], Array("two".utf8)]),
            .startOfAuthority(StartOfAuthority(host: host, mailbox: name("x.example.com"))),
            .opaque(RecordType(rawValue: 65_280), [1, 2, 3]), .opaque(.caa, []),
        ]
        let message = Message(
            identifier: 7, flags: .init(rawValue: 0x8583),
            questions: [.init(name("www.example.com"), .any)],
            answers: data.map { ResourceRecord(name("WWW.example.com"), timeToLive: 60, $0) },
            authority: data.map { ResourceRecord(name("example.com"), timeToLive: 1, $0) },
            additional: data.map { ResourceRecord(.root, timeToLive: .max, $0) })
        let bytes = MessageWriter.encode(message)
        #expect(try readMessage(bytes) == message)
    }

    @Test("cut long texts into strings of 255 bytes")
    func text() {
        let long = RecordData.text(String(repeating: "a", count: 600))
        #expect(long.byteCount == 603)
        #expect(RecordData.text("") == .opaque(.txt, [0]))
        #expect(RecordData.text(strings: []) == .opaque(.txt, [0]))
    }

    @Test("find the options and the upper bits of the code in the OPT record")
    func edns() throws {
        let opt = ResourceRecord(
            .root, timeToLive: 0x0100_0000,
            .opaque(.opt, [0, 3, 0, 1, 9, 0, 15, 0, 2, 0, 14]),
            recordClass: RecordClass(rawValue: 1232))
        let message = Message(identifier: 1, additional: [opt])
        #expect(message.code == .badVersion)
        #expect(message.option(.extendedError) == [0, 14])
        #expect(message.option(.nsid) == [9])
        #expect(message.option(.cookie) == nil)
    }

    @Test(
        "refuse every truncation",
        arguments: [Capture.nsdAlias, Capture.nsdMissing, Capture.digWithSubnet])
    func truncations(bytes: [UInt8]) {
        for count in 0..<bytes.count {
            let cut = Array(bytes.prefix(count))
            #expect(throws: MessageError.self) { try readMessage(cut) }
        }
        #expect(throws: MessageError.trailingBytes(offset: bytes.count)) {
            try readMessage((bytes + [0]))
        }
    }

    @Test("stand any bytes; what is read is written and read again")
    func noise() throws {
        let seed: UInt64 = 1035
        var generator = SeededGenerator(seed: seed)
        for round in 0..<10_000 {
            var bytes: [UInt8]
            if round % 4 == 0 {
                bytes = (0..<Int.random(in: 0...200, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
            } else {
                bytes = round % 4 == 1 ? Capture.nsdMissing : Capture.nsdAlias
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    let bit = Int.random(in: 0..<bytes.count * 8, using: &generator)
                    bytes[bit / 8] ^= 1 << UInt8(bit % 8)
                }
            }
            guard let message = try? readMessage(bytes) else { continue }
            let again = MessageWriter.encode(message)
            #expect(
                try readMessage(again) == message, "seed \(seed), round \(round)")
        }
    }
}
