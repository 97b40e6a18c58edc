// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront
import DNSWire
import Testing

@Suite("Answers with cookies")
struct CookieAnswerTests {
    private static let client: [UInt8] = [0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57]

    /// A secret of RFC 9018's appendix.
    private func rules(isRequired: Bool = false) throws -> AnswerRules {
        var rules = AnswerRules()
        rules.cookies = CookieRules(
            secrets: try CookieSecrets(parsing: "e5e973e5a6b2a43f48e7dc849e37bfcf"),
            isRequired: isRequired)
        return rules
    }

    private func query(_ cookie: [UInt8], _ owner: String = "static.example.com") -> Query {
        var query = Query(owner, .a)
        query.client = address("198.51.100.100")
        query.add(.cookie, cookie)
        return query
    }

    @Test("a client gets a cookie, gives it back, and gets a fresh one after half an hour")
    func life() throws {
        let bench = try Bench(rules: self.rules())
        bench.moment.unixTime = 1_559_731_985
        let first = try bench.ask(self.query(Self.client))
        #expect(first.addresses.count == 2)
        let cookie = try #require(first.option(.cookie))
        #expect(cookie == Self.client + hex("010000005cf79f111f8130c3eee29480"))
        bench.moment.unixTime += 1799
        #expect(try bench.ask(self.query(cookie)).option(.cookie) == cookie)
        bench.moment.unixTime = 1_559_734_385
        let second = try bench.ask(self.query(cookie)).option(.cookie)
        #expect(second == Self.client + hex("010000005cf7a871d4a564a1442aca77"))
        #expect(bench.counters.withCookie == 3)
        #expect(bench.counters.goodCookies == 2)
        // An IPv6 socket's way to write an address is no other client.
        var mapped = self.query(cookie)
        mapped.client = address("::ffff:198.51.100.100")
        #expect(try bench.ask(mapped).option(.cookie) == second)
        var other = self.query(cookie)
        other.client = address("198.51.100.101")
        #expect(try bench.ask(other).option(.cookie)?.prefix(8) == Self.client[...])
        #expect(bench.counters.badCookies == 1)
    }

    @Test("a badly formed one is FORMERR, without one in the answer", arguments: [0, 7, 9, 41])
    func badlyFormed(count: Int) throws {
        let bench = try Bench(rules: self.rules())
        let reply = try bench.ask(self.query([UInt8](repeating: 1, count: count)))
        #expect(reply.code == .formatError)
        #expect(reply.edns?.data == .opaque(.opt, []))
    }

    @Test("where cookies are required, a client that knows of them must give ours back by UDP")
    func required() throws {
        let bench = try Bench(rules: self.rules(isRequired: true))
        let refused = try bench.ask(self.query(Self.client))
        #expect(refused.code == .badCookie)
        #expect(refused.flags.code.rawValue == 7, "23 is 1 × 16 + 7")
        #expect(refused.answers.isEmpty && refused.authority.isEmpty)
        #expect(refused.questions.count == 1)
        #expect(!refused.isAuthoritative && !refused.isTruncated)
        let cookie = try #require(refused.option(.cookie))
        #expect(try bench.ask(self.query(cookie)).addresses.count == 2)
        var forged = cookie
        forged[23] ^= 1
        #expect(try bench.ask(self.query(forged)).code == .badCookie)
        var tcp = self.query(Self.client)
        tcp.transport = .tcp
        #expect(try bench.ask(tcp).addresses.count == 2, "TCP shows where a client is")
        #expect(try bench.ask("static.example.com", .a).addresses.count == 2, "no cookie at all")
    }

    @Test(
        "one may be asked for, or asked about, without a question (RFC 7873 §5.4)",
        arguments: [true, false])
    func alone(isRequired: Bool) throws {
        let bench = try Bench(rules: self.rules(isRequired: isRequired))
        func ask(_ cookie: [UInt8]) throws -> Message {
            var bytes = Array(self.query(cookie).bytes)
            // Take the question out.
            bytes.removeSubrange(12..<12 + name("static.example.com").wire.count + 4)
            bytes[5] = 0
            let reply = try #require(bench.ask(bytes, from: address("198.51.100.100")))
            return try Message(reading: reply.span.bytes)
        }
        let first = try ask(Self.client)
        #expect(first.code == .noError, "it is given what it asks for")
        #expect(first.questions.isEmpty)
        let cookie = try #require(first.option(.cookie))
        let second = try ask(cookie)
        #expect(second.code == .noError)
        #expect(second.answers.isEmpty && second.authority.isEmpty)
        #expect(second.option(.cookie) == cookie)
        var forged = cookie
        forged[23] ^= 1
        let bad = try ask(forged)
        #expect(bad.code == .badCookie)
        #expect(bad.option(.cookie) == cookie)

        var rules = AnswerRules()
        rules.cookies = nil
        bench.rules.replace(rules)
        let off = try ask(Self.client)
        #expect(off.code == .formatError)
        #expect(off.option(.cookie) == nil)
    }

    @Test("where they are off, they are passed over")
    func off() throws {
        var rules = AnswerRules()
        rules.cookies = nil
        let bench = try Bench(rules: rules)
        let reply = try bench.ask(self.query(Self.client))
        #expect(reply.addresses.count == 2)
        #expect(reply.option(.cookie) == nil)
        #expect(bench.counters.withCookie == 0)
    }

    @Test("random secrets change every day, and the day before's are good as long as cookies are")
    func rolled() throws {
        let bench = try Bench()
        bench.moment.unixTime = 20_000 * 86_400 + 86_000
        let cookie = try #require(try bench.ask(self.query(Self.client)).option(.cookie))
        bench.moment.unixTime += 1000
        let next = try #require(try bench.ask(self.query(cookie)).option(.cookie))
        #expect(bench.counters.goodCookies == 1)
        #expect(next != cookie, "made with the new secret")
        bench.moment.unixTime += 2 * 86_400
        _ = try bench.ask(self.query(next))
        #expect(bench.counters.badCookies == 1)
        // Other threads draw the same secrets, other servers others.
        let other = try Bench()
        other.moment = bench.moment
        #expect(
            try other.ask(self.query(Self.client)).option(.cookie)
                != bench.ask(self.query(Self.client)).option(.cookie))
    }
}

private func hex(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map {
        UInt8(digits[$0] << 4 | digits[$0 + 1])
    }
}
