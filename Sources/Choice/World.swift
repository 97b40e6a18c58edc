// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import RouteTable

/// The sites, the policies and the sites' state at one moment. It is swapped whole.
public struct World: Sendable {
    public var sites: [Site]
    /// A policy's number is its index here. Number 0 is the policy for questions without a name:
    /// all sites, in the configured order.
    public var policies: [Policy]
    /// Sites that are missing here are up.
    public var status: [SiteID: SiteStatus]
    /// Rises with each change. Oracle counts it.
    public internal(set) var generation: UInt64 = 0

    /// A world of generation 0. Without policies, one policy lists all sites.
    public init(
        sites: [Site], policies: [Policy] = [], status: [SiteID: SiteStatus] = [:]
    ) {
        self.sites = sites
        self.policies = policies.isEmpty ? [Policy(sites: sites.map(\.id))] : policies
        self.status = status
    }

    public func site(_ id: SiteID) -> Site? { self.sites.first { $0.id == id } }

    public func site(named name: String) -> Site? { self.sites.first { $0.name == name } }

    /// Whether none of a policy's sites with an address of the family may be answered, so that its
    /// `allDown` decides; false for a policy that there isn't, and for one without such a site.
    public func isAllDown(policy: Int, family: AddressFamily?) -> Bool {
        guard self.policies.indices.contains(policy) else { return false }
        let service = self.policies[policy].service
        let sites = self.policies[policy].sites.compactMap(self.site).filter {
            $0.serves(family, service: service)
        }
        return !sites.isEmpty
            && sites.allSatisfy { site in
                let status = self.status[site.id] ?? SiteStatus()
                return status.exclusion(withoutRoutes: site.withoutRoutes) != nil
            }
    }

    /// Ranks a policy's sites for a client, from what the table knows of the client's class.
    ///
    /// - Returns: An empty ranking for a policy that there isn't.
    public func ranking(
        policy: Int, family: AddressFamily?, client: IPAddress, values: ClassValues
    ) -> Ranking {
        guard self.policies.indices.contains(policy) else {
            return Ranking(entries: [], usableCount: 0)
        }
        return Ranking(
            policy: self.policies[policy], sites: self.sites, statuses: self.status,
            values: values, family: family, client: client)
    }
}
