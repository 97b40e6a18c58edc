// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import BGPSpeaker
import Choice
import DNSFront
import Glibc
import RouteFiles
public import RouteTable

extension Plan.Dump {
    /// Reads the file for its feeds.
    public var loader: any FileLoader {
        let feeds = self.feeds.map {
            ($0.feed, PeerSelector(address: $0.peer, asNumber: $0.peerAS))
        }
        let kept = Dictionary(
            self.feeds.map { ($0.feed, $0.kept) }, uniquingKeysWith: { first, _ in first })
        let judges = Dictionary(
            self.feeds.compactMap { feed in feed.judge.map { (feed.feed, $0) } },
            uniquingKeysWith: { first, _ in first })
        switch self.format {
        case .mrt:
            var loader = DumpLoader(path: self.file, feeds: feeds)
            loader.kept = kept
            loader.judges = judges
            return loader
        case .text(let skipsBadLines):
            var loader = TextDumpLoader(
                path: self.file, feeds: feeds, skipsBadLines: skipsBadLines)
            loader.kept = kept
            loader.judges = judges
            return loader
        }
    }
}

extension Plan {
    /// Reads the route maps, whole: all of them or an error.
    ///
    /// - Throws: `InputFileError` or `BadLines`, of the first map that is bad.
    public func readMaps() throws -> RouteMapLoader.Pins {
        try RouteMapLoader.load(
            paths: self.maps,
            sites: self.sites.map {
                RouteMapLoader.Site(id: $0.id, name: $0.name, asNumber: $0.asNumber)
            })
    }

    /// Reads the locations, whole: all of them or an error.
    ///
    /// - Throws: `InputFileError`, `BadLines`, `LocationDatabaseError` or `TableDefinitionError`,
    ///   of the first file that is bad.
    public func readLocations() throws -> LocationLoader.Locations {
        let locations = try LocationLoader.load(
            paths: self.locationRanges, database: self.locationDatabase)
        try self.checkCount(locations)
        return locations
    }

    private func checkCount(_ locations: LocationLoader.Locations) throws(TableDefinitionError) {
        guard locations.places.count <= self.limits.ranges else {
            throw .tooManyRanges(count: locations.places.count, limit: self.limits.ranges)
        }
    }

    /// The files that locations are read from.
    public var locationFiles: [String] {
        self.locationRanges + (self.locationDatabase.map { [$0] } ?? [])
    }

    /// Reads the files of round trips, whole: all of them or an error.
    ///
    /// - Throws: `InputFileError` or `BadLines`, of the first file that is bad.
    public func readRoundTrips() throws -> [RoundTrip] {
        try RoundTripLoader.load(
            paths: self.roundTripFiles, sites: self.sites.map { ($0.id, $0.name) })
    }

    /// What reading all files that the plan names would complain of.
    public struct Findings: Sendable {
        /// Odd, but usable: a line each.
        public var warnings: [String] = []
        /// What can't be used: a line each.
        public var problems: [String] = []
    }

    /// Reads everything that the plan names, to its end, and keeps nothing. Blocks.
    public func checkFiles() -> Findings {
        var findings = Findings()
        func attempt(_ body: () throws -> Void) {
            do {
                try body()
            } catch {
                findings.problems += "\(error)".split(separator: "\n").map(String.init)
            }
        }
        for zone in self.zones { attempt { try zone.check() } }
        findings.problems += self.zoneProblems
        findings.warnings += self.zoneNotes
        attempt { findings.warnings += try self.readMaps().warnings }
        for path in self.locationRanges { attempt { _ = try LocationLoader.load(paths: [path]) } }
        if let database = self.locationDatabase {
            attempt { try self.checkCount(LocationLoader.load(paths: [], database: database)) }
        }
        attempt { _ = try self.readRoundTrips() }
        for dump in self.dumps { attempt { try dump.loader.check() } }
        for recording in self.recordings.values.sorted(by: { $0.name < $1.name }) {
            let folder = recording.settings.folder
            if access(folder, W_OK | X_OK) != 0 {
                findings.warnings.append(
                    "feed '\(recording.name)' can't be recorded in \(folder) by this user: "
                        + String(cString: strerror(errno)))
            }
        }
        return findings
    }
}
