// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Choice
import Console
import Glibc
import RouteFiles
import RouteTable

/// A table that was read from files once: what the console's commands need instead of a daemon.
final class OfflineTable: ConsoleBackend {
    let owner: TableOwner
    let oracle: Oracle
    let router = RouterReport(asNumber: 0, identifier: IPAddress(ipv4: 0))
    private let feeds: [FeedIdentity]
    private let policyNames: [String: Int]
    private let started: @Sendable () -> Int64
    private let reports: @Sendable () -> [FeedReport]
    private let details: @Sendable (FeedID) -> FeedDetail?
    private let maps: [String]

    /// Why files can't become a table.
    enum Problem: Error, CustomStringConvertible {
        case tooManySites(count: Int, names: [String])
        case noDump
        case sameName(String)
        case tooManyFeeds(Int)

        var description: String {
            switch self {
            case .tooManySites(let count, let names):
                "\(count) sites are more than the \(SiteID.limit) that fit; choose some with "
                    + "--site or --peer: \(names.joined(separator: ", "))"
            case .noDump: "--site and --peer choose among the peers of a dump, and there is none"
            case .sameName(let name): "two sites are named '\(name)'"
            case .tooManyFeeds(let count):
                "\(count) feeds are more than the \(FeedID.limit) that fit"
            }
        }
    }

