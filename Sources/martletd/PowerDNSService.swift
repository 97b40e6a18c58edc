// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice
import Console
import DNSFront
import Logging
import ServiceLifecycle
import Synchronization

/// The Unix socket on which PowerDNS asks for records.
final class PowerDNSService: Service, Sendable {
    let settings: RemoteBackendSettings
    private let server: RemoteBackendServer
    private let socket = Mutex<UnixSocket?>(nil)

    /// Throws where the table has no place for another reader.
    init(
        _ settings: RemoteBackendSettings, oracle: Oracle, zones: ZoneStore,
        readiness: DNSReadiness
    ) throws {
        self.settings = settings
        self.server = RemoteBackendServer(
            backend: try RemoteBackend(oracle: oracle, zones: zones, readiness: readiness),
            maximumConnections: settings.maximumConnections, logger: Logger(label: "powerdns"))
    }

    /// Makes the socket, while the process may. It waits where the process before this one still
    /// serves.
    func bind(waits: Bool) async throws {
        let (socket, descriptor) = try UnixSocket.listen(
            path: self.settings.socketPath, group: self.settings.socketGroup, waits: waits)
        self.socket.withLock { $0 = socket }
        try await self.server.listen(adopting: descriptor)
    }

    func run() async throws {
        do {
            try self.socket.withLock { try $0?.takeName() }
        } catch {
            Logger(label: "powerdns").error("the socket isn't this process's: \(error)")
        }
        await cancelWhenGracefulShutdown { await self.server.run() }
        self.socket.withLock { $0?.remove() }
    }
}
