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
        let plan = try Configuration.load(path: path).plan()
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
        for definition in plan.feeds {
            guard let selector = selectors[definition.id] else { continue }
            self.feeds.append(
                (
                    definition,
                    Replay.Feed(
                        id: definition.id, peer: selector,
                        staleTime: plan.staleTimes[definition.id] ?? .seconds(180),
                        judge: plan.judges[definition.id])
                ))
        }
        guard !self.feeds.isEmpty else { throw Problem.noFeeds(path) }
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
