// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

/// Every table that can be made of the prefixes of a small block, one change apart from the one
/// before, at each place where the structure is another.
@Suite("All small tables")
struct ExhaustiveTableTests {
    /// Where the block is planted.
    struct Planting {
        var block: IPPrefix

        init(_ text: String) throws { self.block = try IPPrefix(parsing: text) }

        /// The prefix of `depth` more bits that is number `index` of its kind.
        func prefix(_ depth: Int, _ index: Int) -> IPPrefix {
            let length = self.block.length + depth
            let bits =
                length == 0 ? 0 : UInt128(index) << UInt128(128 - length)
            return IPPrefix(
                masking: IPAddress(
                    family: self.block.family,
                    leftAligned: self.block.address.leftAligned | bits), length: length)
        }
    }

    /// Numbers the prefixes of a block down to a depth: 0 the block, 1 and 2 its halves, ...
    static func number(_ depth: Int, _ index: Int) -> Int { (1 << depth) - 1 + index }

    /// The scope that leaf `leaf` of 2^depth has among `values`, with nothing known outside.
    static func scope(_ leaf: Int, _ values: [[UInt8]], depth: Int, block: Int) -> Int {
        for up in stride(from: depth, through: 0, by: -1) {
            let first = (leaf >> up) << up
            guard (first..<first + (1 << up)).allSatisfy({ values[$0] == values[leaf] }) else {
                continue
            }
            let isEverything = up == depth && values[leaf].allSatisfy { $0 == 0 }
            return isEverything ? 0 : block + depth - up
        }
        return block + depth
    }

    /// Walks all subsets of `sites` × the prefixes down to `depth` in Gray's order, in all
    /// plantings at once.
    private func walk(
        _ plantings: [Planting], sites: Int, depth: Int, steps: StepPolicy = StepPolicy()
    ) throws {
        let owner = try TableOwner(steps: steps)
        for site in 0..<sites {
            let feed = FeedID(UInt16(site))
            owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: feed, name: "", site: SiteID(UInt8(site)), order: site)))
            owner.submit(.feedComplete(feed))
        }
        let perSite = (1 << (depth + 1)) - 1
        var isSet = [Bool](repeating: false, count: sites * perSite)
        var reader = try owner.lookup.makeReader()
        var cache: [UInt32: [UInt8]] = [:]
        var generation: UInt64 = 0
        let leaves = plantings.map { planting in
            (0..<1 << depth).map { planting.prefix(depth, $0).address }
        }
        for step in 1..<(1 << isSet.count) {
            let flipped = step.trailingZeroBitCount
            isSet[flipped].toggle()
            let (site, number) = flipped.quotientAndRemainder(dividingBy: perSite)
            let level = (number + 1).bitWidth - 1 - (number + 1).leadingZeroBitCount
            var batch = RouteBatch(feed: FeedID(UInt16(site)))
            // A distance of its own for almost each prefix, so that no mistake hides.
            let path = ASPath([ASNumber](repeating: 1, count: number % 5))
            let attributes = batch.intern(RouteAttributes(asPath: path))
            for planting in plantings {
                let prefix = planting.prefix(level, number - Self.number(level, 0))
                if isSet[flipped] {
                    batch.announce(prefix, attributes: attributes)
                } else {
                    batch.withdraw(prefix)
                }
            }
            owner.submit(.routes(batch))
            owner.flushAndWait()

            let expected = (0..<1 << depth).map { leaf in
                (0..<sites).map { site -> UInt8 in
                    for level in stride(from: depth, through: 0, by: -1) {
                        let number = Self.number(level, leaf >> (depth - level))
                        if isSet[site * perSite + number] { return UInt8(number % 5 + 1) }
                    }
                    return 0
                }
            }
            let found = reader.withSnapshot { snapshot in
                if snapshot.classGeneration != generation {
                    generation = snapshot.classGeneration
                    cache = [:]
                }
                var found: [(values: [UInt8], scope: Int)] = []
                for address in leaves.joined() {
                    let match = snapshot.lookup(address)
                    if cache[match.classID] == nil {
                        let values = snapshot.values(ofClass: match.classID)
                        cache[match.classID] = (0..<sites).map { site in
                            UInt8((values.distance(of: SiteID(UInt8(site))) ?? -1) + 1)
                        }
                    }
                    found.append((cache[match.classID] ?? [], Int(match.scope)))
                }
                return found
            }
            for (position, answer) in found.enumerated() {
                let (planting, leaf) = position.quotientAndRemainder(dividingBy: 1 << depth)
                let scope = Self.scope(
                    leaf, expected, depth: depth, block: plantings[planting].block.length)
                guard answer == (expected[leaf], scope) else {
                    let address = leaves[planting][leaf]
                    Issue.record(
                        "step \(step): \(address) is \(answer), not \(expected[leaf]), \(scope)")
                    return
                }
            }
        }
        let counts = try owner.querySync { $0.counts() }
        #expect(
            counts.ipv4Prefixes + counts.ipv6Prefixes == plantings.count,
            "Gray's order ends with one")
        owner.shutdown()
    }

    @Test("of one site, three bits deep, are right")
    func oneSite() throws {
        let plantings = [
            "10.0.64.0/18", "10.1.0.0/21", "192.0.2.248/29", "2001:db8::/62",
            "2001:db8:1::fff8/125",
        ]
        try self.walk(plantings.map { try Planting($0) }, sites: 1, depth: 3)
    }

    @Test("of two sites, two bits deep, are right")
    func twoSites() throws {
        let plantings = [
            "10.0.32.0/19", "10.1.0.0/22", "255.255.255.252/30", "2001:db8::/63",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126",
        ]
        try self.walk(plantings.map { try Planting($0) }, sites: 2, depth: 2)
    }

    /// All distances are held and shown by another image, or painted by crumbs: the answers are
    /// the same.
    @Test("are right in whatever steps they come about", arguments: [1, 24, 400])
    func crumbs(units: Int) throws {
        var steps = TableUnderTest.crumbs(units)
        steps.deadClasses = 0
        let plantings = ["10.0.32.0/19", "192.0.2.248/30", "2001:db8::/63"]
        try self.walk(plantings.map { try Planting($0) }, sites: 2, depth: 2, steps: steps)
    }

    // Each step here writes a good part of the root, so these are fewer.
    #if DEBUG
        static let wholeFamilyDepths = [(1, 1)]
    #else
        static let wholeFamilyDepths = [(1, 2), (2, 1)]
    #endif

    @Test("of whole families are right", arguments: Self.wholeFamilyDepths)
    func wholeFamilies(sites: Int, depth: Int) throws {
        let plantings = [try Planting("0.0.0.0/0"), try Planting("::/0")]
        try self.walk(plantings, sites: sites, depth: depth)
        try self.walk(
            plantings, sites: sites, depth: depth, steps: TableUnderTest.crumbs(1 << 17))
    }
}
