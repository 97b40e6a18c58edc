// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The writer's whole state: routes, distances, layers, and the image that readers see.
///
/// Not thread-safe: ``OwnerThread`` sees to it that one thread uses it at a time.
final class TableEngine {
    /// A feed that has a say in a site's distance, and how it is read.
    struct Contributor {
        /// Kept alive by `feeds`; the lists are made anew before a feed leaves it.
        unowned(unsafe) let feed: Feed
        /// Set where the site's hops are those after this AS number.
        let through: ASNumber?
    }

    let limits: TableLimits
    let steps: StepPolicy
    let now: @Sendable () -> Int64
    let lookup: LookupTable

    let ipv4: PrefixTree
    let ipv6: PrefixTree
    let pages: RoutePages
    let paths: PathPool
    let attributes: AttributeStore

    var feeds: [Feed?] = Array(repeating: nil, count: FeedID.limit)
    /// Columns of sites that are defined, as bits.
    var definedSites: UInt64 = 0
    /// For each column who has a say in it, by the feeds' order.
    var contributors: [[Contributor]] = Array(repeating: [], count: SiteID.limit)

    let roundTrips: RoundTripLayer
    var roundTripJobs: [RoundTripJob] = []
    /// What changes in the layer of round trips waits for the next image.
    var holdsRoundTrips = false
    let gauge = TableGauge()
    var pins = PinLayer.empty
    var locations = LocationLayer.empty

    var image: TableImage
    /// Memory on its way back to the system.
    var discarded = DiscardQueue()
    /// Columns whose changes wait for the next image, as bits: a feed comes or goes in one step.
    var heldSites: UInt64 = 0
    /// What is left to paint of wide prefixes.
    let paints = PaintQueue()
    /// Units that the changes of this step may still paint at once.
    var unitsLeft = 0
    /// Feeds whose routes are walked.
    var jobs: [Feed] = []

    /// Routes with many numbers of epochs.
    var manyNumbers: [FeedRoutes] = []

    /// Looks at routes again, the first of them under way.
    var revisions: [RevisionJob] = []

    /// The next image, while it is built.
    var shadow: ShadowBuild?
    /// Its classes when the paint under way began.
    var shadowClasses = 0
    /// When it had all addresses.
    var completeSince: UInt64 = 0
    /// Since when there is something that only another image will show.
    var rebuildDue: UInt64?
    /// The system refused what a rebuild takes, so often in a row, and when to try again.
    var refusalsInARow = 0
    var retryAt: UInt64 = 0
    /// Pins or locations changed since the one being built was begun.
    var needsAnother = false

    /// Classes that were alive at the last rebuild, at least.
    var classesAtRebuild = 1
    /// Distances that changed since the last rebuild began.
    var distanceChanges = 0
    /// Takes routes out whose classes are too many.
    var trim: ClassTrim?
    /// Such walks since the last image.
    var trims = 0
    /// The last one found nothing to take out.
    var trimIsVain = false
    /// The image was made only after routes were taken out: at the limit nothing more is let in.
    var wasTrimmed = false
    /// Classes are near their limit, and many may be dead.
    var wantsReclaim = false
    var reclaimNotBefore: UInt64 = 0

    /// Columns of which so much waits that readers see none of it until most is done, as bits.
    var bulkSites: UInt64 = 0
    var bulkSince: UInt64 = 0

    /// Feeds with a guard.
    var guardedFeeds: [Feed] = []
    /// Feeds whose withdrawals come back.
    var restoringFeeds: [Feed] = []
    /// Withdrawals that will not come back: their attributes are given back in slices.
    var forgottenWithdrawals: [WithdrawalLog] = []
    /// The second at which guards were looked at last.
    var guardsTicked: Int64 = -1
    let alarms = FeedAlarms()

    /// Prefixes that flip; nil while nobody asked for that.
    var flips: FlipTracker?
    /// What is carried out is a feed's update.
    var countsFlips = false
    /// All that is held for its flips is let go.
    var endsFlipHolds = false
    /// The rules from then on.
    var nextFlipRules: FlipHoldRules??
    var flipsTicked: Int64 = -1

