// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Choice
import Console
import RouteFiles
import RouteTable
import Synchronization

/// How every feed stands, and what follows from it: the state of the sites' feeds, and whether
/// Martlet is ready to answer.
final class FeedBoard: Sendable {
    /// A feed that comes and goes.
    enum Guest: Sendable {
        case neighbour(PeerSettings)
        case router(IPAddress)
    }

    struct Entry: Sendable {
        var name: String
        var site: SiteID
        /// Sites whose routes are read from this feed's paths.
        var throughSites: Set<SiteID> = []
        /// Comes from a file, which is read to its end however long that takes.
        var isFile: Bool
        /// Stands for neighbours that come as they like, or is one of them: nobody waits for it.
        var isOptional = false
        /// One of a range's neighbours or routers, which no configuration names.
        var guest: Guest?
        var liveness: SiteStatus.Feeds
        /// Whether its routes have been seen whole since the start.
        var isComplete: Bool
        /// When the liveness changed last; Unix seconds.
        var since: Int64
        /// Whom a file's routes are from.
        var peer: MRTPeer?
        /// The router's, as it was called last (RFC 4271 §4.2).
        var identifier: UInt32?
        /// What went wrong last, in words.
        var lastError: String?
        /// What was read of a file.
        var file: FileFeedReport?

        var peerIdentifier: IPAddress? { self.identifier.map { IPAddress(ipv4: $0) } }
    }

    private struct State {
        /// What the oracle knows stays as it is.
        var isFrozen = false
        var entries: [FeedID: Entry] = [:]
        var deadlinePassed = false
        /// The table has what a checkpoint had.
        var hasCheckpoint = false
        var waiters: [CheckedContinuation<Void, Never>] = []

        /// Ready with a checkpoint, or once every feed was whole; sessions are not waited for
        /// beyond the deadline.
        var isReady: Bool {
            self.hasCheckpoint
                || self.entries.values.allSatisfy {
                    $0.isComplete || $0.isOptional || self.deadlinePassed && !$0.isFile
                }
        }
    }

    private let state = Mutex(State())
    private let oracle: Oracle
    /// Looks at what has become of the sites: when ready, and after each change from then on.
    private let follow: @Sendable () -> Void
    private let now: @Sendable () -> Int64

    init(
        oracle: Oracle, now: @escaping @Sendable () -> Int64, follow: @escaping @Sendable () -> Void
    ) {
        self.oracle = oracle
        self.follow = follow
        self.now = now
    }

    var entries: [FeedID: Entry] { self.state.withLock { $0.entries } }

    subscript(feed: FeedID) -> Entry? { self.state.withLock { $0.entries[feed] } }

    /// Since when a feed's routes are stale; nil where they aren't.
    func staleSince(feed: FeedID) -> Int64? {
        self[feed].flatMap { $0.liveness == .stale ? $0.since : nil }
    }

    /// Since when none of a site's feeds is live; nil where one is, or there is none.
    func staleSince(site: SiteID) -> Int64? {
        let feeds = self.entries.values.filter { $0.site == site || $0.throughSites.contains(site) }
        guard !feeds.contains(where: { $0.liveness == .live }) else { return nil }
        let stale = feeds.filter { $0.liveness == .stale }
        return (stale.isEmpty ? feeds : stale).map(\.since).max()
    }

    /// The feeds there are from now on: those that stay keep their state, new ones start lost.
    /// Some come from files; `ranges` only stand for their neighbours.
    func define(
        _ feeds: [FeedDefinition], files: Set<FeedID>, ranges: [FeedDefinition] = []
    ) {
        let now = self.now()
        let optional = Set(ranges.map(\.id))
        self.state.withLock { state in
            var entries = state.entries.filter { $0.value.guest != nil }
            for feed in feeds + ranges {
                var entry =
                    state.entries[feed.id].flatMap { $0.name == feed.name ? $0 : nil }
                    ?? Entry(
                        name: feed.name, site: feed.site, isFile: false, liveness: .lost,
                        isComplete: false, since: now)
                entry.site = feed.site
                entry.throughSites = Set(feed.throughSites.keys)
                entry.isFile = files.contains(feed.id)
                entry.isOptional = optional.contains(feed.id)
                entries[feed.id] = entry
            }
            state.entries = entries
        }
        self.publish()
        self.resume()
    }

