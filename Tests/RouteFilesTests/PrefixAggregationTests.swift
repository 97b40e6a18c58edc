// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteFiles
import Testing

@Suite("The fewest prefixes")
struct PrefixAggregationTests {
    /// A block of 2^bits addresses, each with an answer or none, at the end of a family's space or
    /// somewhere in it.
    private struct Block {
        var base: IPPrefix
        var answers: [UInt32?]

        func address(_ index: Int) -> IPAddress {
            let shift = UInt128(128 - self.base.family.width)
            return IPAddress(
                family: self.base.family,
                leftAligned: self.base.address.leftAligned | UInt128(index) << shift)
        }

        /// A run for each address, and one behind the last where there is an address left.
        var runs: [PrefixAggregation.Run] {
            var runs = self.answers.indices.map {
                PrefixAggregation.Run(
                    start: self.address($0).leftAligned, answer: self.answers[$0])
            }
            let (end, overflow) = self.base.last.leftAligned.addingReportingOverflow(
                1 << UInt128(128 - self.base.family.width))
            if !overflow { runs.append(.init(start: end, answer: nil)) }
            return runs
        }

        /// The least number of prefixes, by trying every answer at every block.
        func fewest(_ low: Int, _ high: Int, inherited: UInt32?, _ choices: UInt32) -> Int {
            if high - low == 1 {
                if self.answers[low] == inherited { return 0 }
                return self.answers[low] == nil ? 1_000_000 : 1
            }
            let middle = (low + high) / 2
            func halves(_ answer: UInt32?) -> Int {
                self.fewest(low, middle, inherited: answer, choices)
                    + self.fewest(middle, high, inherited: answer, choices)
            }
            return (0..<choices).reduce(halves(inherited)) { min($0, 1 + halves($1)) }
        }
    }

    private static let bases = [
        "198.51.100.16/28", "255.255.255.240/28", "0.0.0.0/28", "2001:db8::fff0/124",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/124", "::/124",
    ]

    @Test("give every address its answer, and are as few as can be", arguments: Self.bases)
    func exhaustive(base: String) throws {
        var random = Numbers(state: 42)
        for round in 0..<400 {
            let choices = UInt32(2 + round % 3)
            var block = Block(base: try IPPrefix(parsing: base), answers: [])
            // Streaks, so that there is something to merge; one round in three without holes.
            var answer: UInt32?
            while block.answers.count < 16 {
                if block.answers.isEmpty || random.next() % 3 == 0 {
                    let drawn = UInt32(random.next() % UInt64(choices + 1))
                    answer = drawn == choices && round % 3 != 0 ? nil : drawn % choices
                }
                block.answers.append(answer)
            }
            let entries = PrefixAggregation(block.base.family, runs: block.runs).entries
            for (index, wanted) in block.answers.enumerated() {
                let match = entries.filter { $0.prefix.contains(block.address(index)) }
                    .max { $0.prefix.length < $1.prefix.length }
                #expect(match?.answer == wanted, "\(block.address(index)) of \(block.answers)")
            }
            let outside = entries.filter { !block.base.contains($0.prefix) }
            #expect(outside.isEmpty)
            #expect(
                entries.count == block.fewest(0, 16, inherited: nil, choices),
                "\(block.answers): \(entries.map { "\($0.prefix) \($0.answer)" })")
            #expect(entries == entries.sorted { $0.prefix < $1.prefix })
            #expect(Set(entries.map(\.prefix)).count == entries.count)
        }
    }

    @Test("of one answer everywhere are one prefix, and of none none")
    func trivial() {
        for family in [AddressFamily.ipv4, .ipv6] {
            #expect(PrefixAggregation(family, runs: []).entries.isEmpty)
            #expect(PrefixAggregation(family, runs: [.init(start: 0, answer: nil)]).entries.isEmpty)
            let all = PrefixAggregation(
                family,
                runs: [.init(start: 0, answer: 7), .init(start: 1 << 127, answer: 7)])
            #expect(all.entries == [.init(prefix: .all(family), answer: 7)])
        }
    }

    @Test("of a thousand single addresses under a default route are as many and one")
    func deep() {
        var runs: [PrefixAggregation.Run] = [.init(start: 0, answer: 0)]
        for number in 1...1000 {
            let start = UInt128(number) << 100 | 1
            runs.append(.init(start: start, answer: UInt32(number)))
            runs.append(.init(start: start + 1, answer: 0))
        }
        let entries = PrefixAggregation(.ipv6, runs: runs).entries
        #expect(entries.count == 1001)
        #expect(entries.first == .init(prefix: .all(.ipv6), answer: 0))
        #expect(entries.dropFirst().allSatisfy { $0.prefix.length == 128 })
    }
}

/// SplitMix64.
private struct Numbers {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
