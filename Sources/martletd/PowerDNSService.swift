// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice
import Console
import DNSFront
import Glibc
import Logging
import ServiceLifecycle
import Synchronization

/// The Unix socket on which PowerDNS asks for records.
final class PowerDNSService: Service, Sendable {
    let settings: RemoteBackendSettings
    private let server: RemoteBackendServer
    private let socket = Mutex<UnixSocket?>(nil)
    /// The listening socket of the process before this one, until that has left.
    private let inherited = Mutex<CInt?>(nil)
    /// Another process has the listening socket, too, and counts on its file.
    private let isShared = Atomic(false)
    private let logger = Logger(label: "powerdns")

    /// Throws where the table has no place for another reader.
    init(
        _ settings: RemoteBackendSettings, oracle: Oracle, zones: ZoneStore,
        readiness: DNSReadiness
    ) throws {
        self.settings = settings
        self.server = RemoteBackendServer(
            backend: try RemoteBackend(oracle: oracle, zones: zones, readiness: readiness),
            maximumConnections: settings.maximumConnections, logger: self.logger)
    }

    /// Makes the socket, while the process may. One that the process before this one has under the
    /// same name is taken over as it is, since its group may be one that only root can give it.
    ///
    /// - Parameters:
    ///   - waits: The process before this one still serves.
    ///   - inherited: Its listening socket, which belongs to this one.
    /// - Throws: `UnixSocketError` where the file can't be had, or not for the group.
    func bind(waits: Bool, inherited: (path: String, descriptor: CInt)?) async throws {
        if let inherited {
            if inherited.path == self.settings.socketPath,
                let socket = try UnixSocket.adopt(
                    path: inherited.path, group: self.settings.socketGroup)
            {
                self.socket.withLock { $0 = socket }
                self.inherited.withLock { $0 = inherited.descriptor }
                return
            }
            close(inherited.descriptor)
        }
        try await self.listen(waits: waits)
    }

    private func listen(waits: Bool) async throws {
        let (socket, descriptor) = try UnixSocket.listen(
            path: self.settings.socketPath, group: self.settings.socketGroup, waits: waits)
        self.socket.withLock { $0 = socket }
        try await self.server.listen(adopting: descriptor)
    }

    func run() async throws {
        do {
            try self.socket.withLock { try $0?.takeName() }
        } catch {
            self.logger.error("the socket isn't this process's: \(error)")
        }
        await cancelWhenGracefulShutdown { await self.server.run() }
        guard !self.isShared.load(ordering: .relaxed) else { return }
        self.socket.withLock { $0?.remove() }
    }

    // MARK: From one process to the next

    /// Whether the process before this one can hand its connections over.
    var inherits: Bool { self.inherited.withLock { $0 != nil } }

    /// The listening socket with its path, the descriptor another one, which the caller owns. Until
    /// ``keep()`` this process leaves the file where it is, whatever becomes of it.
    func listeningSocket() async -> (path: String, descriptor: CInt)? {
        guard let descriptor = await self.server.listeningSocket() else { return nil }
        self.isShared.store(true, ordering: .relaxed)
        return (self.settings.socketPath, descriptor)
    }

    /// The process that was given the listening socket has no use for it.
    func keep() { self.isShared.store(false, ordering: .relaxed) }

    /// Gives up all connections, whose descriptors the caller owns.
    func handOver() async -> [CInt] { await self.server.handOver() }

    /// Serves in the place of the process before this one, which has left, on its connections and on
    /// those that come.
    func takeOver(_ connections: [CInt]) async {
        guard let descriptor = self.inherited.withLock({ $0.take() }) else { return }
        await self.server.adopt(connections)
        do {
            if self.socket.withLock({ $0?.isInPlace == true }) {
                try await self.server.listen(adopting: descriptor)
            } else {
                // Somebody has taken the file away.
                close(descriptor)
                try await self.listen(waits: false)
            }
        } catch {
            self.logger.error("PowerDNS can't connect anew: \(error)")
        }
        if !connections.isEmpty {
            self.logger.info(
                "PowerDNS's connections go on here", metadata: ["count": "\(connections.count)"])
        }
    }
}
