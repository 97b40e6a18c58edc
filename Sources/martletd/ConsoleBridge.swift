// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import Choice
import Configuration
import Console
import DNSFront
import FeedRules
import NIOPosix
import OriginValidation
import RouteFiles
import RouteTable
import Synchronization

extension PrefixLimits {
    fileprivate var byFamily: [AddressFamily: Int] {
        var limits: [AddressFamily: Int] = [:]
        limits[.ipv4] = self.ipv4
        limits[.ipv6] = self.ipv6
        return limits
    }
}

/// What the console asks of the daemon.
struct ConsoleBridge: ConsoleBackend {
    let daemon: Daemon

    init(_ daemon: Daemon) { self.daemon = daemon }

    private var configured: Configuration { self.daemon.running.withLock { $0.configuration } }
    var plan: Plan { self.daemon.running.withLock { $0.plan } }

    var oracle: Oracle { self.daemon.oracle }
    var owner: TableOwner { self.daemon.owner }

    var router: RouterReport {
        let router = self.configured.router
        return RouterReport(
            asNumber: router?.asNumber ?? ASNumber(0),
            identifier: router?.identifier ?? IPAddress(ipv4: 0))
    }

    var version: VersionReport {
        VersionReport(version: ProductVersion.text, started: self.daemon.started)
    }

    func policy(named name: String) -> Int? { self.plan.policy(named: name) }

    var names: [String] { self.plan.policyNames.keys.sorted() }

    func feedIdentities() -> [FeedIdentity] {
        let (configuration, plan) = self.daemon.running.withLock { ($0.configuration, $0.plan) }
        let entries = self.daemon.board.entries
        let guests = entries.compactMap { id, entry in
            entry.guest.map { guest in
                switch guest {
                case .neighbour(let settings):
                    FeedIdentity(
                        id: id, name: entry.name, site: entry.site, kind: .bgp,
                        peerAS: settings.peerAS, peerAddress: settings.peerAddress,
                        peerIdentifier: entry.peerIdentifier, isInternal: settings.isInternal)
                case .router(let address):
                    FeedIdentity(
                        id: id, name: entry.name, site: entry.site, kind: .bmp,
                        peerAddress: address)
                }
            }
        }
        return configuration.feeds.compactMap { feed in
            guard let id = plan.assignment.feeds[feed.name],
                let site = plan.assignment.sites[feed.site]
            else { return nil }
            switch feed.source {
            case .bgp(let bgp):
                return FeedIdentity(
                    id: id, name: feed.name, site: site, kind: .bgp, peerAS: bgp.peerAS,
                    peerAddress: bgp.range == nil ? bgp.peer : nil,
                    peerIdentifier: entries[id]?.peerIdentifier,
                    isInternal: bgp.peerAS == bgp.localAS ?? configuration.router?.asNumber)
            case .bmp(let bmp):
                return FeedIdentity(
                    id: id, name: feed.name, site: site, kind: .bmp,
                    peerAddress: bmp.isRange ? nil : bmp.router.address)
            case .mrt(let mrt):
                let entry = entries[id]
                return FeedIdentity(
                    id: id, name: feed.name, site: site, kind: .mrt,
                    peerAS: mrt.peerAS ?? entry?.peer?.asNumber,
                    peerAddress: mrt.peer ?? entry?.peer?.address,
                    peerIdentifier: entry?.peerIdentifier)
            case .text(let text):
                return FeedIdentity(
                    id: id, name: feed.name, site: site, kind: .text, peerAS: text.peerAS,
                    peerAddress: text.peer)
            }
        } + guests.sorted { $0.name < $1.name }
    }

    func feedReports() async -> [FeedReport] {
        let all = await self.daemon.speaker.status()
        let peers = Dictionary(
            all.map { ($0.feed, $0) }, uniquingKeysWith: { first, _ in first })
        let routers = await self.daemon.station.status()
        let plan = self.plan
        let ranges = Dictionary(
            plan.speaker.ranges.map { ($0.template.feed, $0) },
            uniquingKeysWith: { first, _ in first })
        let entries = self.daemon.board.entries
        return self.feedIdentities().map { identity in
            let entry = entries[identity.id]
            if let range = ranges[identity.id] {
                let members = all.filter { $0.range == range.template.name }
                return FeedReport(
                    identity: identity, state: "\(members.count) of \(range.slots.count)",
                    isUp: members.contains { $0.state == .established },
                    messagesReceived: members.reduce(0) { $0 + $1.counters.messagesIn },
                    messagesSent: members.reduce(0) { $0 + $1.counters.messagesOut })
            }
            if identity.kind == .bmp {
                return plan.bmp.report(identity, routers, isComplete: entry?.isComplete == true)
            }
            guard let peer = peers[identity.id] else {
                let state =
                    switch entry?.liveness {
                    case .live: "loaded"
                    case .stale, .lost, nil, .some(.none):
                        entry?.isComplete == true ? "failed" : "loading"
                    }
                return FeedReport(
                    identity: identity, state: state, isUp: entry?.liveness == .live,
                    since: entry?.since, lastError: entry?.lastError)
            }
            let session = peer.negotiation.map { negotiation in
                SessionReport(
                    wanted: Set(peer.settings.families.families),
                    negotiated: Set(negotiation.context.families.families),
                    isComplete: peer.isComplete, reflected: peer.reflected,
                    limits: peer.settings.limits?.byFamily ?? [:],
                    end: negotiation.exchangesEndOfRIB
                        ? .endOfRIB
                        : .quiet(seconds: Int(peer.settings.quietTime.components.seconds)))
            }
            return FeedReport(
                identity: identity, state: peer.suspension?.state ?? "\(peer.state)",
                isUp: peer.state == .established, since: peer.establishedChange,
                messagesReceived: peer.counters.messagesIn,
                messagesSent: peer.counters.messagesOut,
                unreadBytes: peer.remoteEnd == nil ? 0 : peer.queues?.unreadBytes,
                unsentBytes: peer.remoteEnd == nil ? 0 : peer.queues?.unsentBytes,
                lastError: peer.problem ?? peer.obstacle,
                lastErrorTime: peer.problem == nil ? peer.lastEndTime ?? peer.lastErrorTime : nil,
                session: session,
                hints: SessionHints.hints(peer, now: TableOwner.systemTime()))
        }
    }

