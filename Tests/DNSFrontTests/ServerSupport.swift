// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSFront
import DNSWire
import Foundation
import Glibc
import Logging
import RouteTable

/// Runs a server on ports that the system picks, while `body` asks it.
func withServer(
    listen: [String] = ["127.0.0.1"], pins: [(String, [SiteID])] = [],
    zones: [Zone] = [exampleZone()], change: (inout DNSSettings) -> Void = { _ in },
    adopting sockets: DNSSockets = DNSSockets(),
    _ body: @escaping @Sendable (DNSServer, [DNSEndpoint]) async throws -> Void
) async throws {
    let owner = try TableOwner()
    defer { owner.shutdown() }
    let world = exampleWorld()
    for site in world.sites { owner.submit(.defineSite(site.id, name: site.name)) }
    owner.submit(.setPins(pins.map { (prefix($0.0), $0.1) }))
    await owner.flush()
    let store = ZoneStore()
    try store.replace(zones)
    var settings = DNSSettings(
        listeners: listen.map { DNSListener(DNSEndpoint(address: address($0), port: 0)) })
    change(&settings)
    let server = DNSServer(
        oracle: Oracle(lookup: owner.lookup, world: world), zones: store, settings: settings,
        readiness: DNSReadiness(isReady: true), logger: Logger(label: "test"))
    let endpoints = try server.bind(adopting: sockets)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        do {
            try await body(server, endpoints)
        } catch {
            group.cancelAll()
            throw error
        }
        group.cancelAll()
        try await group.waitForAll()
    }
}

/// Runs what blocks on a thread of its own: the pool has too few to lend one.
func blocking<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
    }
}

/// Whether a program is installed.
func isInstalled(_ program: String) -> Bool {
    (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        .contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(program)") }
}

/// Runs a program to its end, and gives what it printed.
func output(of program: String, _ arguments: [String]) async throws -> String {
    try await blocking {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}

/// A blocking client, by TCP or by UDP; every wait ends after some seconds.
final class TCPClient: Sendable {
    private let descriptor: CInt

    init(_ endpoint: DNSEndpoint, timeout: Int = 60, isDatagrams: Bool = false) throws {
        self.descriptor = socket(
            AF_INET, Int32((isDatagrams ? SOCK_DGRAM : SOCK_STREAM).rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = endpoint.port.bigEndian
        address.sin_addr.s_addr = endpoint.address.ipv4Value.bigEndian
        self.setTimeout(milliseconds: timeout * 1000)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    }

    deinit { close(self.descriptor) }

    func setTimeout(milliseconds: Int) {
        var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(self.descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, size)
        setsockopt(self.descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, size)
    }

    /// Sends all, or as much as the time allows; how much that was.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Int {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    self.descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { break }
            sent += count
        }
        return sent
    }

    func endSending() { shutdown(self.descriptor, Int32(SHUT_WR)) }

    enum Received: Equatable {
        case bytes([UInt8])
        case end
        case nothing
    }

    func receive(atMost limit: Int) -> Received {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = recv(self.descriptor, &bytes, limit, 0)
        if count > 0 { return .bytes(Array(bytes.prefix(count))) }
        if count < 0, errno == EAGAIN || errno == EWOULDBLOCK { return .nothing }
        return .end
    }

    /// The next message, without its length; nil at the end or when the time is over.
    func message() -> [UInt8]? {
        guard let head = self.exactly(2) else { return nil }
        return self.exactly(Int(head[0]) << 8 | Int(head[1]))
    }

    private func exactly(_ count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            guard case .bytes(let more) = self.receive(atMost: count - bytes.count) else {
                return nil
            }
            bytes += more
        }
        return bytes
    }
}

extension Query {
    /// With TCP's length before it, and another identifier.
    func framed(identifier: UInt16) -> [UInt8] {
        var bytes = self.bytes
        bytes[0] = UInt8(identifier >> 8)
        bytes[1] = UInt8(identifier & 0xff)
        return [UInt8(bytes.count >> 8), UInt8(bytes.count & 0xff)] + bytes
    }
}

/// What a server said; throws where it said nothing.
func message(_ bytes: [UInt8]?) throws -> Message {
    guard let bytes else { throw Silence() }
    return try Message(reading: bytes.span.bytes)
}
