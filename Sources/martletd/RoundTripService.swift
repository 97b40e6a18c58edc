// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Configuration
import Logging
import RouteTable
import ServiceLifecycle
import Synchronization

/// Has round trips forgotten that nobody has measured for the configured time.
struct RoundTripService: Service {
    let daemon: Daemon

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var refused: UInt64 = 0
            while !Task.isCancelled {
                let expiry = self.daemon.running.withLock { $0.plan.roundTripRules.expiry }
                // A sixteenth late at most; a walk costs next to nothing.
                let pause = max(1, min(60, expiry / 16))
                guard (try? await Task.sleep(for: .seconds(pause))) != nil else { return }
                let owner = self.daemon.owner
                owner.submit(.expireRoundTrips)
                guard let counts = try? await owner.query({ $0.counts() }),
                    counts.refusedObservations > refused
                else { continue }
                self.daemon.logger.warning(
                    "round trips were refused: the table holds as many prefixes or classes as it may",
                    metadata: [
                        "refused": "\(counts.refusedObservations - refused)",
                        "prefixes": "\(counts.roundTripPrefixes)",
                        "classes": "\(counts.classes)",
                    ])
                refused = counts.refusedObservations
            }
        }
    }
}