    /// What the sites are called.
    var siteNames: [SiteID: String] = [:]
    /// A checkpoint's routes are on their way back: until they are there, all sites are held and
    /// no image is built.
    var isRestoring = false
    var tally = TableCounts()
    /// When it was last weighed the table was at its limit of memory.
    var memoryIsFull = false
    /// The number of updates from which on it is weighed again.
    var nextWeighing: UInt64 = 0
    /// When, in microseconds, if it is at the limit.
    var nextLook: UInt64 = 0
    /// Memory of the commands that wait for the writer.
    var queuedBytes: () -> Int = { 0 }

    init(
        limits: TableLimits, steps: StepPolicy, now: @escaping @Sendable () -> Int64
    ) throws(TableResourceError) {
        self.limits = limits
        self.steps = steps
        self.now = now
        self.roundTrips = try RoundTripLayer(capacity: limits.roundTripPrefixes)
        self.ipv4 = try PrefixTree(family: .ipv4, capacity: limits.prefixes)
        self.ipv6 = try PrefixTree(family: .ipv6, capacity: limits.prefixes)
        self.pages = try RoutePages(capacity: 1 << 22)
        self.paths = try PathPool()
        self.attributes = try AttributeStore()
        self.image = try TableImage(
            generation: 1,
            ipv4: LookupTrie(nodeCapacity: ShadowBuild.capacity(forDemand: 0), large: false),
            ipv6: LookupTrie(nodeCapacity: ShadowBuild.capacity(forDemand: 0), large: false),
            classes: ClassTable(sites: 0, roundTripSites: 0, capacity: 1 << 16), pins: .empty,
            locations: .empty)
        self.lookup = try LookupTable(first: self.image, readers: limits.readers)
    }

    func tree(_ family: AddressFamily) -> PrefixTree {
        family == .ipv4 ? self.ipv4 : self.ipv6
    }

    // MARK: Commands

    func apply(_ command: PreparedCommand) {
        switch command {
        case .plain(let command): self.apply(command)
        case .pins(let pins):
            self.pins = pins
            self.requestRebuildOfLayers()
        case .locations(let locations):
            self.locations = locations
            self.requestRebuildOfLayers()
        case .revision(let job): self.revisions.append(job)
        case .refused: self.tally.refusedCommands += 1
        }
    }

    private func apply(_ command: TableCommand) {
        switch command {
        case .defineSite(let site, let name):
            self.siteNames[site] = name
            let bit: UInt64 = 1 << UInt64(site.rawValue)
            self.withColumns(for: bit) { self.definedSites |= bit }
        case .removeSite(let site): self.removeSite(site)
        case .addFeed(let definition): self.addFeed(definition)
        case .removeFeed(let id): self.withFeed(id) { self.removeFeed($0) }
        case .routes(let batch): self.withFeed(batch.feed) { self.apply(batch, to: $0) }
        case .feedUp(let id): self.withFeed(id) { self.feedUp($0) }
        case .feedComplete(let id): self.withFeed(id) { self.feedComplete($0) }
        case .feedDown(let id): self.withFeed(id) { self.feedDown($0) }
        case .feedFlush(let id): self.withFeed(id) { self.feedFlush($0) }
        case .releaseGuard(let id): self.withFeed(id) { self.releaseGuard($0) }
        case .routesRequested(let id): self.withFeed(id) { $0.missing = MissingRoutes() }
        case .familyComplete(let id, let family):
            self.withFeed(id) { self.familyComplete($0, family) }
        case .refreshBegan(let id, let family):
            self.withFeed(id) { self.refreshBegan($0, family) }
        case .refreshEnded(let id, let family):
            self.withFeed(id) { self.refreshEnded($0, family) }
        case .longLivedStale(let id, let family):
            self.withFeed(id) { self.longLivedStale($0, family) }
        case .staleExpired(let id, let family):
            self.withFeed(id) { self.staleExpired($0, family) }
        case .withdrawPaths(let id, let pathIDs):
            self.withFeed(id) { self.withdrawPaths($0, ids: pathIDs) }
        case .observe(let trips): self.takeRoundTrips(.observe(trips))
        case .setRoundTrips(let trips): self.takeRoundTrips(.file(trips))
        case .restoreRoundTrips(let reports): self.takeRoundTrips(.restore(reports))
        case .setRoundTripRules(let rules): self.takeRoundTrips(.rules(rules))
        case .setFlipHold(let rules): self.setFlipHold(rules)
        case .expireRoundTrips: self.takeRoundTrips(.sweep(.expired(at: self.now())))
        case .setPins, .setLocations, .revise: preconditionFailure("these come prepared")
        }
    }

