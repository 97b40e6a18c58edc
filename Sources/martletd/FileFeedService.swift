// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Choice
import Configuration
import Console
import DNSFront
import Logging
import NIOPosix
import RouteFiles
import RouteTable
import ServiceLifecycle
import Synchronization
import UnixSignals

/// Loads the table dumps, one after another, while the rest of the daemon serves already.
struct FileFeedService: Service {
    let daemon: Daemon

    func run() async throws {
        let dumps = self.daemon.running.withLock { $0.plan.dumps }
        let restored = Set(self.daemon.restoredFeeds)
        var failed: [FeedID] = []
        for dump in dumps {
            guard !Task.isShuttingDownGracefully else { return }
            let kept = dump.feeds.map(\.feed).filter(restored.contains)
            if await self.daemon.load(dump, replacing: !kept.isEmpty) != nil { failed += kept }
        }
        // What a checkpoint had stands in for a bad file no longer than for a lost session.
        let staleTimes = self.daemon.running.withLock { $0.plan.staleTimes }
        await cancelWhenGracefulShutdown { [failed] in
            await withTaskGroup(of: Void.self) { group in
                for feed in failed {
                    group.addTask {
                        let time = staleTimes[feed] ?? .zero
                        guard (try? await Task.sleep(for: time)) != nil else { return }
                        self.daemon.expire(feed)
                    }
                }
            }
        }
        try await gracefulShutdown()
    }
}

/// Lets the DNS front answer once the feeds are there, or the configured wait is over.
struct ReadinessService: Service {
    let daemon: Daemon

    func run() async throws {
        let board = self.daemon.board
        let succession = self.daemon.succession
        // There are no answers to lose: sessions can begin here the sooner.
        if let predecessor = succession.predecessor, !predecessor.isReady {
            try await self.daemon.takeOver()
        }
        // With the other process's table there is nothing to wait for. Where that had no routes, it
        // was ready without the sessions that this one can't have before.
        let wait =
            succession.isInCharge.isOpen
            ? self.daemon.running.withLock { $0.plan.readyWait } : .zero
        if !succession.isInCharge.isOpen {
            ServiceManager.tell("Taking over")
        } else if !board.isReady {
            ServiceManager.tell("Waiting for \(self.daemon.waitedFor)")
            ServiceManager.needsTime(wait)
        }
        await cancelWhenGracefulShutdown {
            if self.daemon.hasInheritedTable { await self.daemon.isRestored.wait() }
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    try? await Task.sleep(for: wait)
                    board.passDeadline()
                }
                await board.waitUntilReady()
                group.cancelAll()
            }
        }
        if !Task.isShuttingDownGracefully, !Task.isCancelled {
            // With a checkpoint readers see it already, and its routes are on their way.
            if !board.hasCheckpoint { await self.daemon.owner.flush() }
            self.daemon.readiness.isReady = true
            if !succession.isInCharge.isOpen { try await self.daemon.takeOver() }
            let missing = board.missing
            if board.hasCheckpoint {
                self.daemon.logger.notice("ready, from the checkpoint")
            } else if missing.isEmpty {
                self.daemon.logger.notice("ready")
            } else {
                self.daemon.logger.warning(
                    "ready without all feeds",
                    metadata: ["missing": "\(missing.joined(separator: ","))"])
            }
            ServiceManager.ready(self.daemon.status)
            await self.daemon.giveMemoryBack()
        }
        try await gracefulShutdown()
    }
}

/// Reads the configuration again on SIGHUP.
struct ReloadService: Service {
    let daemon: Daemon
    let hangups: UnixSignalsSequence

    func run() async throws {
        for await _ in self.hangups.cancelOnGracefulShutdown() {
            _ = await self.daemon.reload(waits: true)
        }
    }
}

