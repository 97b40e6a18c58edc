// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A real BIRD on loopback, with a configuration of its own in a folder of its own.
final class Bird: @unchecked Sendable {
    /// Where the program is; nil where it isn't installed.
    static let program: String? = ["/usr/sbin/bird", "/usr/bin/bird", "/usr/local/sbin/bird"]
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    /// Elsewhere than in CI a missing BIRD is no failure.
    static var isWanted: Bool {
        Self.program != nil || ProcessInfo.processInfo.environment["CI"] == "true"
    }
    static let missing: String =
        "BIRD is not installed (apt-get install bird2): no session with a real router is tested"

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// How BIRD and Martlet meet.
    struct Peering: Sendable {
        var birdAddress: String
        var birdPort: UInt16
        var birdAS: UInt32
        var martletAddress: String
        /// Where BIRD dials; nil: it is passive.
        var martletPort: UInt16?
        var martletAS: UInt32
        var extra = ""
        /// Lines within both channels.
        var channelExtra = ""
        /// Lines within that of IPv4.
        var ipv4Extra = ""
    }

    private let folder: URL
    private let peering: Peering
    private var process: Process?

    // Unchecked: a test uses it from one task at a time.
    init(_ peering: Peering, routes: [String]) throws {
        self.peering = peering
        self.folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-bird-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(
            at: self.folder, withIntermediateDirectories: true)
        try self.write(routes)
        try self.start()
    }

    deinit {
        self.kill()
        try? FileManager.default.removeItem(at: self.folder)
    }

    private func path(_ name: String) -> String { self.folder.appendingPathComponent(name).path }

    /// Other routes, once it is started again.
    func write(only routes: [String]) throws { try self.write(routes) }

    private func write(_ routes: [String]) throws {
        let ipv4 = routes.filter { !$0.contains(":") }
        let ipv6 = routes.filter { $0.contains(":") }
        func statics(_ routes: [String]) -> String {
            routes.map { route in
                // `PREFIX` or `PREFIX AS AS...`: an AS path that the route comes with.
                let words = route.split(separator: " ")
                let path = words.dropFirst().reversed()
                    .map { "bgp_path.prepend(\($0));" }.joined(separator: " ")
                return "  route \(words[0]) blackhole"
                    + (path.isEmpty ? ";" : " { \(path) };")
            }.joined(separator: "\n")
        }
        let peer = self.peering
        let connection =
            peer.martletPort.map {
                "neighbor \(peer.martletAddress) port \($0) as \(peer.martletAS);"
            }
            ?? "neighbor \(peer.martletAddress) as \(peer.martletAS); passive;"
        let text = """
            router id 10.255.0.2;
            protocol device {}
            protocol static s4 { ipv4;
            \(statics(ipv4))
            }
            protocol static s6 { ipv6;
            \(statics(ipv6))
            }
            protocol bgp martlet {
              local \(peer.birdAddress) port \(peer.birdPort) as \(peer.birdAS);
              \(connection)
              multihop; strict bind;
              connect delay time 1; connect retry time 1; error wait time 1, 2;
              \(peer.extra)
              ipv4 {
                import all; export all; next hop address 192.0.2.1;
                \(peer.channelExtra)
                \(peer.ipv4Extra)
              };
              ipv6 {
                import all; export all; next hop address 2001:db8::1;
                \(peer.channelExtra)
              };
            }
            """
        try Data(text.utf8).write(to: URL(fileURLWithPath: self.path("bird.conf")))
    }

    func start() throws {
        guard let program = Self.program else { throw Failure(description: Self.missing) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["-f", "-c", self.path("bird.conf"), "-s", self.path("bird.ctl")]
        let log = self.path("log")
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        process.standardError = FileHandle(forWritingAtPath: log)
        try process.run()
        self.process = process
    }

    /// What BIRD complained of.
    var log: String {
        (try? String(contentsOfFile: self.path("log"), encoding: .utf8)) ?? ""
    }

    /// Ends it without a word to anybody.
    func kill() {
        guard let process = self.process else { return }
        Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        self.process = nil
    }

    /// Other routes from now on.
    func change(to routes: [String]) throws {
        try self.write(routes)
        try self.control("configure")
    }

    @discardableResult
    func control(_ command: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            ["birdc", "-s", self.path("bird.ctl")] + command.split(separator: " ").map(String.init)
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        let text = String(decoding: data, as: UTF8.self)
        guard process.terminationStatus == 0 else { throw Failure(description: text) }
        return text
    }
}

/// A port that nobody has at the moment, on one loopback address.
func freePort(_ address: String) throws -> UInt16 {
    let isIPv6 = address.contains(":")
    let descriptor = socket(isIPv6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    func bound<Address>(
        _ address: inout Address, _ port: (Address) -> in_port_t
    ) throws -> UInt16 {
        var length = socklen_t(MemoryLayout<Address>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
            }
        }
        guard status == 0 else { throw Bird.Failure(description: "no free port") }
        return UInt16(bigEndian: port(address))
    }
    if isIPv6 {
        var socketAddress = sockaddr_in6()
        socketAddress.sin6_family = sa_family_t(AF_INET6)
        inet_pton(AF_INET6, address, &socketAddress.sin6_addr)
        return try bound(&socketAddress) { $0.sin6_port }
    }
    var socketAddress = sockaddr_in()
    socketAddress.sin_family = sa_family_t(AF_INET)
    inet_pton(AF_INET, address, &socketAddress.sin_addr)
    return try bound(&socketAddress) { $0.sin_port }
}
