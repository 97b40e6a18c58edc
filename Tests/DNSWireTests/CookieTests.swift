// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire
import Testing

@Suite("Cookies")
struct CookieTests {
    private func read(_ bytes: [UInt8]) throws -> Cookie {
        try Cookie(reading: bytes.span.bytes, in: 0..<bytes.count)
    }

    private func address(_ text: String) throws -> IPAddress { try IPAddress(parsing: text) }

    private func bytes(_ cookie: ServerCookie) -> [UInt8] {
        [cookie.head, cookie.hash].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
        }
    }

    @Test(
        "SipHash-2-4 gives what its authors print, for the key and the messages 00 01 02 …",
        arguments: [
            (0, 0x726f_db47_dd0e_0e31), (1, 0x74f8_39c5_93dc_67fd), (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5), (63, 0x958a_324c_eb06_4572),
        ] as [(Int, UInt64)])
    func sipHash(length: Int, expected: UInt64) {
        func word(_ from: Int, _ count: Int) -> UInt64 {
            (0..<count).reduce(0) { $0 | UInt64(from + $1) << UInt64(8 * $1) }
        }
        var hash = SipHash(key: SipHash.Key(first: word(0, 8), second: word(8, 8)))
        for start in stride(from: 0, to: length / 8 * 8, by: 8) { hash.append(word(start, 8)) }
        #expect(hash.finish(word(length / 8 * 8, length % 8), byteCount: length) == expected)
    }

    /// RFC 9018, appendix A.
    struct Example: Sendable {
        var secrets: String
        var client: String
        var query: String
        var queriedAt: UInt32
        var verdict: CookieSecrets.Verdict
        var reply: String
        var repliedAt: UInt32
    }

    @Test(
        "are those of RFC 9018, appendix A",
        arguments: [
            Example(
                secrets: "e5e973e5a6b2a43f48e7dc849e37bfcf", client: "198.51.100.100",
                query: "2464c4abcf10c957", queriedAt: 1_559_731_985, verdict: .new,
                reply: "010000005cf79f111f8130c3eee29480", repliedAt: 1_559_731_985),
            Example(
                secrets: "e5e973e5a6b2a43f48e7dc849e37bfcf", client: "198.51.100.100",
                query: "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
                queriedAt: 1_559_734_385, verdict: .good(isFresh: false),
                reply: "010000005cf7a871d4a564a1442aca77", repliedAt: 1_559_734_385),
            // Others may have set the reserved bytes; we don't. (The example's query is older than
            // an hour when it is answered; it is checked when it was made.)
            Example(
                secrets: "e5e973e5a6b2a43f48e7dc849e37bfcf", client: "203.0.113.203",
                query: "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
                queriedAt: 1_559_727_985, verdict: .good(isFresh: false),
                reply: "010000005cf7a9acf73a7810aca2381e", repliedAt: 1_559_734_700),
            // The secret has been rolled: the old one checks, the new one makes.
            Example(
                secrets: "445536bcd2513298075a5d379663c962\ndd3bdf9344b678b185a6f5cb60fca715\n",
                client: "2001:db8:220:1:59de:d0f4:8769:82b8",
                query: "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
                queriedAt: 1_559_741_961, verdict: .good(isFresh: false),
                reply: "010000005cf7c609a6bb79d16625507a", repliedAt: 1_559_741_961),
        ])
    func standard(_ example: Example) throws {
        let secrets = try CookieSecrets(parsing: example.secrets)
        let client = try self.address(example.client)
        let cookie = try self.read(hex(example.query))
        #expect(secrets.check(cookie, from: client, at: example.queriedAt) == example.verdict)
        let made = secrets.make(
            client: cookie.client, address: client, time: example.repliedAt)
        #expect(self.bytes(made) == hex(example.reply))
        #expect(made.time == example.repliedAt)
        let next = Cookie(client: cookie.client, server: made)
        #expect(
            secrets.check(next, from: client, at: example.repliedAt) == .good(isFresh: true))
    }

    @Test("are good for their client and their hour")
    func checks() throws {
        let secrets = try CookieSecrets(parsing: "000102030405060708090a0b0c0d0e0f")
        let client = try self.address("192.0.2.1")
        // Past the end of 32 bits of seconds too.
        for made in [1_700_000_000, 0xffff_fff0] as [UInt32] {
            let server = secrets.make(client: 7, address: client, time: made)
            let cookie = Cookie(client: 7, server: server)
            for (age, verdict) in [
                (0, .good(isFresh: true)), (1799, .good(isFresh: true)),
                (1800, .good(isFresh: false)), (3600, .good(isFresh: false)), (3601, .bad),
                (-300, .good(isFresh: true)), (-301, .bad),
            ] as [(Int32, CookieSecrets.Verdict)] {
                #expect(
                    secrets.check(cookie, from: client, at: made &+ UInt32(bitPattern: age))
                        == verdict, "\(age)")
            }
            #expect(
                secrets.check(Cookie(client: 8, server: server), from: client, at: made) == .bad)
            #expect(secrets.check(cookie, from: try self.address("192.0.2.2"), at: made) == .bad)
            #expect(
                secrets.check(cookie, from: try self.address("c000:201::"), at: made) == .bad,
                "an IPv6 address with the same bits is another")
            let others = try CookieSecrets(parsing: "000102030405060708090a0b0c0d0e10")
            #expect(others.check(cookie, from: client, at: made) == .bad)
            var older = cookie
            older.server?.head ^= 3
            #expect(secrets.check(older, from: client, at: made) == .bad, "version 2 is unknown")
        }
    }

    @Test("have 8 bytes, or 16 to 40; others' forms are no good")
    func lengths() throws {
        let secrets = try CookieSecrets(parsing: "000102030405060708090a0b0c0d0e0f")
        let client = try self.address("192.0.2.1")
        for count in 0...45 {
            let bytes = [UInt8](repeating: 1, count: count)
            guard count == 8 || (16...40).contains(count) else {
                #expect(throws: CookieError.wrongLength(count)) { try self.read(bytes) }
                continue
            }
            let cookie = try self.read(bytes)
            #expect(cookie.client == 0x0101_0101_0101_0101)
            #expect(Int(cookie.serverByteCount) == count - 8)
            #expect((cookie.server != nil) == (count == 24))
            #expect(secrets.check(cookie, from: client, at: 0) == (count == 8 ? .new : .bad))
        }
    }

    @Test("secrets are lines of 32 digits")
    func secrets() throws {
        let two =
            "# new\n00112233445566778899AABBCCDDEEFF # made\n\n"
            + "ffeeddcc bbaa9988 77665544 33221100\r\n"
        #expect(try CookieSecrets(parsing: two).count == 2)
        for (text, error) in [
            ("", .none), ("# nothing\n", .none), ("\n0011\n", .notHexadecimal(line: 2)),
            ("00112233445566778899AABBCCDDEEFG", .notHexadecimal(line: 1)),
            ("００112233445566778899AABBCCDDEEF", .notHexadecimal(line: 1)),
            (
                String(repeating: "00112233445566778899AABBCCDDEEFF\n", count: 5), .tooMany
            ),
        ] as [(String, CookieSecrets.SyntaxError)] {
            #expect(throws: error, "\(text)") { try CookieSecrets(parsing: text) }
        }
    }
}
