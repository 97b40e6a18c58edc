// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

/// The tree of prefixes beside a sorted array of them.
@Suite("The tree of prefixes")
struct PrefixTreeTests {
    /// Prefixes that hold each other, crowd in few places, and differ in their last bits.
    static func prefix(_ family: AddressFamily, _ random: inout SplitMix) -> IPPrefix {
        let width = family.width
        let steep = random.chance(40)
        let length =
            steep ? random.below(width + 1) : [width, width - 8, width / 2][random.below(3)]
        let place = UInt128(random.below(steep ? 3 : 1 << 12))
        let bits = random.chance(50) ? place &<< UInt128(random.below(120)) : place &<< 100
        return IPPrefix(
            masking: IPAddress(
                family: family, leftAligned: bits | (random.chance(9) ? 1 &<< 96 : 0)),
            length: length)
    }

    struct Pair {
        let family: AddressFamily
        let tree: PrefixTree
        var nodes: [IPPrefix: PrefixTree.Node] = [:]
        var sorted: [IPPrefix] = []

        init(_ family: AddressFamily) throws {
            self.family = family
            self.tree = try PrefixTree(family: family, capacity: 1 << 16)
        }

        mutating func insert(_ prefix: IPPrefix) {
            guard self.nodes[prefix] == nil else { return }
            self.nodes[prefix] = self.tree.insert(
                key: prefix.address.leftAligned, length: prefix.length)
        }

        mutating func remove(_ prefix: IPPrefix) {
            guard let node = self.nodes.removeValue(forKey: prefix) else { return }
            self.tree.remove(node)
        }

        /// Everything that can be asked of the tree, but for what is far from `probes`.
        mutating func check(_ context: String, probes: [IPPrefix]) {
            self.sorted = self.nodes.keys.sorted()
            #expect(self.tree.count == self.sorted.count, "\(context)")
            var walked: [IPPrefix] = []
            var node = self.tree.first
            while node != 0, walked.count <= self.sorted.count {
                walked.append(
                    IPPrefix(
                        masking: IPAddress(
                            family: self.family, leftAligned: self.tree.key(node)),
                        length: self.tree.length(node)))
                if self.nodes[walked[walked.count - 1]] != node {
                    Issue.record("\(context): \(walked[walked.count - 1]) has another node")
                    return
                }
                node = self.tree.next(after: node)
            }
            #expect(walked == self.sorted, "\(context)")
            for probe in probes { self.check(context, probe) }
        }

