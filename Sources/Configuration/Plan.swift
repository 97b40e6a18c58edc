// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import BGPSpeaker
public import Choice
public import Console
public import DNSFront
import DNSWire
public import FeedRules
import Glibc
import NIOCore
import OriginValidation
import RouteFiles
public import RouteTable

/// A configuration in the rooms' own terms: what is to run.
public struct Plan: Sendable {
    /// A file with the routes of several peers, and which peer each feed is.
    public struct Dump: Hashable, Sendable {
        public var file: String
        public var format = Format.mrt
        public var feeds: [Selection]
    }

    /// What a file of routes is.
    public enum Format: Hashable, Sendable {
        case mrt
        /// What a router prints for `show ip bgp`.
        case text(skipsBadLines: Bool)
    }

    /// Which of a dump's peers a feed is.
    public struct Selection: Hashable, Sendable {
        public var feed: FeedID
        public var peer: IPAddress?
        public var peerAS: ASNumber?
        public var kept = KeptAttributes.path
        public var judge: RouteJudge?
    }

    public var assignment: Assignment
    /// In the configured order.
    public var sites: [Site]
    public var policies: [Policy]
    /// The policies of `nearest` names, by name in small letters and without a last dot.
    public var policyNames: [String: Int]
    public var zones: [Zone]
    /// Why zones can't be served as their master files stand; a line each.
    public var zoneProblems: [String]
    /// What is odd about zones; a line each.
    public var zoneNotes: [String]
    public var feeds: [FeedDefinition]
    /// Who judges the routes of each feed. A feed whose rules haven't changed keeps its judge over
    /// a reload, who goes on counting.
    public var judges: [FeedID: RouteJudge]
    /// How long a feed's routes outlive its session.
    public var staleTimes: [FeedID: Duration]
    public var speaker: SpeakerSettings
    /// Routers that monitor their peers for us.
    public var bmp: BMPSettings
    /// The RPKI caches; none: routes are not validated.
    public var origins: RTRClientSettings
    /// Invalid routes are held, but give no distance.
    public var ignoresInvalid: Bool
    public var dumps: [Dump]
    /// What is recorded of feeds' sessions.
    public var recordings: [FeedID: DumpRecording]
    /// Route maps in order, and what the AS numbers in them mean.
    public var maps: [String]
    public var sitesByNumber: [ASNumber: SiteID]
    public var locationRanges: [String]
    public var locationDatabase: String?
    /// What the table may hold, from the start on.
    public var limits: TableLimits
    public var roundTripFiles: [String]
    public var roundTripRules: RoundTripRules
    public var flipHold: FlipHoldRules?
    public var console: ConsoleSettings
    public var dns: DNSSettings
    public var powerDNS: RemoteBackendSettings?
    public var logLevel: Configuration.LogLevel
    public var readyWait: Duration
    public var checkpoint: Configuration.CheckpointOptions?

    /// The policy of a `nearest` name, however its letters are written.
    public func policy(named name: String) -> Int? {
        let small = name.lowercased()
        return self.policyNames[small.hasSuffix(".") ? String(small.dropLast()) : small]
    }
}

