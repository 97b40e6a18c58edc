// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CLinux
import DNSFront
import DNSWire
import Glibc
import Synchronization

/// The process whose place this one is to take. Calls block.
final class Predecessor: Sendable {
    let process: pid_t
    /// Whether it answers queries, so that there is something to be lost.
    var isReady: Bool { self.wasReady && !self.hasEnded.load(ordering: .relaxed) }
    private let wasReady: Bool
    private let hasEnded = Atomic(false)
    private let connection: HandoverConnection

    /// It waits for a reload that is under way.
    private static let greetingTime: Int32 = 120_000
    /// Eight full tables take some seconds to write; a slow machine takes longer.
    private static let tableTime: Int32 = 300_000
    private static let usualTime: Int32 = 30_000

    private init(connection: HandoverConnection, process: pid_t, isReady: Bool) {
        self.connection = connection
        self.process = process
        self.wasReady = isReady
    }

    /// Finds the process that has its console's socket at `path`; nil where none runs there.
    static func find(besides path: String) throws(HandoverError) -> Predecessor? {
        let descriptor = martlet_local_connect(HandoverConnection.path(besides: path))
        guard descriptor >= 0 else {
            if descriptor == -ENOENT || descriptor == -ECONNREFUSED { return nil }
            throw .system(
                call: HandoverConnection.path(besides: path), errno: -descriptor)
        }
        let connection = HandoverConnection(adopting: descriptor)
        let (user, process) = try connection.peer()
        guard user == 0 || user == geteuid() || geteuid() == 0 else {
            throw .refused("it is another user's")
        }
        try connection.send(HandoverConnection.greeting)
        let answer = try Self.answer(
            to: HandoverConnection.greeting, on: connection, within: Self.greetingTime)
        switch answer.words {
        case "ready", "starting":
            return Predecessor(
                connection: connection, process: process, isReady: answer.words == "ready")
        default: throw .unexpected(answer.words)
        }
    }

    private static func answer(
        to question: String, on connection: HandoverConnection, within milliseconds: Int32
    ) throws(HandoverError) -> HandoverConnection.Message {
        guard let message = try connection.receive(milliseconds: milliseconds) else {
            throw .noAnswer(to: question)
        }
        if message.words.hasPrefix("no ") {
            throw .refused(String(message.words.dropFirst(3)))
        }
        return message
    }

    /// Its open sockets, the file with its number, and what else is to go on.
    func inheritance() throws(HandoverError) -> Inheritance {
        try self.connection.send("sockets")
        var found = Inheritance()
        while true {
            let message = try Self.answer(
                to: "sockets", on: self.connection, within: Self.usualTime)
            if message.words == "end" { return found }
            let words = message.words.split(separator: " ", maxSplits: 1)
            guard let kind = words.first, message.file >= 0 || kind == "cookies" else {
                throw .unexpected(message.words)
            }
            switch kind {
            case "cookies":
                let numbers = words.last?.split(separator: " ").compactMap { UInt64($0, radix: 16) }
                if let numbers, numbers.count == 2 {
                    found.cookieSeed = SipHash.Key(first: numbers[0], second: numbers[1])
                }
            case "zones":
                defer { close(message.file) }
                found.zones = try Self.names(in: message.file)
            case "dns-udp": found.dns.udp.append(message.file)
            case "dns-tcp": found.dns.tcp.append(message.file)
            case "bgp": found.bgp.append(message.file)
            case "bmp": found.bmp.append(message.file)
            case "console": found.console.append(message.file)
            case "powerdns" where words.count == 2 && found.powerDNS == nil:
                found.powerDNS = (path: String(words[1]), descriptor: message.file)
            case "pid-file" where words.count == 2:
                found.pidFile = (path: String(words[1]), descriptor: message.file)
            default:
                // A newer process may have more to give.
                if message.file >= 0 { close(message.file) }
            }
        }
    }

    private static func names(in file: CInt) throws(HandoverError) -> Set<DomainName> {
        guard let text = try? FileText.read("/proc/self/fd/\(file)") else {
            throw .system(call: "the zones' names", errno: errno)
        }
        return Set(text.split(separator: "\n").compactMap { DomainName(String($0)) })
    }

    /// Its table, as an open file with a checkpoint; nil where it has no routes.
    func table() throws(HandoverError) -> CInt? {
        try self.connection.send("table")
        let message = try Self.answer(to: "table", on: self.connection, within: Self.tableTime)
        switch message.words {
        case "empty": return nil
        case "table" where message.file >= 0: return message.file
        default: throw .unexpected(message.words)
        }
    }

    /// Tells it why this process doesn't take over after all, a line each.
    ///
    /// - Throws: ``HandoverError/ended`` where nobody is there to serve on.
    func giveUp(because reasons: [String]) throws(HandoverError) {
        let words = "give-up " + reasons.joined(separator: "\n")
        // Half of what fits is more than anybody reads.
        try self.connection.send(
            String(decoding: words.utf8.prefix(HandoverConnection.limit / 2), as: UTF8.self))
        _ = try self.connection.receive(milliseconds: Self.usualTime)
    }

    /// It is gone: there is nothing to wait for.
    func noteEnd() { self.hasEnded.store(true, ordering: .relaxed) }

    /// Has it serve nothing any more.
    ///
    /// - Parameters:
    ///   - keepsPidFile: The file with its number belongs to this process from here on.
    ///   - connections: Takes up PowerDNS's connections, which the caller owns, also where it fails;
    ///     nil: they stay.
    /// - Throws: ``HandoverError``; it may have left for all that.
    func leave(
        keepingPidFile keepsPidFile: Bool, connections: inout [CInt]?
    ) throws(HandoverError) {
        var words = "leave"
        if keepsPidFile { words += " pid-file" }
        if connections != nil { words += " powerdns" }
        try self.connection.send(words)
        while true {
            let message = try Self.answer(to: words, on: self.connection, within: Self.usualTime)
            switch message.words {
            case "left": return
            case "powerdns" where message.file >= 0: connections?.append(message.file)
            default: throw .unexpected(message.words)
            }
        }
    }
}
