// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront
import NIOCore
import Testing

@Suite("Limits of connections")
struct ConnectionLimitTests {
    /// What happens to connections, by number.
    private final class Bench {
        let limits: ConnectionLimits
        var places: [Int: ConnectionLimits.Place] = [:]
        var closed: [Int] = []

        init(_ connections: Int, perClient: Int = 100, quietTime: TimeAmount = .seconds(1)) {
            self.limits = ConnectionLimits(
                .init(connections: connections, perClient: perClient, quietTime: quietTime))
        }

        /// Whether there is room.
        func enter(_ number: Int, from client: String? = nil, at milliseconds: Int64) -> Bool {
            let now = NIODeadline.uptimeNanoseconds(0) + .milliseconds(milliseconds)
            guard
                let place = self.limits.enter(
                    at: now, close: { [unowned self] in self.closed.append(number) })
            else { return false }
            self.places[number] = place
            guard let client else { return true }
            return self.limits.assign(place, to: address(client), at: now)
        }

        func touch(_ number: Int, at milliseconds: Int64) {
            guard let place = self.places[number] else { return }
            self.limits.touch(place, at: .uptimeNanoseconds(0) + .milliseconds(milliseconds))
        }

        func leave(_ number: Int) {
            if let place = self.places[number] { self.limits.leave(place) }
        }
    }

    @Test("the one that was quiet for longest gives way to a new one")
    func quietest() {
        let bench = Bench(3)
        for number in 0..<3 { #expect(bench.enter(number, at: Int64(number))) }
        bench.touch(0, at: 10)
        #expect(bench.enter(3, at: 2000))
        #expect(bench.closed == [1])
        #expect(bench.enter(4, at: 2001))
        #expect(bench.closed == [1, 2])
        #expect(bench.enter(5, at: 2002))
        #expect(bench.closed == [1, 2, 0])
        #expect(bench.limits.count == 3)
    }

    @Test("none gives way before it was quiet for a while")
    func busy() {
        let bench = Bench(2)
        #expect(bench.enter(0, at: 0))
        #expect(bench.enter(1, at: 0))
        bench.touch(0, at: 900)
        #expect(!bench.enter(2, at: 999))
        #expect(bench.closed == [])
        #expect(bench.enter(3, at: 1000))
        #expect(bench.closed == [1])
        #expect(!bench.enter(4, at: 1899))
        #expect(bench.enter(5, at: 1900))
        #expect(bench.closed == [1, 0])
    }

    @Test("who leaves makes room, once")
    func leaving() {
        let bench = Bench(2)
        #expect(bench.enter(0, from: "192.0.2.1", at: 0))
        #expect(bench.enter(1, from: "192.0.2.2", at: 0))
        bench.leave(0)
        bench.leave(0)
        #expect(bench.limits.count == 1)
        bench.touch(0, at: 5)
        #expect(bench.enter(2, from: "192.0.2.3", at: 0))
        #expect(!bench.enter(3, at: 0))
        #expect(bench.closed == [])
    }

    @Test("a client closes its own, and none of others", arguments: ["192.0.2", "2001:db8:0:1:"])
    func perClient(network: String) {
        let isIPv4 = network.contains(".")
        func client(_ number: Int) -> String { network + (isIPv4 ? "." : ":") + "\(number)" }
        let bench = Bench(100, perClient: 3)
        #expect(bench.enter(0, from: isIPv4 ? "198.51.100.1" : "2001:db8:1::1", at: 0))
        for number in 1...3 { #expect(bench.enter(number, from: client(number), at: 1)) }
        bench.touch(1, at: 500)
        // All of its own are busy.
        #expect(!bench.enter(4, from: client(4), at: 600))
        bench.leave(4)
        #expect(bench.closed == [])
        #expect(bench.enter(5, from: client(5), at: 1400))
        #expect(bench.closed == [2])
        #expect(bench.enter(6, from: client(6), at: 1400))
        #expect(bench.closed == [2, 3])
        #expect(!bench.enter(7, from: client(7), at: 1400))
        bench.leave(7)
        // Another network, and the first one when one of its has left.
        #expect(bench.enter(8, from: isIPv4 ? "192.0.3.1" : "2001:db8:0:100::1", at: 1400))
        bench.leave(5)
        #expect(bench.enter(9, from: client(9), at: 1400))
        #expect(bench.limits.count == 5)
    }

    @Test("what has given way is counted for nobody")
    func assignedLate() {
        let bench = Bench(1, quietTime: .zero)
        #expect(bench.enter(0, at: 0))
        #expect(bench.enter(1, at: 1))
        #expect(bench.closed == [0])
        if let place = bench.places[0] {
            #expect(!bench.limits.assign(place, to: address("192.0.2.1"), at: .now()))
        }
        #expect(bench.limits.count == 1)
    }

    @Test("are kept by many, in any order")
    func random() {
        var generator = SeededGenerator(seed: 7766)
        let bench = Bench(50, perClient: 5, quietTime: .milliseconds(20))
        var inside: [Int: (client: Int, lastQuery: Int64)] = [:]
        for number in 0..<20_000 {
            let now = Int64(number)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0:
                if let one = inside.keys.sorted().randomElement(using: &generator) {
                    bench.leave(one)
                    inside[one] = nil
                }
            case 1:
                if let one = inside.keys.sorted().randomElement(using: &generator) {
                    bench.touch(one, at: now)
                    inside[one]?.lastQuery = now
                }
            default:
                let client = Int.random(in: 0..<15, using: &generator)
                bench.closed = []
                let entered = bench.enter(number, from: "192.0.\(client).1", at: now)
                if !entered { bench.leave(number) }
                for closed in bench.closed {
                    if let gone = inside.removeValue(forKey: closed) {
                        #expect(now - gone.lastQuery >= 20)
                    } else {
                        Issue.record("\(closed) had left already")
                    }
                }
                if entered { inside[number] = (client, now) }
            }
            #expect(bench.limits.count == inside.count)
            #expect(inside.count <= 50)
        }
        let counts = Dictionary(grouping: inside.values, by: \.client).mapValues(\.count)
        #expect(counts.values.allSatisfy { $0 <= 5 })
    }
}
