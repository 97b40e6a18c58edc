// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable
import Testing

/// A generator that repeats itself from its seed.
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        return Rendezvous.mix(self.state)
    }
}

@Suite("Any ranking")
struct PropertyTests {
    static func scene(_ random: inout Seeded) -> Scene {
        func maybe<T>(_ value: T, _ odds: Int = 2) -> T? {
            Int.random(in: 0..<odds, using: &random) == 0 ? value : nil
        }
        var scene = Scene(nil, nil, nil, nil, nil, nil)
        scene.client = IPAddress(ipv4: .random(in: 0 ... .max, using: &random))
        scene.family = [nil, nil, .ipv4, .ipv6].randomElement(using: &random) ?? nil
        let known = Bool.random(using: &random)
        if known { scene.place = Place(latitude: 1, longitude: 2, name: "") }
        for index in scene.sites.indices {
            let id = scene.sites[index].id
            scene.sites[index].weight = Int.random(in: 0...3, using: &random)
            scene.sites[index].withoutRoutes =
                WithoutRoutes.allCases.randomElement(using: &random) ?? .last
            if known {
                scene.sites[index].place = Place(
                    latitude: .random(in: 0...2, using: &random).rounded(), longitude: 2,
                    name: "")
            }
            if Int.random(in: 0..<8, using: &random) == 0 { scene.sites[index].addresses = [] }
            scene.distances[id] = maybe(Int.random(in: 1...4, using: &random), 1)
            if Int.random(in: 0..<3, using: &random) == 0 { scene.distances[id] = nil }
            if Int.random(in: 0..<6, using: &random) == 0 { scene.pins.append(id) }
            if Int.random(in: 0..<3, using: &random) == 0 {
                scene.roundTrips[id] = .milliseconds(Int.random(in: 1...20, using: &random))
            }
            scene.statuses[id] = SiteStatus(
                health: [.up, .up, .slow, .down].randomElement(using: &random) ?? .up,
                admin: [.none, .none, .none, .drained, .forced].randomElement(using: &random)
                    ?? .none,
                isFull: Int.random(in: 0..<6, using: &random) == 0,
                feeds: SiteStatus.Feeds.allCases.randomElement(using: &random) ?? .live,
                lastUp: maybe(Int64.random(in: 0...3, using: &random)))
        }
        scene.policy.sites.shuffle(using: &random)
        scene.policy.measure = Measure.allCases.randomElement(using: &random) ?? .cost
        scene.policy.slack = Int.random(in: 0...2, using: &random)
        scene.policy.tieBreaks = Array(
            TieBreak.allCases.shuffled(using: &random).prefix(.random(in: 0...4, using: &random)))
        scene.policy.allDown = AllDown.allCases.randomElement(using: &random) ?? .all
        return scene
    }

    @Test("is a permutation, says the same twice, and keeps the steps", arguments: 0..<20)
    func properties(round: UInt64) {
        var random = Seeded(state: round)
        for turn in 0..<100 {
            let scene = Self.scene(&random)
            let ranking = scene.ranking
            let seed: Comment = "round \(round), turn \(turn)"
            #expect(ranking == scene.ranking, seed)
            let candidates = scene.sites.filter { $0.serves(scene.family) }.map(\.id)
            #expect(ranking.entries.map(\.site).sorted() == candidates.sorted(), seed)
            let usable = ranking.usable
            let excluded: [Reason] = [.down, .drained, .full]
            #expect(usable.allSatisfy { !excluded.contains($0.reason) }, seed)
            if ranking.usableCount < ranking.entries.count, scene.policy.allDown != .last {
                #expect(
                    ranking.entries[ranking.usableCount...].allSatisfy {
                        excluded.contains($0.reason)
                    }, seed)
            }
            #expect(
                usable.isEmpty
                    == (candidates.isEmpty || ranking.allDown && scene.policy.allDown == .none),
                seed)
            // Pinned, then compared, then those without a route.
            let steps = usable.map { $0.reason == .pinned ? 0 : $0.reason == .noRoute ? 2 : 1 }
            #expect(steps == steps.sorted(), seed)
            // Within the compared: the measure never falls but by its slack.
            let measured = usable.filter {
                $0.distance != nil && $0.reason != .pinned && $0.reason != .location
            }
            if scene.policy.measure == .hops {
                let hops = measured.compactMap(\.distance)
                for (a, b) in zip(hops, hops.dropFirst()) {
                    #expect(b >= a - scene.policy.slack, seed)
                }
            }
        }
    }

    @Test("doesn't change when a site that ranks behind all others leaves", arguments: 0..<10)
    func leaving(round: UInt64) {
        var random = Seeded(state: 1000 + round)
        for turn in 0..<100 {
            var scene = Self.scene(&random)
            let before = scene.ranking
            guard !before.allDown, let last = before.usable.last, before.usableCount > 2 else {
                continue
            }
            scene.statuses[last.site] = SiteStatus(admin: .drained)
            let after = scene.ranking
            // Its going may take the last route away, change what is known of a tied group, or
            // a slack's groups: then order may follow other criteria.
            guard scene.policy.measure == .cost, scene.roundTrips.isEmpty else { continue }
            guard after.usable.contains(where: { $0.distance != nil }) else { continue }
            #expect(
                after.usable.map(\.site) == before.usable.dropLast().map(\.site),
                "round \(round), turn \(turn)")
        }
    }
}
