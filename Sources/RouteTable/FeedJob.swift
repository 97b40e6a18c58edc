// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A walk over all routes of a feed, in slices: one a feed, however much happens to it meanwhile.
///
/// What happens joins the walk, which then goes round once more from where it is.
struct FeedJob {
    /// A prefix by its number: first those of IPv4, then those of IPv6.
    struct Place: Comparable {
        var isInIPv6 = false
        var node = 0

        static func < (a: Place, b: Place) -> Bool {
            a.isInIPv6 == b.isInIPv6 ? a.node < b.node : b.isInIPv6
        }
    }

    /// Columns whose changes readers see only after the walk, all at once.
    var sites: UInt64
    /// Looks at the distances of all the feed's prefixes again, not only where a route leaves.
    var recomputesAll = false
    /// Takes long-lived stale routes out that were not to be held for long (RFC 9494).
    var dropsShortLived = false
    /// The families that are walked.
    private var walksIPv4: Bool
    private var walksIPv6: Bool

    private var position = Place()
    private var lapEnd: Place?
    private var isSecondLap = false
    private(set) var isDone = false

    init(
        sites: UInt64, in families: Set<AddressFamily> = Set(AddressFamily.allCases),
        recomputesAll: Bool = false, dropsShortLived: Bool = false
    ) {
        self.sites = sites
        self.walksIPv4 = families.contains(.ipv4)
        self.walksIPv6 = families.contains(.ipv6)
        self.recomputesAll = recomputesAll
        self.dropsShortLived = dropsShortLived
    }

    func walks(_ family: AddressFamily) -> Bool {
        family == .ipv4 ? self.walksIPv4 : self.walksIPv6
    }

    /// This walk, which now does another one's work too.
    func joined(with other: FeedJob) -> FeedJob {
        var job = self
        job.sites |= other.sites
        job.walksIPv4 = job.walksIPv4 || other.walksIPv4
        job.walksIPv6 = job.walksIPv6 || other.walksIPv6
        job.recomputesAll = job.recomputesAll || other.recomputesAll
        job.dropsShortLived = job.dropsShortLived || other.dropsShortLived
        job.lapEnd = job.position == Place() ? nil : job.position
        job.isSecondLap = false
        return job
    }

    /// Where the walk is, given where the numbers of the families' prefixes end; nil at its end.
    mutating func place(ends ipv4: Int, _ ipv6: Int) -> Place? {
        let ipv4 = self.walksIPv4 ? ipv4 : 0
        let ipv6 = self.walksIPv6 ? ipv6 : 0
        while true {
            if self.isSecondLap, let end = self.lapEnd, self.position >= end { break }
            if self.position.node < (self.position.isInIPv6 ? ipv6 : ipv4) {
                return self.position
            }
            if !self.position.isInIPv6 {
                // A lap that ends beyond the prefixes there are ends here.
                if self.isSecondLap, self.lapEnd?.isInIPv6 == false { break }
                self.position = Place(isInIPv6: true)
            } else if self.lapEnd != nil, !self.isSecondLap {
                self.isSecondLap = true
                self.position = Place()
            } else {
                break
            }
        }
        self.isDone = true
        return nil
    }

    /// What comes before a prefix's number is done.
    mutating func goOn(to node: Int) { self.position.node = node }
}
