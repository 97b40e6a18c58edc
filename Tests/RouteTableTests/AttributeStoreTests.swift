// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable
import Testing

@Suite("The space for attributes")
struct AttributeStoreTests {
    static func path(_ hops: Int, _ random: inout SplitMix) -> RouteAttributes {
        RouteAttributes(
            asPath: ASPath((0..<hops).map { _ in ASNumber(UInt32(1 + random.below(400_000))) }))
    }

    /// Bytes of pages that may be there beside the records': spare ones of both ends.
    private static let spare = 2 * 96 * 4096

    @Test("holds each set once as long as it is asked for", arguments: 0..<3 as Range<UInt64>)
    func model(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let store = try AttributeStore()
        var held: [(id: UInt32, attributes: RouteAttributes, references: Int)] = []
        for round in 0..<30 {
            let share = [80, 50, 20][round % 3]
            for _ in 0..<300 {
                if random.chance(share) {
                    if !held.isEmpty, random.chance(30) {
                        let index = random.below(held.count)
                        #expect(store.intern(held[index].attributes) == held[index].id)
                        held[index].references += 1
                        continue
                    }
                    let hops = random.chance(90) ? random.below(8) : random.below(16_000)
                    var attributes = Self.path(hops, &random)
                    attributes.multiExitDiscriminator = UInt32(round * 1000 + held.count)
                    let id = try #require(store.intern(attributes))
                    if let index = held.firstIndex(where: { $0.id == id }) {
                        #expect(held[index].attributes == attributes)
                        held[index].references += 1
                    } else {
                        held.append((id, attributes, 1))
                    }
                } else if !held.isEmpty {
                    let index = random.below(held.count)
                    #expect(store.attributes(held[index].id) == held[index].attributes)
                    store.release(held[index].id)
                    held[index].references -= 1
                    if held[index].references == 0 { held.remove(at: index) }
                }
            }
            #expect(store.count == held.count)
            let isSame = held.allSatisfy { store.attributes($0.id) == $0.attributes }
            #expect(isSame, "round \(round)")
        }
        for entry in held { for _ in 0..<entry.references { store.release(entry.id) } }
        #expect(store.count == 0)
        #expect(store.recordBytes <= Self.spare)
    }

    /// Each size has its turn with many sets; one of some hundred stays, so that nothing is empty.
    @Test("is given back whatever sizes there were", arguments: [0, 400])
    func sizesInTurn(kept: Int) throws {
        var random = SplitMix(seed: 9)
        let store = try AttributeStore()
        var rest: [UInt32] = []
        var most = 0
        for hops in stride(from: 1, through: 90, by: 1) {
            let ids = (0..<4000).compactMap { _ in store.intern(Self.path(hops, &random)) }
            #expect(ids.count == 4000)
            most = max(most, store.recordBytes)
            for (index, id) in ids.enumerated() {
                if kept > 0, index % kept == 0 { rest.append(id) } else { store.release(id) }
            }
            #expect(store.count == rest.count)
            #expect(store.recordBytes <= rest.count * 3 * 4096 + Self.spare)
        }
        // The longest are of 376 bytes; all sizes after one another would be 17 times as much.
        #expect(most <= 4000 * 376 + rest.count * 3 * 4096 + Self.spare)
        for id in rest { store.release(id) }
        #expect(store.count == 0)
        #expect(store.recordBytes <= Self.spare)
    }

    @Test("is hardly more after days of flapping, and their index goes with the sets")
    func churn() throws {
        var random = SplitMix(seed: 11)
        let store = try AttributeStore()
        let count = 100_000
        func usual() throws -> UInt32 {
            try #require(store.intern(Self.path(2 + random.below(4) + random.below(4), &random)))
        }
        var ids = try (0..<count).map { _ in try usual() }
        let before = store.recordBytes
        for _ in 0..<600_000 {
            let index = random.below(count)
            store.release(ids[index])
            ids[index] = try usual()
        }
        print("paths: \(before) bytes at first, \(store.recordBytes) after")
        #expect(store.recordBytes * 100 <= before * 106)
        #expect(store.indexBytes >= count * 4 / 2)
        for id in ids { store.release(id) }
        #expect(store.recordBytes <= Self.spare)
        #expect(store.indexBytes <= 1 << 19)
        // It grows and finds as before.
        let again = try (0..<count).map { _ in try usual() }
        #expect(store.recordBytes <= before + Self.spare)
        for id in again {
            #expect(store.intern(store.attributes(id)) == id)
            store.release(id)
            store.release(id)
        }
        #expect(store.count == 0)
    }

    // MARK: In a table