    func ruleReport(_ feed: FeedID) -> RuleReport? {
        guard let judge = self.plan.judges[feed] else { return nil }
        let counts = judge.tally.total
        return RuleReport(
            rules: zip(judge.rules.rules, counts.rules).map {
                RuleReport.Line(words: $0.words, matches: $1, rejects: $0.action == .reject)
            }, options: judge.rules.options.words,
            others: judge.isPlain ? nil : counts.others, defaultRoutes: counts.defaultRoutes,
            lengths: counts.lengths, bogons: counts.bogons)
    }

    func distanceReason(_ route: SiteRoute) -> DistanceReason? {
        let attributes = route.attributes
        guard let distance = attributes.distanceOverride, let rules = self.rules(of: route.feed)
        else { return nil }
        let reason = rules.reason(
            for: Int(distance), path: attributes.keptLength == nil ? attributes.asPath : nil,
            localPreference: attributes.localPreference)
        switch reason {
        case nil: return nil
        case .rule: return .rule
        case .prependsOnce: return .prependsOnce
        case .localPreference(let hops, let level?):
            return .localPreference(hops: hops, level: "of \(level)")
        case .localPreference(let hops, nil):
            let last = rules.options.preferenceLevels.last.map { "\($0)" } ?? "-"
            return .localPreference(hops: hops, level: "below \(last)")
        }
    }

    /// A feed's rules; a neighbour or a router of a range has its range's.
    private func rules(of feed: FeedID) -> RuleSet? {
        let plan = self.plan
        if let judge = plan.judges[feed] { return judge.rules }
        let range = plan.speaker.ranges.first { $0.slots.contains(feed) }
        let routers = plan.bmp.routers.first { $0.range?.slots.contains(feed) == true }
        return (range?.template.judge ?? routers?.judge)?.rules
    }

    func staleSince(feed: FeedID) -> Int64? { self.daemon.board.staleSince(feed: feed) }

    func staleSince(site: SiteID) -> Int64? { self.daemon.board.staleSince(site: site) }

    /// Of maps that are as they were when they were read.
    func pin(covering address: IPAddress) async -> PinReport? {
        let (maps, stamps) = self.daemon.running.withLock { ($0.plan.maps, $0.stamps) }
        guard !maps.isEmpty, maps.allSatisfy({ stamps[$0] == FileStamp(path: $0) }) else {
            return nil
        }
        let found = try? await self.daemon.files.runIfActive {
            try RouteMapLoader.place(covering: address, in: maps)
        }
        guard let place = found else { return nil }
        return PinReport(prefix: place.prefix, file: place.path, line: place.line)
    }

    func readiness() -> Readiness {
        if self.daemon.readiness.isReady { return .ready }
        return .notReady(waitingFor: self.daemon.waitedFor)
    }

    /// The file holds no secrets: passwords stand in files of their own.
    func configuration() -> String? { self.daemon.running.withLock { $0.text } }

    func checkpointReport() -> CheckpointReport? { self.daemon.checkpoints.report }

    func writeCheckpoint() async -> Result<CheckpointReport, CommandFailure> {
        await self.daemon.checkpoints.save()
    }

    func originReport() async -> OriginReport? {
        let plan = self.plan
        guard !plan.origins.caches.isEmpty else { return nil }
        let caches = await self.daemon.origins.status().caches
        return OriginReport(
            caches: caches.map { cache in
                OriginReport.Cache(
                    name: "\(cache.cache)", state: cache.state.rawValue,
                    version: Int(cache.version), session: cache.session.map(Int.init),
                    serial: cache.serial.map(Int.init), ipv4Payloads: cache.ipv4Payloads,
                    ipv6Payloads: cache.ipv6Payloads, isInForce: cache.isInForce,
                    answered: cache.answered, next: cache.refreshes, expires: cache.expires,
                    lastError: cache.lastError)
            }, ignoresInvalid: plan.ignoresInvalid)
    }

    func originPayloads(covering prefix: IPPrefix) -> [OriginReport.Payload] {
        (self.daemon.origins.validator.snapshot.table?.covering(prefix) ?? []).map {
            OriginReport.Payload(
                prefix: $0.prefix, maximumLength: Int($0.maximumLength), asNumber: $0.asNumber)
        }
    }

    func reload() async -> Result<[String], CommandFailure> { await self.daemon.reload() }

    func replace() async -> Result<String, CommandFailure> { await self.daemon.replace() }
}
