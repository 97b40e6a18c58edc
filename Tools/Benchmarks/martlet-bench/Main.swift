// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Choice
import Glibc
import RouteFiles
import RouteTable

/// Loads a table dump whose peers are 10.0.0.1 and on, one site each, and measures what DNS does
/// for a query (an order), what the console does (a whole ranking), and the lookup below both.
///
///     martlet-bench DUMP [SITES [LOCATIONS ...]]
@main
enum Main {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let path = arguments.first else {
            print("usage: martlet-bench DUMP [SITES [LOCATIONS ...]]")
            exit(64)
        }
        let count = arguments.dropFirst().first.flatMap { Int($0) } ?? 8
        let owner = try TableOwner()
        defer { owner.shutdown() }
        let sites = Self.sites(count)
        let before = Clock.now()
        try Self.load(path, sites: sites, into: owner)
        let took = Clock.now().seconds(since: before)
        let counts = try owner.querySync { $0.counts() }
        print("\(counts.routes) routes in \(took.wall) s, \(took.cpu) s CPU, all threads")
        print(
            "\(counts.ipv4Prefixes) IPv4 and \(counts.ipv6Prefixes) IPv6 prefixes, "
                + "\(counts.classes) classes, \(counts.attributeSets) attribute sets")
        for part in try owner.querySync({ $0.memory() }) {
            print("    \(part.name): \(part.bytes >> 20) MiB")
        }
        print("    resident in all: \(Clock.residentMiB) MiB, at the most \(Clock.peakMiB) MiB")
        let locations = arguments.dropFirst(2)
        if !locations.isEmpty {
            let before = Clock.now()
            let loaded = try LocationLoader.load(paths: Array(locations))
            owner.submitAndWait(.setLocations(loaded.places))
            owner.flushAndWait()
            let took = Clock.now().seconds(since: before)
            print(
                "\(loaded.places.count) locations in \(took.wall) s; "
                    + "\(try owner.querySync { $0.counts() }.classes) classes, "
                    + "resident \(Clock.residentMiB) MiB")
        }
        try Self.measure(owner, sites: sites, addresses: try Self.addresses(owner))
    }

    private static func sites(_ count: Int) -> [Site] {
        let places = ["AU", "JP", "ZA", "US", "SE", "US", "AU", "RU"].map { code in
            CountryCentres.place(code).map {
                Place(latitude: $0.latitude, longitude: $0.longitude, name: code)
            }
        }
        return (0..<count).map { number in
            Site(
                id: SiteID(rawValue: UInt8(number)), name: "site\(number)",
                asNumber: ASNumber(64600 + UInt32(number)),
                addresses: [IPAddress(ipv4: 0xc000_0201 + UInt32(number))],
                place: places[number % places.count])
        }
    }

    private static func load(_ path: String, sites: [Site], into owner: TableOwner) throws {
        var feeds: [(FeedID, PeerSelector)] = []
        for (number, site) in sites.enumerated() {
            let feed = FeedID(rawValue: UInt16(number))
            owner.submitAndWait(.defineSite(site.id, name: site.name))
            owner.submitAndWait(
                .addFeed(
                    FeedDefinition(
                        id: feed, name: "feed\(number)", site: site.id, order: number,
                        throughSites: [:])))
            let address = IPAddress(ipv4: 0x0a00_0001 + UInt32(number))
            feeds.append((feed, PeerSelector(address: address)))
        }
        try DumpLoader(path: path, feeds: feeds).load(into: owner, replacing: false)
        owner.flushAndWait()
    }

    /// A random address in each of a million random IPv4 prefixes of the table.
    private static func addresses(_ owner: TableOwner) throws -> [IPAddress] {
        var prefixes: [IPPrefix] = []
        var cursor: RouteCursor?
        repeat {
            let from = cursor
            let (routes, next) = try owner.querySync {
                $0.routes(after: from, feed: FeedID(rawValue: 0), within: nil, limit: 10_000)
            }
            for route in routes where route.prefix.family == .ipv4 {
                prefixes.append(route.prefix)
            }
            cursor = next
        } while cursor != nil
        var random = SystemRandomNumberGenerator()
        return (0..<(1 << 20)).compactMap { _ in
            guard let prefix = prefixes.randomElement(using: &random) else { return nil }
            let host =
                UInt64(UInt32.random(in: .min ... .max, using: &random)) >> UInt64(prefix.length)
            return IPAddress(ipv4: UInt32(truncatingIfNeeded: prefix.address.high >> 32 | host))
        }
    }

    private static func measure(
        _ owner: TableOwner, sites: [Site], addresses: [IPAddress]
    ) throws {
        let oracle = Oracle(lookup: owner.lookup, world: World(sites: sites))
        var reader = try oracle.makeReader()
        var lookups = try owner.lookup.makeReader()
        var sum: UInt64 = 0
        func report(_ what: String, rounds: Int, questions: Int, _ body: () -> Void) {
            body()
            var times: [Double] = []
            for _ in 0..<rounds {
                let before = Clock.now()
                body()
                times.append(Clock.now().seconds(since: before).thread)
            }
            let nanoseconds = times.sorted()[rounds / 2] / Double(questions) * 1e9
            print("\(what): \((nanoseconds * 10).rounded() / 10) ns each, median of \(rounds)")
        }
        report("lookup (class and scope)", rounds: 7, questions: addresses.count) {
            lookups.withSnapshot { snapshot in
                for address in addresses {
                    let match = snapshot.lookup(address)
                    sum &+= UInt64(match.classID) &+ UInt64(match.scope)
                }
            }
        }
        var order = SiteOrder()
        report("order (what DNS asks for)", rounds: 7, questions: addresses.count) {
            for start in stride(from: 0, to: addresses.count, by: 64) {
                reader.withBatch { batch in
                    for address in addresses[start..<start + 64] {
                        let match = batch.order(
                            policy: 0, family: .ipv4, client: address, places: 1, into: &order)
                        sum &+= UInt64(match.scope) &+ UInt64(order.first?.rawValue ?? 0)
                    }
                }
            }
        }
        let some = addresses.prefix(1 << 16)
        report("ranking (with every reason)", rounds: 7, questions: some.count) {
            for start in stride(from: 0, to: some.count, by: 64) {
                reader.withBatch { batch in
                    for address in some[start..<start + 64] {
                        let (ranking, scope) = batch.ranking(
                            policy: 0, family: .ipv4, client: address)
                        sum &+= UInt64(scope) &+ UInt64(ranking.entries.count)
                    }
                }
            }
        }
        print("(\(sum))")
    }
}

/// What the kernel says of time and memory.
private struct Clock {
    var wall: timespec
    var cpu: timespec
    var thread: timespec

    static func now() -> Clock {
        var clock = Clock(wall: timespec(), cpu: timespec(), thread: timespec())
        clock_gettime(CLOCK_MONOTONIC, &clock.wall)
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &clock.cpu)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &clock.thread)
        return clock
    }

    func seconds(since before: Clock) -> (wall: Double, cpu: Double, thread: Double) {
        func difference(_ a: timespec, _ b: timespec) -> Double {
            Double(a.tv_sec - b.tv_sec) + Double(a.tv_nsec - b.tv_nsec) / 1e9
        }
        return (
            difference(self.wall, before.wall), difference(self.cpu, before.cpu),
            difference(self.thread, before.thread)
        )
    }

    static var residentMiB: Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, CInt(line.count), file) != nil else { return 0 }
        let words = String(decoding: line.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            .split(separator: " ")
        return words.count > 1 ? ((Int(words[1]) ?? 0) * Int(getpagesize())) >> 20 : 0
    }

    static var peakMiB: Int {
        var usage = rusage()
        getrusage(CInt(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss >> 10
    }
}
