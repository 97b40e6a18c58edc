// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import Foundation
import RouteTable
import Synchronization
import Testing

/// Scopes while the table and the sites' state change under the readers. Also run under
/// ThreadSanitizer.
@Suite("Scopes beside the writer", .serialized, .timeLimit(.minutes(5)))
struct ConcurrentScopeTests {
    /// A block within which site 1 is always nearest for some block of `inner` bits with an odd
    /// number, and site 0 for the rest. Which one it is moves about: the new one is announced
    /// before the old one is withdrawn.
    struct Region {
        let block: IPPrefix
        let inner: Int

        /// The odd block of this number.
        func prefix(_ number: Int) -> IPPrefix { self.inner(2 * number + 1) }

        func inner(_ number: Int) -> IPPrefix {
            let step = UInt128(number) << UInt128(128 - self.inner)
            return IPPrefix(
                masking: IPAddress(
                    family: self.block.address.family,
                    leftAligned: self.block.address.leftAligned | step),
                length: self.inner)
        }

        var count: Int { 1 << (self.inner - self.block.length - 1) }

        func client(_ random: inout Seeded) -> IPAddress {
            let family = self.block.address.family
            let width = family == .ipv4 ? 32 : 128
            let bits =
                UInt128.random(in: 0 ... .max, using: &random) >> UInt128(self.block.length)
            let used = (bits >> UInt128(128 - width)) << UInt128(128 - width)
            return IPAddress(
                family: family, leftAligned: self.block.address.leftAligned | used)
        }
    }

    static let regions: [Region] = [
        ("10.0.0.0/16", 24), ("10.1.0.0/16", 18), ("10.2.16.0/20", 22), ("10.2.32.0/20", 30),
        ("10.4.0.0/14", 16), ("2001:db8::/32", 48), ("2001:db8:8000:8000::/56", 64),
    ].map { Region(block: (try? IPPrefix(parsing: $0.0)) ?? IPPrefix.all(.ipv4), inner: $0.1) }

    final class Shared: Sendable {
        let isDone = Atomic<Bool>(false)
        let asked = Atomic<Int>(0)
        let wider = Atomic<Int>(0)
        let wrong = Mutex<String?>(nil)
        let group = DispatchGroup()
        func fail(_ text: String) { self.wrong.withLock { $0 = $0 ?? text } }
    }

    /// What one reader may see at any time.
    private static func look(
        _ reader: inout OracleReader, _ random: inout Seeded, _ shared: Shared
    ) {
        reader.withBatch { batch in
            let isDown = batch.world.status[SiteID(rawValue: 1)]?.health == .down
            var order = SiteOrder()
            for _ in 0..<32 {
                let region = Self.regions[Int.random(in: 0..<Self.regions.count, using: &random)]
                let client = region.client(&random)
                let byClass = Int(batch.match(of: client).scope)
                let match = batch.order(
                    policy: 0, family: nil, client: client, places: 1, into: &order)
                let scope = Int(match.scope)
                shared.asked.add(1, ordering: .relaxed)
                if scope < byClass { shared.wider.add(1, ordering: .relaxed) }
                let least: Int
                switch (order.first?.rawValue, isDown) {
                case (0, true): least = 0
                case (0, false): least = region.block.length + 1
                case (1, false): least = region.inner
                default:
                    shared.fail("\(client): \(order.sites), site 1 down: \(isDown)")
                    continue
                }
                if scope < least || scope > client.family.width {
                    shared.fail(
                        "\(client): scope \(scope) of \(order.sites), \(byClass) by class")
                }
            }
        }
    }

    @Test(
        "are never wider than what is true at some moment of the question",
        arguments: [false, true])
    func neverWider(isKept: Bool) async throws {
        let sites = OracleTests.sites(3)
        let fixture = try Fixture(
            sites, policies: [Policy(sites: [sites[0].id, sites[1].id], measure: .hops)])
        defer { fixture.owner.shutdown() }
        await fixture.complete(0, 1, 2)
        var places = Self.regions.map { _ in 0 }
        var routes: [(site: UInt8, prefix: String, hops: Int?)] = [
            (0, "0.0.0.0/0", 5), (0, "::/0", 5),
        ]
        for region in Self.regions {
            routes.append((1, region.prefix(0).description, 1))
            // Other classes, the same answer.
            for number in 0..<min(region.count, 40) where number % 3 == 0 {
                routes.append((1, region.inner(2 * number).description, 9))
            }
        }
        try await fixture.announce(routes)

        let keeper = try ScopeKeeper(owner: fixture.owner, oracle: fixture.oracle)
        let shared = Shared()
        if isKept {
            // Round after round: the keeper's own thread leaves the processor to others.
            shared.group.enter()
            Thread {
                while !shared.isDone.load(ordering: .acquiring) { keeper.refresh() }
                shared.group.leave()
            }.start()
        }
        for number in 0..<2 {
            var reader: OracleReader? = try fixture.oracle.makeReader()
            let box = Mutex(reader.take())
            shared.group.enter()
            Thread {
                defer { shared.group.leave() }
                guard var reader = box.withLock({ $0.take() }) else { return }
                var random = Seeded(state: UInt64(number))
                while !shared.isDone.load(ordering: .acquiring) {
                    Self.look(&reader, &random, shared)
                }
            }.start()
        }

        var random = Seeded(state: 99)
        for step in 0..<2000 {
            let number = Int.random(in: 0..<Self.regions.count, using: &random)
            let region = Self.regions[number]
            let next = Int.random(in: 0..<region.count, using: &random)
            if next != places[number] {
                var old = RouteBatch(feed: FeedID(rawValue: 1))
                var new = RouteBatch(feed: FeedID(rawValue: 1))
                let attributes = new.intern(
                    RouteAttributes(origin: .igp, asPath: ASPath([64500])))
                new.announce(region.prefix(next), attributes: attributes)
                old.withdraw(region.prefix(places[number]))
                places[number] = next
                fixture.owner.submitAndWait(.routes(new))
                fixture.owner.submitAndWait(.routes(old))
            }
            // Classes change everywhere, no answer does.
            if step % 500 == 250 {
                try await fixture.announce([(0, "0.0.0.0/0", step % 1000 == 250 ? 6 : 5)])
            }
            if step % 200 == 100 {
                let health: SiteStatus.Health = step % 400 == 100 ? .down : .up
                fixture.oracle.update { $0.status[sites[1].id] = SiteStatus(health: health) }
            }
            if step % 150 == 75 {
                fixture.oracle.update { $0.status[sites[2].id] = SiteStatus(isFull: true) }
            }
            // Other images, other generations of classes.
            if step % 900 == 450 {
                fixture.owner.submit(
                    .setPins([(try IPPrefix(parsing: "192.0.2.0/24"), [SiteID(rawValue: 0)])]))
            }
            if step % 50 == 0 { await fixture.owner.flush() }
            if isKept, step % 500 == 499 { await Self.waitForRound(shared) }
        }
        await fixture.owner.flush()
        shared.isDone.store(true, ordering: .releasing)
        shared.group.wait()
        #expect(shared.wrong.withLock { $0 } == nil)
        #expect(shared.asked.load(ordering: .relaxed) > 0)
    }

    /// Until some answers have had a wider scope than their class.
    private static func waitForRound(_ shared: Shared) async {
        let seen = shared.wider.load(ordering: .relaxed)
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(60)
        while shared.wider.load(ordering: .relaxed) < seen + 100 {
            guard clock.now < deadline else {
                Issue.record("no scope of an answer is wider than its class's")
                return
            }
            await Task.yield()
        }
    }
}