    private static func owner(_ limits: TableLimits = TableLimits()) throws -> TableOwner {
        let owner = try TableOwner(limits: limits)
        for feed in 0..<2 as Range<UInt16> {
            owner.submit(.defineSite(SiteID(UInt8(feed)), name: "\(feed)"))
            owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(feed), name: "\(feed)", site: SiteID(UInt8(feed)),
                        order: Int(feed))))
            owner.submit(.feedComplete(FeedID(feed)))
        }
        owner.flushAndWait()
        return owner
    }

    private static func prefix(_ number: Int) -> IPPrefix {
        IPPrefix(masking: IPAddress(ipv4: 0x0a00_0000 + UInt32(number) << 8), length: 24)
    }

    private static func bytes(_ owner: TableOwner, of part: String? = nil) throws -> Int {
        try owner.querySync { $0.memory() }.filter { part == nil || $0.name == part }
            .reduce(0) { $0 + $1.bytes }
    }

    @Test("stays as it is when one prefix comes again and again with ever longer paths")
    func everLonger() throws {
        var random = SplitMix(seed: 3)
        let owner = try Self.owner()
        let before = try Self.bytes(owner, of: "paths")
        for hops in 1...5000 {
            var batch = RouteBatch(feed: FeedID(0))
            let index = batch.intern(Self.path(hops, &random))
            batch.announce(Self.prefix(0), attributes: index)
            owner.submitAndWait(.routes(batch))
        }
        owner.flushAndWait()
        // The longest is of 20 KB, and the one before it is released after it has come.
        let after = try Self.bytes(owner, of: "paths")
        #expect(after - before <= 4 * 20_100 + Self.spare)
        #expect(try owner.querySync { $0.counts() }.attributeSets == 1)
        var batch = RouteBatch(feed: FeedID(0))
        batch.withdraw(Self.prefix(0))
        owner.submit(.routes(batch))
        owner.flushAndWait()
        #expect(try Self.bytes(owner, of: "paths") - before <= Self.spare)
        #expect(try owner.querySync { $0.counts() }.attributeSets == 0)
    }

    /// What a feed sends that wants the memory for itself.
    enum Flood: CaseIterable {
        case longPaths, prefixes, paths

        func fill(_ batch: inout RouteBatch, _ round: Int, _ random: inout SplitMix) {
            switch self {
            case .longPaths:
                for number in 0..<8 {
                    let hops = 4000 + round * 8 + number
                    let index = batch.intern(AttributeStoreTests.path(hops, &random))
                    batch.announce(
                        AttributeStoreTests.prefix(round * 8 + number), attributes: index)
                }
            case .prefixes:
                let index = batch.intern(AttributeStoreTests.path(3, &random))
                for number in 0..<1000 {
                    batch.announce(
                        AttributeStoreTests.prefix(round * 1000 + number), attributes: index)
                }
            case .paths:
                let index = batch.intern(AttributeStoreTests.path(3, &random))
                for number in 0..<1000 {
                    batch.announce(
                        AttributeStoreTests.prefix((round * 1000 + number) / 64),
                        pathID: UInt32(1 + number % 64), attributes: index)
                }
            }
        }
    }

    @Test(
        "and all other memory that a feed filled up to the limit is there for others once it has gone",
        arguments: Flood.allCases, [false, true])
    func limit(flood: Flood, isRemoved: Bool) throws {
        var random = SplitMix(seed: 5)
        let empty = try Self.bytes(Self.owner())
        let owner = try Self.owner(TableLimits(memory: empty + 16 << 20))
        var rounds = 0
        while try owner.querySync({ $0.counts() }).refusals[.memory, default: 0] == 0 {
            var batch = RouteBatch(feed: FeedID(0))
            flood.fill(&batch, rounds, &random)
            owner.submitAndWait(.routes(batch))
            rounds += 1
            try #require(rounds < 4000)
        }
        owner.submit(isRemoved ? .removeFeed(FeedID(0)) : .feedFlush(FeedID(0)))
        owner.flushAndWait()
        #expect(try owner.querySync { $0.counts() }.routes == 0)
        // Memory that readers may have seen goes back a moment later.
        var attempts = 0
        while try owner.querySync({ $0.counts() }).routes < 3 {
            var batch = RouteBatch(feed: FeedID(1))
            for number in 0..<3 {
                let index = batch.intern(Self.path(3, &random))
                batch.announce(Self.prefix(1_000_000 + number), attributes: index)
            }
            owner.submit(.routes(batch))
            owner.flushAndWait()
            attempts += 1
            try #require(attempts < 1000)
        }
        #expect(attempts < 100)
    }
}