    /// Reads all files, or throws. Blocks.
    convenience init(files: [String], chosen: [SiteArgument]) throws {
        var maps: [String] = []
        var dumps: [(path: String, peers: [MRTPeer])] = []
        var texts: [String] = []
        for path in files {
            switch try TableFile.kind(of: path) {
            case .routeMap: maps.append(path)
            case .text: texts.append(path)
            case .mrt: dumps.append((path, chosen.isEmpty ? try TableFile.peers(of: path) : []))
            }
        }
        guard chosen.isEmpty || !dumps.isEmpty else { throw Problem.noDump }

        var plan = Plan()
        for (index, dump) in dumps.enumerated() {
            if chosen.isEmpty {
                for peer in dump.peers { plan.add(peer, of: index) }
            } else {
                for site in chosen { plan.add(site, of: index) }
            }
        }
        for (index, path) in texts.enumerated() {
            plan.addText(TableFile.name(of: path), dump: dumps.count + index)
        }
        for path in maps {
            for number in try TableFile.numbers(in: path) { plan.addSite(standingFor: number) }
        }
        try plan.check(hasChosen: !chosen.isEmpty)

        let owner = try TableOwner()
        for site in plan.sites { owner.submit(.defineSite(site.id, name: site.name)) }
        for (index, feed) in plan.feeds.enumerated() {
            owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: feed.identity.id, name: feed.identity.name, site: feed.identity.site,
                        order: index, throughSites: [:])))
        }
        var details: [FeedID: FeedDetail] = [:]
        func note(_ report: DumpLoader.Report, _ path: String) {
            for feed in report.feeds {
                let identities = plan.feeds.map(\.identity)
                guard let identity = identities.first(where: { $0.id == feed.id }) else {
                    continue
                }
                details[feed.id] = Self.detail(of: identity, feed, report, path)
            }
        }
        do {
            for (index, dump) in dumps.enumerated() {
                let feeds = plan.feeds.filter { $0.dump == index }
                let loader = DumpLoader(
                    path: dump.path, feeds: feeds.map { ($0.identity.id, $0.selector) })
                note(try loader.load(into: owner, replacing: false), dump.path)
            }
            for (index, path) in texts.enumerated() {
                let feeds = plan.feeds.filter { $0.dump == dumps.count + index }
                let loader = TextDumpLoader(
                    path: path, feeds: feeds.map { ($0.identity.id, $0.selector) })
                note(try loader.load(into: owner, replacing: false), path)
            }
            if !maps.isEmpty {
                let pins = try RouteMapLoader.load(
                    paths: maps,
                    sites: plan.sites.map {
                        RouteMapLoader.Site(id: $0.id, name: $0.name, asNumber: $0.asNumber)
                    })
                for warning in pins.warnings { Printer.complain("martlet: \(warning)") }
                owner.submitAndWait(.setPins(pins.pins))
            }
        } catch {
            owner.shutdown()
            throw error
        }
        owner.flushAndWait()
        let feeds = plan.feeds.map(\.identity)
        let time = TableOwner.systemTime()
        self.init(
            owner: owner, oracle: Oracle(lookup: owner.lookup, world: World(sites: plan.sites)),
            feeds: feeds, started: { time },
            reports: { feeds.map { FeedReport(identity: $0, state: "loaded", isUp: true) } },
            details: { [details] in details[$0] }, maps: maps)
    }

    private static func detail(
        of identity: FeedIdentity, _ feed: DumpLoader.Report.Feed, _ report: DumpLoader.Report,
        _ path: String
    ) -> FeedDetail {
        var file = FileFeedReport(paths: [path], state: "loaded")
        file.peerAddress = feed.peer?.address ?? identity.peerAddress
        file.peerAS = feed.peer?.asNumber ?? identity.peerAS
        file.peerIdentifier = feed.identifier.map { IPAddress(ipv4: $0) }
        file.records = report.records
        file.announced = feed.announced
        file.withdrawn = feed.withdrawn
        file.malformed = feed.malformed
        file.treatedAsWithdrawn = feed.treatedAsWithdrawn
        file.badLines = report.badLines?.count
        return file.detail(of: identity.name)
    }

    /// A table that somebody else fills; it is shut down with this.
    ///
    /// - Parameters:
    ///   - owner: The table.
    ///   - oracle: Answers from it.
    ///   - feeds: Where its routes come from.
    ///   - policyNames: The policies of names, by name in small letters.
    ///   - started: When it began, in Unix seconds.
    ///   - reports: How the feeds stand.
    ///   - details: All that is known of one.
    ///   - maps: The files that its pins are from.
    init(
        owner: TableOwner, oracle: Oracle, feeds: [FeedIdentity],
        policyNames: [String: Int] = [:], started: @escaping @Sendable () -> Int64,
        reports: @escaping @Sendable () -> [FeedReport],
        details: @escaping @Sendable (FeedID) -> FeedDetail? = { _ in nil },
        maps: [String] = []
    ) {
        self.maps = maps
        self.details = details
        self.owner = owner
        self.oracle = oracle
        self.feeds = feeds
        self.policyNames = policyNames
        self.started = started
        self.reports = reports
    }

    deinit { self.owner.shutdown() }

    /// Which sites there are, and which peers of which dump feed them.
    private struct Plan {
        var sites: [Site] = []
        var feeds: [(identity: FeedIdentity, selector: PeerSelector, dump: Int)] = []

        /// A peer that nobody named.
        mutating func add(_ peer: MRTPeer, of dump: Int) {
            let same = self.sites.contains {
                $0.name == "\(peer.address)" && $0.asNumber != peer.asNumber
            }
            let name = same ? "\(peer.address),\(peer.asNumber)" : "\(peer.address)"
            self.add(
                name, PeerSelector(address: peer.address, asNumber: peer.asNumber), of: dump)
        }

        mutating func add(_ site: SiteArgument, of dump: Int) {
            self.add(site.name, site.peer.selector, of: dump)
        }

        /// A router's own table, whoever its neighbours are.
        mutating func addText(_ name: String, dump: Int) {
            self.add(name, PeerSelector(), of: dump, kind: .text)
        }

        private mutating func add(
            _ name: String, _ selector: PeerSelector, of dump: Int,
            kind: FeedIdentity.Kind = .mrt
        ) {
            let number = selector.asNumber ?? 0
            var site = self.sites.firstIndex { $0.name == name }
            if site == nil {
                site = self.sites.count
                self.addSite(name, number)
            }
            self.feeds.append(
                (
                    FeedIdentity(
                        id: FeedID(UInt16(truncatingIfNeeded: self.feeds.count)),
                        name: dump == 0 || kind == .text ? name : "\(name)#\(dump + 1)",
                        site: SiteID(UInt8(truncatingIfNeeded: site ?? 0)), kind: kind,
                        peerAS: selector.asNumber, peerAddress: selector.address),
                    selector, dump
                ))
        }

        /// A site for a number in a route map, if none has it yet.
        mutating func addSite(standingFor number: ASNumber) {
            guard !self.sites.contains(where: { $0.asNumber == number }) else { return }
            self.addSite("AS\(number)", number)
        }

        private mutating func addSite(_ name: String, _ number: ASNumber) {
            self.sites.append(
                Site(
                    id: SiteID(UInt8(truncatingIfNeeded: self.sites.count)), name: name,
                    asNumber: number))
        }

        /// The numbers must fit: they were cut short above.
        func check(hasChosen: Bool) throws(Problem) {
            guard self.sites.count <= SiteID.limit else {
                throw .tooManySites(count: self.sites.count, names: self.sites.map(\.name))
            }
            guard self.feeds.count <= FeedID.limit else { throw .tooManyFeeds(self.feeds.count) }
            var names: Set<String> = []
            for feed in self.feeds where !names.insert(feed.identity.name).inserted {
                throw .sameName(feed.identity.name)
            }
        }
    }

    // MARK: ConsoleBackend

    var version: VersionReport { VersionReport(version: "offline", started: self.started()) }
    var names: [String] { self.policyNames.keys.sorted() }

    func policy(named name: String) -> Int? {
        let small = name.lowercased()
        return self.policyNames[small.hasSuffix(".") ? String(small.dropLast()) : small]
    }

    func pin(covering address: IPAddress) async -> PinReport? {
        guard let place = try? RouteMapLoader.place(covering: address, in: self.maps) else {
            return nil
        }
        return PinReport(prefix: place.prefix, file: place.path, line: place.line)
    }

    func feedIdentities() -> [FeedIdentity] { self.feeds }
    func readiness() -> Readiness { .ready }
    func configuration() -> String? { nil }

    func feedReports() async -> [FeedReport] { self.reports() }

    func feedDetail(_ feed: FeedID) async -> FeedDetail? { self.details(feed) }

    func ruleReport(_ feed: FeedID) -> RuleReport? { nil }

    func checkpointReport() -> CheckpointReport? { nil }

    func writeCheckpoint() async -> Result<CheckpointReport, CommandFailure> {
        .failure(CommandFailure(.noSuchThing, "there is no daemon here"))
    }

    func reload() async -> Result<[String], CommandFailure> {
        .failure(CommandFailure(.notUnderstood, "there is no daemon to reload"))
    }
}
