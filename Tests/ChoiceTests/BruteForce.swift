// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import Foundation
import RouteTable

/// Ranks sites by a plain search and a plain sort: all sites are up and nothing is pinned or
/// measured. It shares no code with what it checks, nor its way.
struct BruteForce {
    struct Place {
        var latitude: Double
        var longitude: Double
    }

    struct Rank: Equatable {
        var site: Int
        var distance: Int?
        /// Microseconds, where that is what ranks.
        var cost: Int?
        var metres: Int?
    }

    /// In the policy's order.
    var names: [String]
    var weights: [Int]
    var places: [Place?]
    /// Ranges of addresses that don't overlap, in any order.
    var locations: [(first: UInt32, last: UInt32, place: Place)]

    func place(of client: UInt32) -> Place? {
        self.locations.first { $0.first <= client && client <= $0.last }?.place
    }

    func ranking(_ policy: Policy, client: UInt32, distances: [Int?]) -> [Rank] {
        let home = self.place(of: client)
        let metres = self.places.map { place in
            home.flatMap { home in place.map { Self.metres(home, $0) } }
        }
        let isLocated = !metres.contains(nil)
        var ranks: [Rank] = []
        let someHaveRoutes = distances.contains { $0 != nil }
        for site in self.names.indices {
            var rank = Rank(site: site, distance: distances[site], metres: metres[site])
            let hops = distances[site].map { $0 * Int(policy.hopCost * 1000) }
            if isLocated, let metres = metres[site], hops != nil || !someHaveRoutes {
                rank.cost = Int((Double(metres) / 50).rounded()) + (hops ?? 0)
            } else {
                rank.cost = hops
            }
            ranks.append(rank)
        }
        // The measure: groups of hops, or milliseconds.
        let counted = policy.measure == .hops || !isLocated
        var measures: [Int] = ranks.map { rank in
            guard let metres = rank.metres, isLocated else { return 0 }
            return Int((Double(metres) / 50).rounded())
                + (rank.distance ?? 0) * Int(policy.hopCost * 1000)
        }
        if counted {
            measures = ranks.map { _ in 0 }
            var group = 0
            var best: Int?
            for hops in 0...254 where ranks.contains(where: { $0.distance == hops }) {
                if let least = best, hops - least <= policy.slack {
                } else {
                    group += 1
                    best = hops
                }
                for site in ranks.indices where ranks[site].distance == hops {
                    measures[site] = group
                }
            }
        }
        let lots = self.names.indices.map { self.lot($0, client: client, policy: policy) }
        return ranks.sorted { a, b in
            // Those without a route come last, if others have one.
            if (a.distance == nil) != (b.distance == nil) { return a.distance != nil }
            if measures[a.site] != measures[b.site] { return measures[a.site] < measures[b.site] }
            for tieBreak in policy.tieBreaks {
                switch tieBreak {
                case .location:
                    if isLocated, let one = a.metres, let other = b.metres, one != other {
                        return one < other
                    }
                case .weight: return lots[a.site] < lots[b.site]
                case .order: return a.site < b.site
                case .rtt: break
                }
            }
            return a.site < b.site
        }
    }

    /// By the spherical law of haversines, with the C library's functions.
    private static func metres(_ a: Place, _ b: Place) -> Int {
        let radian = Double.pi / 180
        let latitudes = sin((b.latitude - a.latitude) * radian / 2)
        let longitudes = sin((b.longitude - a.longitude) * radian / 2)
        let haversine =
            latitudes * latitudes
            + cos(a.latitude * radian) * cos(b.latitude * radian) * longitudes * longitudes
        return Int((2 * 6_371_000 * asin(min(1, haversine.squareRoot()))).rounded())
    }

    /// The lot that a site draws for a client's prefix.
    private func lot(_ site: Int, client: UInt32, policy: Policy) -> Double {
        func mix(_ value: UInt64) -> UInt64 {
            var z = value &+ 0x9e37_79b9_7f4a_7c15
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
        let seed = mix(
            self.names[site].utf8.reduce(0xcbf2_9ce4_8422_2325) {
                ($0 ^ UInt64($1)) &* 0x100_0000_01b3
            })
        let length = policy.weightLengthIPv4
        let bits = length == 0 ? 0 : client & ~UInt32(0) << UInt32(32 - length)
        let family = UInt64(AddressFamily.ipv4.rawValue) << 8 | UInt64(length)
        let key = mix(UInt64(bits) << 32 ^ mix(mix(family)))
        let uniform = (Double(mix(key ^ seed) >> 12) + 0.5) / 0x1p52
        return -log(uniform) / Double(self.weights[site])
    }
}
