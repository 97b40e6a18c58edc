// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Configuration
import Console
import DNSWire
import Synchronization

extension ConsoleBridge {
    func nearestName(_ name: String) -> NearestNameReport? {
        guard let owner = DomainName(name) else { return nil }
        let zones = self.daemon.running.withLock { $0.configuration.zones }
        for zone in zones where owner.isInside(zone.apex) {
            guard let entry = zone.nearest.first(where: { $0.owner == owner }) else { continue }
            return NearestNameReport(
                answers: entry.answers, timeToLive: Int(entry.timeToLive),
                minimumTimeToLive: Int(entry.minimumTimeToLive),
                usesClientSubnet: entry.usesClientSubnet,
                aliases: entry.aliases.mapValues(\.description), rotates: entry.rotates)
        }
        return nil
    }
}
