// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable

/// Answers commands from standard input about one loaded table.
struct Service: ~Copyable {
    private let table: LoadedTable
    private let folder: String
    private var passes: LookupPasses
    private var keys: [String: KeySet] = [:]

    init(_ table: LoadedTable, folder: String) throws {
        self.table = table
        self.folder = folder
        self.passes = try LookupPasses(table)
    }

    consuming func run() throws {
        var ready = Report()
        ready.add("routes", self.table.sample.routes)
        ready.add("prefixes", self.table.sample.prefixes.count)
        ready.add("load_cpu_seconds", self.table.load.cpu)
        ready.add("load_seconds", self.table.load.wall)
        ready.send()
        while let line = readLine() {
            let words = line.split(separator: " ").map(String.init)
            if words.isEmpty { continue }
            try self.answer(words).send()
        }
    }

    private mutating func answer(_ words: [String]) throws -> Report {
        func number(_ index: Int) throws -> Int {
            guard index < words.count, let value = Int(words[index]), value > 0 else {
                throw UsageError("\(words[0]) lacks a number")
            }
            return value
        }
        if let question = LookupPasses.Question(rawValue: words[0]) {
            let keys = try self.keys(words)
            let result = self.passes.run(
                question, keys, callgrind: words.count > 3 ? words[3] : nil)
            var report = Report()
            report.add("ns", result.nanoseconds)
            report.add("keys", keys.count)
            report.add("sum", "\(result.sum)")
            return report
        }
        switch words[0] {
        case "check":
            var report = Report()
            report.add("sum", "\(self.passes.distanceSum(try self.keys(words)))")
            return report
        case "scopes": return self.passes.scopes(try self.keys(words))
        case "steps": return try self.steps()
        case "machine": return try MachinePass.run()
        case "updates":
            var updates = try self.updates(reader: words.dropFirst(3).first == "reader")
            return try updates.throughput(
                changes: try number(1), batch: try number(2),
                callgrind: words.count > 4 ? words[4] : nil)
        case "latency":
            var updates = try self.updates(reader: words.last == "reader")
            return updates.latency(changes: try number(1))
        case "wide": return try self.updates(reader: false).wide(rounds: try number(1))
        case "rebuild": return try self.updates(reader: false).rebuild()
        case "memory": return try self.memory()
        case "checkpoint":
            let pass = CheckpointPass(table: self.table, path: "\(self.folder)/checkpoint")
            return try pass.run(self.keys(["", "4", "prefix"]))
        case "locations":
            let before = Clock.process()
            var report = Report()
            report.add("ranges", try self.table.setLocations(Array(words.dropFirst())))
            report.add("cpu_seconds", Clock.process() - before)
            return report
        default: throw UsageError("there is no command \(words[0])")
        }
    }

    private mutating func updates(reader: Bool) throws -> UpdatePasses {
        UpdatePasses(self.table, keys: reader ? try self.keys(["", "4", "prefix"]) : nil)
    }

    private mutating func keys(_ words: [String]) throws -> KeySet {
        guard words.count > 2, KeySet.Kind(rawValue: words[2]) != nil,
            words[1] == "4" || words[1] == "6"
        else { throw UsageError("\(words[0]) wants 4 or 6, and random, prefix or zipf") }
        let name = "keys\(words[1]).\(words[2])"
        if let known = self.keys[name] { return known }
        let read = try KeySet(
            reading: "\(self.folder)/\(name)", family: words[1] == "4" ? .ipv4 : .ipv6)
        self.keys[name] = read
        return read
    }

    /// The writer's longest steps since the table was made.
    private func steps() throws -> Report {
        let counts = try self.table.owner.querySync { $0.counts() }
        var report = Report()
        for kind in StepKind.allCases {
            let step = counts.longestSteps[kind]
            report.add("\(kind.rawValue) cpu_ms", Double(step.processor) / 1e3)
            report.add("\(kind.rawValue) ms", Double(step.elapsed) / 1e3)
        }
        return report
    }

    private func memory() throws -> Report {
        let (parts, counts) = try self.table.owner.querySync { ($0.memory(), $0.counts()) }
        var report = Report()
        report.add("routes", counts.routes)
        report.add("prefixes", counts.ipv4Prefixes + counts.ipv6Prefixes)
        report.add("classes", counts.classes)
        report.add("attribute_sets", counts.attributeSets)
        report.add("resident_growth", self.table.residentBytes)
        for part in parts { report.add("part \(part.name)", part.bytes) }
        return report
    }
}
