// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// One source of routes, as seen from one site.
public struct FeedDefinition: Hashable, Sendable {
    public var id: FeedID
    public var name: String
    public var site: SiteID
    /// The position in the configuration: among equal paths within a site the lower one decides.
    public var order: Int
    /// Empty: plain reading. Else Supersparrow's `read: through-sites`: a path in which the AS
    /// number of one of these sites stands gives that site the hops after its last occurrence;
    /// ``site`` always gets the whole length.
    public var throughSites: [SiteID: ASNumber]
    /// When its losses are not believed; nil: all are.
    public var guardRules: FeedGuardRules?
    /// Paths that it may have for a prefix, where that is more than ``TableLimits/pathsPerPrefix``;
    /// ``TableLimits/mostPathsPerPrefix`` at most.
    public var pathsPerPrefix: Int

    public init(
        id: FeedID, name: String, site: SiteID, order: Int,
        throughSites: [SiteID: ASNumber] = [:], guardRules: FeedGuardRules? = nil,
        pathsPerPrefix: Int = 0
    ) {
        self.id = id
        self.name = name
        self.site = site
        self.order = order
        self.throughSites = throughSites
        self.guardRules = guardRules
        self.pathsPerPrefix = min(pathsPerPrefix, TableLimits.mostPathsPerPrefix)
    }

    /// The columns it can have a say in, as bits.
    var columns: UInt64 {
        self.throughSites.keys.reduce(1 << UInt64(self.site.rawValue)) {
            $0 | 1 << UInt64($1.rawValue)
        }
    }
}
