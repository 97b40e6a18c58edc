// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import JSON
public import RouteTable

/// Carries commands out. Which connection asked, and in which face, it doesn't know.
public struct Interpreter: Sendable {
    package let backend: any ConsoleBackend
    package let grammar = Grammar.standard
    let answerer: Answerer
    /// The time, in Unix seconds.
    let now: @Sendable () -> Int64
    /// A time as Zebra writes it.
    let date: @Sendable (Int64) -> String

    /// Throws where the table has no place for another reader.
    public init(
        backend: any ConsoleBackend,
        now: @escaping @Sendable () -> Int64 = TableOwner.systemTime,
        date: (@Sendable (Int64) -> String)? = nil
    ) throws {
        self.backend = backend
        self.answerer = try Answerer(backend.oracle)
        self.now = now
        self.date = date ?? LocalTime.ctime
    }

    /// Answers one line without a connection, as a script would read it.
    ///
    /// Everything is allowed but what belongs to a connection.
    public func run(_ line: String, face: Face = .people) async -> (text: String, isGood: Bool) {
        let presentation = Presentation(face: face)
        var text = ""
        let reply: Reply
        do {
            let invocation = try self.grammar.parse(line)
            reply = await self.reply(
                to: try invocation.command(), wantsJSON: invocation.wantsJSON)
        } catch {
            reply = .failure(CommandFailure(error))
        }
        switch reply {
        case .stream(let stream):
            let isGood = try? await presentation.stream(stream, prompt: "") { text += $0 }
            return (text, isGood ?? false)
        case .live(let watch):
            // Nobody is there to say that it is enough.
            watch.end()
            let failure = CommandFailure(.notUnderstood, "that belongs to a connection")
            presentation.write(.failure(failure), prompt: "", to: &text)
            return (text, false)
        case .failure:
            presentation.write(reply, prompt: "", to: &text)
            return (text, false)
        case .silence, .line, .spoken, .lines, .page, .table, .json:
            presentation.write(reply, prompt: "", to: &text)
            return (text, true)
        }
    }

    /// The answer to `?` at the end of a line.
    package func help(after line: some StringProtocol) -> Reply {
        do {
            return .lines(Self.aligned(try self.grammar.help(after: line)))
        } catch {
            return .failure(CommandFailure(error))
        }
    }

    private static func aligned(_ suggestions: [Grammar.Suggestion]) -> [String] {
        let width = suggestions.map(\.word.count).max() ?? 0
        return suggestions.map { suggestion in
            let blanks = String(repeating: " ", count: width - suggestion.word.count)
            return suggestion.help.isEmpty
                ? "  \(suggestion.word)" : "  \(suggestion.word)\(blanks)  \(suggestion.help)"
        }
    }

    /// Carries a command out.
    package func reply(to command: Command, wantsJSON: Bool) async -> Reply {
        do {
            return try await self.carryOut(command, wantsJSON: wantsJSON)
        } catch let failure as CommandFailure {
            return .failure(failure)
        } catch {
            return .failure(.ourFault, "\(error)")
        }
    }

