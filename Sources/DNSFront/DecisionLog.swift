// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import DNSWire
import Glibc
import JSON
import Logging
import RouteTable
import Synchronization

/// Where decisions are written, and how many of them.
public struct DecisionLogRules: Hashable, Sendable {
    /// Lines are added to it. It may be moved away: then another is begun.
    public var file: String
    /// One `nearest` answer in so many.
    public var sample = 100
    /// The most that each thread gives a second.
    public var rate = 100

    public init(file: String) { self.file = file }
}

/// Writes a sample of the `nearest` answers to a file, a line of JSON each: on a thread of its own,
/// which takes them from the answering threads' rings.
final class DecisionLog: Sendable {
    private struct State {
        var rings: [DecisionRing] = []
        var isStopped = false
    }

    private let oracle: Oracle
    private let rules: AnswerRulesBox
    private let logger: Logger
    private let monitor = Monitor()
    private let state = Mutex(State())

    /// How often the rings are emptied.
    private static let milliseconds = 100

    init(oracle: Oracle, rules: AnswerRulesBox, logger: Logger) {
        self.oracle = oracle
        self.rules = rules
        self.logger = logger
    }

    /// A ring for one answering thread.
    func makeRing() -> DecisionRing {
        let ring = DecisionRing()
        self.state.withLock { $0.rings.append(ring) }
        return ring
    }

    /// Looks at the rules again.
    func wake() { self.monitor.withLock { self.monitor.wakeAll() } }

    /// Ends ``run()``, after what is there has been written.
    func stop() {
        self.monitor.withLock {
            self.state.withLock { $0.isStopped = true }
            self.monitor.wakeAll()
        }
    }

    /// Writes until ``stop()``. Throws where the table has no place for another reader.
    func run() throws {
        var reader = try self.oracle.makeReader()
        var file = DecisionFile()
        while true {
            let rules = self.rules.rules.decisions
            let isStopped = self.state.withLock { $0.isStopped }
            // What was closed before its last look has nothing more to say.
            let rings = self.state.withLock { state in
                defer { state.rings.removeAll { $0.isClosed } }
                return state.rings
            }
            if let rules {
                self.write(rings, from: &reader, to: &file, rules)
            } else {
                file.close()
                for ring in rings { while ring.take() != nil {} }
            }
            if isStopped { return }
            self.monitor.withLock {
                guard !self.state.withLock({ $0.isStopped }) else { return }
                if self.rules.rules.decisions != nil {
                    self.monitor.wait(milliseconds: Self.milliseconds)
                } else if rules == nil {
                    self.monitor.wait()
                }
            }
        }
    }

    private func write(
        _ rings: [DecisionRing], from reader: inout OracleReader, to file: inout DecisionFile,
        _ rules: DecisionLogRules
    ) {
        var text = ""
        var lost: UInt64 = 0
        reader.withBatch { batch in
            for ring in rings {
                while let (decision, name) = ring.take() {
                    text += DecisionLine.text(decision, name: name, using: &batch) + "\n"
                }
                lost += ring.takeLost()
            }
        }
        if lost > 0 {
            var json = JSONText()
            json.object { $0.key("lost") { $0.integer(Int(clamping: lost)) } }
            text += json.text + "\n"
        }
        guard let problem = file.append(text, to: rules.file) else { return }
        self.logger.error(
            "DNS decisions can't be written, and are lost",
            metadata: ["file": "\(rules.file)", "errno": "\(problem)"])
    }
}

