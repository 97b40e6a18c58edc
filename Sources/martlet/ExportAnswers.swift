// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Console
import RouteFiles

/// Which sites the clients of a whole address space get: lists of sites by ranges of addresses.
struct ExportAnswers: Equatable {
    /// The different lists of sites, best first.
    private(set) var lists: [[String]] = []
    /// By family: from an address on, left-aligned, the number of the list.
    private(set) var runs: [AddressFamily: [Run]] = [:]

    struct Run: Equatable {
        var start: UInt128
        var list: Int
    }

    private var numbers: [[String]: Int] = [:]

    /// Adds what follows on what was added before.
    mutating func add(_ prefix: IPPrefix, _ sites: [String]) {
        let number: Int
        if let known = self.numbers[sites] {
            number = known
        } else {
            number = self.lists.count
            self.lists.append(sites)
            self.numbers[sites] = number
        }
        guard self.runs[prefix.family]?.last?.list != number else { return }
        self.runs[prefix.family, default: []]
            .append(Run(start: prefix.address.leftAligned, list: number))
    }

    /// The fewest prefixes whose longest match says it.
    func aggregated(_ family: AddressFamily) -> [(prefix: IPPrefix, sites: [String])] {
        let aggregation = PrefixAggregation(
            family,
            runs: (self.runs[family] ?? []).lazy.map {
                PrefixAggregation.Run(start: $0.start, answer: UInt32($0.list))
            })
        return aggregation.entries.map { ($0.prefix, self.lists[Int($0.answer)]) }
    }

    /// The same with the answers of another list beside: the fewest prefixes that don't hold each
    /// other, and both lists of each.
    func disjoint(
        with other: ExportAnswers, _ family: AddressFamily
    ) -> [(prefix: IPPrefix, first: [String], second: [String])] {
        let mine = self.runs[family] ?? []
        let others = other.runs[family] ?? []
        var found: [(prefix: IPPrefix, first: [String], second: [String])] = []
        var (a, b) = (0, 0)
        var begin: (start: UInt128, first: Int, second: Int)?
        func finish(before end: UInt128?) {
            guard let begin else { return }
            let first = IPAddress(family: family, leftAligned: begin.start)
            let last = IPAddress(family: family, leftAligned: (end ?? 0) &- 1)
            for prefix in IPPrefix.covering(from: first, through: last) {
                found.append((prefix, self.lists[begin.first], other.lists[begin.second]))
            }
        }
        while a < mine.count || b < others.count {
            let start = min(
                a < mine.count ? mine[a].start : .max, b < others.count ? others[b].start : .max)
            if a < mine.count, mine[a].start == start { a += 1 }
            if b < others.count, others[b].start == start { b += 1 }
            // Both lists begin at the family's first address.
            guard a > 0, b > 0 else { continue }
            finish(before: start)
            begin = (start, mine[a - 1].list, others[b - 1].list)
        }
        finish(before: nil)
        return found
    }
}

/// A file for another server.
protocol ExportFile {
    /// What goes into the file.
    var bytes: [UInt8] { get }
    /// What it is, in words.
    var summary: String { get }
}

/// What a nets file of gdnsd says (gdnsd-plugin-geoip(8)).
struct GdnsdNets: ExportFile {
    let bytes: [UInt8]
    let summary: String

    /// What gdnsd takes for IPv4 in disguise: it looks the IPv4 address up instead, and refuses
    /// lines about the others. `::/96` is where it keeps IPv4 itself.
    private static let disguised = [
        "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "2001::/32", "2002::/16",
    ].compactMap { try? IPPrefix(parsing: $0) }

    init(_ answers: ExportAnswers, name: String?) {
        var lines: [(prefix: IPPrefix, sites: [String])] = answers.aggregated(.ipv4)
        lines += answers.aggregated(.ipv6).filter { line in
            !Self.disguised.contains { $0.contains(line.prefix) }
        }
        let what = name.map { " for \($0)" } ?? ""
        let networks = Value.count(lines.count, "network")
        var text = "# Nearest sites\(what): martlet export gdnsd. \(networks).\n"
        for line in lines {
            // Sites' names are plain words to gdnsd's parser.
            text += "\(line.prefix) => [ \(line.sites.joined(separator: ", ")) ]\n"
        }
        self.bytes = Array(text.utf8)
        let lists = Value.count(answers.lists.count, "list")
        self.summary = "\(networks), \(lists) of sites"
    }
}
