// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSFront
import DNSWire
import Testing

@Suite("Any bytes as queries")
struct AnswerNoiseTests {
    /// Whatever came, an answer is a whole message of the right size with the query's identifier.
    private func check(_ reply: [UInt8]?, to query: [UInt8], _ what: String) throws {
        guard let reply else {
            #expect(query.count < 12 || query[2] & 0x80 != 0, "silence: \(what)")
            return
        }
        #expect(query.count >= 12 && query[2] & 0x80 == 0, "\(what)")
        #expect(reply.prefix(2) == query.prefix(2), "\(what)")
        #expect(reply[2] & 0xf8 == 0x80 | query[2] & 0x78, "\(what)")
        #expect(reply.count <= 1232, "\(what)")
        let message = try readMessage(reply)
        if !query.isEmpty, QueryMessage(reading: query.span.bytes)?.edns == nil {
            #expect(message.edns == nil, "\(what)")
            #expect(reply.count <= 512, "\(what)")
        }
    }

    private func readMessage(_ bytes: [UInt8]) throws -> Message {
        try Message(reading: bytes.span.bytes)
    }

    private var queries: [[UInt8]] {
        let names = [
            "www.example.com", "static.example.com", "alias.example.com", "x.wild.example.com",
            "a.sub.example.com", "big.example.com", "nothing.example.com", "example.com",
        ]
        return names.flatMap { owner in
            [RecordType.a, .txt, .any, .ns].map { type in
                var query = Query(owner, type)
                query.subnet = "192.0.2.0/24"
                query.options += [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]
                return query.bytes
            }
        }
    }

    @Test("get an answer that is a message, when cut short")
    func truncations() throws {
        let bench = try Bench()
        for query in self.queries {
            for count in 0...query.count {
                let cut = Array(query.prefix(count))
                let reply = bench.ask(cut)
                try self.check(reply, to: cut, "\(count) bytes of \(query)")
                if let reply, count < query.count {
                    #expect(try readMessage(reply).code == .formatError)
                }
            }
        }
    }

    @Test("get an answer that is a message, when noise")
    func noise() async throws {
        let seed: UInt64 = 5353
        var generator = SeededGenerator(seed: seed)
        let bench = try Bench()
        await bench.pin([("192.0.2.0/24", [amsterdam])])
        let queries = self.queries
        for round in 0..<20_000 {
            var bytes: [UInt8]
            if round % 3 == 0 {
                bytes = (0..<Int.random(in: 0...100, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
            } else {
                bytes = queries[round % queries.count]
                for _ in 0..<Int.random(in: 1...5, using: &generator) {
                    let bit = Int.random(in: 0..<bytes.count * 8, using: &generator)
                    bytes[bit / 8] ^= 1 << UInt8(bit % 8)
                }
            }
            try self.check(bench.ask(bytes), to: bytes, "seed \(seed), round \(round)")
        }
        let counters = bench.counters
        #expect(counters.total == 20_000)
        #expect(counters.responses.values.reduce(0, +) + counters.unanswered == 20_000)
    }
}
