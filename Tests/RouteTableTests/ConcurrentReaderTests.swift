// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import RouteTable
import Synchronization
import Testing

/// Threads that look up while the writer works at full speed. Also run under ThreadSanitizer.
@Suite("Readers beside the writer", .serialized, .timeLimit(.minutes(5)))
struct ConcurrentReaderTests {
    /// What the reading threads and the test share.
    final class Shared: Sendable {
        let isDone = Atomic<Bool>(false)
        let rounds = Atomic<Int>(0)
        let wrong = Mutex<String?>(nil)
        let group = DispatchGroup()

        func fail(_ text: String) { self.wrong.withLock { $0 = $0 ?? text } }
    }

    static let prefixes: [IPPrefix] = {
        var random = SplitMix(seed: 9)
        var prefixes: Set<IPPrefix> = []
        while prefixes.count < 300 {
            let prefix = RandomTableTests.prefix(&random)
            if prefix.length > 12 { prefixes.insert(prefix) }
        }
        return prefixes.sorted()
    }()

    /// Runs `body` over and over on threads of their own until `writer` returns.
    func beside(
        _ owner: TableOwner, threads: Int,
        read body: @escaping @Sendable (inout TableReader, Shared) -> Void,
        writer: () throws -> Void
    ) rethrows {
        let shared = Shared()
        for _ in 0..<threads {
            shared.group.enter()
            Thread {
                defer { shared.group.leave() }
                do {
                    var reader = try owner.lookup.makeReader()
                    while !shared.isDone.load(ordering: .acquiring) {
                        body(&reader, shared)
                        shared.rounds.add(1, ordering: .relaxed)
                    }
                } catch {
                    shared.fail("\(error)")
                }
            }.start()
        }
        defer {
            shared.isDone.store(true, ordering: .releasing)
            shared.group.wait()
            #expect(shared.wrong.withLock { $0 } == nil)
            #expect(shared.rounds.load(ordering: .relaxed) > 0)
        }
        try writer()
    }

