// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Choice
package import DNSWire
import Synchronization

/// Which `nearest` names have all their sites down, for whoever tells of it: each comes once, and once
/// more when one of its sites is up again.
package final class Outages: Sendable {
    /// What has become of names since the last look, in order.
    package struct Changes: Equatable, Sendable {
        package var down: [DomainName] = []
        package var up: [DomainName] = []

        package init(down: [DomainName] = [], up: [DomainName] = []) {
            self.down = down
            self.up = up
        }
    }

    private let oracle: Oracle
    private let zones: ZoneStore
    /// The names that are down, as of the last look.
    private let known = Mutex<Set<DomainName>>([])

    package init(oracle: Oracle, zones: ZoneStore) {
        self.oracle = oracle
        self.zones = zones
    }

    /// Looks at the sites as they are now. Of a name that is there no more nothing is told.
    ///
    /// - Complexity: O(policies), and where one has or had all its sites down O(names).
    package func look() -> Changes {
        self.known.withLock { known in
            // Read here, so that of two who look at once none has a world older than the other's.
            let world = self.oracle.world
            let policies = Set(
                world.policies.indices.filter { world.isAllDown(policy: $0, family: nil) })
            guard !policies.isEmpty || !known.isEmpty else { return Changes() }
            var down: Set<DomainName> = []
            var up: [DomainName] = []
            for zone in self.zones.zones() {
                for (name, record) in zone.nearest {
                    if policies.contains(record.policy) {
                        down.insert(name)
                    } else if known.contains(name) {
                        up.append(name)
                    }
                }
            }
            defer { known = down }
            return Changes(
                down: down.subtracting(known).sorted { $0.description < $1.description },
                up: up.sorted { $0.description < $1.description })
        }
    }
}
