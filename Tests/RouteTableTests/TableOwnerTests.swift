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
        owner.whenDrained {
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
        owner.whenDrained { isCalledAtOnce.withLock { $0 = true } }
        #expect(isCalledAtOnce.withLock { $0 })
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
