// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import RouteTable

/// What makes one site nearer than another.
public enum Measure: String, Hashable, Sendable, CaseIterable {
    /// Milliseconds: the measured round trip where there is one, else kilometres × 0.02 and hops
    /// × the policy's `hopCost`.
    case cost
    /// AS hops, in groups of `slack` hops from the best on.
    case hops
}

/// A criterion that breaks a tie.
public enum TieBreak: String, Hashable, Sendable, CaseIterable {
    /// The measured round trip.
    case rtt
    /// Great-circle kilometres between the client and the site.
    case location
    /// A weighted rendezvous hash of the client's prefix: shares follow weights, a client stays.
    case weight
    /// As the policy lists the sites.
    case order
}

/// What to answer when none of a name's sites may be.
public enum AllDown: String, Hashable, Sendable, CaseIterable {
    /// As if all were up.
    case all
    /// As if the sites that were up last were up.
    case last
    /// Nothing.
    case none
}

/// How a name's sites are ranked.
public struct Policy: Hashable, Sendable {
    /// The sites that the name lists, in that order, each once.
    public var sites: [SiteID]
    public var measure: Measure
    /// With the measure `hops`: how many hops more than the fewest still tie with it.
    public var slack: Int
    /// Milliseconds that one hop counts in the measure `cost`.
    public var hopCost: Double
    /// The criteria that break ties, one after the other; the sites' order follows in any case.
    public var tieBreaks: [TieBreak]
    public var allDown: AllDown
    /// How much of a client's address the weighted hash sees: a client prefix stays together.
    public var weightLengthIPv4: Int
    public var weightLengthIPv6: Int
    /// Whose addresses of a site are answered; nil for the site's own.
    public var service: String?

    public init(
        sites: [SiteID], measure: Measure = .cost, slack: Int = 0, hopCost: Double = 5,
        tieBreaks: [TieBreak] = [.rtt, .location, .weight, .order], allDown: AllDown = .all,
        weightLengthIPv4: Int = 24, weightLengthIPv6: Int = 48, service: String? = nil
    ) {
        self.sites = sites
        self.measure = measure
        self.slack = slack
        self.hopCost = hopCost
        self.tieBreaks = tieBreaks
        self.allDown = allDown
        self.weightLengthIPv4 = weightLengthIPv4
        self.weightLengthIPv6 = weightLengthIPv6
        self.service = service
    }

    /// The length of the prefix that the weighted hash sees of a client in this family.
    public func weightLength(for family: AddressFamily) -> Int {
        let length = family == .ipv4 ? self.weightLengthIPv4 : self.weightLengthIPv6
        return min(max(0, length), family.width)
    }
}