extension Configuration {
    /// What is to run, with numbers that follow on those of before.
    ///
    /// - Parameters:
    ///   - previous: The numbers of the configuration that runs; none at the start.
    ///   - judges: Those of the plan that runs.
    ///   - usualSocket: Where the console's socket is, if the file doesn't say.
    ///   - product: What those who ask for the server's version by DNS are told, if the file
    ///     doesn't say.
    /// - Returns: The plan; its ``Plan/assignment`` goes into the next one.
    public func plan(
        after previous: Assignment = Assignment(), judges: [FeedID: RouteJudge] = [:],
        usualSocket: String? = nil, product: String? = nil
    ) -> Plan {
        let assignment = previous.next(for: self)
        let judges = self.judges(assignment, after: previous, judges)
        let sites = self.sites.compactMap { entry -> Site? in
            guard let id = assignment.sites[entry.name] else { return nil }
            return Site(
                id: id, name: entry.name, asNumber: entry.asNumber, addresses: entry.addresses,
                services: entry.services.mapValues(\.addresses), weight: entry.weight,
                place: entry.location?.place,
                withoutRoutes: entry.withoutRoutes)
        }
        let numbers = assignment.policyNumbers
        func number(_ nearest: NearestEntry) -> Int {
            numbers[nearest.policy(assignment.sites)] ?? 0
        }
        let zones = self.zones.map { $0.zone(sites: assignment.sites, policy: number(_:)) }
        // Those of a zone whose file is bad too: the console can be asked about them.
        let policyNames = Dictionary(
            self.zones.flatMap(\.nearest).map { (Self.key($0.owner), number($0)) },
            uniquingKeysWith: { first, _ in first })
        let definitions = self.feedDefinitions(assignment)
        return Plan(
            assignment: assignment, sites: sites, policies: assignment.policies,
            policyNames: policyNames, zones: zones,
            zoneProblems: self.zones.flatMap(\.problems).map(\.description),
            zoneNotes: self.zones.flatMap(\.notes).map(\.description),
            feeds: definitions.filter { definition in
                // A range is no feed of the table: its neighbours are.
                self.feeds.first { $0.name == definition.name }?.slotCount == 0
            }, judges: judges,
            staleTimes: Dictionary(
                self.feeds.compactMap { feed in
                    assignment.feeds[feed.name].map { ($0, feed.staleTime) }
                }, uniquingKeysWith: { first, _ in first }),
            speaker: self.speakerSettings(assignment, definitions, judges),
            bmp: self.bmpSettings(assignment, definitions, judges), origins: self.originSettings,
            ignoresInvalid: self.rpki?.invalid != .accept, dumps: self.dumps(assignment, judges),
            recordings: Dictionary(
                self.feeds.compactMap { feed in
                    guard let id = assignment.feeds[feed.name], let dump = feed.dump else {
                        return nil
                    }
                    return (id, DumpRecording(name: feed.name, settings: dump))
                }, uniquingKeysWith: { first, _ in first }),
            maps: self.maps,
            sitesByNumber: Dictionary(
                sites.map { ($0.asNumber, $0.id) }, uniquingKeysWith: { first, _ in first }),
            locationRanges: self.locationRanges, locationDatabase: self.locationDatabase,
            limits: self.limits, roundTripFiles: self.roundTrips.files,
            roundTripRules: RoundTripRules(
                weight: self.roundTrips.weight, expiry: self.roundTrips.expiry.components.seconds),
            flipHold: self.flipHold,
            console: self.consoleSettings(usualSocket: usualSocket),
            dns: self.dnsSettings(product: product),
            powerDNS: self.powerDNS.map { options in
                RemoteBackendSettings(
                    socketPath: options.socket, socketGroup: options.group.flatMap(Group.number),
                    maximumConnections: options.maximumConnections)
            },
            logLevel: self.logLevel, readyWait: self.readyWait, checkpoint: self.checkpoint)
    }

    private static func key(_ name: DomainName) -> String {
        let text = name.description.lowercased()
        return text.hasSuffix(".") ? String(text.dropLast()) : text
    }

    private func feedDefinitions(_ assignment: Assignment) -> [FeedDefinition] {
        let numbers = Dictionary(
            self.sites.compactMap { site in
                assignment.sites[site.name].map { ($0, site.asNumber) }
            }, uniquingKeysWith: { first, _ in first })
        return self.feeds.enumerated().compactMap { index, feed in
            guard let id = assignment.feeds[feed.name], let site = assignment.sites[feed.site]
            else { return nil }
            // All peers that a router monitors are one feed, and may all have a prefix.
            let paths = if case .bmp(let bmp) = feed.source { bmp.maximumPeers } else { 0 }
            return FeedDefinition(
                id: id, name: feed.name, site: site, order: index * Self.orderStep,
                throughSites: feed.readsThroughSites ? numbers.filter { $0.key != site } : [:],
                guardRules: feed.guardRules, pathsPerPrefix: paths)
        }
    }

