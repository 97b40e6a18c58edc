// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable

/// A site that a name lists, with what one class of clients knows of it.
///
/// All that is compared is an integer, so that equal inputs tie on every machine.
struct Candidate {
    let site: Site
    let status: SiteStatus
    let distance: Int?
    /// Metres between the client's place and the site's.
    let metres: Int?
    /// The measured round trip in microseconds.
    let roundTrip: Int?
    /// Microseconds; nil where nothing is known that counts.
    let cost: Int?

    init(
        site: Site, status: SiteStatus, values: ClassValues, roundTrip: Duration?,
        policy: Policy, countsKilometres: Bool
    ) {
        self.site = site
        self.status = status
        let distance = values.distance(of: site.id)
        self.distance = distance
        let metres: Int? =
            if let client = values.place, let place = site.place {
                GreatCircle.metres(from: client, to: place)
            } else { nil }
        self.metres = metres
        let roundTrip = roundTrip.map(Self.microseconds)
        self.roundTrip = roundTrip
        self.cost =
            if let roundTrip {
                roundTrip
            } else if countsKilometres, let metres {
                // 0.02 ms a kilometre is 1 µs for 50 m.
                (metres + 25) / 50 + (distance ?? 0) * policy.hopCostMicroseconds
            } else {
                distance.map { $0 * policy.hopCostMicroseconds }
            }
    }

    var exclusion: Reason? { self.status.exclusion(withoutRoutes: self.site.withoutRoutes) }

    /// Whether the site is ranked by kilometres as its feeds can't speak for it.
    var ranksByLocation: Bool {
        guard self.site.withoutRoutes == .location, self.distance == nil else { return false }
        switch self.status.feeds {
        case .lost, .none: return true
        case .live, .stale: return false
        }
    }

    /// The candidate as it is shown; a cost that is made of kilometres alone if `showsCost`.
    func ranked(reason: Reason, showsCost: Bool) -> RankedSite {
        let isComparable = self.distance != nil || self.roundTrip != nil || showsCost
        return RankedSite(
            site: self.site.id, distance: self.distance,
            cost: isComparable ? self.cost.map { Double($0) / 1000 } : nil,
            kilometres: self.metres.map { Double($0) / 1000 },
            roundTrip: self.roundTrip.map { .microseconds($0) },
            state: self.status.displayState(withoutRoutes: self.site.withoutRoutes),
            reason: reason)
    }

    private static func microseconds(_ duration: Duration) -> Int {
        let (seconds, attoseconds) = duration.components
        return Int(clamping: seconds) &* 1_000_000 &+ Int(attoseconds / 1_000_000_000_000)
    }
}

extension Policy {
    /// `hopCost` in whole microseconds.
    var hopCostMicroseconds: Int {
        guard self.hopCost > 0 else { return 0 }
        return Int(min(self.hopCost * 1000, 1e12).rounded())
    }
}
