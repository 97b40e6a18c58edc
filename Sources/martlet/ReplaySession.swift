// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BGPSpeaker
import Choice
import Console
import Dispatch
import Glibc
import Logging
import RouteTable

/// One run of `martlet replay`: a table, a console on it, and what is played.
struct ReplaySession {
    private let command: ReplayCommand
    private let socketPath: String

    init(_ command: ReplayCommand) {
        self.command = command
        self.socketPath = command.socket ?? Self.usualSocket
    }

    private static var usualSocket: String {
        let folder = getenv("XDG_RUNTIME_DIR").map { String(cString: $0) } ?? "/tmp"
        return "\(folder)/martlet-replay-\(getpid()).sock"
    }

    /// - Returns: Whether all commands were answered.
    func run() async throws -> Bool {
        let stage =
            try self.command.config.map { try ReplayStage(configuration: $0) }
            ?? ReplayStage(files: self.command.files, chosen: self.command.sites)
        let clock = ReplayClock()
        let owner = try TableOwner(now: { clock.seconds })
        for site in stage.world.sites { owner.submit(.defineSite(site.id, name: site.name)) }
        for feed in stage.feeds { owner.submit(.addFeed(feed.definition)) }
        owner.submitAndWait(.setPins(stage.pins))
        owner.submitAndWait(.setLocations(stage.locations))
        owner.submitAndWait(.setRoundTrips(stage.roundTrips))
        if let rules = stage.flipHold { owner.submitAndWait(.setFlipHold(rules)) }
        for words in stage.omissions { self.note(words) }
        let board = ReplayBoard(stage, Oracle(lookup: owner.lookup, world: stage.world))
        let replay = Replay(
            feeds: stage.feeds.map(\.replay), into: owner, clock: clock,
            pace: ReplayPace(
                factor: self.command.speed.factor, from: self.command.from?.seconds,
                until: self.command.until?.seconds),
            changed: { board.set($0, $1) })
        let table = OfflineTable(
            owner: owner, oracle: board.oracle, feeds: board.identities,
            policyNames: stage.policyNames, started: { clock.seconds },
            reports: { board.reports(replay) },
            details: { [files = self.command.files] in
                board.detail(of: $0, replay, files: files)
            })
        let isServed = self.command.commands.isEmpty
        let scopes = try ScopeKeeper(owner: owner, oracle: board.oracle)
        if isServed { try scopes.start() }
        defer { scopes.stop() }
        let bar = ProgressBar(isOn: !self.command.quiet)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            if isServed {
                let server = try ConsoleServer(
                    backend: table, settings: ConsoleSettings(socketPath: self.socketPath),
                    logger: Logger(label: "martlet", factory: { _ in SwiftLogNoOpLogHandler() }),
                    now: { clock.seconds })
                try await server.bind()
                group.addTask { try await server.run() }
                self.note("the console: martlet console \(self.socketPath)")
            }
            // Ctrl-C ends the playing and the console, and takes the socket away.
            let signals = Signals()
            signals.listen { replay.cancel() }
            let report = try await Self.onThread {
                try replay.play(self.command.files) { path, done in
                    bar.show(done, "\(Self.words(clock.seconds)) \(path)")
                }
            }
            bar.finish()
            self.note(
                "\(report.feeds.reduce(0) { $0 + $1.announced }) announcements and "
                    + "\(report.feeds.reduce(0) { $0 + $1.withdrawn }) withdrawals up to "
                    + Self.words(clock.seconds))
            let treated = report.feeds.reduce(0) { $0 + $1.treatedAsWithdrawn }
            if treated > 0 {
                let feeds = report.feeds.filter { $0.treatedAsWithdrawn > 0 }.compactMap { feed in
                    board.identities.first { $0.id == feed.id }?.name
                }
                self.note(
                    "\(treated) \(treated == 1 ? "announcement" : "announcements") more, in malformed "
                        + "UPDATEs of \(feeds.joined(separator: ", ")), were treated as withdrawals "
                        + "(RFC 7606)")
            }
            for name in board.silent(replay) { self.note("no record of feed \(name)'s peer") }
            defer { group.cancelAll() }
            guard !isServed else {
                self.note("the table stays as it is; Ctrl-C ends it")
                await signals.wait()
                return true
            }
            return try await self.answer(table, clock)
        }
    }

    private func answer(_ table: OfflineTable, _ clock: ReplayClock) async throws -> Bool {
        var answers = try OfflineAnswers(table, now: { clock.seconds })
        var isGood = true
        for line in self.command.commands {
            let (text, wasGood) = await answers.run(line)
            print(text, terminator: "")
            isGood = isGood && wasGood
        }
        fflush(nil)
        return isGood
    }

    private func note(_ words: String) {
        if !self.command.quiet { Printer.complain("martlet: \(words)") }
    }

    /// Runs what blocks where it keeps nobody waiting.
    private static func onThread<R: Sendable>(
        _ body: @escaping @Sendable () throws -> R
    ) async throws -> R {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(with: Result { try body() }) }
        }
    }

    private static func words(_ seconds: Int64) -> String {
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Ctrl-C and its like, once.
private final class Signals: @unchecked Sendable {
    // Sendable: all is made in `init` and stays; Dispatch's sources may be used by any thread.
    private let sources: [any DispatchSourceSignal]
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() {
        (self.stream, self.continuation) = AsyncStream.makeStream(
            bufferingPolicy: .bufferingOldest(1))
        self.sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: .global())
        }
    }

    func listen(_ body: @escaping @Sendable () -> Void) {
        for source in self.sources {
            source.setEventHandler { [continuation] in
                body()
                continuation.yield()
                continuation.finish()
            }
            source.resume()
        }
    }

    func wait() async { for await _ in self.stream { return } }
}
