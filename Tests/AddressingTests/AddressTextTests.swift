// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Testing

@Suite("Addresses as text")
struct AddressTextTests {
    @Test(
        "come back as RFC 5952 wants them",
        arguments: [
            ("1.2.3.4", "1.2.3.4"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
            ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("0:0:0:0:0:0:0:0", "::"),
            ("FE80:0:0:0:1:0:0:1", "fe80::1:0:0:1"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"), ("::ffff:0102:0304", "::ffff:1.2.3.4"),
            ("::1.2.3.4", "::102:304"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
            ("1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"),
            // RFC 5952 §4.1, §4.2.2, §4.2.3 (the longest run; of equal runs the first), §4.3
            ("2001:0db8::0001", "2001:db8::1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:DB8::ABCD", "2001:db8::abcd"),
        ])
    func canonical(text: String, canonical: String) throws {
        let address = try IPAddress(parsing: text)
        #expect(address.description == canonical)
        #expect(IPAddress(canonical) == address)
    }

    @Test(
        "say what is wrong and where",
        arguments: [
            ("", .empty, 0), ("1.2.3", .incomplete, 5), ("1.2.3.", .incomplete, 6),
            ("1.2.3.4.5", .unexpectedCharacter(0x2e), 7), ("1.2.3.4 ", .unexpectedCharacter(32), 7),
            ("1.2.3.256", .octetTooLarge(256), 6), ("01.2.3.4", .leadingZero, 0),
            ("1.00.3.4", .leadingZero, 2), ("1..2.3", .unexpectedCharacter(0x2e), 2),
            ("0x1.2.3.4", .unexpectedCharacter(0x78), 1),
            ("a.b.c.d", .unexpectedCharacter(0x61), 0),
            (":", .incomplete, 1), (":1", .unexpectedCharacter(0x3a), 0), ("1:", .incomplete, 2),
            (":::", .unexpectedCharacter(0x3a), 2), ("1::2::3", .secondCompression, 4),
            ("1:2:3:4:5:6:7", .tooFewGroups, 13), ("1:2:3:4:5:6:7:8:9", .tooManyGroups, 16),
            ("1::2:3:4:5:6:7:8", .tooManyGroups, 16), ("12345::", .groupTooLong, 0),
            ("fe80::1%eth0", .zoneIdentifier, 7), ("::%1", .zoneIdentifier, 2),
            ("1.2.3.4%1", .zoneIdentifier, 7), ("::1.2.3", .incomplete, 7),
            ("::01.2.3.4", .leadingZero, 2), ("1:2:3:4:5:6:7:1.2.3.4", .tooManyGroups, 14),
            ("::1.2.3.4:5", .unexpectedCharacter(0x3a), 9), ("::g", .unexpectedCharacter(0x67), 2),
            ("1.2.3.4::", .unexpectedCharacter(0x3a), 7), ("[::1]", .unexpectedCharacter(0x5b), 0),
            ("1.2.3.\u{664}", .unexpectedCharacter(0xd9), 6),
            ("99999999999999999999.1.1.1", .octetTooLarge(999), 0),
        ] as [(String, AddressSyntaxError.Reason, Int)])
    func errors(text: String, reason: AddressSyntaxError.Reason, offset: Int) {
        #expect(throws: AddressSyntaxError(reason, offset: offset)) {
            try IPAddress(parsing: text)
        }
    }

    @Test("read as the C library reads every short text of digits, dots and colons")
    func exhaustiveShort() {
        var wrong: [String] = []
        forEachText(of: ["0", "1", ":", "."], upTo: 8) {
            if IPAddress($0) != SystemReference.parse($0) { wrong.append($0) }
        }
        #expect(wrong == [])
    }

    @Test("read as the C library reads every arrangement of groups")
    func exhaustiveGroups() {
        var wrong: [String] = []
        var read = 0
        forEachText(of: ["1:", "::", "f", "1.2.3.4"], upTo: 9) {
            let address = IPAddress($0)
            if address != nil { read += 1 }
            if address != SystemReference.parse($0) { wrong.append($0) }
        }
        #expect(wrong == [])
        #expect(read > 1000)
    }

    @Test("read and print as the C library does, for random addresses with runs of zeros")
    func randomAddresses() {
        var random = SeededGenerator(seed: 5952)
        for _ in 0..<20_000 {
            let zeros = UInt16(truncatingIfNeeded: random.next() | random.next())
            var bits: UInt128 = 0
            for group in 0..<8 {
                let value = UInt16(truncatingIfNeeded: random.next())
                let short = value >> (value & 15)
                bits = bits << 16 | UInt128(zeros >> group & 1 == 0 ? 0 : short)
            }
            for family in AddressFamily.allCases {
                let address = IPAddress(family: family, leftAligned: bits)
                let text = SystemReference.print(address)
                // The C library prints `::1.2.3.4` where RFC 5952 §5 has no reason to.
                if family == .ipv4 || bits >> 32 != 0 {
                    #expect(address.description == text)
                }
                #expect(IPAddress(text) == address)
                #expect(IPAddress(address.description) == address)
            }
        }
    }

    @Test("read as the C library reads good texts with bytes changed, put in and left out")
    func mutatedTexts() {
        var random = SeededGenerator(seed: 4291)
        let good = [
            "192.0.2.255", "10.0.0.0", "2001:db8::1", "::ffff:203.0.113.7",
            "2001:db8:1:22:333:4444:5:6", "fe80::", "1:2:3:4:5:6:255.255.255.255",
        ]
        let alphabet = Array("0123456789abcdefABCDEF::::....%/ gx-+\u{e9}\t".utf8)
        for _ in 0..<60_000 {
            var bytes = Array((good.randomElement(using: &random) ?? "").utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let byte = alphabet.randomElement(using: &random) ?? 0
                let place = Int.random(in: 0...bytes.count, using: &random)
                switch random.next() % 3 {
                case 0: bytes.insert(byte, at: place)
                case 1 where place < bytes.count: bytes[place] = byte
                case 2 where place < bytes.count: bytes.remove(at: place)
                default: break
                }
            }
            let address = try? IPAddress(parsing: bytes.span)
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(address == SystemReference.parse(text), "\(text)")
        }
    }

    @Test("random bytes, NUL among them, are refused or read, and nothing worse")
    func randomBytes() {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...50, using: &random)).map { _ in
                UInt8(truncatingIfNeeded: random.next())
            }
            _ = try? IPAddress(parsing: bytes.span)
            _ = try? IPPrefix(parsing: bytes.span)
            _ = try? IPPrefix.lenient(parsing: bytes.span)
            _ = try? ASNumber(parsing: bytes.span)
        }
        #expect(throws: AddressSyntaxError(.unexpectedCharacter(0), offset: 7)) {
            try IPAddress(parsing: [0x31, 0x2e, 0x31, 0x2e, 0x31, 0x2e, 0x31, 0].span)
        }
    }
}