/// One line of the log.
enum DecisionLine {
    /// A decision as JSON. Its reason is what the table and the sites say now, a moment after.
    static func text(
        _ decision: Decision, name: [UInt8], using batch: inout OracleBatch
    ) -> String {
        let family: AddressFamily? =
            decision.type == .a ? .ipv4 : decision.type == .aaaa ? .ipv6 : nil
        let ranking = batch.ranking(
            policy: Int(decision.policy), family: family, client: decision.client
        ).ranking
        let site =
            decision.site < 0
            ? nil : batch.world.site(SiteID(rawValue: UInt8(clamping: decision.site)))
        let policies = batch.world.policies
        let service =
            policies.indices.contains(Int(decision.policy))
            ? policies[Int(decision.policy)].service : nil
        let reason = ranking.entries.first { $0.site == site?.id }?.reason
        // A resolver's own address is nobody's business beyond its network.
        let length =
            decision.sourceLength.map(Int.init) ?? (decision.client.family == .ipv4 ? 24 : 56)
        let prefix = IPPrefix(masking: decision.client, length: length)
        let question = (try? DomainName(wire: name))?.description ?? "."
        var json = JSONText()
        json.object { json in
            json.key("time") { $0.string(Self.time(decision.time)) }
            json.key("name") { $0.string(question) }
            json.key("type") { $0.string(decision.type.description) }
            json.key("transport") { $0.string(decision.transport.word) }
            json.key("client") { $0.string(prefix.description) }
            json.key("by") { $0.string(decision.sourceLength == nil ? "resolver" : "subnet") }
            json.key("scope") { $0.integer(Int(decision.scope)) }
            json.key("site") { json in
                site.map { json.string($0.name) } ?? json.null()
            }
            json.key("addresses") { json in
                json.array { json in
                    for address in site?.addresses(of: service) ?? []
                    where family == nil || address.family == family {
                        json.element { $0.string(address.description) }
                    }
                }
            }
            json.key("class") { $0.integer(Int(decision.classID)) }
            json.key("reason") { json in
                reason.map { json.string($0.rawValue) } ?? json.null()
            }
            json.key("all_down") { $0.flag(ranking.allDown) }
        }
        return json.text
    }

    /// `2026-11-21T14:05:09.123Z`.
    static func time(_ milliseconds: UInt64) -> String {
        var seconds = time_t(clamping: milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func digits(_ value: Int, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let date =
            "\(digits(Int(parts.tm_year) + 1900, 4))-\(digits(Int(parts.tm_mon) + 1, 2))-"
            + digits(Int(parts.tm_mday), 2)
        let clock =
            "\(digits(Int(parts.tm_hour), 2)):\(digits(Int(parts.tm_min), 2)):"
            + digits(Int(parts.tm_sec), 2)
        return "\(date)T\(clock).\(digits(Int(milliseconds % 1000), 3))Z"
    }
}

/// The file that lines are added to.
struct DecisionFile: ~Copyable {
    private var descriptor: CInt = -1
    private var path = ""
    private var hasFailed = false

    deinit { if self.descriptor >= 0 { Glibc.close(self.descriptor) } }

    mutating func close() {
        if self.descriptor >= 0 { Glibc.close(self.descriptor) }
        self.descriptor = -1
        self.hasFailed = false
    }

    /// Adds whole lines; opens the file, and another where it has been moved away.
    ///
    /// - Returns: An errno, the first time that it can't.
    mutating func append(_ text: String, to path: String) -> CInt? {
        guard !text.isEmpty else { return nil }
        if path != self.path || !self.isStillThere { self.close() }
        self.path = path
        if self.descriptor < 0 {
            self.descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
        }
        var bytes = Array(text.utf8)[...]
        while self.descriptor >= 0, !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { write(self.descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes = bytes.dropFirst(count)
        }
        guard !bytes.isEmpty else {
            self.hasFailed = false
            return nil
        }
        let problem = errno
        defer { self.hasFailed = true }
        return self.hasFailed ? nil : problem
    }

    private var isStillThere: Bool {
        var opened = stat()
        var named = stat()
        return self.descriptor >= 0 && fstat(self.descriptor, &opened) == 0
            && stat(self.path, &named) == 0 && opened.st_ino == named.st_ino
            && opened.st_dev == named.st_dev
    }
}
