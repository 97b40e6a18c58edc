// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import Console
import Foundation
import Logging
import NIOCore
import RouteTable
import Testing

/// A console server with two sites and no routes but pins, for the client to talk to.
struct SmallDaemon: ConsoleBackend {
    let owner: TableOwner
    let oracle: Oracle
    let router = RouterReport(asNumber: 65000, identifier: IPAddress(ipv4: 1))
    let version = VersionReport(version: "1.2.3", started: 0)
    let names = ["www.example.com"]

    init() async throws {
        self.owner = try TableOwner()
        let sites = [
            Site(id: SiteID(0), name: "sydney", asNumber: 64600),
            Site(id: SiteID(1), name: "tokyo", asNumber: 64601),
        ]
        self.oracle = Oracle(lookup: self.owner.lookup, world: World(sites: sites))
        for site in sites { self.owner.submit(.defineSite(site.id, name: site.name)) }
        self.owner.submit(.setPins([(try IPPrefix(parsing: "10.0.0.0/8"), [SiteID(1)])]))
        await self.owner.flush()
    }

    func policy(named name: String) -> Int? { name == self.names[0] ? 0 : nil }
    func feedIdentities() -> [FeedIdentity] {
        [FeedIdentity(id: FeedID(0), name: "core", site: SiteID(0), kind: .bgp)]
    }

    /// One line passes, and no more until nobody watches.
    func watchFeed(_ feed: FeedID) async -> FeedWatch? {
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        continuation.yield("KEEPALIVE")
        return FeedWatch(lines: stream) { continuation.finish() }
    }
    func feedReports() async -> [FeedReport] { [] }
    func readiness() -> Readiness { .ready }
    func configuration() -> String? { nil }
    func ruleReport(_ feed: FeedID) -> RuleReport? { nil }

    func checkpointReport() -> CheckpointReport? { nil }

    func writeCheckpoint() async -> Result<CheckpointReport, CommandFailure> {
        .failure(CommandFailure(.noSuchThing, "no checkpoint"))
    }

    func reload() async -> Result<[String], CommandFailure> { .success([]) }

    /// Serves in a folder of its own while `body` runs; it is given the folder, with the socket
    /// `console.sock` in it, and `HOST:PORT`.
    static func serve(
        face: Face = .people, password: String? = nil,
        _ body: (String, String) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-\(UInt64.random(in: 0 ... .max))").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let daemon = try await SmallDaemon()
        defer { daemon.owner.shutdown() }
        let server = try ConsoleServer(
            backend: daemon,
            settings: ConsoleSettings(
                listeners: [
                    .init(
                        address: try SocketAddress(ipAddress: "127.0.0.1", port: 0), face: face)
                ],
                socketPath: folder + "/console.sock", password: password, enablePassword: "rose",
                passwordDelay: .milliseconds(1)),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let address = try #require(try await server.bind().first)
        let run = Task { try await server.run() }
        let result: Result<Void, any Error>
        do {
            result = .success(
                try await body(folder, "127.0.0.1:\(try #require(address.port))"))
        } catch {
            result = .failure(error)
        }
        run.cancel()
        try await run.value
        try result.get()
    }
}

/// Runs what blocks on a thread of its own: the console that it waits for needs the pool's.
func blocking<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
    }
}

/// The command `martlet`, as it was built beside these tests.
enum Client {
    struct Run {
        var output: String
        var complaints: String
        var status: Int32
    }

    static func program() throws -> String {
        let folder = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        // Tests may run in a program of the toolchain: then the bundle is an argument.
        let candidates = [folder] + CommandLine.arguments
        return try #require(
            candidates.map { ($0 as NSString).deletingLastPathComponent + "/martlet" }
                .first { FileManager.default.isExecutableFile(atPath: $0) })
    }

    static func run(
        _ arguments: [String], input: String = "", environment: [String: String] = [:]
    ) async throws -> Run {
        try await self.run(program: try self.program(), arguments, input, environment)
    }

    static func run(
        program: String, _ arguments: [String], _ input: String, _ environment: [String: String]
    ) async throws -> Run {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment
            .filter { $0.key != "MARTLET_PASSWORD" && $0.key != "NO_COLOR" }
            .merging(environment) { $1 }
        let (stdin, stdout, stderr) = (Pipe(), Pipe(), Pipe())
        process.standardInput = stdin
        process.standardOutput = stdout
        process.standardError = stderr
        try await withCheckedThrowingContinuation { (next: CheckedContinuation<Void, any Error>) in
            process.terminationHandler = { _ in next.resume() }
            do {
                try process.run()
                // What is written and read here fits a pipe.
                try stdin.fileHandleForWriting.write(contentsOf: Data(input.utf8))
                try stdin.fileHandleForWriting.close()
            } catch {
                process.terminationHandler = nil
                next.resume(throwing: error)
            }
        }
        func text(_ pipe: Pipe) -> String {
            String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        }
        return Run(
            output: text(stdout), complaints: text(stderr), status: process.terminationStatus)
    }
}
