// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import FeedRules
import Logging
import NIOCore
import RouteTable

/// One router that monitors its peers for us: its messages, and its side of the table.
///
/// All of it stays on the station's event loop.
final class BMPRouter {
    private(set) var settings: BMPRouterSettings
    /// The range that it is of.
    let range: FeedID?
    private unowned let core: BMPCore
    private let logger: Logger
    private var monitor: BMPMonitor
    private var sink: UpdateSink
    private var life: FeedLife
    private lazy var timers = TimerTable<FeedLife.Timer>(loop: self.core.loop) {
        [unowned self] timer in self.handle(.expired(timer))
    }
    /// Runs when all peers have said End-of-RIB, and none has come up since.
    private var settling: Scheduled<Void>?
    private var introduction: Scheduled<Void>?
    private var connections: [BMPConnection] = []
    /// The one whose Initiation came last.
    private var current: BMPConnection?
    private var hasNews = false
    private(set) var isPaused = false
    private var limiter = ComplaintLimiter()
    private var counters = BMPCounters()
    private var since: Int64
    private var systemName: String?
    private var systemDescription: String?
    private var lastError: String?
    private var lastErrorTime: Int64?

    /// How long a connection may take to say who it is.
    static let introductionTime = TimeAmount.seconds(30)
    /// How long after the last End-of-RIB no other peer comes up, before the transfer is over.
    static let settlingTime = TimeAmount.seconds(2)

    init(settings: BMPRouterSettings, core: BMPCore, range: FeedID? = nil) {
        self.settings = settings
        self.core = core
        self.range = range
        var logger = core.logger
        logger[metadataKey: "feed"] = "\(settings.name)"
        self.logger = logger
        self.monitor = BMPMonitor(
            maximumPeers: settings.maximumPeers, keepsCommunities: settings.kept == .communities)
        self.sink = core.makeSink(settings)
        self.life = FeedLife(staleTime: settings.staleTime, quietTime: settings.quietTime)
        self.since = core.now()
    }

    /// Takes settings under which the session can go on.
    func adjust(to settings: BMPRouterSettings) -> Bool {
        guard settings.canContinue(from: self.settings) else { return false }
        let hasOtherRules = settings.judge != self.settings.judge
        if hasOtherRules {
            // What has come is judged by the rules that held then.
            self.submitBatch()
            self.sink.judge = settings.judge
        }
        self.settings = settings
        self.monitor.maximumPeers = settings.maximumPeers
        self.life.staleTime = settings.staleTime
        self.life.quietTime = settings.quietTime
        // A router can't be asked again: what is held is judged, where enough of it is.
        if hasOtherRules { self.judgeHeld(showsAtOnce: true) }
        return true
    }

    /// No session and no route: nothing is lost with it.
    var isGone: Bool { self.connections.isEmpty && self.life.liveness == .lost }

    // MARK: Connections

    func accepted(_ connection: BMPConnection) {
        // Of connections that say nothing the last one counts.
        for other in self.connections where other !== self.current { other.end(nil) }
        self.connections.removeAll { $0 !== self.current }
        self.connections.append(connection)
        self.introduction?.cancel()
        self.introduction = self.core.loop.assumeIsolated().scheduleTask(
            in: Self.introductionTime
        ) { [weak self, weak connection] in
            guard let self, let connection, self.current !== connection else { return }
            connection.end("no Initiation within 30 seconds")
        }
    }

    private func introduced(_ connection: BMPConnection) {
        self.introduction?.cancel()
        if let old = self.current {
            // A router that comes again has given the old connection up.
            old.end(nil)
            self.connections.removeAll { $0 === old }
            self.sessionEnded("replaced by a new connection of the router")
        }
        self.current = connection
        self.since = self.core.now()
        self.counters.sessions += 1
        self.handle(.up(FeedLife.Terms(families: .both)))
        self.logger.notice(
            "router connected",
            metadata: [
                "name": "\(self.systemName ?? "-")",
                "description": "\(self.systemDescription ?? "-")",
            ])
    }