    private func judges(
        _ assignment: Assignment, after previous: Assignment, _ judges: [FeedID: RouteJudge]
    ) -> [FeedID: RouteJudge] {
        var result: [FeedID: RouteJudge] = [:]
        for feed in self.feeds {
            guard let id = assignment.feeds[feed.name] else { continue }
            let known = previous.feeds[feed.name] == id ? judges[id] : nil
            result[id] = known?.rules == feed.rules ? known : RouteJudge(feed.rules)
        }
        return result
    }

    /// Room between two feeds for those that come and go under the first, by their addresses.
    static let orderStep = 1 << 32

    private func speakerSettings(
        _ assignment: Assignment, _ definitions: [FeedDefinition], _ judges: [FeedID: RouteJudge]
    ) -> SpeakerSettings {
        var settings = SpeakerSettings(
            listen: self.listen.bgp.map { ListenAddress(address: $0.address, port: $0.port) })
        for feed in self.feeds {
            guard case .bgp(let bgp) = feed.source, let id = assignment.feeds[feed.name],
                let router = self.router
            else { continue }
            var peer = PeerSettings(
                name: feed.name, feed: id, localAS: bgp.localAS ?? router.asNumber,
                peerAS: bgp.peerAS, routerID: router.identifier.ipv4Value,
                peerAddress: bgp.peer, port: bgp.port, localAddress: bgp.localAddress,
                connect: bgp.connect, holdTime: bgp.holdTime, staleTime: feed.staleTime,
                quietTime: bgp.quietTime, connectRetry: bgp.connectRetry,
                maximumConnectRetry: bgp.maximumConnectRetry, families: bgp.families,
                kept: feed.kept, reach: bgp.reach, authentication: bgp.authentication,
                limits: feed.limits)
            peer.options = bgp.options
            peer.judge = judges[id]
            guard let prefix = bgp.range else {
                settings.peers.append(peer)
                continue
            }
            guard let definition = definitions.first(where: { $0.id == id }) else { continue }
            settings.ranges.append(
                PeerRange(
                    prefix: prefix, template: peer, definition: definition,
                    slots: assignment.slots[feed.name] ?? []))
        }
        return settings
    }

    private func bmpSettings(
        _ assignment: Assignment, _ definitions: [FeedDefinition], _ judges: [FeedID: RouteJudge]
    ) -> BMPSettings {
        let routers = self.feeds.compactMap { feed -> BMPRouterSettings? in
            guard case .bmp(let bmp) = feed.source, let id = assignment.feeds[feed.name],
                let definition = definitions.first(where: { $0.id == id })
            else { return nil }
            return BMPRouterSettings(
                name: feed.name, feed: id, router: bmp.router, view: bmp.view,
                maximumPeers: bmp.maximumPeers, staleTime: feed.staleTime,
                quietTime: bmp.quietTime, kept: feed.kept, judge: judges[id],
                range: bmp.isRange
                    ? BMPRouterSettings.Range(
                        definition: definition, slots: assignment.slots[feed.name] ?? []) : nil)
        }
        return BMPSettings(
            listen: self.listen.bmp.map { ListenAddress(address: $0.address, port: $0.port) },
            routers: routers)
    }

    private var originSettings: RTRClientSettings {
        guard let rpki = self.rpki else { return RTRClientSettings() }
        return RTRClientSettings(
            caches: rpki.caches,
            session: RTRSettings(
                refresh: rpki.refresh, retry: rpki.retry, expire: rpki.expire,
                maximumPayloads: rpki.maximumPayloads))
    }

