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
    let now: @Sendable () -> Int64
    let lookup: LookupTable

    let ipv4: PrefixTree
    let ipv6: PrefixTree
    let pages: RoutePages
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
    /// Microseconds that a slice of work on it takes.
    let roundTripSlice: UInt64
    let roundTripGauge = RoundTripGauge()
    var pins = PinLayer.empty
    var locations = LocationLayer.empty

    var image: TableImage
    var retiredImages: [(epoch: UInt64, image: TableImage)] = []
    /// Columns whose changes wait for the next image, as bits: a feed comes or goes in one step.
    var heldSites: UInt64 = 0
    /// Since when there is something that only another image will show.
    var rebuildDue: UInt64?
    /// The last rebuild was refused by the system: what it was for is not shown yet.
    var rebuildIsOwed = false
    var classesAtRebuild = 1
    var jobs: [FeedJob] = []
    /// What the sites are called.
    var siteNames: [SiteID: String] = [:]
    /// A checkpoint's routes are on their way back: until they are there, all sites are held and
    /// no image is built.
    var isRestoring = false
    var tally = TableCounts()

    init(
        limits: TableLimits, now: @escaping @Sendable () -> Int64, roundTripSlice: UInt64 = 1000
    ) throws(TableResourceError) {
        self.limits = limits
        self.now = now
        self.roundTrips = try RoundTripLayer(capacity: limits.roundTripPrefixes)
        self.roundTripSlice = roundTripSlice
        self.ipv4 = try PrefixTree(family: .ipv4, capacity: limits.prefixes)
        self.ipv6 = try PrefixTree(family: .ipv6, capacity: limits.prefixes)
        self.pages = try RoutePages(capacity: 1 << 22)
        self.attributes = try AttributeStore()
        self.image = try TableImage(
            generation: 1,
            ipv4: LookupTrie(nodeCapacity: TrieBuilder.capacity(forDemand: 0), large: false),
            ipv6: LookupTrie(nodeCapacity: TrieBuilder.capacity(forDemand: 0), large: false),
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
            self.requestRebuild()
        case .locations(let locations):
            self.locations = locations
            self.requestRebuild()
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
        case .observe(let trips): self.takeRoundTrips(.observe(trips))
        case .setRoundTrips(let trips): self.takeRoundTrips(.file(trips))
        case .restoreRoundTrips(let reports): self.takeRoundTrips(.restore(reports))
        case .setRoundTripRules(let rules): self.takeRoundTrips(.rules(rules))
        case .expireRoundTrips: self.takeRoundTrips(.sweep(.expired(at: self.now())))
        case .setPins, .setLocations: preconditionFailure("these come prepared")
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
        if let known = self.feeds[index] {
            self.finishJobs(of: known)
        }
        guard let feed = self.feeds[index] else {
            self.feeds[index] = Feed(definition)
            self.listContributors()
            return
        }
        let old = feed.definition
        let oldSites = feed.sites
        feed.definition = definition
        self.listContributors()
        let sites = oldSites | feed.sites
        let sameReading =
            old.site == definition.site && old.throughSites == definition.throughSites
        // Another order alone changes no distance: it decides between equal ones.
        guard !sameReading, !feed.isHidden, feed.total > 0 else { return }
        self.start(FeedJob(feed: feed, sites: sites, sweeps: false, recomputesAll: true))
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
        let retired =
            !self.retiredImages.isEmpty || self.image.ipv4.hasRetiredNodes
            || self.image.ipv6.hasRetiredNodes
        guard retired else { return }
        let oldest = self.lookup.epochs.advance()
        self.image.ipv4.reclaim(before: oldest)
        self.image.ipv6.reclaim(before: oldest)
        self.retiredImages.removeAll { $0.epoch < oldest }
    }

    var hasRetired: Bool { !self.retiredImages.isEmpty }
    var hasJobs: Bool { !self.jobs.isEmpty || !self.roundTripJobs.isEmpty }
    /// There is something to do that nothing has to come for.
    var hasWork: Bool { self.hasJobs || self.rebuildDue != nil && !self.isRestoring }
    /// All that was asked for is visible to readers.
    var isSettled: Bool { !self.hasJobs && self.rebuildDue == nil }

    /// Microseconds that a due rebuild waits for others to share it, while there is other work.
    private static let rebuildPatience: UInt64 = 200_000

    /// A slice of what is long.
    ///
    /// - Parameter isIdle: Nothing else waits, or somebody waits for this.
    func step(isIdle: Bool) {
        if self.hasJobs {
            self.stepJobs()
        } else if let due = self.rebuildDue, !self.isRestoring,
            isIdle || monotonicMicroseconds() - due > Self.rebuildPatience
        {
            self.rebuild()
        }
    }

    func requestRebuild() {
        if self.rebuildDue == nil { self.rebuildDue = monotonicMicroseconds() }
    }

    /// Builds another image of all layers and publishes it in one step. Where the system refuses
    /// the memory the old one stays, and the sites held stay held: their next change asks again.
    func rebuild() {
        do {
            try self.buildAndPublish()
        } catch {
            self.tally.refusedRebuilds += 1
            self.rebuildDue = nil
            self.rebuildIsOwed = true
        }
    }

    private func buildAndPublish() throws(TableResourceError) {
        let started = monotonicMicroseconds()
        let columns = self.neededColumns
        // Columns that fell out of use are zero by now.
        self.ipv4.distances.shrink(to: columns)
        self.ipv6.distances.shrink(to: columns)
        let boundaries =
            self.ipv4.count + self.ipv6.count + self.roundTrips.count + self.pins.boundaries
            + self.locations.boundaries
        let classes = try ClassTable(
            sites: columns, roundTripSites: self.roundTrips.columns,
            capacity: 4 * boundaries + 2 * self.limits.classes + (1 << 16))
        let image = TableImage(
            generation: self.image.generation + 1,
            ipv4: try TrieBuilder.build(
                tree: self.ipv4, roundTrips: self.roundTrips.ipv4, pins: self.pins.ipv4,
                locations: self.locations.ipv4, classes: classes),
            ipv6: try TrieBuilder.build(
                tree: self.ipv6, roundTrips: self.roundTrips.ipv6, pins: self.pins.ipv6,
                locations: self.locations.ipv6, classes: classes),
            classes: classes, pins: self.pins, locations: self.locations)
        self.heldSites = 0
        self.holdsRoundTrips = false
        self.rebuildDue = nil
        self.rebuildIsOwed = false
        self.publish(image)
        self.tally.rebuilds += 1
        self.tally.longestRebuildMicroseconds = max(
            self.tally.longestRebuildMicroseconds, monotonicMicroseconds() - started)
    }

    /// Shows readers another image.
    func publish(_ image: TableImage) {
        self.lookup.publish(image)
        self.retiredImages.append((self.lookup.epochs.current, self.image))
        self.image = image
        self.classesAtRebuild = image.classes.count
        self.endBatch()
    }
}
