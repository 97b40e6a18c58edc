// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Synchronization
import Testing

/// Checkpoints that are written while the writer works at full speed, each read back. Also run
/// under ThreadSanitizer.
@Suite("Checkpoints beside the writer", .serialized, .timeLimit(.minutes(5)))
struct ConcurrentCheckpointTests {
    private static let prefixes = ConcurrentReaderTests.prefixes
    private static let numbers = Dictionary(
        uniqueKeysWithValues: prefixes.enumerated().map { ($0.element, $0.offset) })
    private static let checkpoints = 20
    /// One has every other prefix always; the other comes and goes whole.
    private static let (steady, flapping) = (FeedID(0), FeedID(1))

    /// How far the writer and the checkpoints are.
    private final class Progress: Sendable {
        /// The round that all prefixes are beyond.
        let done = Atomic<Int>(0)
        /// The round that none is beyond.
        let begun = Atomic<Int>(0)
        let checked = Atomic<Int>(0)
    }

    private struct Wrong: Error, CustomStringConvertible {
        var description: String
        init(_ description: String) { self.description = description }
    }

    private static func define(_ owner: TableOwner) {
        for (feed, site) in [(Self.steady, SiteID(0)), (Self.flapping, SiteID(1))] {
            owner.submit(.defineSite(site, name: "site \(site.rawValue)"))
            owner.submit(
                .addFeed(
                    FeedDefinition(id: feed, name: "feed \(feed.rawValue)", site: site, order: 0)))
        }
    }

    /// What the steady feed says of a prefix in a round: which round it is, and one of three
    /// distances that say which prefix.
    private static func attributes(_ number: Int, _ round: Int) -> RouteAttributes {
        RouteAttributes(
            asPath: ASPath([ASNumber(UInt32(round))]), penalty: UInt8(number % 84 * 3 + round % 3))
    }

    /// Each prefix is announced again, or, if it may, withdrawn.
    private static func runRound(_ round: Int, _ random: inout SplitMix, _ owner: TableOwner) {
        var batch = RouteBatch(feed: Self.steady)
        for (number, prefix) in Self.prefixes.enumerated() {
            if number % 2 == 1, random.chance(30) {
                batch.withdraw(prefix)
            } else {
                batch.announce(
                    prefix, attributes: batch.intern(Self.attributes(number, round)))
            }
        }
        owner.submitAndWait(.routes(batch))
    }

    private static func bring(_ distance: Int, _ owner: TableOwner) {
        owner.submit(.feedUp(Self.flapping))
        var whole = RouteBatch(feed: Self.flapping)
        let attributes = whole.intern(ConcurrentReaderTests.attributes(distance))
        for prefix in Self.prefixes { whole.announce(prefix, attributes: attributes) }
        owner.submitAndWait(.routes(whole))
        owner.submit(.feedComplete(Self.flapping))
    }

    @Test(
        "have each route and distance as it was at some moment, and no feed by half",
        arguments: ConcurrentReaderTests.divisions)
    func moments(units: Int?) throws {
        let owner = try ConcurrentReaderTests.owner(units)
        defer { owner.shutdown() }
        Self.define(owner)
        var random = SplitMix(seed: 13)
        var round = 1
        Self.runRound(round, &random, owner)
        owner.submit(.feedComplete(Self.steady))
        owner.flushAndWait()
        let progress = Progress()
        progress.begun.store(round, ordering: .releasing)
        progress.done.store(round, ordering: .releasing)
        ConcurrentReaderTests().beside(
            owner, threads: 1,
            read: { _, shared in
                do {
                    try Self.check(owner, progress)
                } catch CheckpointRefusal.keepsChanging {
                    return
                } catch {
                    shared.fail("\(error)")
                }
                progress.checked.add(1, ordering: .acquiringAndReleasing)
            },
            writer: {
                while progress.checked.load(ordering: .acquiring) < Self.checkpoints {
                    round += 1
                    progress.begun.store(round, ordering: .releasing)
                    Self.runRound(round, &random, owner)
                    if round % 40 == 20 { Self.bring(round / 40 % 5, owner) }
                    if round % 40 == 0 { owner.submit(.feedFlush(Self.flapping)) }
                    if round % 8 == 0 {
                        owner.flushAndWait()
                        progress.done.store(round, ordering: .releasing)
                    }
                }
            })
        #expect(round > Self.checkpoints, "the writer wasn't held up")
    }

    /// Writes a checkpoint, and restores it into another table.
    private static func check(_ owner: TableOwner, _ progress: Progress) throws {
        let first = progress.done.load(ordering: .acquiring)
        let bytes = try owner.checkpoint()
        let last = progress.begun.load(ordering: .acquiring)
        let copy = try TableOwner()
        defer { copy.shutdown() }
        Self.define(copy)
        let restore = try copy.beginRestore(try Checkpoint(bytes: bytes))
        guard restore.isAnswering else { throw Wrong("readers wait for the routes") }
        try Self.checkDistances(copy)
        let count = try restore.run()
        copy.flushAndWait()
        let routes = try copy.querySync { $0.routes(after: nil, limit: .max).routes }
        guard routes.count == count else { throw Wrong("\(routes.count) of \(count) routes") }
        try Self.check(routes, first...last)
    }

    /// What readers see before the routes are back.
    private static func checkDistances(_ copy: TableOwner) throws {
        var reader = try copy.lookup.makeReader()
        let values = reader.withSnapshot { snapshot in
            var values: [ClassValues] = []
            for prefix in Self.prefixes {
                values.append(snapshot.values(ofClass: snapshot.classID(of: prefix.address)))
            }
            return values
        }
        for (number, prefix) in Self.prefixes.enumerated() {
            guard let distance = values[number].distance(of: SiteID(0)) else {
                if number % 2 == 0 { throw Wrong("\(prefix) has no distance") }
                continue
            }
            // The path is one long.
            let isAllowed = Self.prefixes.indices.contains {
                Self.prefixes[$0].contains(prefix.address) && $0 % 84 == (distance - 1) / 3
            }
            if !isAllowed { throw Wrong("\(prefix) is \(distance) away") }
        }
        let flapping = Set(values.map { $0.distance(of: SiteID(1)) ?? -1 })
        if flapping.count != 1 { throw Wrong("a feed is there by half: \(flapping)") }
    }

    private static func check(_ routes: [SiteRoute], _ rounds: ClosedRange<Int>) throws {
        var seen: Set<Int> = []
        for route in routes where route.feed == Self.steady {
            guard let number = Self.numbers[route.prefix],
                let round = rounds.first(where: {
                    route.attributes.asPath == Self.attributes(number, $0).asPath
                })
            else {
                throw Wrong("\(route.prefix) by \(route.attributes.asPath), not of \(rounds)")
            }
            if route.attributes.penalty != Self.attributes(number, round).penalty {
                throw Wrong("\(route.prefix) has another's attributes")
            }
            seen.insert(number)
        }
        let lost = Self.prefixes.indices.filter { $0 % 2 == 0 && !seen.contains($0) }
        if !lost.isEmpty { throw Wrong("prefixes are lost: \(lost)") }
    }
}
