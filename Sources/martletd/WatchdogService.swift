// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSpeaker
import RouteTable
import ServiceLifecycle

/// Tells systemd that the process is alive, where it wants to know (WatchdogSec): as long as the
/// table's writer and the sessions' event loop do what they are asked.
struct WatchdogService: Service {
    let daemon: Daemon

    func run() async throws {
        if let interval = ServiceManager.watchdogInterval {
            await cancelWhenGracefulShutdown {
                while (try? await Task.sleep(for: interval)) != nil {
                    await self.daemon.owner.flush()
                    _ = await self.daemon.speaker.strangers()
                    if !Task.isCancelled { ServiceManager.isAlive() }
                }
            }
        }
        try await gracefulShutdown()
    }
}