    func lost(_ connection: BMPConnection, _ reason: String) {
        self.connections.removeAll { $0 === connection }
        self.lastError = reason
        self.lastErrorTime = self.core.now()
        if self.current === connection {
            self.sessionEnded(reason)
            self.logger.warning("router lost", metadata: ["reason": "\(reason)"])
        } else {
            self.logger.info(
                "a router's connection came to nothing", metadata: ["reason": "\(reason)"])
        }
        self.core.changed(self)
    }

    private func sessionEnded(_ reason: String) {
        self.current = nil
        self.since = self.core.now()
        self.settling?.cancel()
        self.settling = nil
        self.hasNews = false
        self.monitor.sessionEnded(now: self.since)
        self.handle(.down(.silent))
    }

    /// Ends the session, if there is one; the routes stay, stale, until they come again.
    func reset() -> Bool {
        guard let current = self.current else { return false }
        current.end("ended by our operator")
        return true
    }

    /// It is configured no more, or as another one.
    func remove() {
        self.introduction?.cancel()
        for connection in self.connections { connection.end(nil) }
        self.connections = []
        if self.current != nil { self.sessionEnded("configured no more") }
        self.handle(.flush)
        self.timers.stopAll()
    }

    /// Connections end; the routes stay as they are.
    func stop() {
        self.introduction?.cancel()
        self.settling?.cancel()
        for connection in self.connections { connection.end(nil) }
        self.connections = []
        self.current = nil
    }

    // MARK: Messages

    func received(_ type: BMPMessageType, _ body: RawSpan, on connection: BMPConnection) {
        self.counters.messages += 1
        let message: BMPMessage
        do throws(BMPError) {
            message = try BMPMessage.decode(type, body: body)
        } catch {
            self.counters.malformed += 1
            self.complain("malformed message: \(error)")
            return
        }
        if case .initiation(let information) = message {
            self.take(information)
            if self.current !== connection { self.introduced(connection) }
            return
        }
        guard self.current === connection else {
            // RFC 7854 §4.3: the Initiation comes first.
            connection.end("\(type) before an Initiation")
            return
        }
        switch message {
        case .initiation: break
        case .termination(let information):
            let words = information.map(\.description).joined(separator: ", ")
            connection.end(words.isEmpty ? "terminated" : "terminated: \(words)")
        case .peerUp(let header, let up): self.peerUp(header, up)
        case .peerDown(let header, let down): self.peerDown(header, down)
        case .routeMonitoring(let header, let range):
            self.received(update: body.extracting(range), header)
        case .statistics(let header, let list): self.monitor.statistics(header, list)
        case .routeMirroring(_, let lost): self.counters.mirroredLost += lost
        case .unknown: self.counters.unknown += 1
        }
    }

    private func take(_ information: [BMPInformation]) {
        for item in information {
            switch item {
            case .systemName(let name): self.systemName = name
            case .systemDescription(let text): self.systemDescription = text
            case .text, .tableName, .reason, .other: break
            }
        }
    }

    /// Whether a peer's routes are of the table that clients are looked up in: those of VPNs and
    /// of other instances are not.
    private static func counts(_ peer: BMPPeerHeader.Peer) -> Bool {
        switch peer.kind {
        case .global: true
        case .locRIB: peer.distinguisher == 0
        default: false
        }
    }

    private func peerUp(_ header: BMPPeerHeader, _ up: BMPPeerUp) {
        guard Self.counts(header.peer) else { return }
        let refused = self.monitor.refusedPeers
        let leaving = self.monitor.peerUp(header, up, now: self.core.now())
        if self.monitor.refusedPeers > refused {
            self.complain("more than \(self.settings.maximumPeers) peers: one is passed by")
        }
        self.withdraw(leaving)
        self.core.validator.setLocalAS(up.sent.asNumber, of: self.settings.feed)
        self.settling?.cancel()
        self.settling = nil
        self.hasNews = true
        self.logger.debug(
            "monitored peer up",
            metadata: ["peer": "\(header.peer)", "as": "\(header.asNumber)"])
    }

    private func peerDown(_ header: BMPPeerHeader, _ down: BMPPeerDown) {
        guard Self.counts(header.peer) else { return }
        self.withdraw(self.monitor.peerDown(header, "\(down)", now: self.core.now()))
        self.logger.debug(
            "monitored peer down",
            metadata: ["peer": "\(header.peer)", "reason": "\(down)"])
        self.settle()
    }

