// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Glibc
import RouteTable
import Synchronization
import Testing

@Suite("The table's owner")
struct TableOwnerTests {
    private struct Refusal: Error {}

    private static func batch(_ count: Int) -> TableCommand {
        var batch = RouteBatch(feed: FeedID(0))
        let index = batch.intern(RouteAttributes(asPath: .empty))
        for number in 0..<count {
            batch.announce(
                IPPrefix(host: IPAddress(ipv4: UInt32(number))), attributes: index)
        }
        return .routes(batch)
    }

    private static func owner(queue: Int) throws -> TableOwner {
        let owner = try TableOwner(limits: TableLimits(queuedChanges: queue))
        owner.submit(
            .addFeed(FeedDefinition(id: FeedID(0), name: "", site: SiteID(0), order: 0)))
        return owner
    }

    @Test("tells producers to stop above the high mark, and to go on below the low one")
    func pressure() async throws {
        let owner = try Self.owner(queue: 100)
        await owner.flush()
        let (gate, hold) = AsyncStream<Void>.makeStream()
        // The writer is held up until the queue has been seen full.
        let isFull = Atomic<Bool>(false)
        async let held = owner.query { _ in
            while !isFull.load(ordering: .acquiring) {}
            return true
        }
        var accepted = 0
        while owner.submit(Self.batch(30)) {
            accepted += 1
            guard accepted < 10_000 else { break }
        }
        owner.whenDrained(of: FeedID(0)) {
            hold.yield(())
            hold.finish()
        }
        isFull.store(true, ordering: .releasing)
        for await _ in gate {}
        #expect(try await held)
        #expect(owner.submit(Self.batch(1)))
        await owner.flush()
        // What was taken while the queue was full was not lost.
        let counts = try await owner.query { $0.counts() }
        #expect(counts.updates == UInt64((accepted + 1) * 30 + 1))
        let isCalledAtOnce = Mutex(false)
        owner.whenDrained(of: FeedID(0)) { isCalledAtOnce.withLock { $0 = true } }
        #expect(isCalledAtOnce.withLock { $0 })
    }

