// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// A daemon that is asked for what it answers.
struct ExportSource {
    /// Why there is nothing to export.
    enum Problem: Error, CustomStringConvertible {
        case notReady(String)
        case refused(String)
        /// The daemon's words make no sense.
        case strange(String)
        /// An alias has no addresses to choose by.
        case alias(String)
        case incomplete(found: Int, counted: String)

        var description: String {
            switch self {
            case .notReady(let words): words
            case .refused(let words): words
            case .alias(let name):
                "\(name) is an alias, the same for all addresses: leave --addresses out"
            case .strange(let line): "the daemon's reply makes no sense: '\(line)'"
            case .incomplete(let found, let counted):
                "the daemon's reply broke off: \(found) prefixes, and then '\(counted)'"
            }
        }
    }

    private let link: ServerLink

    /// Connects. Throws ``LinkError``.
    init(_ options: ExportCommand.Options) throws {
        let target = try options.target.map { try ConsoleTarget(parsing: $0) } ?? .usual()
        self.link = try ServerLink(to: target)
        let secrets = Secrets(file: options.passwordFile)
        try self.link.greet { (isRetry: Bool) throws(LinkError) in
            try secrets.password(isRetry: isRetry)
        }
    }

    /// Throws where answers can't be relied on yet: from half a table nothing is exported.
    func checkReadiness() throws {
        var words = ""
        let outcome = try self.link.ask("ready") { words = $0 }
        guard outcome == .good else { throw Problem.notReady(Self.plain(words)) }
    }

    /// All answers for a name.
    func answers(
        for name: String?, addresses: AddressFamily?, depth: Int?
    ) throws -> ExportAnswers {
        var command = "show answers"
        if let name { command += " for \(name)" }
        if let addresses { command += addresses == .ipv4 ? " a" : " aaaa" }
        var answers = ExportAnswers()
        var count = 0
        var last = ""
        var isHead = true
        var problem: Problem?
        let outcome = try self.link.ask(command) { line in
            defer { isHead = false }
            last = line
            let words = line.split(separator: " ")
            guard !isHead, words.count >= 3, let prefix = try? IPPrefix(parsing: words[0]) else {
                return
            }
            let sites = words[2...].filter { $0 != "-" }.map(String.init)
            answers.add(prefix, Array(sites.prefix(depth ?? sites.count)))
            count += 1
            if words[1] != "yes", words[1] != "no" { problem = problem ?? .strange(line) }
        }
        guard outcome == .good else { throw Problem.refused(Self.plain(last)) }
        if let problem { throw problem }
        guard last.split(separator: " ").first == "\(count)" else {
            throw Problem.incomplete(found: count, counted: last)
        }
        return answers
    }

    /// What a name answers with.
    func name(_ name: String) throws -> ExportName {
        var text = ""
        let outcome = try self.link.ask("show sites for \(name) --json") { text += $0 }
        guard outcome == .good else { throw Problem.refused(Self.plain(text)) }
        guard let found = ExportName(name, reading: text) else {
            throw Problem.strange(String(text.prefix(80)))
        }
        return found
    }

    /// A refusal without the mark that it has for people.
    private static func plain(_ line: String) -> String {
        line.hasPrefix("% ") ? String(line.dropFirst(2)) : line
    }
}