    private func carryOut(_ command: Command, wantsJSON: Bool) async throws -> Reply {
        func reply(_ table: Table) -> Reply { wantsJSON ? .json(table.json) : .table(table) }
        switch command {
        case .ask(let question, let client, let name):
            return try await self.answer(question, client, name: name, wantsJSON: wantsJSON)
        case .showBGP(let target):
            let entry = try await self.zebraEntry(target)
            return wantsJSON ? .json(entry.table.json) : .lines(entry.lines(date: self.date))
        case .showBGPSummary:
            let summary = try await self.zebraSummary()
            return wantsJSON ? .json(summary.table.json) : .lines(summary.lines)
        case .showSites: return reply(self.sites())
        case .showSitesOfName(let name): return reply(try self.sites(of: name))
        case .showFeeds: return reply(try await self.feeds())
        case .showFeed(let name): return try await self.showFeed(name, wantsJSON: wantsJSON)
        case .order(let order, let name):
            return try await self.carryOut(order, on: name, wantsJSON: wantsJSON)
        case .debugFeed(let name): return try await self.watch(name)
        case .showRoutes(let filter):
            return .stream(try self.routes(filter, wantsJSON: wantsJSON))
        case .showAnswers(let filter):
            return .stream(try self.answers(filter, wantsJSON: wantsJSON))
        case .showRoundTrips(let within, let limit):
            return .stream(self.roundTrips(within: within, limit: limit, wantsJSON: wantsJSON))
        case .observe(let observation):
            return try await self.observe(observation, wantsJSON: wantsJSON)
        case .showRPKI(nil): return reply(try await self.origins())
        case .showRPKI(let target?): return reply(try await self.origins(covering: target))
        case .showDNS: return reply(try self.dnsCounters())
        case .showDNSZones: return reply(try await self.dnsZones())
        case .showDNSNames(let zone, let limit):
            return reply(try await self.dnsNames(zone: zone, limit: limit))
        case .showMemory: return reply(try await self.memory())
        case .showCheckpoint: return reply(self.checkpoint(try self.checkpointReport()))
        case .checkpoint:
            _ = try self.checkpointReport()
            return reply(self.checkpoint(try await self.backend.writeCheckpoint().get()))
        case .showVersion: return reply(self.version())
        case .showConfiguration:
            guard let text = self.backend.configuration() else {
                throw CommandFailure(.noSuchThing, "there is no configuration to show")
            }
            guard wantsJSON else {
                let body = text.hasSuffix("\n") ? text.dropLast() : text[...]
                let lines = body.split(separator: "\n", omittingEmptySubsequences: false)
                return .lines(lines.map(String.init))
            }
            var json = JSONText()
            json.object { $0.key("configuration", .text(text)) }
            return .json(json.text)
        case .ready: return try self.ready(wantsJSON: wantsJSON)
        case .reload:
            let lines = try await self.backend.reload().get()
            guard wantsJSON else {
                return .lines(lines.isEmpty ? ["nothing has changed"] : lines)
            }
            var json = JSONText()
            json.object { $0.key("changes", .list(lines)) }
            return .json(json.text)
        case .replace:
            return .done(try await self.backend.replace().get(), wantsJSON: wantsJSON)
        case .releaseGuard(let feed):
            return try await self.releaseGuard(feed, wantsJSON: wantsJSON)
        case .showFeedRules(let feed): return reply(try self.rules(of: feed))
        case .help:
            let overview = self.grammar.overview
            guard wantsJSON else { return .lines(Self.aligned(overview)) }
            var table = Table(
                "commands", columns: [Table.Column("syntax"), Table.Column("help")])
            table.rows = overview.map { [.text($0.word), .text($0.help)] }
            return .json(table.json)
        case .complete(let line):
            return .lines(self.grammar.completions(of: line, values: self.values))
        case .enable, .disable, .password, .machine, .framed, .quit, .terminalLength:
            throw CommandFailure(.notUnderstood, "that belongs to a connection")
        }
    }

    private func ready(wantsJSON: Bool) throws -> Reply {
        var json = JSONText()
        switch self.backend.readiness() {
        case .ready:
            guard wantsJSON else { return .line("ready") }
            json.object { $0.key("ready", .flag(true)) }
        case .notReady(let words):
            guard wantsJSON else { throw CommandFailure(.notReady, "not ready: \(words)") }
            json.object {
                $0.key("ready", .flag(false))
                $0.key("waiting_for", .text(words))
            }
        }
        return .json(json.text)
    }

    /// The words that there are for an argument.
    private func values(_ kind: ArgumentKind) -> [String] {
        switch kind {
        case .name: self.backend.names
        case .zone: self.backend.zoneNames
        case .feed: self.backend.feedIdentities().map(\.name)
        case .site: self.backend.oracle.world.sites.map(\.name)
        case .address, .addressOrPrefix, .prefix, .count, .milliseconds, .secret, .line: []
        }
    }

    // MARK: Questions

    /// The policy that a question is answered by.
    package func policy(for name: String?) throws(CommandFailure) -> Int {
        guard let name else { return 0 }
        guard let policy = self.backend.policy(named: name) else {
            throw Self.unknown(name: name)
        }
        return policy
    }

    static func unknown(name: String) -> CommandFailure {
        CommandFailure(
            .noSuchThing, "'\(name)' is no name that is answered with the nearest site")
    }

    private func answer(
        _ question: Command.Question, _ client: IPAddress, name: String?, wantsJSON: Bool
    ) async throws -> Reply {
        if !wantsJSON, let reply = self.quickReply(question, client, name: name, self.answerer) {
            return reply
        }
        // As wide as the answer without JSON is.
        let scope =
            question == .nearest
            ? try self.nearest(client, policy: self.policy(for: name), self.answerer).scope : nil
        let explanation = try await self.explanation(client, name: name, scope: scope)
        let table = explanation.table(withRoutes: true)
        return wantsJSON ? .json(table.json) : .table(table)
    }
}
