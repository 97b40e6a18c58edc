// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Logging
import RouteTable
import ServiceLifecycle

/// Says once in the log that the table refuses announcements, when its limits are reached for the
/// first time; how many it refused is in `show feeds` and `show memory`.
struct LimitService: Service {
    let daemon: Daemon

    private static let period = Duration.seconds(5)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: Self.period)) != nil {
                guard let counts = try? await self.daemon.owner.query({ $0.counts() }),
                    counts.refused > 0
                else { continue }
                self.daemon.logger.warning(
                    "the table is at its limits: announcements are refused",
                    metadata: [
                        "refused": "\(counts.refused)",
                        "for-memory": "\(counts.refusedForMemory)",
                        "prefixes": "\(counts.ipv4Prefixes + counts.ipv6Prefixes)",
                        "routes": "\(counts.routes)", "classes": "\(counts.classes)",
                    ])
                return
            }
        }
        try await gracefulShutdown()
    }
}