    private func withFeed(_ id: FeedID, _ body: (Feed) -> Void) {
        guard Int(id.rawValue) < self.feeds.count, let feed = self.feeds[Int(id.rawValue)],
            !feed.isRemoved
        else {
            self.tally.refusedCommands += 1
            return
        }
        body(feed)
    }

    /// Goes on once the distances are wide enough for further sites; where the system refuses
    /// the space, the command is refused.
    private func withColumns(for sites: UInt64, _ body: () -> Void) {
        let columns = max(self.neededColumns, 64 - sites.leadingZeroBitCount)
        do {
            for tree in [self.ipv4, self.ipv6] {
                try tree.distances.grow(to: columns, isEmpty: tree.count == 0)
            }
            body()
        } catch {
            self.tally.refusedCommands += 1
        }
    }

    /// One more than the highest site in use.
    var neededColumns: Int {
        var used = self.definedSites
        for column in 0..<SiteID.limit where !self.contributors[column].isEmpty {
            used |= 1 << UInt64(column)
        }
        // Feeds that are gone keep their columns until their routes have left.
        for feed in self.jobs { used |= feed.changingSites }
        used |= self.flipColumns
        return 64 - used.leadingZeroBitCount
    }

    private func removeSite(_ site: SiteID) {
        self.definedSites &= ~(1 << UInt64(site.rawValue))
        self.siteNames[site] = nil
        self.takeRoundTrips(.sweep(.site(site)))
        for feed in self.feeds.compactMap({ $0 }) where !feed.isRemoved {
            if feed.definition.site == site {
                self.removeFeed(feed)
            } else if feed.definition.throughSites[site] != nil {
                var definition = feed.definition
                definition.throughSites[site] = nil
                self.addFeed(definition)
            }
        }
    }

    private func addFeed(_ definition: FeedDefinition) {
        self.withColumns(for: definition.columns) { self.takeIn(definition) }
    }

    private func takeIn(_ definition: FeedDefinition) {
        let index = Int(definition.id.rawValue)
        guard let feed = self.feeds[index] else {
            let feed = Feed(definition, pages: self.pages, pool: self.paths)
            self.feeds[index] = feed
            self.listContributors()
            self.fitGuard(feed)
            return
        }
        let old = feed.definition
        let oldSites = feed.sites
        feed.definition = definition
        self.listContributors()
        self.fitGuard(feed)
        let sites = oldSites | feed.sites
        let sameReading =
            old.site == definition.site && old.throughSites == definition.throughSites
        // Another order alone changes no distance: it decides between equal ones.
        guard !sameReading, !feed.isHidden, feed.total > 0 else { return }
        self.endFlipHolds()
        self.start(FeedJob(sites: sites, recomputesAll: true), on: feed)
    }

    func listContributors() {
        var lists = Array(repeating: [Contributor](), count: SiteID.limit)
        let feeds = self.feeds.compactMap { $0 }.sorted {
            ($0.definition.order, $0.definition.id) < ($1.definition.order, $1.definition.id)
        }
        for feed in feeds {
            let site = feed.definition.site
            lists[Int(site.rawValue)].append(Contributor(feed: feed, through: nil))
            for (other, number) in feed.definition.throughSites where other != site {
                lists[Int(other.rawValue)].append(Contributor(feed: feed, through: number))
            }
        }
        self.contributors = lists
    }

    // MARK: Between batches

    /// Takes back what no reader can see any more.
    func endBatch() {
        let hasRetired = self.lookup.hasRetired
        guard
            hasRetired || self.image.ipv4.hasRetiredNodes || self.image.ipv6.hasRetiredNodes
        else { return }
        let oldest = self.lookup.epochs.advance()
        self.image.ipv4.reclaim(before: oldest)
        self.image.ipv6.reclaim(before: oldest)
        guard hasRetired else { return }
        for image in self.lookup.reclaim(before: oldest) { self.discarded.add(image.mappings) }
    }

