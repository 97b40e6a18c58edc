// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront

extension Configuration.DNSOptions {
    /// What isn't as usual, in words.
    var words: [String] { self.words(besides: Configuration.DNSOptions()) }

    /// What isn't as in `usual`. A secret is in no words.
    private func words(besides usual: Self) -> [String] {
        var words: [String] = []
        func add<T: Equatable>(_ path: KeyPath<Self, T>, _ text: (T) -> String) {
            if self[keyPath: path] != usual[keyPath: path] {
                words.append(text(self[keyPath: path]))
            }
        }
        add(\.threads) { "\($0) thread\($0 == 1 ? "" : "s")" }
        add(\.pinsThreads) { $0 ? "threads pinned" : "threads not pinned" }
        add(\.maximumUDPSize) { "at most \($0) bytes by UDP" }
        add(\.maximumConnections) { "at most \($0) connections" }
        add(\.connectionsPerClient) { "at most \($0) of a client" }
        add(\.idleTimeout) { "idle \(Value.words($0))" }
        return words + self.ruleWords(besides: usual)
    }

    /// The rules that aren't those of `usual`.
    private func ruleWords(besides usual: Self) -> [String] {
        var words: [String] = []
        if self.identity != usual.identity { words.append("identity \(self.identity.words)") }
        if self.version != usual.version { words.append("version \(self.version.words)") }
        if self.rules.subnetSenders != usual.rules.subnetSenders {
            words.append("client-subnet \(Self.list(self.rules.subnetSenders, all: "on"))")
        }
        if self.rules.cookies != usual.rules.cookies || self.cookieFile != usual.cookieFile {
            words.append("cookies \(self.cookieWords)")
        }
        if self.rules.rateLimit != usual.rules.rateLimit {
            words.append("rate-limit \(Self.words(self.rules.rateLimit))")
        }
        if self.rules.debuggers != usual.rules.debuggers {
            words.append("debug for \(Self.list(self.rules.debuggers, all: ""))")
        }
        if self.rules.decisions != usual.rules.decisions {
            words.append(
                "decision-log "
                    + (self.rules.decisions.map {
                        "\($0.file), 1 in \($0.sample), at most \($0.rate) a second"
                    } ?? "off"))
        }
        return words
    }

    private static func list(_ prefixes: [IPPrefix]?, all: String) -> String {
        guard let prefixes else { return all }
        return prefixes.isEmpty
            ? "off" : prefixes.map(\.description).joined(separator: ", ")
    }

    /// A secret is in no words.
    private var cookieWords: String {
        guard let cookies = self.rules.cookies else { return "off" }
        return (cookies.isRequired ? "required" : "on")
            + (self.cookieFile.map { " by \($0)" } ?? "")
    }

    private static func words(_ limit: RateLimitRules?) -> String {
        guard let limit else { return "off" }
        var words =
            "answers \(limit.answers), negative \(limit.negative), errors \(limit.errors) a second "
            + "and a /\(limit.lengthIPv4) or /\(limit.lengthIPv6), slip \(limit.slip)"
        if !limit.exempt.isEmpty { words += ", exempt \(Self.list(limit.exempt, all: ""))" }
        if limit.tableSize != RateLimitRules().tableSize { words += ", table \(limit.tableSize)" }
        return words
    }

    /// What a reload changes, at once.
    func differences(from old: Self) -> [String] {
        let changes = self.words(besides: old)
        return changes.isEmpty ? [] : ["dns: \(changes.joined(separator: "; "))"]
    }
}
