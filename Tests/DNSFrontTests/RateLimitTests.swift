// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront
import DNSWire
import Testing

@Suite("Response rate limiting")
struct RateLimitTests {
    private func bench(_ change: (inout RateLimitRules) -> Void = { _ in }) throws -> Bench {
        var limits = RateLimitRules()
        limits.answers = 100
        limits.negative = 50
        limits.errors = 10
        change(&limits)
        var rules = AnswerRules()
        rules.rateLimit = limits
        return try Bench(rules: rules)
    }

    private struct Counts: Equatable {
        var whole = 0
        var cut = 0
        var dropped = 0
    }

    private func ask(
        _ bench: Bench, _ count: Int, _ owner: String = "static.example.com",
        _ type: RecordType = .a, from client: (Int) -> IPAddress = { _ in address("192.0.2.1") },
        change: (inout Query) -> Void = { _ in }
    ) throws -> Counts {
        var counts = Counts()
        for number in 0..<count {
            var query = Query(owner, type)
            query.client = client(number)
            change(&query)
            guard let bytes = bench.ask(query.bytes, from: query.client, over: query.transport)
            else {
                counts.dropped += 1
                continue
            }
            let reply = try Message(reading: bytes.span.bytes)
            if reply.isTruncated || reply.code == .badCookie {
                counts.cut += 1
                #expect(reply.answers.isEmpty && reply.authority.isEmpty)
                #expect(!reply.isAuthoritative)
                #expect(bytes.count <= query.bytes.count + 24, "no more than came, and a cookie")
            } else {
                counts.whole += 1
            }
        }
        return counts
    }

    @Test(
        "a prefix has two seconds' answers saved up, then as many a second; half of the rest slip")
    func rate() throws {
        let bench = try self.bench()
        #expect(try self.ask(bench, 400) == Counts(whole: 200, cut: 100, dropped: 100))
        bench.moment.milliseconds += 500
        #expect(try self.ask(bench, 100) == Counts(whole: 50, cut: 25, dropped: 25))
        bench.moment.milliseconds += 10_000
        #expect(try self.ask(bench, 300) == Counts(whole: 200, cut: 50, dropped: 50))
        #expect(bench.counters.dropped == 175)
        #expect(bench.counters.slipped == 175)
        #expect(bench.counters.total == 800)
    }

    @Test("kinds of answers are counted apart")
    func kinds() throws {
        let bench = try self.bench()
        // Of errors, REFUSED here, those that slip go out as they are.
        #expect(try self.ask(bench, 300, "example.org") == Counts(whole: 160, cut: 0, dropped: 140))
        #expect(try self.ask(bench, 300, "nothing.example.com").whole == 100)
        #expect(try self.ask(bench, 10, "static.example.com", .aaaa).whole == 0, "NODATA too")
        #expect(try self.ask(bench, 300, "a.sub.example.com").whole == 200, "referrals are answers")
        #expect(try self.ask(bench, 10).whole == 0)
        #expect(try self.ask(bench, 10, "www.example.com").whole == 0)
    }

    @Test("clients of one prefix are counted together, others apart")
    func prefixes() throws {
        let bench = try self.bench()
        let block = try self.ask(bench, 400) { address("192.0.2.\($0 % 256)") }
        #expect(block.whole == 200)
        #expect(try self.ask(bench, 10) { _ in address("::ffff:192.0.2.9") }.whole == 0)
        #expect(try self.ask(bench, 10) { _ in address("192.0.3.1") }.whole == 10)
        // The same bits in the other family are another prefix.
        #expect(try self.ask(bench, 10) { _ in address("c000:0200::1") }.whole == 10)
        let six = try self.ask(bench, 400) { number in
            let subnet = String(number % 256, radix: 16)
            return address("2001:db8:1:\(subnet)::\(number)")
        }
        #expect(six.whole == 200, "a /56")
        #expect(try self.ask(bench, 10) { _ in address("2001:db8:1:100::1") }.whole == 10)
    }

