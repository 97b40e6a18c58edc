// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import CBenchmark
import Choice
import Glibc
import RouteFiles
import RouteTable

/// A sample in Martlet's own table: one feed a site, as numbers go.
final class LoadedTable {
    let sample: SampleTable
    let owner: TableOwner
    let clock = WriterClock()
    /// What loading cost.
    let load: (cpu: Double, wall: Double)
    /// What the kernel gave while loading.
    let residentBytes: Int
    private let attributes = AttributePool()

    init(_ sample: SampleTable) throws {
        self.sample = sample
        let clock = self.clock
        // A longer queue would be taken for a transfer, which is built, not painted.
        self.owner = try TableOwner(
            limits: TableLimits(queuedChanges: 50_000), now: { clock.tick() })
        Self.define(sample.sites, in: self.owner)
        for site in 0..<sample.sites {
            self.owner.submitAndWait(.feedUp(FeedID(rawValue: UInt16(site))))
        }
        self.owner.flushAndWait()
        let resident = ProcessMemory.resident
        let before = (Clock.process(), Clock.wall())
        for site in 0..<sample.sites {
            let feed = FeedID(rawValue: UInt16(site))
            var batch = RouteBatch(feed: feed)
            var indexes: [Int: Int] = [:]
            for row in sample.prefixes.indices {
                let stored = sample.stored[row * sample.sites + site]
                if stored == 0 { continue }
                self.attributes.announce(
                    sample.prefixes[row], site, Int(stored) - 1, in: &batch, &indexes)
                if batch.count == 2_048 {
                    self.owner.submitAndWait(.routes(batch))
                    batch = RouteBatch(feed: feed)
                    indexes.removeAll(keepingCapacity: true)
                }
            }
            self.owner.submitAndWait(.routes(batch))
            self.owner.submitAndWait(.feedComplete(feed))
        }
        self.owner.flushAndWait()
        self.load = (Clock.process() - before.0, Clock.wall() - before.1)
        malloc_trim(0)
        self.residentBytes = ProcessMemory.resident - resident
    }

    deinit { self.owner.shutdown() }

    /// Sites, and a feed for each.
    static func define(_ sites: Int, in owner: TableOwner) {
        for site in 0..<sites {
            let id = SiteID(rawValue: UInt8(site))
            owner.submitAndWait(.defineSite(id, name: "site\(site)"))
            owner.submitAndWait(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(rawValue: UInt16(site)), name: "feed\(site)", site: id,
                        order: site)))
        }
    }

    /// Gives every address the centre of its country.
    ///
    /// - Returns: How many ranges there are.
    func setLocations(_ paths: [String]) throws -> Int {
        var ranges: [LocationRange] = []
        for path in paths {
            for range in try LocationRanges(path: path).ranges {
                guard let centre = CountryCentres.place(range.country) else { continue }
                let place = Place(
                    latitude: centre.latitude, longitude: centre.longitude,
                    name: range.country.description)
                ranges.append(LocationRange(first: range.first, last: range.last, place: place))
            }
        }
        self.owner.submitAndWait(.setLocations(LocationSet(ranges)))
        self.owner.flushAndWait()
        return ranges.count
    }

    /// A batch of changes of one site's feed; nil withdraws.
    func batch(_ changes: some Sequence<(row: Int, stored: UInt8)>, site: Int) -> RouteBatch {
        var batch = RouteBatch(feed: FeedID(rawValue: UInt16(site)))
        var indexes: [Int: Int] = [:]
        for (row, stored) in changes {
            let prefix = self.sample.prefixes[row]
            if stored == 0 {
                batch.withdraw(prefix)
            } else {
                self.attributes.announce(prefix, site, Int(stored) - 1, in: &batch, &indexes)
            }
        }
        return batch
    }

    /// Sites as a world, with places in turn.
    func oracle() -> Oracle {
        let places = [(-25, 134), (36, 138), (-30, 25), (40, -98), (62, 15), (61, 100)]
        let sites = (0..<self.sample.sites).map { number in
            let place = places[number % places.count]
            return Site(
                id: SiteID(rawValue: UInt8(number)), name: "site\(number)",
                asNumber: ASNumber(64_600 + UInt32(number)),
                addresses: [IPAddress(ipv4: 0xc000_0201 + UInt32(number))],
                place: Place(
                    latitude: Double(place.0), longitude: Double(place.1),
                    name: "place\(number)"))
        }
        // The second without a hash that bounds scopes.
        let policies = [
            Policy(sites: sites.map(\.id)),
            Policy(sites: sites.map(\.id), tieBreaks: [.rtt, .location, .order]),
        ]
        return Oracle(
            lookup: self.owner.lookup, world: World(sites: sites, policies: policies))
    }
}

/// Attributes with paths of all lengths: several of each length for each site, as the paths of
/// real feeds differ by their origins.
final class AttributePool {
    private var known: [Int: RouteAttributes] = [:]

    /// Adds an announcement to a batch, with the attributes that go with the prefix; `indexes` are
    /// the batch's attributes so far.
    func announce(
        _ prefix: IPPrefix, _ site: Int, _ distance: Int, in batch: inout RouteBatch,
        _ indexes: inout [Int: Int]
    ) {
        let variant = Int(truncatingIfNeeded: prefix.address.high >> 40) & 31
        let key = (site << 8 | distance) << 5 | variant
        let index: Int
        if let found = indexes[key] {
            index = found
        } else {
            index = batch.intern(self.attributes(key, site, distance, variant))
            indexes[key] = index
        }
        batch.announce(prefix, attributes: index)
    }

    private func attributes(
        _ key: Int, _ site: Int, _ distance: Int, _ variant: Int
    ) -> RouteAttributes {
        if let found = self.known[key] { return found }
        // Long paths are rare on the Internet: hops beyond 30 are a penalty.
        let hops = min(distance, 30)
        let path = (0..<hops).map { hop in
            ASNumber(UInt32(hop == 0 ? 64_600 + site : 1_000 + variant * 64 + hop))
        }
        let made = RouteAttributes(
            asPath: ASPath(path), nextHop: IPAddress(ipv4: 0x0a00_0001 + UInt32(site)),
            penalty: UInt8(distance - hops))
        self.known[key] = made
        return made
    }
}