    static func addFeeds(_ count: Int, to owner: TableOwner) {
        for id in 0..<count {
            owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(UInt16(id)), name: "", site: SiteID(UInt8(id)), order: id)))
            owner.submit(.feedComplete(FeedID(UInt16(id))))
        }
    }

    static func attributes(_ distance: Int) -> RouteAttributes {
        RouteAttributes(asPath: .empty, penalty: UInt8(distance))
    }

    /// Every prefix's distance is one of three that only it may have; so whatever is mixed up,
    /// freed too early or cached over a change of generation shows.
    /// The writer's steps as they are, and so short that all its work overlaps.
    static let divisions = [nil, 64, 1 << 12]

    static func owner(_ units: Int?) throws -> TableOwner {
        try TableOwner(steps: units.map { TableUnderTest.crumbs($0) } ?? StepPolicy())
    }

    @Test("see for each address only what one of its prefixes had", arguments: Self.divisions)
    func allowedValues(units: Int?) throws {
        let owner = try Self.owner(units)
        Self.addFeeds(4, to: owner)
        let prefixes = Self.prefixes
        // For each probe the numbers of the prefixes that cover it.
        let probes = prefixes.map { prefix in
            (
                address: prefix.address,
                allowed: Set(prefixes.indices.filter { prefixes[$0].contains(prefix.address) })
            )
        }
        self.beside(
            owner, threads: 3,
            read: { reader, shared in
                var cache: [UInt32: ClassValues] = [:]
                reader.withSnapshot { snapshot in
                    for probe in probes {
                        let match = snapshot.lookup(probe.address)
                        let values =
                            cache[match.classID] ?? snapshot.values(ofClass: match.classID)
                        cache[match.classID] = values
                        for site in 0..<4 {
                            guard let distance = values.distance(of: SiteID(UInt8(site)))
                            else { continue }
                            // 254 distances for 300 prefixes: the remainder tells them apart.
                            let isAllowed = probe.allowed.contains { $0 % 84 == distance / 3 }
                            if !isAllowed {
                                shared.fail("\(probe.address) at site \(site): \(distance)")
                            }
                        }
                        if Int(match.scope) > probe.address.family.width {
                            shared.fail("\(probe.address): scope \(match.scope)")
                        }
                    }
                }
            },
            writer: {
                var random = SplitMix(seed: 10)
                for round in 0..<400 {
                    var batch = RouteBatch(feed: FeedID(UInt16(random.below(4))))
                    for _ in 0..<100 {
                        let number = random.below(prefixes.count)
                        if random.chance(40) {
                            batch.withdraw(prefixes[number])
                        } else {
                            let distance = number % 84 * 3 + random.below(3)
                            batch.announce(
                                prefixes[number],
                                attributes: batch.intern(Self.attributes(distance)))
                        }
                    }
                    owner.submitAndWait(.routes(batch))
                    // New images, new generations of classes, in between.
                    if round % 40 == 0 {
                        owner.submitAndWait(.setPins([(prefixes[round % 300], [SiteID(1)])]))
                        owner.flushAndWait()
                    }
                }
                owner.flushAndWait()
            })
    }

    @Test(
        "see a whole feed come and go in one step, beside updates of another",
        arguments: Self.divisions)
    func oneStep(units: Int?) throws {
        let owner = try Self.owner(units)
        Self.addFeeds(2, to: owner)
        let prefixes = Self.prefixes
        self.beside(
            owner, threads: 2,
            read: { reader, shared in
                reader.withSnapshot { snapshot in
                    var seen: Set<Int> = []
                    for prefix in prefixes {
                        let id = snapshot.classID(of: prefix.address)
                        let values = snapshot.values(ofClass: id)
                        seen.insert(values.distance(of: SiteID(0)) ?? -1)
                        if let other = values.distance(of: SiteID(1)), other != 9 {
                            shared.fail("site 1 is \(other) hops from \(prefix)")
                        }
                    }
                    if seen.count != 1 { shared.fail("feed 0 half there: \(seen)") }
                }
            },
            writer: {
                var random = SplitMix(seed: 11)
                for round in 0..<30 {
                    owner.submit(.feedUp(FeedID(0)))
                    var whole = RouteBatch(feed: FeedID(0))
                    let attributes = whole.intern(Self.attributes(round % 5))
                    for prefix in prefixes { whole.announce(prefix, attributes: attributes) }
                    owner.submitAndWait(.routes(whole))
                    owner.submit(.feedComplete(FeedID(0)))
                    for _ in 0..<10 {
                        var batch = RouteBatch(feed: FeedID(1))
                        let index = batch.intern(Self.attributes(9))
                        for _ in 0..<20 {
                            let prefix = prefixes[random.below(prefixes.count)]
                            if random.chance(50) {
                                batch.withdraw(prefix)
                            } else {
                                batch.announce(prefix, attributes: index)
                            }
                        }
                        owner.submitAndWait(.routes(batch))
                    }
                    if round % 2 == 0 { owner.flushAndWait() }
                    owner.submit(.feedFlush(FeedID(0)))
                    if round % 3 == 0 { owner.flushAndWait() }
                }
                owner.flushAndWait()
            })
    }

    @Test(
        "see default routes come and go, and nothing else of their addresses",
        arguments: [nil, 1 << 12, 1 << 16])
    func defaultRoutes(units: Int?) throws {
        let owner = try Self.owner(units)
        Self.addFeeds(2, to: owner)
        let prefixes = Self.prefixes
        // One site has every prefix, another only default routes.
        var whole = RouteBatch(feed: FeedID(0))
        let attributes = whole.intern(Self.attributes(7))
        for prefix in prefixes { whole.announce(prefix, attributes: attributes) }
        owner.submit(.routes(whole))
        owner.flushAndWait()
        self.beside(
            owner, threads: 2,
            read: { reader, shared in
                reader.withSnapshot { snapshot in
                    for prefix in prefixes {
                        let match = snapshot.lookup(prefix.last)
                        let values = snapshot.values(ofClass: match.classID)
                        if values.distance(of: SiteID(0)) == nil {
                            shared.fail("\(prefix) is lost")
                        }
                        if let other = values.distance(of: SiteID(1)), other > 4 {
                            shared.fail("\(prefix) is \(other) hops away")
                        }
                    }
                }
            },
            writer: {
                var random = SplitMix(seed: 12)
                for round in 0..<60 {
                    var batch = RouteBatch(feed: FeedID(1))
                    for family in AddressFamily.allCases {
                        if random.chance(40) {
                            batch.withdraw(.all(family))
                        } else {
                            batch.announce(
                                .all(family),
                                attributes: batch.intern(Self.attributes(round % 5)))
                        }
                    }
                    owner.submitAndWait(.routes(batch))
                    var other = RouteBatch(feed: FeedID(0))
                    for _ in 0..<20 {
                        other.announce(
                            prefixes[random.below(prefixes.count)],
                            attributes: other.intern(Self.attributes(random.below(200))))
                    }
                    owner.submitAndWait(.routes(other))
                    if round % 20 == 19 { owner.flushAndWait() }
                }
                owner.flushAndWait()
            })
    }

    @Test("may outlive the writer, in whatever image they are")
    func outliveTheWriter() throws {
        var owner: TableOwner? = try TableOwner()
        guard let lookup = owner?.lookup else { return }
        if let owner { Self.addFeeds(1, to: owner) }
        var batch = RouteBatch(feed: FeedID(0))
        batch.announce(Self.prefixes[0], attributes: batch.intern(Self.attributes(3)))
        owner?.submit(.routes(batch))
        owner?.flushAndWait()
        var reader = try lookup.makeReader()
        let (before, after) = reader.withSnapshot { snapshot in
            let before = snapshot.values(ofClass: snapshot.classID(of: Self.prefixes[0].address))
            // Two images later, and without a writer.
            for site in 0..<2 {
                owner?.submit(.setPins([(Self.prefixes[0], [SiteID(UInt8(site))])]))
                owner?.flushAndWait()
            }
            owner?.shutdown()
            owner = nil
            let after = snapshot.values(ofClass: snapshot.classID(of: Self.prefixes[0].address))
            return (before, after)
        }
        #expect(before == after && before.distance(of: SiteID(0)) == 3)
        let pins = reader.withSnapshot {
            $0.values(ofClass: $0.classID(of: Self.prefixes[0].address)).pins
        }
        #expect(pins == [SiteID(1)])
    }

    @Test("come and go themselves")
    func readersComeAndGo() throws {
        let owner = try TableOwner(limits: TableLimits(readers: 4))
        Self.addFeeds(1, to: owner)
        self.beside(
            owner, threads: 2,
            read: { _, shared in
                // Beside the two long-lived ones there is room for two more.
                do {
                    var other = try owner.lookup.makeReader()
                    let scope = other.withSnapshot { $0.lookup(IPAddress(ipv4: 5)).scope }
                    if scope > 32 { shared.fail("scope \(scope)") }
                } catch {
                    shared.fail("\(error)")
                }
            },
            writer: {
                for number in 0..<200 {
                    var batch = RouteBatch(feed: FeedID(0))
                    let prefix = IPPrefix(host: IPAddress(ipv4: UInt32(number % 7)))
                    if number % 2 == 0 {
                        batch.announce(
                            prefix, attributes: batch.intern(Self.attributes(number % 9)))
                    } else {
                        batch.withdraw(prefix)
                    }
                    owner.submitAndWait(.routes(batch))
                    owner.flushAndWait()
                }
            })
    }
}
