// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CLinux
import Choice
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

    /// Looks at the rules again, and for tallies to add up.
    func wake() { self.monitor.withLock { self.monitor.wakeAll() } }

    /// Ends ``run()``, after what is there has been written.
    func stop() {
        self.monitor.withLock {
            self.state.withLock { $0.isStopped = true }
            self.monitor.wakeAll()
        }
    }

    /// Writes until ``stop()``, and adds up what other threads have counted and left. Throws where the
    /// table has no place for another reader.
    func run(tidying tallies: TallyBook) throws {
        var reader = try self.oracle.makeReader()
        var file = DecisionFile()
        var past = Past()
        while true {
            let rules = self.rules.rules.decisions
            let isStopped = self.state.withLock { $0.isStopped }
            // What was closed before its last look has nothing more to say.
            let rings = self.state.withLock { state in
                defer { state.rings.removeAll { $0.isClosed } }
                return state.rings
            }
            if let rules {
                self.write(rings, from: &reader, to: &file, rules, &past)
            } else {
                file.close()
                past.lost = 0
                for ring in rings { while ring.take() != nil {} }
            }
            if isStopped { return }
            let (hasClosed, isTidy) = tallies.tidy()
            // Zones that are served no longer have gone with them: a good deal of memory, perhaps.
            if hasClosed { martlet_trim_memory() }
            self.monitor.withLock {
                guard !self.state.withLock({ $0.isStopped }) else { return }
                if self.rules.rules.decisions != nil || !isTidy {
                    self.monitor.wait(milliseconds: Self.milliseconds)
                } else if rules == nil {
                    self.monitor.wait()
                }
            }
        }
    }

    /// What the writer knows from before.
    private struct Past {
        /// Decisions that are in no file, and of which none has told yet.
        var lost: UInt64 = 0
        /// Sites that have gone are named as they were when they were chosen.
        var names: [SiteID: String] = [:]
    }

    private func write(
        _ rings: [DecisionRing], from reader: inout OracleReader, to file: inout DecisionFile,
        _ rules: DecisionLogRules, _ past: inout Past
    ) {
        var lines: [String] = []
        reader.withBatch { batch in
            for site in batch.world.sites { past.names[site.id] = site.name }
            for ring in rings {
                while let (decision, name, answer) = ring.take() {
                    lines.append(
                        DecisionLine.text(decision, name, answer, past.names, using: &batch))
                }
                past.lost += ring.takeLost()
            }
        }
        let decisions = lines.count
        if past.lost > 0 {
            var json = JSONText()
            json.object { $0.key("lost") { $0.integer(Int(clamping: past.lost)) } }
            lines.append(json.text)
        }
        let (written, problem) = file.append(lines, to: rules.file)
        if written == lines.count {
            past.lost = 0
        } else {
            past.lost += UInt64(decisions - written)
        }
        guard let problem else { return }
        self.logger.error(
            "DNS decisions can't be written, and are lost",
            metadata: ["file": "\(rules.file)", "errno": "\(problem)"])
    }
}
