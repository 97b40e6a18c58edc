// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CAllocationCount
import DNSFront
import DNSWire
import Testing

@Suite("Memory")
struct AllocationTests {
    /// Whether the build is optimised: without it, the compiler boxes what it needn't.
    private static var isOptimised: Bool {
        var isDebug = false
        assert(
            {
                isDebug = true
                return true
            }())
        return !isDebug
    }

    @Test("the count counts", .enabled(if: martlet_allocation_count() >= 0))
    func counting() {
        let before = martlet_allocation_count()
        let memory = [Int](repeating: 1, count: 1000 + Int(before % 2))
        #expect(martlet_allocation_count() > before + memory[0] - 1)
    }

    @Test(
        "no query allocates once its class of clients is known",
        .enabled(if: isOptimised, "only in an optimised build"),
        .enabled(if: martlet_allocation_count() >= 0, "a sanitizer has malloc"),
        arguments: [
            ("www.example.com", RecordType.a), ("two.example.com", .aaaa),
            ("shared.example.com", .a), ("none.example.com", .a), ("v4.example.com", .aaaa),
            ("static.example.com", .a), ("STATIC.example.com", .txt), ("example.com", .ns),
            ("alias.example.com", .a), ("short.example.com", .a), ("x.wild.example.com", .txt),
            ("a.sub.example.com", .a), ("a.b.nothing.example.com", .a), ("example.org", .a),
            ("deep.moved.example.com", .a), ("tomoved.example.com", .a), ("tosub.example.com", .a),
            ("two.example.com", .https), ("cdn.example.com", .txt), ("cdn.example.com", .a),
            ("mail.example.com", .mx), ("sub.example.com", .ds), ("example.com", .ds),
            ("big.example.com", .txt), ("example.com", .any), ("example.com", .axfr),
            ("x", .opt),
        ])
    func steadyState(owner: String, type: RecordType) async throws {
        let bench = try Bench()
        await bench.pin([("192.0.2.0/24", [amsterdam])])
        var withSubnet = Query(owner, type)
        withSubnet.subnet = "192.0.2.0/24"
        for query in [withSubnet.bytes, Query(owner, type).bytes] {
            let client = address("198.51.100.1")
            _ = bench.askRepeatedly(query, from: client, count: 2)
            let before = martlet_allocation_count()
            let total = bench.askRepeatedly(query, from: client, count: 1000)
            let after = martlet_allocation_count()
            #expect(after - before == 0, "32,000 queries")
            #expect(total > 0)
        }
    }

    @Test(
        "nor does one for what the server says of itself",
        .enabled(if: isOptimised, "only in an optimised build"),
        .enabled(if: martlet_allocation_count() >= 0, "a sanitizer has malloc"),
        arguments: ["version.bind", "version.server", "hostname.bind", "id.server", "no.bind"])
    func chaos(owner: String) throws {
        var rules = AnswerRules()
        (rules.identity, rules.version) = ("ams1.example.net", "martlet")
        let bench = try Bench(rules: rules)
        var query = Query(owner, .txt)
        query.recordClass = .chaos
        let bytes = query.bytes
        let client = address("198.51.100.1")
        _ = bench.askRepeatedly(bytes, from: client, count: 2)
        let before = martlet_allocation_count()
        let total = bench.askRepeatedly(bytes, from: client, count: 1000)
        #expect(martlet_allocation_count() - before == 0, "32,000 queries")
        #expect(total > 0)
    }

    @Test(
        "nor does the thread that takes in other zones: who replaces them has made what it needs",
        .enabled(if: isOptimised, "only in an optimised build"),
        .enabled(if: martlet_allocation_count() >= 0, "a sanitizer has malloc"))
    func otherZones() throws {
        let bench = try Bench()
        let query = Query("static.example.com", .a).bytes
        let client = address("198.51.100.1")
        _ = bench.askRepeatedly(query, from: client, count: 2)
        for round in 0..<20 {
            var zone = exampleZone()
            zone.add(name("round\(round).example.com"), timeToLive: 1, .text("x"))
            try bench.store.replace([zone])
            let before = martlet_allocation_count()
            _ = bench.askRepeatedly(query, from: client, count: 1)
            #expect(martlet_allocation_count() - before == 0, "round \(round)")
            // Which adds up what was counted before.
            #expect(
                bench.counters(names: .none)[name("example.com")]?.queries
                    == UInt64(64 + 32 * (round + 1)))
        }
    }

    @Test(
        "nor does a proxy's header",
        .enabled(if: isOptimised, "only in an optimised build"),
        .enabled(if: martlet_allocation_count() >= 0, "a sanitizer has malloc"))
    func proxied() {
        let gate = ProxyGate([prefix("192.0.2.0/24"), prefix("2001:db8::/32")])
        let proxy = address("2001:db8::7")
        let client = address("203.0.113.9")
        let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]
        let bare = Query("www.example.com", .a).bytes
        let datagram =
            signature + [0x21, 0x12, 0, 12, 203, 0, 113, 9, 127, 0, 0, 1, 0, 9, 0, 53] + bare
        // One without a header is no part of it: the tests' library looks at every error that is
        // thrown, and allocates for that.
        #expect(gate.open(bare.span.bytes, from: proxy) == nil)
        let before = martlet_allocation_count()
        var opened = 0
        for _ in 0..<1000 {
            guard gate.watches(proxy), !gate.watches(client),
                let passed = gate.open(datagram.span.bytes, from: proxy)
            else { continue }
            if passed.client == client, passed.queryOffset == 28 { opened += 1 }
        }
        let after = martlet_allocation_count()
        #expect(after - before == 0)
        #expect(opened == 1000)
    }
}
