// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
public import FeedRules
import RouteFiles
public import RouteTable

/// Loads what a router prints for `show ip bgp` and `show bgp ipv6` into the table.
///
/// Of a network's paths the one counts that the router uses; where it marks none, the shortest one
/// that it could use. A feed may read the paths of one of the router's peers instead: those by its
/// next hop, or those whose first AS is the peer's, whether the router uses them or not.
///
/// Calls block, as those of ``DumpLoader`` do.
public struct TextDumpLoader: FileLoader {
    public let path: String
    /// Each feed, and whose paths it reads: those of all peers where the selector has neither
    /// address nor AS number.
    public let feeds: [(id: FeedID, paths: PeerSelector)]
    /// Lines that can't be read are left out and reported; else they make the file a bad one.
    public var skipsBadLines = false
    /// What is kept of each feed's attributes; ``KeptAttributes/path`` of those not named.
    public var kept: [FeedID: KeptAttributes] = [:]
    /// Who judges each feed's routes; those of feeds not named count as they are.
    public var judges: [FeedID: RouteJudge] = [:]
    /// Judges the routes' origins, once all have been read.
    public var validator: OriginValidator?
    /// Called now and then with how much of the file has been read, from 0 to 1.
    public var progress: (@Sendable (Double) -> Void)?

    public init(
        path: String, feeds: [(id: FeedID, paths: PeerSelector)], skipsBadLines: Bool = false
    ) {
        self.path = path
        self.feeds = feeds
        self.skipsBadLines = skipsBadLines
    }

    public var feedIDs: [FeedID] { self.feeds.map(\.id) }

    /// Reads the whole file once.
    ///
    /// - Parameter owner: The table that gets the routes; nil: the file is only checked.
    /// - Returns: What was read.
    /// - Throws: ``InputFileError``, ``BadLines`` or ``TextSelectionError``.
    public func read(into owner: TableOwner?) throws -> DumpLoader.Report {
        var pass = TextDumpPass(self, owner: owner)
        try pass.run()
        return pass.report
    }
}

/// Why a router's table that can be read still can't feed.
public enum TextSelectionError: Error, Hashable, Sendable {
    /// No usable path is one of the selected peer's.
    case noPaths(path: String, PeerSelector)
}

extension TextSelectionError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .noPaths(let path, let selector):
            switch (selector.address, selector.asNumber) {
            case (nil, nil): "\(path): the table has no path that the router could use"
            case (let address?, nil): "\(path): no usable path has the next hop \(address)"
            case (nil, let number?): "\(path): no usable path begins with AS \(number)"
            case (let address?, let number?):
                "\(path): no usable path has the next hop \(address) and begins with AS \(number)"
            }
        }
    }
}

/// One reading of a file.
private struct TextDumpPass {
    var report = DumpLoader.Report()
    private let path: String
    private let skipsBadLines: Bool
    private let selectors: [PeerSelector]
    private let progress: (@Sendable (Double) -> Void)?
    /// Empty where the file is only checked.
    private var feeds: [LoadingFeed]
    /// The network whose paths are being read, and each feed's best so far.
    private var prefix: IPPrefix?
    private var best: [TextDumpRoute?]
    private var counts: [Int]

    init(_ loader: TextDumpLoader, owner: TableOwner?) {
        self.path = loader.path
        self.skipsBadLines = loader.skipsBadLines
        self.selectors = loader.feeds.map(\.paths)
        self.progress = loader.progress
        self.feeds =
            owner.map { owner in
                loader.feeds.map {
                    LoadingFeed(
                        id: $0.id, owner: owner, keeping: loader.kept[$0.id] ?? .path,
                        judge: loader.judges[$0.id])
                }
            } ?? []
        self.best = loader.feeds.map { _ in nil }
        self.counts = loader.feeds.map { _ in 0 }
    }

    mutating func run() throws {
        var reader = try TextDumpReader(path: self.path)
        while let route = try reader.next() {
            self.report.records += 1
            if self.report.records & 0xfff == 0, let progress, let done = reader.progress {
                progress(done)
            }
            if route.prefix != self.prefix {
                self.decide()
                self.prefix = route.prefix
            }
            if route.isUsable { self.consider(route) }
        }
        self.decide()
        let bad = reader.bad
        if bad.count > 0 {
            // A file without any table gives nothing to go on with.
            guard self.skipsBadLines, self.report.records > 0 else { throw bad }
            self.report.badLines = bad
        }
        for (selector, count) in zip(self.selectors, self.counts) where count == 0 {
            throw TextSelectionError.noPaths(path: self.path, selector)
        }
        for feed in self.feeds.indices {
            self.feeds[feed].finish()
            self.report.feeds.append(
                .init(
                    id: self.feeds[feed].id, peer: nil, identifier: nil,
                    announced: self.feeds[feed].announced, withdrawn: 0,
                    malformed: self.feeds[feed].malformed,
                    treatedAsWithdrawn: 0))
        }
    }

    private mutating func consider(_ route: TextDumpRoute) {
        for (feed, selector) in self.selectors.enumerated() {
            if let address = selector.address, route.nextHop != address { continue }
            if let number = selector.asNumber, route.asPath.first != number { continue }
            if let known = self.best[feed], !Self.isBetter(route, known) { continue }
            self.best[feed] = route
        }
    }

    /// Of equal ones the first counts.
    private static func isBetter(_ a: TextDumpRoute, _ b: TextDumpRoute) -> Bool {
        let isBest = (a.status.contains(.best), b.status.contains(.best))
        return isBest.0 != isBest.1 ? isBest.0 : !isBest.0 && a.asPath.length < b.asPath.length
    }

    /// The network's paths have all been read.
    private mutating func decide() {
        for feed in self.selectors.indices {
            guard let route = self.best[feed] else { continue }
            self.best[feed] = nil
            self.counts[feed] += 1
            if !self.feeds.isEmpty {
                self.feeds[feed].announce(judging: RouteAttributes(route), route.prefix)
            }
        }
    }
}

extension RouteAttributes {
    fileprivate init(_ route: TextDumpRoute) {
        let origin: Origin =
            switch route.origin {
            case .igp: .igp
            case .egp: .egp
            case .incomplete: .incomplete
            }
        self.init(
            origin: origin, asPath: route.asPath, nextHop: route.nextHop,
            multiExitDiscriminator: route.metric, localPreference: route.localPreference)
    }
}
