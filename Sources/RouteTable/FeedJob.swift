// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A walk over all routes of a feed, in slices: one a feed, however much happens to it meanwhile.
///
/// What happens joins the walk, which then goes round once more from where it is.
struct FeedJob {
    /// A page of the feed's routes: in IPv4 first, then in IPv6.
    struct Place: Equatable {
        var isInIPv6 = false
        var page = 0
    }

    /// Columns whose changes readers see only after the walk, all at once.
    var sites: UInt64
    /// Looks at the distances of all the feed's prefixes again, not only where a route leaves.
    var recomputesAll = false
    /// The routes of older epochs leave; nil where none do.
    var keptSince: UInt32?
    /// Routes that have yet to leave.
    var leaving = 0

    private var position = Place()
    private var lapEnd: Place?
    private var isSecondLap = false
    private(set) var isDone = false

    init(sites: UInt64, recomputesAll: Bool = false, keptSince: UInt32? = nil) {
        self.sites = sites
        self.recomputesAll = recomputesAll
        self.keptSince = keptSince
    }

    /// This walk, which now does another one's work too.
    func joined(with other: FeedJob) -> FeedJob {
        var job = self
        job.sites |= other.sites
        job.recomputesAll = job.recomputesAll || other.recomputesAll
        if other.keptSince != nil {
            // Nothing that had to leave is of the feed's current epoch.
            job.keptSince = other.keptSince
            job.leaving = other.leaving
        }
        job.lapEnd = job.position == Place() ? nil : job.position
        job.isSecondLap = false
        return job
    }

    /// Where the walk is, given how many pages there are; nil at its end.
    mutating func place(pages ipv4: Int, _ ipv6: Int) -> Place? {
        while true {
            if self.isSecondLap, self.position == self.lapEnd { break }
            if self.position.page < (self.position.isInIPv6 ? ipv6 : ipv4) {
                return self.position
            }
            if !self.position.isInIPv6 {
                // A lap that ends beyond the pages there are ends here.
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

    /// The page is done.
    mutating func goOn() { self.position.page += 1 }
}