    /// Feeds that read the same file are fed by one pass over it.
    private func dumps(
        _ assignment: Assignment, _ judges: [FeedID: RouteJudge]
    ) -> [Plan.Dump] {
        var dumps: [Plan.Dump] = []
        for feed in self.feeds {
            guard let id = assignment.feeds[feed.name] else { continue }
            let file: String
            let format: Plan.Format
            let selection: Plan.Selection
            switch feed.source {
            case .bgp, .bmp: continue
            case .mrt(let mrt):
                (file, format) = (mrt.file, .mrt)
                selection = Plan.Selection(
                    feed: id, peer: mrt.peer, peerAS: mrt.peerAS, kept: feed.kept,
                    judge: judges[id])
            case .text(let text):
                (file, format) = (text.file, .text(skipsBadLines: text.skipsBadLines))
                selection = Plan.Selection(
                    feed: id, peer: text.peer, peerAS: text.peerAS, kept: feed.kept,
                    judge: judges[id])
            }
            if let index = dumps.firstIndex(where: { $0.file == file && $0.format == format }) {
                dumps[index].feeds.append(selection)
            } else {
                dumps.append(Plan.Dump(file: file, format: format, feeds: [selection]))
            }
        }
        return dumps
    }

    private func consoleSettings(usualSocket: String?) -> ConsoleSettings {
        let listeners = self.listen.console.compactMap { listener in
            (try? SocketAddress(
                ipAddress: listener.endpoint.address.description,
                port: Int(listener.endpoint.port))).map {
                    ConsoleSettings.Listener(
                        address: $0, face: listener.face == .machine ? .machine : .people)
                }
        }
        let path: String? =
            switch self.listen.socket {
            case .usual: usualSocket
            case .path(let path): path
            case .none: nil
            }
        return ConsoleSettings(
            listeners: listeners, socketPath: path,
            socketGroup: self.console.socketGroup.flatMap(Group.number),
            password: self.console.password, enablePassword: self.console.enablePassword,
            idleTimeout: .seconds(self.console.idleTimeout.components.seconds),
            maximumConnections: self.console.maximumConnections,
            maximumLine: self.console.maximumLine)
    }

    private func dnsSettings(product: String?) -> DNSSettings {
        var settings = DNSSettings(
            listeners: self.listen.dns.map { entry in
                DNSListener(
                    DNSEndpoint(address: entry.endpoint.address, port: entry.endpoint.port),
                    usesClientSubnet: entry.usesClientSubnet, proxies: entry.proxies,
                    tls: entry.tls)
            })
        settings.threads = self.dns.threads
        settings.pinsThreads = self.dns.pinsThreads
        settings.payloadSize = self.dns.maximumUDPSize
        settings.maximumConnections = self.dns.maximumConnections
        settings.connectionsPerClient = self.dns.connectionsPerClient
        settings.idleTimeout = self.dns.idleTimeout
        settings.rules = self.dns.rules
        settings.rules.identity = self.dns.identity.text(usual: HostName.current)
        settings.rules.version = self.dns.version.text(usual: product)
        return settings
    }
}

extension Configuration.Location {
    var place: Place? {
        switch self {
        case .country(let code):
            CountryCentres.place(code).map {
                Place(latitude: $0.latitude, longitude: $0.longitude, name: code)
            }
        case .coordinates(let latitude, let longitude):
            Place(
                latitude: latitude, longitude: longitude, name: "\(latitude) \(longitude)")
        }
    }
}

/// The name that the operating system has for this machine.
enum HostName {
    static var current: String? {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return nil }
        let name = String(
            decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return name.isEmpty ? nil : name
    }
}

/// Groups of the operating system.
enum Group {
    static func number(_ name: String) -> UInt32? {
        if let number = UInt32(name) { return number }
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: 1 << 16)
        guard getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else {
            return nil
        }
        return entry.gr_gid
    }
}