    /// An owner of two feeds of two sites that stamps routes by a clock that each look advances, and
    /// whose writer waits for the gate.
    private static func heldOwner(
        queue: Int = 262_144
    ) async throws -> (TableOwner, gate: Counter, held: Task<Void, any Error>) {
        let clock = Counter()
        let gate = Counter()
        let owner = try TableOwner(
            limits: TableLimits(queuedChanges: queue), now: { Int64(clock.next()) })
        for id in 0..<2 as Range<UInt8> {
            owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(UInt16(id)), name: "", site: SiteID(id), order: 0)))
        }
        await owner.flush()
        let started = Counter()
        let held = Task {
            try await owner.query { _ in
                _ = started.next()
                while gate.value == 0 {}
            }
        }
        while started.value == 0 { await Task.yield() }
        return (owner, gate, held)
    }

    private final class Counter: Sendable {
        private let number = Atomic<Int>(0)
        var value: Int { self.number.load(ordering: .acquiring) }
        func next() -> Int {
            self.number.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
        }
    }

    private static func announcement(
        _ feed: UInt16, _ range: Range<UInt32>, hops: Int = 0
    ) -> TableCommand {
        var batch = RouteBatch(feed: FeedID(feed))
        let path = ASPath([ASNumber](repeating: 64_500, count: hops))
        let index = batch.intern(RouteAttributes(asPath: path))
        for number in range {
            batch.announce(IPPrefix(host: IPAddress(ipv4: number)), attributes: index)
        }
        return .routes(batch)
    }

    @Test("takes from each feed in turn: one that has much to say holds up no other")
    func turns() async throws {
        let (owner, gate, held) = try await Self.heldOwner()
        for block in 0..<100 as Range<UInt32> {
            owner.submit(Self.announcement(0, block * 500..<block * 500 + 500))
        }
        owner.submit(Self.announcement(1, 0..<1))
        _ = gate.next()
        try await held.value
        let times = try await owner.query { rib in
            (0..<100 as Range<UInt32>).map { block in
                rib.routes(at: IPPrefix(host: IPAddress(ipv4: block * 500)))
            }.map { routes in
                (0..<2).map { id in routes.first { $0.feed == FeedID(UInt16(id)) }?.since ?? .max }
            }
        }
        #expect(times.map { $0[0] } == times.map { $0[0] }.sorted(), "each in its own order")
        #expect(!times.contains { $0[0] == .max })
        #expect(times.count { $0[0] < times[0][1] } <= 10)
    }

    @Test("asks nobody to stop who has little to say, however much others have")
    func pressureByFeed() async throws {
        let (owner, gate, held) = try await Self.heldOwner(queue: 4096)
        var submitted = 0
        while owner.submit(Self.announcement(0, 0..<100)) {
            submitted += 1
            guard submitted < 10_000 else { break }
        }
        // A quarter of the whole.
        #expect((10..<12).contains(submitted))
        #expect(owner.submit(Self.announcement(1, 0..<1)))
        for _ in 0..<100 { owner.submit(Self.announcement(0, 0..<100)) }
        #expect(owner.submit(Self.announcement(1, 1..<2)), "nor where the whole is full")
        #expect(!owner.submit(Self.announcement(1, 2..<102)))
        #expect(owner.submit(.setPins([])))
        #expect(!owner.isFull)
        let calls = Counter()
        owner.whenDrained(of: FeedID(0)) { _ = calls.next() }
        owner.whenDrained(of: FeedID(1)) { _ = calls.next() }
        #expect(calls.value == 0)
        owner.whenDrained { _ = calls.next() }
        #expect(calls.value == 1, "what concerns no feed is not to wait")
        _ = gate.next()
        try await held.value
        await owner.flush()
        #expect(calls.value == 3)
    }

    @Test("a feed's commands keep their order with its routes, and sites theirs with all")
    func order() async throws {
        let (owner, gate, held) = try await Self.heldOwner()
        for block in 0..<50 as Range<UInt32> {
            owner.submit(Self.announcement(0, block * 500..<block * 500 + 500))
        }
        owner.submit(Self.announcement(1, 7..<8))
        owner.submit(.feedFlush(FeedID(1)))
        owner.submit(Self.announcement(1, 8..<9))
        owner.submit(.removeSite(SiteID(1)))
        owner.submit(.defineSite(SiteID(1), name: "again"))
        owner.submit(
            .addFeed(FeedDefinition(id: FeedID(1), name: "", site: SiteID(1), order: 0)))
        owner.submit(Self.announcement(1, 9..<10, hops: 3))
        owner.submit(.feedComplete(FeedID(1)))
        _ = gate.next()
        try await held.value
        owner.flushAndWait()
        let routes = try await owner.query { rib in
            rib.routes(after: nil, feed: FeedID(1), within: nil, limit: 10).routes
        }
        #expect(routes.map { "\($0.prefix)" } == ["0.0.0.9/32"])
        #expect(try await owner.query { $0.counts().updates } == 25_003)
        var reader = try owner.lookup.makeReader()
        let distance = reader.withSnapshot { snapshot in
            snapshot.values(ofClass: snapshot.classID(of: IPAddress(ipv4: 9)))
                .distance(of: SiteID(1))
        }
        #expect(distance == 3)
    }

    @Test("what many feeds wait for hides nothing that another site's feed brings")
    func bulk() async throws {
        let (owner, gate, held) = try await Self.heldOwner()
        owner.submit(.feedComplete(FeedID(0)))
        owner.submit(.feedComplete(FeedID(1)))
        // More than that only a rebuild shows all of it.
        for block in 0..<60 as Range<UInt32> {
            owner.submit(Self.announcement(0, block * 2000..<block * 2000 + 2000))
        }
        owner.submit(Self.announcement(1, 1 << 30..<1 << 30 | 1))
        _ = gate.next()
        try await held.value
        // The query came after all, and a rebuild has only begun: what was held is not shown yet.
        var reader = try owner.lookup.makeReader()
        try await owner.query { _ in }
        let distance = reader.withSnapshot { snapshot in
            snapshot.values(ofClass: snapshot.classID(of: IPAddress(ipv4: 1 << 30)))
                .distance(of: SiteID(1))
        }
        #expect(distance == 0)
        await owner.flush()
        let last = reader.withSnapshot { snapshot in
            snapshot.values(ofClass: snapshot.classID(of: IPAddress(ipv4: 119_999)))
                .distance(of: SiteID(0))
        }
        #expect(last == 0)
    }

    @Test("blocks those who wait for room, and takes all they have")
    func waiting() throws {
        let owner = try Self.owner(queue: 10)
        for _ in 0..<200 { owner.submitAndWait(Self.batch(20)) }
        owner.flushAndWait()
        #expect(try owner.querySync { $0.counts() }.updates == 4000)
    }

    @Test("answers queries after all that was submitted before, and passes errors on")
    func queries() async throws {
        let owner = try Self.owner(queue: 1000)
        for round in 1...20 {
            owner.submit(Self.batch(10))
            let updates = try await owner.query { $0.counts().updates }
            #expect(updates == UInt64(round * 10))
        }
        await #expect(throws: Refusal.self) {
            try await owner.query { _ in throw Refusal() }
        }
        #expect(throws: Refusal.self) { try owner.querySync { _ in throw Refusal() } }
    }

    @Test("keeps answering after its end, and takes nothing more in")
    func shutdown() async throws {
        let owner = try Self.owner(queue: 1000)
        owner.submit(Self.batch(10))
        await owner.flush()
        owner.shutdown()
        owner.shutdown()
        #expect(!owner.submit(Self.batch(10)))
        owner.submitAndWait(Self.batch(10))
        await owner.flush()
        owner.flushAndWait()
        let counts = try await owner.query { $0.counts() }
        #expect(counts.updates == 10)
        var reader = try owner.lookup.makeReader()
        #expect(reader.withSnapshot { $0.lookup(IPAddress(ipv4: 1)).scope } == 0)
    }

    @Test("leaves the table as it stands to readers that outlive it")
    func readersOutliveIt() async throws {
        var owner: TableOwner? = try Self.owner(queue: 1000)
        let lookup = try #require(owner?.lookup)
        owner?.submit(Self.batch(10))
        owner?.submit(.feedComplete(FeedID(0)))
        await owner?.flush()
        var reader = try lookup.makeReader()
        let match = reader.withSnapshot { $0.lookup(IPAddress(ipv4: 7)) }
        owner = nil
        // The writer's thread lets go of the table a moment after it was told.
        for _ in 0..<100 {
            usleep(1000)
            #expect(reader.withSnapshot { $0.lookup(IPAddress(ipv4: 7)) } == match)
        }
    }

    @Test("may be ended from its own thread")
    func shutdownInside() async throws {
        let owner = try Self.owner(queue: 1000)
        _ = try await owner.query { _ in owner.shutdown() }
        await owner.flush()
        #expect(try await owner.query { $0.counts().updates } == 0)
    }

    @Test("counts what waits for the writer, until that is done")
    func queueMemory() async throws {
        let owner = try Self.owner(queue: 100_000)
        func bytes(_ parts: [MemoryPart]) -> Int? {
            parts.first { $0.name == "queue" }?.bytes
        }
        // The writer is busy with this while the commands come.
        let parts = try await owner.query { rib in
            owner.submit(Self.batch(5000))
            owner.submit(
                .setRoundTrips(
                    (0..<1000).map {
                        RoundTrip(
                            prefix: IPPrefix(host: IPAddress(ipv4: $0)), site: SiteID(0),
                            microseconds: 1)
                    }))
            return rib.memory()
        }
        let waiting = try #require(bytes(parts))
        #expect(waiting > 5000 * 8 + 1000 * MemoryLayout<RoundTrip>.stride)
        await owner.flush()
        let later = try await owner.query { $0.memory() }
        #expect(try #require(bytes(later)) < 1000)
    }

    @Test("counts bytes by part, and gives back what was retired")
    func memory() async throws {
        let owner = try Self.owner(queue: 100_000)
        owner.submit(Self.batch(5000))
        owner.submit(.feedComplete(FeedID(0)))
        await owner.flush()
        var reader = try owner.lookup.makeReader()
        let before = reader.withSnapshot { snapshot in
            let generation = snapshot.classGeneration
            let match = snapshot.lookup(IPAddress(ipv4: 7))
            owner.submit(.setPins([(IPPrefix.all(.ipv4), [SiteID(0)])]))
            owner.submit(.feedFlush(FeedID(0)))
            owner.flushAndWait()
            // This snapshot still stands on what it began with.
            #expect(snapshot.classGeneration == generation)
            #expect(snapshot.lookup(IPAddress(ipv4: 7)) == match)
            #expect(snapshot.values(ofClass: match.classID).distance(of: SiteID(0)) == 0)
            let retired = try? owner.querySync { $0.memory() }.first { $0.name == "retired" }
            #expect((retired?.bytes ?? 0) > 0)
            return generation
        }
        let after = reader.withSnapshot { snapshot in
            let values = snapshot.values(ofClass: snapshot.classID(of: IPAddress(ipv4: 7)))
            #expect(values.distance(of: SiteID(0)) == nil)
            #expect(values.pins == [SiteID(0)])
            return snapshot.classGeneration
        }
        #expect(after != before)
        owner.submit(.setPins([]))
        await owner.flush()
        await owner.flush()
        let parts = try await owner.query { $0.memory() }
        #expect(parts.first { $0.name == "retired" }?.bytes == 0)
        #expect(Set(parts.map(\.name)).count == parts.count)
        #expect(parts.allSatisfy { $0.bytes >= 0 })
    }
}