    @Test("a slip of 1 drops nothing, one of 0 all", arguments: [0, 1, 3])
    func slip(_ slip: Int) throws {
        let bench = try self.bench { $0.slip = slip }
        let counts = try self.ask(bench, 500)
        #expect(counts.whole == 200)
        #expect(counts.cut == (slip == 0 ? 0 : 300 / slip))
    }

    @Test("a kind without a limit has none")
    func unlimited() throws {
        let bench = try self.bench { $0.answers = 0 }
        #expect(try self.ask(bench, 1000).whole == 1000)
        #expect(try self.ask(bench, 300, "nothing.example.com").whole == 100)
    }

    @Test("TCP, listed prefixes and valid cookies are not limited")
    func exempt() throws {
        let bench = try self.bench { $0.exempt = [prefix("198.51.100.0/24")] }
        _ = try self.ask(bench, 400)
        #expect(try self.ask(bench, 500) { _ in address("198.51.100.7") }.whole == 500)
        #expect(try self.ask(bench, 500, change: { $0.transport = .tcp }).whole == 500)

        // Who has no good cookie yet is told to come back with the one it gets.
        var query = Query("static.example.com", .a)
        query.client = address("192.0.2.1")
        query.add(.cookie, [1, 2, 3, 4, 5, 6, 7, 8])
        var reply: Message?
        for _ in 0..<4 where reply == nil { reply = try? bench.ask(query) }
        #expect(reply?.code == .badCookie)
        query.name = "big.example.com"
        query.type = .txt
        query.payloadSize = 512
        reply = nil
        for _ in 0..<4 where reply == nil { reply = try? bench.ask(query) }
        #expect(reply?.code == .badCookie && reply?.isTruncated == false)
        query.name = "static.example.com"
        query.type = .a
        #expect(reply?.isTruncated == false)
        let cookie = try #require(reply?.option(.cookie))
        #expect(try self.ask(bench, 500, change: { $0.add(.cookie, cookie) }).whole == 500)
        // Anybody else's cookie is none.
        let others = try self.ask(bench, 300, from: { _ in address("192.0.2.2") }) {
            $0.add(.cookie, cookie)
        }
        #expect(others.whole == 0)
    }

    @Test("a flood from one prefix, and one from very many, leave others served")
    func flood() throws {
        let bench = try self.bench { $0.tableSize = 1024 }
        var generator = SeededGenerator(seed: 20_261_121)
        var one = Counts()
        var served = 0
        // Ten seconds: 2000 a second from one prefix, as many from random ones, and ten polite
        // clients.
        for second in 0..<10 {
            for part in 0..<100 {
                bench.moment.milliseconds += 10
                let some = try self.ask(bench, 20) { address("203.0.113.\($0)") }
                one.whole += some.whole
                one.cut += some.cut
                _ = try self.ask(bench, 20) { _ in
                    IPAddress(ipv4: UInt32.random(in: 0x0100_0000...0x6fff_ffff, using: &generator))
                }
                if part % 10 == 0 {
                    served += try self.ask(bench, 10) { address("198.51.\($0).\(second)") }.whole
                }
            }
        }
        #expect(served == 1000, "all that the polite ones asked")
        #expect(one.whole >= 1100 && one.whole <= 1200 + 100, "100 a second and the first 200")
    }

    @Test("limits may change, and stay as they were where others' rules change")
    func change() throws {
        let bench = try self.bench()
        _ = try self.ask(bench, 400)
        var rules = bench.rules.rules
        rules.identity = "ns1"
        bench.rules.replace(rules)
        #expect(try self.ask(bench, 10).whole == 0)
        rules.rateLimit?.answers = 1000
        bench.rules.replace(rules)
        #expect(try self.ask(bench, 400).whole == 400)
        rules.rateLimit = nil
        bench.rules.replace(rules)
        #expect(try self.ask(bench, 5000).whole == 5000)
    }
}
