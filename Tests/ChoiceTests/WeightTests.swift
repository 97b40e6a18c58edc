// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("Sharing by weight")
struct WeightTests {
    /// Winners for as many /24s.
    static func winners(_ scene: Scene, prefixes: UInt32 = 20_000) -> [SiteID] {
        (0..<prefixes).map { index in
            var scene = scene
            scene.client = IPAddress(ipv4: 0x0a00_0000 + index << 8)
            return scene.ranking.entries[0].site
        }
    }

    @Test(
        "gives shares that follow the weights",
        arguments: [[1, 1], [1, 3], [10, 20, 70], [1, 1, 1, 1, 1, 1], [5, 0, 5]])
    func shares(weights: [Int]) {
        var scene = Scene(2, 2, 2, 2, 2, 2)
        scene.sites.removeLast(6 - weights.count)
        scene.policy = Policy(sites: scene.sites.map(\.id))
        for (index, weight) in weights.enumerated() { scene.sites[index].weight = weight }
        let winners = Self.winners(scene, prefixes: 10_000)
        for (index, weight) in weights.enumerated() {
            let share = Double(weight) / Double(weights.reduce(0, +))
            let seen = winners.count { $0.rawValue == UInt8(index) }
            // Five standard deviations of a binomial distribution.
            let bound = 5 * (10_000 * share * (1 - share)).squareRoot()
            #expect(
                abs(Double(seen) - 10_000 * share) <= bound,
                "site \(index) of \(weights) took \(seen)")
        }
    }

    @Test("moves nobody but the clients of a site that leaves, and spreads those by weight")
    func leaving() {
        let before = Self.winners(Scene(2, 2, 2, 2).weights(1, 2, 3, 4), prefixes: 5000)
        let after = Self.winners(
            Scene(2, 2, 2, 2).weights(1, 2, 3, 4)
                .status("c", SiteStatus(health: .down)), prefixes: 5000)
        var moved: [SiteID: Int] = [:]
        for (old, new) in zip(before, after) {
            if old == Scene.id("c") {
                moved[new, default: 0] += 1
            } else {
                #expect(old == new)
            }
        }
        let total = Double(moved.values.reduce(0, +))
        #expect(total > 1200)
        for (name, weight) in [("a", 1.0), ("b", 2), ("d", 4)] {
            let share = Double(moved[Scene.id(name)] ?? 0) / total
            #expect(abs(share - weight / 7) < 0.06)
        }
    }

    @Test("moves to a site that comes only what that wins")
    func coming() {
        let before = Self.winners(Scene(2, 2, 9), prefixes: 2000)
        let after = Self.winners(Scene(2, 2, 2), prefixes: 2000)
        for (old, new) in zip(before, after) { #expect(new == old || new == Scene.id("c")) }
    }

    @Test("keeps a client's prefix together, however long that is said to be")
    func prefix() {
        var scene = Scene(2, 2, 2, 2, 2)
        scene.policy.weightLengthIPv4 = 20
        func line(_ address: UInt32) -> String {
            scene.client = IPAddress(ipv4: address)
            return scene.line
        }
        #expect(line(0x0a00_0000) == line(0x0a00_0fff))
        #expect(Set((0..<64).map { line(0x0a00_0000 + $0 << 12) }).count > 10)
        #expect(scene.ranking.hashedLength == 20)
        scene.client = IPAddress(ipv6High: 0x2001_0db8_0001_0000, low: 0)
        #expect(scene.ranking.hashedLength == 48)
        let first = scene.line
        scene.client = IPAddress(ipv6High: 0x2001_0db8_0001_ffff, low: .max)
        #expect(scene.line == first)
    }

    @Test("doesn't care which numbers the sites have, nor how they are listed")
    func names() {
        for index in 0..<500 as Range<UInt32> {
            var scene = Scene(2, 2, 2).weights(1, 2, 3)
            scene.client = IPAddress(ipv4: 0x0a00_0000 + index << 8)
            let sites = scene.ranking.entries.map { entry in
                scene.sites.first { $0.id == entry.site }?.name
            }
            for (place, site) in scene.sites.enumerated() {
                scene.sites[place].id = SiteID(rawValue: 60 - site.id.rawValue)
                scene.distances[scene.sites[place].id] = 2
            }
            scene.policy.sites = scene.sites.map(\.id).reversed()
            let renumbered = scene.ranking.entries.map { entry in
                scene.sites.first { $0.id == entry.site }?.name
            }
            #expect(sites == renumbered)
        }
    }

    @Test("says which place a hash decided first")
    func firstHashedPlace() {
        #expect(Scene(1, 2, 3).ranking.hashedLength == nil)
        #expect(Scene(2, 2, 3).ranking.firstHashedPlace == 0)
        #expect(Scene(1, 2, 2).ranking.firstHashedPlace == 1)
        #expect(Scene(1, nil, nil).ranking.firstHashedPlace == 1)
        #expect(Scene(1, 2, 2).pinned("c").ranking.hashedLength == nil)
        #expect(Scene(2, 2, 3).located(3, 4, 5).ranking.hashedLength == nil)
        let reasons = Scene(1, 2, 2, nil, nil).ranking.entries.map(\.reason)
        #expect(reasons == [.cost, .cost, .weight, .noRoute, .noRoute])
    }

    @Test(
        "draws these lots, on every machine",
        arguments: [
            (0x0a00_0000, "sydney", 1.0, 0x4001_7902_1dff_fcff),
            (0xc000_0200, "amsterdam", 20, 0x3fba_c7da_5df3_bbed),
            (0xffff_ff00, "tokyo", 0.5, 0x3ff3_e00f_d035_4fa0),
        ] as [(UInt32, String, Double, UInt64)])
    func golden(address: UInt32, name: String, weight: Double, bits: UInt64) {
        let lot = Rendezvous.lot(
            key: Rendezvous.key(IPAddress(ipv4: address), length: 24),
            seed: Rendezvous.seed(name: name), weight: weight)
        #expect(lot.bitPattern == bits, "\(lot): 0x\(String(lot.bitPattern, radix: 16))")
    }

    @Test("computes logarithms as the C library does, to the last bits")
    func logarithm() {
        var state: UInt64 = 1
        for _ in 0..<10_000 {
            state = Rendezvous.mix(state)
            let value = (Double(state >> 12) + 0.5) * 0x1p-52
            let expected = log(value)
            #expect(abs(Rendezvous.logarithm(value) - expected) <= 4e-16 * max(1, -expected))
        }
        #expect(Rendezvous.logarithm(1) == 0)
    }
}