        private func check(_ context: String, _ probe: IPPrefix) {
            let (key, length) = (probe.address.leftAligned, probe.length)
            let own = self.nodes[probe] ?? 0
            #expect(self.tree.find(key: key, length: length) == own, "\(context), \(probe)")
            let behind = self.sorted.first { $0 >= probe }
            #expect(
                self.tree.first(notBefore: key, length: length)
                    == behind.flatMap { self.nodes[$0] } ?? 0, "\(context), from \(probe)")
            var covering: [PrefixTree.Node] = []
            self.tree.forEachPrefix(covering: key) { covering.append($0) }
            #expect(
                covering
                    == self.sorted.filter { $0.contains(probe.address) }.map {
                        self.nodes[$0] ?? 0
                    }, "\(context), covering \(probe.address)")
            guard own != 0 else { return }
            let cover = self.sorted.last { $0 != probe && $0.contains(probe) }
            #expect(
                self.tree.cover(of: own) == cover.flatMap { self.nodes[$0] } ?? 0,
                "\(context), over \(probe)")
            let next = self.sorted.first { $0 > probe && !probe.contains($0) }
            #expect(
                self.tree.next(afterSubtreeOf: own) == next.flatMap { self.nodes[$0] } ?? 0,
                "\(context), after \(probe)")
        }
    }

    @Test(
        "finds, orders and nests as a sorted array does",
        arguments: AddressFamily.allCases, 0..<6 as Range<UInt64>)
    func randomChanges(family: AddressFamily, seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        var pair = try Pair(family)
        for round in 0..<30 {
            // It grows to a few thousand, shrinks to a few, and grows again.
            let isGrowing = round % 10 < 6
            for _ in 0..<(isGrowing ? 500 : 900) {
                let known = pair.sorted
                if random.chance(isGrowing ? 85 : 10) || known.isEmpty {
                    pair.insert(Self.prefix(family, &random))
                } else {
                    pair.remove(known[random.below(known.count)])
                }
            }
            var probes = (0..<20).map { _ in Self.prefix(family, &random) }
            for _ in 0..<20 where !pair.nodes.isEmpty {
                if let known = pair.nodes.keys.randomElement(using: &random) {
                    probes.append(known)
                }
            }
            pair.check("seed \(seed), round \(round)", probes: probes)
        }
        for prefix in pair.nodes.keys.sorted() { pair.remove(prefix) }
        pair.check("seed \(seed), empty", probes: [IPPrefix.all(family)])
    }

    @Test("takes prefixes in order, and the other way round", arguments: AddressFamily.allCases)
    func sortedChanges(family: AddressFamily) throws {
        var pair = try Pair(family)
        let shift = UInt128(family.width == 32 ? 104 : 80)
        let prefixes = (0..<20_000).map { number in
            IPPrefix(
                masking: IPAddress(
                    family: family, leftAligned: UInt128(number) << shift),
                length: number % 7 == 0 ? 16 : family.width == 32 ? 24 : 48)
        }
        for prefix in prefixes { pair.insert(prefix) }
        pair.insert(IPPrefix.all(family))
        pair.check("in order", probes: Array(prefixes[9_990..<10_010]))
        let dense = pair.tree.indexBytes
        for prefix in prefixes.reversed() { pair.remove(prefix) }
        pair.check("taken out", probes: [IPPrefix.all(family)])
        for prefix in prefixes.reversed() { pair.insert(prefix) }
        pair.check("reversed", probes: Array(prefixes[9_990..<10_010]))
        #expect(pair.tree.indexBytes < 5 * dense / 2, "leaves that came free are used again")
    }

    @Test(
        "has no leaf for each prefix that comes in descending order behind a full leaf",
        arguments: AddressFamily.allCases)
    func descendingBehindOthers(family: AddressFamily) throws {
        var pair = try Pair(family)
        func prefix(_ number: Int) -> IPPrefix {
            IPPrefix(
                masking: IPAddress(family: family, leftAligned: UInt128(number) << 104), length: 24)
        }
        // As many as one leaf takes.
        for number in 0..<62 { pair.insert(prefix(number)) }
        for number in (100..<20_100).reversed() { pair.insert(prefix(number)) }
        #expect(pair.nodes.count == 20_062)
        // At least 23 in a leaf.
        let leafBytes = family == .ipv4 ? 512 : 1280
        #expect(pair.tree.indexBytes < 20_062 / 23 * leafBytes + (1 << 16))
        pair.check("descending", probes: [prefix(61), prefix(62), prefix(100), prefix(20_099)])
        for number in stride(from: 100, to: 20_100, by: 2) { pair.remove(prefix(number)) }
        pair.check("half of it", probes: [prefix(100), prefix(101)])
    }

    @Test("has few leaves left of many", arguments: AddressFamily.allCases, [0, 1])
    func removal(family: AddressFamily, order: Int) throws {
        var random = SplitMix(seed: UInt64(order))
        var pair = try Pair(family)
        let shift = UInt128(family.width == 32 ? 104 : 80)
        var prefixes = (0..<60_000).map { number in
            IPPrefix(
                masking: IPAddress(
                    family: family, leftAligned: (1 << 127) | UInt128(number) << shift),
                length: family.width == 32 ? 24 : 48)
        }
        if order == 1 { prefixes.shuffle(using: &random) }
        for prefix in prefixes { pair.insert(prefix) }
        #expect(pair.tree.leafCount <= 60_000 / 30, "\(pair.tree.leafCount) leaves")
        prefixes.shuffle(using: &random)
        for prefix in prefixes[6_000...] { pair.remove(prefix) }
        // Half full, and a third at least.
        #expect(pair.tree.leafCount <= 6_000 / 22, "\(pair.tree.leafCount) leaves")
        pair.check("a tenth is left", probes: Array(prefixes[..<10]))
        for prefix in prefixes[..<5_999] { pair.remove(prefix) }
        #expect(pair.tree.leafCount == 1)
    }

    @Test(
        "takes a default route in and out as quickly as others", arguments: AddressFamily.allCases)
    func defaultRoute(family: AddressFamily) throws {
        var pair = try Pair(family)
        let shift = UInt128(family.width == 32 ? 104 : 80)
        let clock = ContinuousClock()
        let filling = clock.measure {
            for number in 0..<60_000 {
                pair.insert(
                    IPPrefix(
                        masking: IPAddress(family: family, leftAligned: UInt128(number) << shift),
                        length: family.width == 32 ? 24 : 48))
            }
        }
        let flapping = clock.measure {
            for _ in 0..<20_000 {
                pair.insert(.all(family))
                pair.remove(.all(family))
            }
        }
        // With a look at each of a thousand leaves it would be some twenty times as long.
        #expect(flapping < filling * 2, "\(flapping) beside \(filling)")
        pair.insert(.all(family))
        pair.check("with a default route", probes: [.all(family)])
    }

    @Test("nests wide prefixes in each other, far from what they hold")
    func widePrefixes() throws {
        for family in AddressFamily.allCases {
            var random = SplitMix(seed: 7)
            var pair = try Pair(family)
            for _ in 0..<400 {
                let bits = UInt128.random(in: 0...(.max), using: &random)
                pair.insert(
                    IPPrefix(
                        masking: IPAddress(family: family, leftAligned: bits),
                        length: 20 + random.below(family.width - 19)))
            }
            for round in 0..<60 {
                let bits = UInt128.random(in: 0...(.max), using: &random)
                let prefix = IPPrefix(
                    masking: IPAddress(family: family, leftAligned: bits),
                    length: random.below(18))
                if pair.nodes[prefix] == nil { pair.insert(prefix) } else { pair.remove(prefix) }
                if random.chance(30),
                    let old = pair.nodes.keys.filter({ $0.length < 18 })
                        .randomElement(using: &random)
                {
                    pair.remove(old)
                }
                let probes = (0..<10).map { _ in
                    IPPrefix(
                        masking: IPAddress(
                            family: family,
                            leftAligned: UInt128.random(in: 0...(.max), using: &random)),
                        length: random.below(family.width + 1))
                }
                pair.check("\(family), round \(round)", probes: probes)
                let known = pair.nodes.keys.sorted()
                pair.check(
                    "\(family), round \(round)",
                    probes: (0..<10).map { _ in known[random.below(known.count)] })
            }
        }
    }
}
