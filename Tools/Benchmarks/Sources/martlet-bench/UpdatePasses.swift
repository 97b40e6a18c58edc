// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CBenchmark
import RouteTable

/// Changes to the table, measured on the writer's thread.
struct UpdatePasses {
    let table: LoadedTable
    /// What a reader beside the writer looks up; without, there is none.
    let keys: KeySet?
    private var stream: ChangeStream

    /// - Parameters:
    ///   - table: What is changed, and stays near what it was.
    ///   - keys: IPv4 keys for a reader that runs beside the writer.
    init(_ table: LoadedTable, keys: KeySet?) {
        self.table = table
        self.keys = keys
        self.stream = ChangeStream(table.sample, window: 1_000, shortest: 12, seed: 21)
    }

    /// Applies changes in batches as sessions would bring them; under callgrind, the instructions
    /// that takes are dumped by a name.
    mutating func throughput(
        changes count: Int, batch size: Int, callgrind name: String?
    ) throws -> Report {
        var batches: [RouteBatch] = []
        let sites = self.table.sample.sites
        var left = count
        while left > 0 {
            var bySite = Array(repeating: [(row: Int, stored: UInt8)](), count: sites)
            for _ in 0..<min(left, size * sites) {
                let change = self.stream.change()
                bySite[change.site].append((change.row, change.stored))
            }
            left -= size * sites
            for (site, changes) in bySite.enumerated() where !changes.isEmpty {
                batches.append(self.table.batch(changes, site: site))
            }
        }
        let reader = self.keys.map { BackgroundReader(self.table.owner.lookup, keys: $0) }
        let idle = reader?.idleCost()
        let before = try self.writerSeconds()
        let wall = Clock.wall()
        let work = reader?.work
        if name != nil { callgrind_begin() }
        for batch in batches { self.table.owner.submitAndWait(.routes(batch)) }
        self.table.owner.flushAndWait()
        if let name { callgrind_end(name) }
        let busy = reader.map { BackgroundReader.cost(work ?? (0, 0), $0.work) }
        let wallSeconds = Clock.wall() - wall
        let seconds = try self.writerSeconds() - before
        let idleAgain = reader?.idleCost()
        reader?.stop()
        let made = batches.reduce(0) { $0 + $1.count }
        var report = Report()
        report.add("changes", made)
        report.add("per_cpu_second", Double(made) / seconds)
        report.add("per_second", Double(made) / wallSeconds)
        if let idle, let busy, let idleAgain {
            report.add("reader_alone_ns", (idle + idleAgain) / 2)
            report.add("reader_beside_ns", busy)
            report.add("reader_slowdown", busy * 2 / (idle + idleAgain))
        }
        return report
    }

    /// Applies changes one to a batch, and times every one.
    mutating func latency(changes count: Int) -> Report {
        var steps: [Double] = []
        let reader = self.keys.map { BackgroundReader(self.table.owner.lookup, keys: $0) }
        let owner = self.table.owner
        while steps.count < count {
            // As many as wait without the table's taking them for a transfer.
            let batches = (0..<min(20_000, count - steps.count) + 1).map { _ in
                let change = self.stream.change()
                return self.table.batch([(change.row, change.stored)], site: change.site)
            }
            let clock = self.table.clock
            clock.hold { owner.submit(.routes(batches[0])) }
            clock.record(upTo: batches.count + 1)
            for batch in batches { owner.submit(.routes(batch)) }
            clock.release()
            owner.flushAndWait()
            let times = clock.taken()
            steps += zip(times.dropFirst(), times).map { $0 - $1 }
        }
        reader?.stop()
        steps.sort()
        func at(_ share: Double) -> Double {
            steps[min(steps.count - 1, Int(Double(steps.count) * share))] * 1e6
        }
        var report = Report()
        report.add("changes", steps.count)
        report.add("p50_us", at(0.5))
        report.add("p99_us", at(0.99))
        report.add("p999_us", at(0.999))
        report.add("max_us", at(1))
        return report
    }

    /// A prefix that covers everything comes and goes: what others wait meanwhile shows in
    /// the writer's longest step.
    func wide(rounds: Int) throws -> Report {
        let owner = self.table.owner
        var seconds: [Double] = []
        for round in 0..<rounds {
            for announced in [true, false] {
                var batch = RouteBatch(feed: FeedID(rawValue: 0))
                let prefix = IPPrefix.all(round & 1 == 0 ? .ipv4 : .ipv6)
                if announced {
                    let index = batch.intern(RouteAttributes(asPath: ASPath([64_600, 1, 2, 3])))
                    batch.announce(prefix, attributes: index)
                } else {
                    batch.withdraw(prefix)
                }
                let before = try self.writerSeconds()
                owner.submitAndWait(.routes(batch))
                owner.flushAndWait()
                seconds.append(try self.writerSeconds() - before)
            }
        }
        var report = Report()
        report.add("cpu_ms", (seconds.max() ?? 0) * 1e3)
        return report
    }

    /// Builds the lookup anew from everything.
    func rebuild() throws -> Report {
        let before = try self.writerSeconds()
        self.table.owner.submitAndWait(.setPins([]))
        self.table.owner.flushAndWait()
        var report = Report()
        report.add("cpu_seconds", try self.writerSeconds() - before)
        return report
    }

    private func writerSeconds() throws -> Double {
        try self.table.owner.querySync { _ in Clock.thread() }
    }
}