extension Daemon {
    /// Loads a dump on the file thread. A bad one leaves its feeds as they were, or, where they
    /// had no routes, empty; the log and `show feeds` tell.
    ///
    /// - Returns: What went wrong, in words; nil where nothing did.
    @discardableResult
    func load(_ dump: Plan.Dump, replacing: Bool) async -> String? {
        var loader = dump.loader
        loader.validator = self.origins.validator
        let owner = self.owner
        let clock = ContinuousClock()
        let start = clock.now
        // Taken before the reading: a file that changes meanwhile counts as changed later.
        let stamp = FileStamp(path: dump.file)
        do {
            let report = try await self.files.runIfActive { [loader] in
                try loader.load(into: owner, replacing: replacing)
            }
            await owner.flush()
            await self.giveMemoryBack()
            self.running.withLock { $0.stamps[dump.file] = stamp }
            for feed in report.feeds {
                self.board.fail(
                    feed.id,
                    feed.malformed > 0
                        ? "\(feed.malformed) malformed routes"
                        : report.badLines.map { "\($0.count) bad lines were left out" })
                self.board.set(feed.id, peer: feed.peer, identifier: feed.identifier)
                self.board.set(feed.id, file: FileFeedReport(feed, of: report, dump))
                self.board.set(feed.id, liveness: .live)
                self.board.complete(feed.id)
            }
            if let bad = report.badLines {
                self.logger.warning(
                    "bad lines were left out", metadata: ["lines": "\(bad)"])
            }
            self.logger.info(
                "loaded a table dump",
                metadata: [
                    "file": "\(dump.file)", "records": "\(report.records)",
                    "routes": "\(report.feeds.reduce(0) { $0 + $1.announced })",
                    "milliseconds": "\(Int((clock.now - start) / .milliseconds(1)))",
                ])
            return nil
        } catch {
            let words = "\(error)"
            self.logger.error("a table dump can't be used", metadata: ["error": "\(words)"])
            for feed in dump.feeds {
                var file = FileFeedReport(paths: [dump.file], state: "failed")
                file.peerAddress = feed.peer
                file.peerAS = feed.peerAS
                self.board.set(feed.feed, file: file)
                self.board.fail(feed.feed, words)
                if !replacing { self.board.set(feed.feed, liveness: .lost) }
                self.board.complete(feed.feed)
            }
            return words
        }
    }

    /// Tells the table of the sites and feeds that there are. Feeds that stay keep their routes,
    /// also where they count for another site now.
    func define(_ plan: Plan) {
        self.siteLedger.define(plan.sites, of: self.dns)
        for site in plan.sites { self.owner.submit(.defineSite(site.id, name: site.name)) }
        for feed in plan.feeds { self.owner.submit(.addFeed(feed)) }
        self.owner.submit(.setRoundTripRules(plan.roundTripRules))
        self.owner.submit(.setFlipHold(plan.flipHold))
        self.board.define(
            plan.feeds, files: Set(plan.dumps.flatMap(\.feeds).map(\.feed)),
            ranges: plan.speaker.ranges.map(\.definition)
                + plan.bmp.routers.compactMap { $0.range?.definition })
    }

    /// Takes away what is configured no longer: once no session feeds it any more.
    func forget(_ old: Plan, unlessIn plan: Plan) {
        let feeds = Set(plan.feeds.map(\.id))
        for feed in old.feeds where !feeds.contains(feed.id) {
            self.owner.submit(.removeFeed(feed.id))
        }
        // A feed that was a file and is a session now begins with nothing.
        let files = Set(plan.dumps.flatMap(\.feeds).map(\.feed))
        for feed in old.dumps.flatMap(\.feeds).map(\.feed)
        where feeds.contains(feed) && !files.contains(feed) {
            self.owner.submit(.feedFlush(feed))
            self.board.set(feed, liveness: .lost)
        }
        let sites = Set(plan.sites.map(\.id))
        for site in old.sites where !sites.contains(site.id) {
            self.owner.submit(.removeSite(site.id))
        }
    }
}

extension FileFeedReport {
    /// What was read of one feed of a file.
    fileprivate init(
        _ feed: DumpLoader.Report.Feed, of report: DumpLoader.Report, _ dump: Plan.Dump
    ) {
        self.init(paths: [dump.file], state: "loaded")
        let wanted = dump.feeds.first { $0.feed == feed.id }
        self.peerAddress = feed.peer?.address ?? wanted?.peer
        self.peerAS = feed.peer?.asNumber ?? wanted?.peerAS
        self.peerIdentifier = feed.identifier.map { IPAddress(ipv4: $0) }
        self.records = report.records
        self.announced = feed.announced
        self.withdrawn = feed.withdrawn
        self.malformed = feed.malformed
        self.treatedAsWithdrawn = feed.treatedAsWithdrawn
        self.badLines = report.badLines?.count
    }
}
