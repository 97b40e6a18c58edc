// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Choice
import Configuration
import RouteFiles
import RouteTable

/// The sites and feeds that a recording is played to.
struct ReplayStage {
    var world: World
    var feeds: [(definition: FeedDefinition, replay: Replay.Feed)] = []
    /// The policies of names, by name.
    var policyNames: [String: Int] = [:]
    var pins: [(IPPrefix, [SiteID])] = []
    var locations = LocationSet()
    var roundTrips: [RoundTrip] = []
    var flipHold: FlipHoldRules?
    /// What of the configuration a replay leaves out, in sentences.
    var omissions: [String] = []

    /// Why files can't be played.
    enum Problem: Error, CustomStringConvertible {
        case noPeers([String])
        case noFeeds(String)
        case tooManySites(count: Int, names: [String])

        var description: String {
            switch self {
            case .noPeers(let files): "\(files.joined(separator: ", ")): no peer has a record there"
            case .noFeeds(let file):
                "\(file) has no feeds by BGP or MRT that a recording could be played to"
            case .tooManySites(let count, let names):
                "\(count) peers are more than the \(SiteID.limit) sites that fit; choose some "
                    + "with --site: \(names.joined(separator: ", "))"
            }
        }
    }

    /// Those of a configuration.
    init(configuration path: String) throws {
        let configuration = try Configuration.load(path: path)
        let plan = configuration.plan()
        self.world = World(sites: plan.sites, policies: plan.policies)
        self.policyNames = plan.policyNames
        self.pins = try plan.readMaps().pins
        self.locations = try plan.readLocations().places
        self.roundTrips = try plan.readRoundTrips()
        let selectors = Dictionary(
            plan.speaker.peers.map {
                ($0.feed, PeerSelector(address: $0.peerAddress, asNumber: $0.peerAS))
            }
                + plan.dumps.filter { $0.format == .mrt }.flatMap(\.feeds).map {
                    ($0.feed, PeerSelector(address: $0.peer, asNumber: $0.peerAS))
                }, uniquingKeysWith: { first, _ in first })
        let kept = Dictionary(
            configuration.feeds.compactMap { feed in
                plan.assignment.feeds[feed.name].map { ($0, feed.kept) }
            }, uniquingKeysWith: { first, _ in first })
        self.flipHold = plan.flipHold
        self.omissions = Self.omissions(configuration)
        for definition in plan.feeds {
            guard let selector = selectors[definition.id] else { continue }
            self.feeds.append(
                (
                    definition,
                    Replay.Feed(
                        id: definition.id, peer: selector,
                        staleTime: plan.staleTimes[definition.id] ?? .seconds(180),
                        kept: kept[definition.id] ?? .path, judge: plan.judges[definition.id])
                ))
        }
        guard !self.feeds.isEmpty else { throw Problem.noFeeds(path) }
    }

    private static func omissions(_ configuration: Configuration) -> [String] {
        var words = configuration.feeds.compactMap { feed -> String? in
            switch feed.source {
            case .bgp(let bgp):
                bgp.range.map {
                    "feed \(feed.name) is left out: what the neighbours of \($0) sent can't be told "
                        + "from other records; give those that you want a feed each"
                }
            case .bmp:
                "feed \(feed.name) is left out: what routers tell of their peers by BMP isn't recorded"
            case .text:
                "feed \(feed.name) is left out: a router's text has no time of its own"
            case .mrt: nil
            }
        }
        if configuration.rpki != nil {
            words.append(
                "origins are not validated: no RPKI cache knows what was valid then; rules see "
                    + "not-checked")
        }
        return words
    }

    /// A site for each peer that was chosen, or that the files name.
    init(files: [String], chosen: [SiteArgument]) throws {
        var names: [(name: String, selector: PeerSelector)] = chosen.map {
            ($0.name, $0.peer.selector)
        }
        if chosen.isEmpty {
            var peers: [MRTPeer] = []
            for file in files {
                for peer in try TableFile.peers(of: file) where !peers.contains(peer) {
                    peers.append(peer)
                }
            }
            guard !peers.isEmpty else { throw Problem.noPeers(files) }
            names = peers.map { peer in
                let isAlone = !peers.contains {
                    $0.address == peer.address && $0.asNumber != peer.asNumber
                }
                return (
                    isAlone ? "\(peer.address)" : "\(peer.address),\(peer.asNumber)",
                    PeerSelector(address: peer.address, asNumber: peer.asNumber)
                )
            }
        }
        var sites: [Site] = []
        for (name, selector) in names {
            let site: SiteID
            if let known = sites.first(where: { $0.name == name }) {
                site = known.id
            } else {
                site = SiteID(rawValue: UInt8(truncatingIfNeeded: sites.count))
                sites.append(Site(id: site, name: name, asNumber: selector.asNumber ?? 0))
            }
            let number = self.feeds.count
            let id = FeedID(rawValue: UInt16(truncatingIfNeeded: number))
            let feed = names.filter { $0.name == name }.count > 1 ? "\(name)#\(number)" : name
            self.feeds.append(
                (
                    FeedDefinition(id: id, name: feed, site: site, order: number),
                    Replay.Feed(id: id, peer: selector)
                ))
        }
        guard sites.count <= SiteID.limit, self.feeds.count <= FeedID.limit else {
            throw Problem.tooManySites(count: sites.count, names: sites.map(\.name))
        }
        self.world = World(sites: sites)
    }
}
