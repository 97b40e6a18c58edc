// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import RouteFiles
import RouteTable
import Testing

@Suite("Route maps of nearest sites")
struct NearestMapTests {
    private static let numbers: [ASNumber] = [64600, 64601, 64602]

    private var sites: [(id: SiteID, asNumber: ASNumber)] {
        Self.numbers.enumerated().map { (SiteID(rawValue: UInt8($0)), $1) }
    }

    /// Random routes of three sites in a block of 256 addresses.
    private func table(
        in block: IPPrefix, seed: UInt64
    ) throws -> (table: LoaderTable, routes: [[IPPrefix: Int]]) {
        let table = try LoaderTable(feeds: 3)
        var random = SplitMixNumbers(state: seed)
        var routes: [[IPPrefix: Int]] = []
        for feed in 0..<3 {
            var own: [IPPrefix: Int] = [:]
            for _ in 0..<12 {
                let length = block.length + Int(random.next() % 9)
                let offset = UInt128(random.next() % 256) << UInt128(128 - block.family.width)
                let address = IPAddress(
                    family: block.family, leftAligned: block.address.leftAligned | offset)
                own[IPPrefix(masking: address, length: length)] = Int(1 + random.next() % 3)
            }
            var batch = RouteBatch(feed: FeedID(rawValue: UInt16(feed)))
            for (prefix, distance) in own {
                let path = ASPath((0..<distance).map { ASNumber(UInt32(100 + $0)) })
                batch.announce(prefix, attributes: batch.intern(RouteAttributes(asPath: path)))
            }
            table.owner.submitAndWait(.feedUp(batch.feed))
            table.owner.submitAndWait(.routes(batch))
            table.owner.submitAndWait(.feedComplete(batch.feed))
            routes.append(own)
        }
        return (table, routes)
    }

    /// The order of the sites at an address: by a look at every route.
    private func wanted(
        _ address: IPAddress, _ routes: [[IPPrefix: Int]], _ maximum: Int
    ) -> [ASNumber] {
        var ranked: [(Int, Int)] = []
        for (site, own) in routes.enumerated() {
            let match = own.filter { $0.key.contains(address) }
                .max { $0.key.length < $1.key.length }
            if let match { ranked.append((match.value, site)) }
        }
        return ranked.sorted { $0 < $1 }.prefix(maximum).map { Self.numbers[$0.1] }
    }

    @Test(
        "say of every address what a look at every route says, read back as martletd reads them",
        arguments: ["198.51.100.0/24", "2001:db8::ff00/120", "255.255.255.0/24"], [1, 2, 3])
    func exhaustive(block: String, maximum: Int) throws {
        let block = try IPPrefix(parsing: block)
        for seed in 0..<20 {
            let (table, routes) = try self.table(in: block, seed: UInt64(seed))
            defer { table.owner.shutdown() }
            let map = try NearestMap(of: table.owner, sites: self.sites, maximum: maximum)
            var text: [UInt8] = []
            try withoutActuallyEscaping({ text += $0 }) { write in
                var writer = RouteMapWriter(write: write)
                try writer.add(comment: "made by a test\nin one line")
                try map.write(to: &writer)
                try writer.flush()
            }
            let read = try RouteMap(parsing: text.span, sites: nil)
            #expect(read.warningCount == 0 && read.entries.count == map.entries.count)
            let lines = read.entries.map { ($0.prefix, read.sites(of: $0)) }
            let shift = UInt128(128 - block.family.width)
            for index in 0..<256 {
                let address = IPAddress(
                    family: block.family,
                    leftAligned: block.address.leftAligned | UInt128(index) << shift)
                let match = lines.filter { $0.0.contains(address) }
                    .max { $0.0.length < $1.0.length }
                #expect(
                    match?.1 ?? [] == self.wanted(address, routes, maximum),
                    "\(address), seed \(seed)")
            }
            #expect(lines.allSatisfy { block.contains($0.0) })
        }
    }

    @Test("of nothing have no lines")
    func empty() throws {
        let table = try LoaderTable(feeds: 1)
        defer { table.owner.shutdown() }
        let map = try NearestMap(of: table.owner, sites: self.sites)
        #expect(map.entries.isEmpty && map.preferences.isEmpty)
    }
}

/// SplitMix64.
private struct SplitMixNumbers {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
