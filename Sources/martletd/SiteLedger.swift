// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice
import DNSFront
import DNSWire
import RouteTable
import Synchronization

/// What DNS has counted of each site, by the site's name: the threads count by number, and a number that
/// a site has no more goes to another, which is not to begin with what the one before had.
final class SiteLedger: Sendable {
    fileprivate struct Counts {
        var total: UInt64 = 0
        /// By zone and name.
        var names: [DomainName: [DomainName: UInt64]] = [:]
    }

    fileprivate struct State {
        /// The last site of each number, whether it is still there or not.
        var names: [SiteID: String] = [:]
        /// By number: what the sites before the last one had.
        var before: [SiteID: Counts] = [:]
        /// The same by name.
        var past: [String: Counts] = [:]
    }

    private let state = Mutex(State())

    /// The sites that there are from now on; before anybody counts them.
    func define(_ sites: [Site], of server: DNSServer) {
        self.state.withLock { state in
            let others = sites.filter { site in
                state.names[site.id].map { $0 != site.name } ?? false
            }
            if !others.isEmpty {
                let totals = server.counters().sites
                let zones = server.counters(names: .all)
                for site in others { state.close(site.id, totals, zones) }
            }
            for site in sites { state.names[site.id] = site.name }
        }
    }

    /// Counts by name, of those by number.
    func named(_ counts: [SiteID: UInt64]) -> [String: UInt64] {
        self.named(counts) { $0.total }
    }

    /// The same of those of one name in a zone.
    func named(
        _ counts: [SiteID: UInt64], of name: DomainName, in zone: DomainName
    ) -> [String: UInt64] {
        self.named(counts) { $0.names[zone]?[name] ?? 0 }
    }

    private func named(
        _ counts: [SiteID: UInt64], _ value: (Counts) -> UInt64
    ) -> [String: UInt64] {
        self.state.withLock { state in
            var named = state.past.mapValues(value)
            for (site, count) in counts {
                let count = count - min(count, state.before[site].map(value) ?? 0)
                named[state.names[site] ?? "site-\(site.rawValue)", default: 0] += count
            }
            return named.filter { $0.value > 0 }
        }
    }
}

extension SiteLedger.State {
    /// Has what was counted under a number until now be that of the site that had it.
    fileprivate mutating func close(
        _ site: SiteID, _ totals: [SiteID: UInt64], _ zones: [DomainName: ZoneCounters]
    ) {
        guard let owner = self.names[site] else { return }
        let old = self.before[site] ?? SiteLedger.Counts()
        var counts = SiteLedger.Counts(total: totals[site] ?? 0)
        // No more than there is: what counts a zone's names ends with the zone, and may begin anew.
        self.past[owner, default: SiteLedger.Counts()].total +=
            counts.total - min(counts.total, old.total)
        for (apex, zone) in zones {
            for (name, counters) in zone.names {
                guard let count = counters.sites[site] else { continue }
                counts.names[apex, default: [:]][name] = count
                self.past[owner]?.names[apex, default: [:]][name, default: 0] +=
                    count - min(count, old.names[apex]?[name] ?? 0)
            }
        }
        self.before[site] = counts
    }
}
