// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSpeaker
import CLinux
import Configuration
import Console
import DNSFront
import DNSWire
import Glibc
import Logging
import NIOPosix
import RouteTable
import ServiceLifecycle
import Synchronization

/// Hands what this process serves to one that comes to take its place.
final class HandoverService: Service, CustomStringConvertible {
    let description = "handover"
    private let daemon: Daemon
    private let logger = Logger(label: "handover")
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let socket: UnixSocket
    private let listener: CInt

    /// How often a wait is interrupted for a look around.
    private static let look: Int32 = 250

    /// Makes the socket; where there is a process to be replaced it stands aside at first.
    init(_ daemon: Daemon, path: String, owner: uid_t?) throws(UnixSocketError) {
        self.daemon = daemon
        (self.socket, self.listener) = try UnixSocket.listen(
            path: HandoverConnection.path(besides: path), kind: .messages, owner: owner, group: nil,
            waits: daemon.succession.predecessor != nil)
    }

    deinit { close(self.listener) }

    func run() async throws {
        self.pool.start()
        await cancelWhenGracefulShutdown {
            await self.daemon.succession.isInCharge.wait()
            guard !Task.isCancelled else { return }
            do {
                try self.socket.takeName()
            } catch {
                self.logger.error("this process can't be replaced without a loss: \(error)")
                return
            }
            while !Task.isCancelled, !self.daemon.succession.hasLeft.isOpen {
                let listener = self.listener
                let result = try? await self.pool.runIfActive {
                    martlet_local_accept(listener, Self.look)
                }
                guard let result, result >= 0 else { continue }
                await self.converse(HandoverConnection(adopting: result))
            }
        }
        self.socket.remove()
        try await gracefulShutdown()
        try await self.pool.shutdownGracefully()
    }

    private func converse(_ connection: HandoverConnection) async {
        do {
            let (user, process) = try connection.peer()
            guard user == 0 || user == geteuid() else {
                throw HandoverError.refused("it is another user's")
            }
            guard let greeting = try await self.receive(connection) else { return }
            guard greeting.words == HandoverConnection.greeting else {
                try connection.send("no this process speaks '\(HandoverConnection.greeting)'")
                throw HandoverError.unexpected(greeting.words)
            }
            // Nothing changes meanwhile: what is handed over is what there is.
            guard await self.daemon.beginReload(waits: true) else { return }
            self.daemon.running.withLock { $0.isHandingOver = true }
            defer { self.daemon.endReload() }
            self.logger.notice(
                "another process prepares to take over", metadata: ["pid": "\(process)"])
            try connection.send(self.daemon.readiness.isReady ? "ready" : "starting")
            while let message = try await self.receive(connection) {
                if message.file >= 0 { close(message.file) }
                switch message.words {
                case "sockets": try await self.sendSockets(connection)
                case "table": try await self.sendTable(connection)
                case "leave", "leave pid-file", "leave powerdns", "leave pid-file powerdns":
                    await self.daemon.leave(
                        to: process, keepingPidFile: message.words.contains("pid-file"))
                    if message.words.hasSuffix("powerdns") {
                        await self.sendPowerDNS(connection)
                    } else {
                        self.daemon.powerDNS?.keep()
                    }
                    try? connection.send("left")
                    await self.daemon.finish()
                    return
                case let words where words.hasPrefix("give-up "):
                    let reasons = words.dropFirst("give-up ".count).split(separator: "\n").map(
                        String.init)
                    self.logger.error(
                        "the other process gives up taking over",
                        metadata: [
                            "pid": "\(process)", "reason": "\(reasons.joined(separator: "; "))",
                        ])
                    self.daemon.givenUp.withLock { $0 = (process, reasons) }
                    self.daemon.powerDNS?.keep()
                    try connection.send("noted")
                    return
                default:
                    try connection.send("no that means nothing here")
                    throw HandoverError.unexpected(message.words)
                }
            }
        } catch HandoverError.ended {
            self.logger.warning("the other process has given up taking over")
            self.daemon.powerDNS?.keep()
        } catch {
            self.logger.warning("no handover", metadata: ["error": "\(error)"])
            self.daemon.powerDNS?.keep()
        }
    }

    /// The next message; nil when this process ends.
    private func receive(
        _ connection: HandoverConnection
    ) async throws -> HandoverConnection.Message? {
        while !Task.isCancelled {
            if let message = try await self.pool.runIfActive({
                try connection.receive(milliseconds: Self.look)
            }) {
                return message
            }
        }
        return nil
    }

    private func sendSockets(_ connection: HandoverConnection) async throws {
        let dns = self.daemon.dns.sockets()
        for descriptor in dns.udp { try connection.send("dns-udp", file: descriptor) }
        for descriptor in dns.tcp { try connection.send("dns-tcp", file: descriptor) }
        let copies: [(String, [Int32])] = [
            ("bgp", await self.daemon.speaker.sockets()),
            ("bmp", await self.daemon.station.sockets()),
            ("console", await self.daemon.console?.sockets() ?? []),
        ]
        defer { for descriptor in copies.flatMap(\.1) { close(descriptor) } }
        for (kind, descriptors) in copies {
            for descriptor in descriptors { try connection.send(kind, file: descriptor) }
        }
        if let socket = await self.daemon.powerDNS?.listeningSocket() {
            defer { close(socket.descriptor) }
            try connection.send("powerdns \(socket.path)", file: socket.descriptor)
        }
        if let file = self.daemon.pidFile {
            try connection.send("pid-file \(file.path)", file: file.descriptor)
        }
        let seed = self.daemon.dns.cookieSeed
        try connection.send(
            "cookies \(String(seed.first, radix: 16)) \(String(seed.second, radix: 16))")
        try self.sendZones(connection)
        try connection.send("end")
    }

    /// PowerDNS waits for its replies meanwhile: nothing comes between this and the other's going on.
    private func sendPowerDNS(_ connection: HandoverConnection) async {
        guard let powerDNS = self.daemon.powerDNS else { return }
        for descriptor in await powerDNS.handOver() {
            try? connection.send("powerdns", file: descriptor)
            close(descriptor)
        }
    }

    /// In a file, since there may be many; a program of before, which doesn't know of them, lets what
    /// has a file be.
    private func sendZones(_ connection: HandoverConnection) throws(HandoverError) {
        let zones = self.daemon.running.withLock { $0.configuration.zones }
        let text = zones.filter { $0.state != .missing }.map { "\($0.apex)\n" }.joined()
        let descriptor = try self.memoryFile("martlet-zones")
        defer { close(descriptor) }
        guard write(descriptor, text, text.utf8.count) == text.utf8.count else {
            throw .system(call: "memfd", errno: errno)
        }
        try connection.send("zones", file: descriptor)
    }

    private func memoryFile(_ name: String) throws(HandoverError) -> CInt {
        let descriptor = martlet_memory_file(name)
        guard descriptor >= 0 else { throw .system(call: "memfd_create", errno: -descriptor) }
        return descriptor
    }

    private func sendTable(_ connection: HandoverConnection) async throws {
        let descriptor = try self.memoryFile("martlet-table")
        defer { close(descriptor) }
        do {
            let saved = try await self.daemon.checkpoints.save(to: descriptor)
            self.logger.info(
                "wrote the table for it",
                metadata: ["routes": "\(saved.counts.routes)", "bytes": "\(saved.bytes)"])
            try connection.send("table", file: descriptor)
        } catch CheckpointRefusal.isEmpty {
            try connection.send("empty")
        } catch let error as HandoverError {
            throw error
        } catch {
            try connection.send("no the table can't be written: \(error)")
        }
    }
}