    private func withdraw(_ paths: [UInt32]) {
        guard !paths.isEmpty else { return }
        self.submitBatch()
        var left = paths[...]
        while !left.isEmpty {
            let ids = Array(left.prefix(TableCommand.mostPathIDs))
            self.submit(.withdrawPaths(self.settings.feed, pathIDs: ids))
            left = left.dropFirst(ids.count)
        }
    }

    private func complain(_ text: String, _ metadata: Logger.Metadata = [:]) {
        self.complain { [(text, metadata)] }
    }

    /// Lines that belong together, which count as one.
    private func complain(_ lines: () -> [(text: String, metadata: Logger.Metadata)]) {
        guard let suppressed = self.limiter.admit(at: self.core.now()) else { return }
        for var line in lines() {
            line.metadata["suppressed"] = "\(suppressed)"
            self.logger.warning("\(line.text)", metadata: line.metadata)
        }
    }

    // MARK: Routes

    private func received(update body: RawSpan, _ header: BMPPeerHeader) {
        guard header.view == self.settings.view, Self.counts(header.peer) else {
            self.counters.otherViews += 1
            return
        }
        guard let context = self.monitor.context(of: header, now: self.core.now()) else {
            self.counters.unknownPeers += 1
            return
        }
        self.counters.updates += 1
        let update = UpdateDecoding.decode(body, context: context)
        if update.disposition != .accept { self.note(update, of: header.peer) }
        if update.ignoredPrefixes > 0 {
            self.counters.prefixesIgnored += update.ignoredPrefixes
            self.complain {
                [
                    (
                        "multicast prefixes are ignored",
                        [
                            "peer": "\(header.peer)",
                            "prefixes": "\(update.ignoredWords(in: body, context))",
                            "disposition": "\(update.disposition)",
                        ]
                    )
                ]
            }
        }
        self.monitor.noteUpdate(of: header.peer, endOfRIB: update.endOfRIB)
        if update.endOfRIB != nil {
            self.settle()
            return
        }
        self.hasNews = true
        self.add(update, body: body, context: context, of: header.peer)
        if self.sink.isFull { self.submitBatch() }
    }

    private func add(
        _ update: UpdateDecoding, body: RawSpan, context: DecodeContext,
        of peer: BMPPeerHeader.Peer
    ) {
        let number = self.monitor.identifier(
            of: peer, path: nil, isAnnounced: update.announcesPrefixes)
        let refused = self.monitor.refusedPaths
        self.sink.add(update, body: body, context: context) { family, path, isAnnounced in
            context.addPath.contains(family)
                ? self.monitor.identifier(of: peer, path: path, isAnnounced: isAnnounced) : number
        }
        if self.monitor.refusedPaths > refused {
            self.complain(
                "more than \(BMPMonitor.maximumPaths) path identifiers: a path is passed by",
                ["peer": "\(peer)"])
        }
    }

    private func note(_ update: UpdateDecoding, of peer: BMPPeerHeader.Peer) {
        switch update.disposition {
        case .accept, .ineligible: return
        case .discardAttribute: self.counters.attributesDiscarded += 1
        case .treatAsWithdraw: self.counters.treatedAsWithdrawn += 1
        case .resetSession: self.counters.unusable += 1
        }
        let complaints = update.attributes.notableComplaints
        if complaints.isEmpty, case .discardAttribute = update.disposition { return }
        self.complain {
            func line(
                _ text: String, _ bytes: String
            ) -> (text: String, metadata: Logger.Metadata) {
                (
                    text,
                    [
                        "peer": "\(peer)", "disposition": "\(update.disposition)",
                        "bytes": "\(bytes)",
                    ]
                )
            }
            if complaints.isEmpty { return [line("an UPDATE that can't be read", "")] }
            return complaints.map { line("malformed attribute: \($0)", $0.hexadecimal) }
        }
    }

    func readCompleted(on connection: BMPConnection) {
        guard self.current === connection, self.hasNews else { return }
        self.flush()
    }

    /// Hands on what has been gathered.
    func flush() {
        if self.hasNews {
            self.hasNews = false
            self.handle(.news)
        }
        self.submitBatch()
    }

