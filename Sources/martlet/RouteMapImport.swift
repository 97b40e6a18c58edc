// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import ArgumentParser
import BGPSpeaker
import Console
import Glibc
import RouteFiles
import RouteTable

/// Reads tables and writes a route map.
struct RouteMapImport {
    enum Format {
        case text(skipsBadLines: Bool)
        case mrt(keepsDamaged: Bool)
    }

    /// Why tables can't become a route map.
    enum Problem: Error, CustomStringConvertible {
        case tooManySites(Int)
        case tooManyTables(Int)
        case twoNames(ASNumber, String, String)
        case tooManyRoutes(Int)

        var description: String {
            switch self {
            case .tooManySites(let count):
                "\(count) sites are more than the \(SiteID.limit) that fit"
            case .tooManyTables(let count):
                "\(count) tables are more than the \(FeedID.limit) that fit"
            case .twoNames(let number, let one, let other):
                "AS \(number) stands for one site, not for '\(one)' and '\(other)'"
            case .tooManyRoutes(let count): "\(count) routes are more than the table can hold"
            }
        }
    }

    /// Files that are read in one pass each, and the feeds that it feeds.
    private struct File {
        var path: String
        var feeds: [(id: FeedID, selector: PeerSelector)]
    }

    private let options: ImportCommand.Options
    private let sources: [ImportSource]
    private let format: Format

    init(_ options: ImportCommand.Options, format: Format) {
        self.options = options
        self.sources = options.selected
        self.format = format
    }

    /// Says what goes wrong, and ends the program with status 1 then.
    func run() throws {
        do {
            try self.make()
        } catch {
            ProgressBar.clear()
            for line in "\(error)".split(separator: "\n") { Printer.complain("martlet: \(line)") }
            throw ExitCode(1)
        }
    }

    private func make() throws {
        let sites = try self.sites()
        guard self.sources.count <= FeedID.limit else {
            throw Problem.tooManyTables(self.sources.count)
        }
        // What would be in vain is found out first.
        let output = try self.options.output.map { try OutputFile(path: $0) }
        let owner = try TableOwner(
            limits: TableLimits(prefixes: .max, routesPerFeed: .max, classes: .max))
        defer { owner.shutdown() }
        for (index, site) in sites.enumerated() {
            owner.submit(.defineSite(site.id, name: "\(index)"))
        }
        var files: [File] = []
        for (index, source) in self.sources.enumerated() {
            guard let site = sites.first(where: { $0.asNumber == source.asNumber }) else {
                continue
            }
            let feed = FeedID(rawValue: UInt16(index))
            owner.submit(
                .addFeed(
                    FeedDefinition(id: feed, name: "\(index)", site: site.id, order: index)))
            if let known = files.firstIndex(where: { $0.path == source.file }) {
                files[known].feeds.append((feed, source.selector))
            } else {
                files.append(File(path: source.file, feeds: [(feed, source.selector)]))
            }
        }
        let bar = ProgressBar(isOn: !self.options.quiet)
        var routes = 0
        for (index, file) in files.enumerated() {
            let part = (Double(index), Double(files.count + 1))
            let words = "reading \(file.path.split(separator: "/").last ?? "")"
            bar.show(part.0 / part.1, words)
            let report = try self.loader(file) { done in
                bar.show((part.0 + done) / part.1, words)
            }.load(into: owner, replacing: false)
            routes += report.feeds.reduce(0) { $0 + $1.announced - $1.withdrawn }
            self.warn(of: report, in: file.path)
        }
        bar.show(Double(files.count) / Double(files.count + 1), "merging")
        let refused = try owner.querySync { $0.counts().refused }
        guard refused == 0 else { throw Problem.tooManyRoutes(routes) }
        let map = try NearestMap(of: owner, sites: sites, maximum: self.options.nearest)
        bar.show(1, "writing")
        try self.write(map, to: output)
        bar.finish()
        if !self.options.quiet {
            Printer.complain(
                "martlet: \(Value.count(routes, "route")) of \(Value.count(sites.count, "site")) "
                    + "became \(Value.count(map.entries.count, "line"))")
        }
    }

    /// The sites in the order in which they are named first.
    private func sites() throws(Problem) -> [(id: SiteID, asNumber: ASNumber)] {
        var numbers: [ASNumber] = []
        var names: [ASNumber: String] = [:]
        for source in self.sources {
            if !numbers.contains(source.asNumber) { numbers.append(source.asNumber) }
            guard let name = source.name else { continue }
            if let other = names[source.asNumber], other != name {
                throw .twoNames(source.asNumber, other, name)
            }
            names[source.asNumber] = name
        }
        guard numbers.count <= SiteID.limit else { throw .tooManySites(numbers.count) }
        return numbers.enumerated().map { (SiteID(rawValue: UInt8($0)), $1) }
    }

    private func loader(
        _ file: File, _ progress: @escaping @Sendable (Double) -> Void
    ) -> any FileLoader {
        let kept = Dictionary(
            file.feeds.map { ($0.id, KeptAttributes.length) },
            uniquingKeysWith: { first, _ in first }
        )
        switch self.format {
        case .text(let skipsBadLines):
            var loader = TextDumpLoader(
                path: file.path, feeds: file.feeds.map { ($0.id, $0.selector) },
                skipsBadLines: skipsBadLines)
            loader.kept = kept
            loader.progress = progress
            return loader
        case .mrt(let keepsDamaged):
            var loader = DumpLoader(
                path: file.path, feeds: file.feeds.map { ($0.id, $0.selector) },
                damage: keepsDamaged ? .keepGoodPart : .refuse)
            loader.kept = kept
            loader.progress = progress
            return loader
        }
    }

    private func warn(of report: DumpLoader.Report, in path: String) {
        var lines: [String] = []
        if let bad = report.badLines {
            lines += "\(bad)".split(separator: "\n").map { "left out: \($0)" }
        }
        if let damage = report.damage { lines.append("\(damage); the routes before it are taken") }
        let malformed = report.feeds.reduce(0) { $0 + $1.malformed }
        if malformed > 0 { lines.append("\(path): \(malformed) malformed routes are left out") }
        guard !lines.isEmpty else { return }
        ProgressBar.clear()
        for line in lines { Printer.complain("martlet: \(line)") }
    }

    /// The time of day in the form of ISO 8601.
    private static var timeNow: String {
        var seconds = time(nil)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func write(_ map: NearestMap, to output: OutputFile?) throws {
        let file = output ?? OutputFile.standardOutput
        var writer = RouteMapWriter { try file.write($0) }
        let time = Self.timeNow
        let depth = self.options.nearest.map { "the nearest \($0)" } ?? "all sites with a route"
        try writer.add(comment: "Nearest sites by AS hops, \(depth): martlet import, \(time)")
        for source in self.sources { try writer.add(comment: source.words) }
        let lines = Value.count(map.entries.count, "line")
        try writer.add(comment: "\(lines); equally near sites in the order above")
        try map.write(to: &writer)
        try writer.flush()
        try file.commit()
    }
}
