// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc
import RouteTable

/// Measures the table in this process. `Tools/Benchmarks/run` calls it beside the peers' programs,
/// which take the same commands.
@main
enum Main {
    private static let usage = """
        usage: martlet-bench prepare --data DATA --work WORK [--every N] [--keys N]
               martlet-bench serve TABLE --data DATA --work WORK [--dump FILE] [--every N]
               martlet-bench churn TABLE --data DATA [--dump FILE] [--every N] [--changes N]

        prepare  writes the keys and routes that all programs use to the folder WORK
        serve    loads TABLE and answers commands from standard input, one JSON line each:
                   lookup|scope|dependent|order|answer 4|6 random|prefix|zipf [DUMP-NAME]
                   check 4|6 random|prefix|zipf     the sum of all results
                   scopes 4|6 random|prefix|zipf    makes the index for `answer`; mean scopes
                   updates CHANGES BATCH reader|alone [DUMP-NAME]
                   latency CHANGES reader|alone
                   wide ROUNDS | rebuild | steps | memory | checkpoint
                   locations FILE ...    ranges with countries, as geoip files have them
        churn    changes TABLE many times over, compares it with a reference, and its memory

        TABLE: single sim1 sim8 sim32 harsh1 harsh8 harsh32 harsh64. DATA: a folder of routing data.
        --dump: a TABLE_DUMP_V2 file of simulated peers, for sim1 and sim8.
        """

    static func main() {
        do {
            try Self.run(Array(CommandLine.arguments.dropFirst()))
        } catch let error as UsageError {
            tell("martlet-bench: \(error)\n\(Self.usage)")
            exit(64)
        } catch {
            tell("martlet-bench: \(error)")
            exit(1)
        }
    }

    private static func run(_ arguments: [String]) throws {
        var words: [String] = []
        var options: [String: String] = [:]
        var index = 0
        while index < arguments.count {
            if arguments[index].hasPrefix("--") {
                guard index + 1 < arguments.count else {
                    throw UsageError("\(arguments[index]) needs a value")
                }
                options[arguments[index]] = arguments[index + 1]
                index += 2
            } else {
                words.append(arguments[index])
                index += 1
            }
        }
        func number(_ name: String, _ usual: Int) throws -> Int {
            guard let text = options[name] else { return usual }
            guard let value = Int(text), value > 0 else {
                throw UsageError("\(name) must be a number above 0, not \(text)")
            }
            return value
        }
        guard let data = options["--data"] else { throw UsageError("--data is missing") }
        let source = SampleTable.Source(data: data, dump: options["--dump"] ?? "sim8.mrt")
        let every = try number("--every", 1)
        let work = options["--work"]
        switch (words.first, words.dropFirst().first, work) {
        case ("prepare", nil, let work?):
            try Preparing.run(
                source, folder: work, every: every, keys: try number("--keys", 1 << 22))
        case ("serve", let name?, let work?):
            let sample = try SampleTable.named(name, from: source, every: every)
            try Service(LoadedTable(sample), folder: work).run()
        case ("churn", let name?, _):
            let sample = try SampleTable.named(name, from: source, every: every)
            let churn = try Churn(LoadedTable(sample))
            try churn.run(changes: try number("--changes", 50_000_000)).send()
        default: throw UsageError("what to do?")
        }
    }
}