    private func submitBatch() {
        if !self.sink.isEmpty { self.submit(.routes(self.sink.take())) }
    }

    private func submit(_ command: TableCommand) {
        guard !self.core.owner.submit(command) else { return }
        self.pause()
    }

    /// The table has enough to do: nothing is read until it has caught up.
    private func pause() {
        guard !self.isPaused else { return }
        self.isPaused = true
        self.counters.pauses += 1
        self.core.whenTableDrained(of: self.settings.feed) { [weak self] in
            guard let self else { return }
            self.isPaused = false
            for connection in self.connections { connection.resumeReading() }
        }
    }

    // MARK: The feed's life

    /// The table has routes from before the start.
    func restored(isGood: Bool) {
        self.handle(isGood ? .restored : .unrestored)
        // The rules may be others than those of then.
        if isGood { self.judgeHeld(showsAtOnce: false) }
    }

    /// What other rules have done, and what is missing.
    var wordsOfOtherRules: String {
        let judge = self.settings.judge ?? RouteJudge(RuleSet())
        return "feed \(self.settings.name): other rules; \(judge.wordsOfHeld(self.settings.kept)); "
            + "'clear feed' has the router send what the rules of before turned away"
    }

    /// Has what is held judged by the rules of now, as far as what is kept of it allows.
    private func judgeHeld(showsAtOnce: Bool) {
        let settings = self.settings
        guard
            let revision = self.core.validator.revision(
                of: settings.feed, by: settings.judge, keeping: settings.kept,
                showsAtOnce: showsAtOnce)
        else { return }
        self.submit(.revise(revision))
    }

    private func handle(_ event: FeedLife.Event) {
        if event != .news { self.submitBatch() }
        let time = Duration.nanoseconds(self.core.loop.now.uptimeNanoseconds)
        for step in self.life.handle(event, at: time) { self.carryOut(step) }
    }

    private func carryOut(_ step: FeedLife.Step) {
        let feed = self.settings.feed
        switch step {
        case .table(let order):
            self.submit(order.command(for: feed))
            if order == .complete || order == .flush { self.monitor.staleLeft() }
        case .startTimer(let timer, let time):
            self.timers.start(timer, at: .uptimeNanoseconds(0) + time.timeAmount)
        case .stopTimer(let timer): self.timers.stop(timer)
        case .become(let liveness):
            self.core.listener.feed(feed, became: liveness)
            self.core.changed(self)
        }
    }

    /// Looks whether all peers that are up have told all, and whether that stays so for a moment:
    /// a router tells of its peers one after another.
    private func settle() {
        guard !self.life.isComplete, self.settling == nil, self.monitor.hasEnded else { return }
        self.settling = self.core.loop.assumeIsolated().scheduleTask(in: Self.settlingTime) {
            [weak self] in
            guard let self else { return }
            self.settling = nil
            guard self.current != nil, self.monitor.hasEnded else { return }
            for family in AddressFamily.allCases { self.handle(.endOfRIB(family)) }
        }
    }

    // MARK: Report

    var status: BMPRouterStatus {
        var counters = self.counters
        counters.announced = self.sink.announced
        counters.withdrawn = self.sink.withdrawn
        counters.peersRefused = self.monitor.refusedPeers
        counters.pathsRefused = self.monitor.refusedPaths
        return BMPRouterStatus(
            name: self.settings.name, feed: self.settings.feed, router: self.settings.router,
            view: self.settings.view, isConnected: self.current != nil, since: self.since,
            liveness: self.life.liveness, isComplete: self.life.isComplete, counters: counters,
            systemName: self.systemName, systemDescription: self.systemDescription,
            lastError: self.lastError, lastErrorTime: self.lastErrorTime,
            problem: self.current == nil
                ? self.core.listeners.problem(of: self.settings.router.family) : nil,
            peers: self.monitor.peers.values.sorted { $0.peer.address < $1.peer.address }.map {
                BMPRouterStatus.Peer(
                    peer: $0.peer, asNumber: $0.asNumber, identifier: $0.identifier,
                    isUp: $0.isUp, since: $0.since, reason: $0.reason, endOfRIB: $0.ended,
                    updates: $0.updates, statistics: $0.statistics)
            })
    }
}