    /// Memory waits for readers to end their snapshots.
    var hasRetired: Bool { self.lookup.hasRetired }

    var hasJobs: Bool { !self.jobs.isEmpty || !self.roundTripJobs.isEmpty }

    /// All that was asked for is visible to readers.
    var isSettled: Bool { !self.hasWork && !self.isRestoring }

    /// There is something to do that nothing has to come for.
    var hasWork: Bool {
        self.hasJobs || !self.paints.isEmpty || self.isRebuildPending || self.isBulk
            || !self.discarded.isEmpty || self.hasGuardWork || self.hasRevisionWork
            || self.hasFlipWork || !self.manyNumbers.isEmpty
    }

    /// A slice of what is long, after each batch and while nothing else is to do.
    ///
    /// - Parameters:
    ///   - isIdle: Nothing else waits.
    ///   - isAwaited: Somebody waits until readers see all.
    func step(isIdle: Bool, isAwaited: Bool) {
        self.unitsLeft = self.steps.unitsOfBatch
        self.tickGuards()
        self.tickFlips()
        let kinds = self.kindsOfWork
        if self.hasGuardWork {
            self.measured(.walk) {
                var slice = self.steps.slice(among: kinds)
                self.stepGuards(&slice)
            }
        }
        if self.hasFlipWork {
            self.measured(.walk) {
                var slice = self.steps.slice(among: kinds)
                self.stepFlips(&slice)
            }
        }
        if !self.paints.isEmpty {
            self.measured(.paint) {
                var slice = self.steps.slice(among: kinds)
                self.stepPaints(&slice)
            }
        }
        if !self.roundTripJobs.isEmpty { self.measured(.walk) { self.stepRoundTrips() } }
        if !self.jobs.isEmpty {
            self.measured(.walk) {
                var slice = self.steps.slice(among: kinds)
                self.stepJobs(&slice)
            }
            if self.memoryIsFull, self.jobs.isEmpty { self.weigh(isDue: true) }
        }
        if !self.manyNumbers.isEmpty {
            self.measured(.walk) {
                var slice = self.steps.slice(among: kinds)
                self.stepNumbers(&slice)
            }
        }
        if self.hasRevisionWork {
            self.measured(.walk) {
                var slice = self.steps.slice(among: kinds)
                self.stepRevisions(&slice)
            }
        }
        if self.trim != nil {
            self.measured(.walk) {
                var slice = self.steps.slice(among: kinds)
                self.stepTrim(&slice)
            }
        }
        self.noteClasses()
        if self.rebuildDue != nil || self.shadow != nil || self.wantsReclaim {
            self.measured(.build) {
                var slice = self.steps.slice(among: kinds)
                self.stepRebuild(isIdle: isIdle, isAwaited: isAwaited, &slice)
            }
        }
        if !self.discarded.isEmpty {
            self.measured(.reclaim) {
                var slice = self.steps.slice(among: kinds)
                self.discarded.step(&slice)
            }
        }
        self.gauge.set(classesAreFull: self.hasNoClassLeft)
    }

    /// How many kinds of long work are under way.
    private var kindsOfWork: Int {
        (self.hasGuardWork ? 1 : 0) + (self.paints.isEmpty ? 0 : 1) + (self.jobs.isEmpty ? 0 : 1)
            + (self.rebuildDue == nil && self.shadow == nil ? 0 : 1)
            + (self.discarded.isEmpty ? 0 : 1) + (self.hasRevisionWork ? 1 : 0)
            + (self.hasFlipWork ? 1 : 0) + (self.manyNumbers.isEmpty ? 0 : 1)
            + (self.trim == nil ? 0 : 1)
    }

    /// Notes how long a step held up what waits.
    func measured(_ kind: StepKind, _ body: () -> Void) {
        let started = monotonicMicroseconds()
        let processor = threadMicroseconds()
        body()
        self.tally.longestSteps.note(
            kind, elapsed: monotonicMicroseconds() - started,
            processor: threadMicroseconds() - processor)
    }
}
