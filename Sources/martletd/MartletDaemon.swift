// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CBSD
import CLinux
import Configuration
import DNSFront
import Glibc
import Logging
import RouteTable
import UnixSignals

/// The process's entry.
///
/// With an asynchronous `main` the main thread would end in a state in which the C library no
/// longer counts it, and it would stay root when the others give root up; so it is kept, waiting.
@main
enum Entry {
    static func main() {
        _ = MartletDaemon.launch
        // Before any thread of ours reads the environment, which it moves.
        setproctitle_init(CommandLine.argc, CommandLine.unsafeArgv, environ)
        martlet_map_large_memory()
        // A pool's thread has not always the process's own priority. Where this fails, the daemon
        // says so.
        try? ThreadStarter.start()
        Task.detached {
            await MartletDaemon.main()
            exit(0)
        }
        while true { pause() }
    }
}

/// The daemon's command line.
struct MartletDaemon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martletd",
        abstract: "Serves which of your sites is nearest, from BGP, by DNS and a line protocol.",
        discussion: """
            Listens where the configuration says, then gives up root for the user that is named. \
            Without --foreground it returns once it listens, and goes on in the background. \
            With --replace it takes the place of the process that runs with the same console's socket: \
            it has that one's sockets and table, and no query is lost. A process that can't serve \
            leaves the old one as it is.
            """,
        version: "martletd \(ProductVersion.text)")

    @Option(name: .long, help: "The configuration (YAML).")
    var config: String

    @Option(name: .long, help: "Run as this user once the ports are open.")
    var user: String?

    @Option(name: .long, help: "Run as this group; without it, as the user's own.")
    var group: String?

    @Option(name: .long, help: "Keep the process's number here, and refuse a second instance.")
    var pidFile: String?

    @Flag(name: .long, help: "Stay in the foreground.")
    var foreground = false

    @Flag(
        name: .long,
        help: "Take the place of the process that runs; start as usual where none does.")
    var replace = false

    /// How the process was started: the main thread asks for it before anything else.
    static let launch = Background.Launch.current()

    func validate() throws {
        guard self.group == nil || self.user != nil else {
            throw ValidationError("--group needs --user")
        }
    }

    func run() async throws {
        let report = Background.reportDescriptor()
        if !self.foreground, report == nil { throw ExitCode(Background.start(Self.launch)) }
        // A peer that goes away in the middle of a write is an error at that write.
        signal(SIGPIPE, SIG_IGN)
        // One that comes before the configuration is read asks for nothing that isn't done anyway.
        signal(SIGHUP, SIG_IGN)
        LoggingSystem.bootstrap { StandardErrorLog(label: $0) }
        do {
            try await self.serve(reportingTo: report)
        } catch let error as ConfigurationError {
            for complaint in error.complaints { StandardError.print("\(complaint)") }
            throw ExitCode(StartFailure.badConfiguration)
        } catch let error as StartFailure {
            for line in error.lines { StandardError.print("martletd: \(line)") }
            throw ExitCode(error.status)
        } catch let error as TableResourceError {
            StandardError.print("martletd: \(error)")
            throw ExitCode(StartFailure.systemError)
        } catch let error as PidFile.Failure {
            StandardError.print("martletd: \(error)")
            if case .system = error { throw ExitCode(StartFailure.systemError) }
            throw ExitCode(StartFailure.tryLater)
        } catch let error as Privileges.Failure {
            StandardError.print("martletd: \(error)")
            throw ExitCode(StartFailure.notPermitted)
        }
    }

    private func serve(reportingTo report: Int32?) async throws {
        try ProcessFiles.check()
        // One that comes from here on is for what the files say then: it waits until it can be heeded.
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        let configuration = try Configuration.load(path: self.config)
        StandardErrorLog.setLevel(configuration.logLevel.level)
        let privileges = try self.user.map { try Privileges(user: $0, group: self.group) }
        let owner = privileges.map { ($0.user, $0.group) }
        let estate = try self.replace ? Estate.find(configuration, socketOwner: owner) : nil
        let pidFile = try self.pidFile.map { try self.takePidFile($0, of: estate) }
        // The lock is kept to the end, whatever that is.
        defer { pidFile?.remove() }
        if let lock = estate?.sockets.pidFile, pidFile?.isInherited != true {
            close(lock.descriptor)
        }
        let daemon: Daemon
        do {
            daemon = try Daemon(
                configuration: configuration, socketOwner: owner, pidFile: pidFile,
                after: estate)
        } catch  where estate != nil && !(error is StartFailure) {
            throw StartFailure(
                lines: ["can't take over: \(error)"], status: StartFailure.systemError)
        }
        if let table = estate?.table { close(table) }
        try await daemon.bind(adopting: estate?.sockets ?? Inheritance())
        if estate == nil { pidFile?.write() }
        try privileges?.drop()
        if privileges != nil { daemon.warnOfUnreadableFiles() }
        let sites = configuration.sites.count
        martlet_set_process_title("martletd: \(sites) \(sites == 1 ? "site" : "sites")")
        if let report {
            if estate == nil {
                Background.reportReady(report)
            } else {
                daemon.whenInCharge { Background.reportReady(report) }
            }
        }
        try await daemon.run(reloadingOn: hangups)
    }

    private func takePidFile(
        _ path: String, of estate: Estate?
    ) throws(PidFile.Failure) -> PidFile {
        if let inherited = estate?.sockets.pidFile, inherited.path == path {
            return PidFile(adopting: inherited.descriptor, path: path)
        }
        return try PidFile(path: path)
    }
}

/// Why the daemon doesn't start: lines for people, and the exit status.
struct StartFailure: Error {
    var lines: [String]
    var status: Int32

    /// As sysexits.h has them: EX_OSERR, EX_TEMPFAIL, EX_NOPERM and EX_CONFIG.
    static let systemError: Int32 = 71
    static let tryLater: Int32 = 75
    static let notPermitted: Int32 = 77
    static let badConfiguration: Int32 = 78
}

extension Configuration.LogLevel {
    var level: Logger.Level { Logger.Level(rawValue: self.rawValue) ?? .info }
}