    /// A neighbour or a router of a range is a feed of its own from now.
    func appear(_ feed: FeedDefinition, _ guest: Guest) {
        let now = self.now()
        self.state.withLock { state in
            let before = state.entries[feed.id].flatMap { $0.name == feed.name ? $0 : nil }
            state.entries[feed.id] = Entry(
                name: feed.name, site: feed.site, throughSites: Set(feed.throughSites.keys),
                isFile: false, isOptional: true, guest: guest,
                liveness: before?.liveness ?? .lost, isComplete: before?.isComplete ?? false,
                since: before?.since ?? now)
        }
        self.publish()
    }

    /// It is no more.
    func disappear(_ feed: FeedID, name: String) {
        self.state.withLock { state in
            if state.entries[feed]?.name == name { state.entries[feed] = nil }
        }
        self.publish()
    }

    func set(_ feed: FeedID, liveness: SiteStatus.Feeds) {
        let now = self.now()
        self.state.withLock { state in
            guard state.entries[feed]?.liveness != liveness else { return }
            state.entries[feed]?.liveness = liveness
            state.entries[feed]?.since = now
        }
        self.publish()
    }

    /// The feed's routes have come whole.
    func complete(_ feed: FeedID) {
        self.state.withLock { $0.entries[feed]?.isComplete = true }
        self.resume()
    }

    func set(_ feed: FeedID, peer: MRTPeer?, identifier: UInt32?) {
        self.state.withLock { state in
            state.entries[feed]?.peer = peer
            state.entries[feed]?.identifier = identifier
        }
    }

    func set(_ feed: FeedID, identifier: UInt32) {
        self.state.withLock { $0.entries[feed]?.identifier = identifier }
    }

    func set(_ feed: FeedID, file: FileFeedReport) {
        self.state.withLock { $0.entries[feed]?.file = file }
    }

    func fail(_ feed: FeedID, _ words: String?) {
        self.state.withLock { $0.entries[feed]?.lastError = words }
    }

    var isReady: Bool { self.state.withLock { $0.isReady } }

    /// The table answers as it did before the start.
    var hasCheckpoint: Bool {
        get { self.state.withLock { $0.hasCheckpoint } }
        set {
            self.state.withLock { $0.hasCheckpoint = newValue }
            self.resume()
        }
    }

    /// The feeds that have not been whole yet, by name.
    var missing: [String] {
        self.state.withLock { state in
            state.entries.values.filter { !$0.isComplete && !$0.isOptional }.map(\.name).sorted()
        }
    }

    /// Waits no longer for sessions that don't come.
    func passDeadline() {
        self.state.withLock { $0.deadlinePassed = true }
        self.resume()
    }

    /// Returns when ready, or when the task is cancelled.
    func waitUntilReady() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = self.state.withLock { state in
                    if state.isReady || Task.isCancelled { return true }
                    state.waiters.append(continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            self.resume(evenIfNotReady: true)
        }
    }

    private func resume(evenIfNotReady: Bool = false) {
        let waiters = self.state.withLock { state in
            var waiters: [CheckedContinuation<Void, Never>] = []
            if evenIfNotReady || state.isReady { swap(&waiters, &state.waiters) }
            return waiters
        }
        for waiter in waiters { waiter.resume() }
        self.tell()
    }

    /// Before all feeds have come, sites are down that nobody misses.
    private func tell() {
        guard self.state.withLock({ $0.isReady && !$0.isFrozen }) else { return }
        self.follow()
    }

    /// Leaves the sites' states as they are, whatever becomes of the feeds.
    func freeze() { self.state.withLock { $0.isFrozen = true } }

    /// Tells the oracle how each site's feeds stand, as the best of them does. A feed that is read
    /// through sites is a feed of each of them.
    func publish() {
        let (frozen, entries) = self.state.withLock { ($0.isFrozen, $0.entries.values) }
        guard !frozen else { return }
        self.oracle.update { world in
            for site in world.sites {
                let states = entries.filter {
                    $0.site == site.id || $0.throughSites.contains(site.id)
                }.map(\.liveness)
                let best: SiteStatus.Feeds =
                    states.contains(.live)
                    ? .live : states.contains(.stale) ? .stale : states.isEmpty ? .none : .lost
                world.status[site.id, default: SiteStatus()].feeds = best
            }
        }
        self.tell()
    }
}
