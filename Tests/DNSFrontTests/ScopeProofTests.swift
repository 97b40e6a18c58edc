// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import Foundation
import RouteTable
import Testing

/// RFC 7871 §7.3.1: a cache gives an answer to all addresses within its scope.
///
/// A small table always; a real one where MARTLET_DATA has it. `MARTLET_SCALE=1` asks for 100,000
/// clients of that, and of the eight full tables of the dump that MARTLET_DUMP names: `Tools/trial
/// scopes` does.
@Suite("What a cache gives to others", .serialized)
struct ScopeProofTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let isFull = Self.environment["MARTLET_SCALE"] == "1"
    private static let real =
        (Self.environment["MARTLET_DATA"] ?? "../shared/data")
        + "/mrt/rib/rrc00.bview.20000111.0032.as-tdv2.gz"
    private static let simulated = Self.environment["MARTLET_DUMP"] ?? ""

    private static func isThere(_ path: String) -> Bool {
        let isThere = FileManager.default.fileExists(atPath: path)
        if !isThere, !path.isEmpty { print("Scopes over a table are skipped: there is no \(path)") }
        return isThere
    }

    @Test(
        "is what they would get themselves: a random table",
        arguments: [1, 2] as [UInt64])
    func small(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let scene = ScopeScene.random(&random)
        try await Self.prove(scene, clients: 1000, random, "seed \(seed)", changes: 4)
    }

    @Test(
        "is what they would get themselves: a real table of six peers",
        .enabled(if: isThere(real)))
    func realTable() async throws {
        var random = SeededGenerator(seed: 20_000_111)
        let scene = try ScopeScene.dump(Self.real, &random)
        try #require(scene.siteCount == 6)
        try await Self.prove(
            scene, clients: Self.isFull ? 100_000 : 2_000, random, "the table of January 2000",
            changes: Self.isFull ? 4 : 2)
    }

    @Test(
        "is what they would get themselves: eight full simulated tables",
        .enabled(if: isFull && isThere(simulated)))
    func simulatedTables() async throws {
        var random = SeededGenerator(seed: 20_250_901)
        let scene = try ScopeScene.dump(Self.simulated, &random)
        try #require(scene.siteCount == 8)
        try await Self.prove(
            scene, clients: 100_000, random, "eight simulated tables", changes: 2)
    }

    /// Checks the scopes of classes and the wider ones of answers: at rest, after sites have
    /// failed, and after a feed has left.
    private static func prove(
        _ scene: ScopeScene, clients count: Int, _ random: SeededGenerator, _ what: String,
        changes: Int
    ) async throws {
        var random = random
        let proof = try await ScopeProof(scene, random: random)
        let clients = scene.clients(count, &random)
        let some = clients.prefix(max(count / 10, 500))

        for (state, change) in Self.changes.prefix(changes) {
            await change(proof.bench)
            // What is asked for the first time, or has just changed, has narrower scopes.
            proof.map()
            let narrow = proof.check(some)
            #expect(narrow.wrong == 0, "\(what), \(state), at first: \(narrow.examples)")
            proof.keeper.refresh()
            let wide = proof.check(clients)
            #expect(wide.wrong == 0, "\(what), \(state): \(wide.examples)")
            #expect(wide.wide > count, "scopes reach over boundaries of the table")
            #expect(
                wide.mean(.ipv4) <= narrow.mean(.ipv4) && wide.mean(.ipv6) <= narrow.mean(.ipv6))
            print(
                """
                \(what), \(state): \(count) clients, \(ScopeScene.questions.count) questions, \
                \(proof.partCount) parts, scopes of \(wide.mean(.ipv4)) and \(wide.mean(.ipv6)) \
                on average, \(proof.asked) queries so far
                """)
            // The proof finds scopes that are too wide, and these are no narrower than need be.
            let wider = proof.check(some, widenedBy: 1)
            #expect(wider.wrong > some.count, "\(what), \(state): a bit less is too wide")
        }
    }

    private static let changes: [(String, @Sendable (Bench) async -> Void)] = [
        ("at rest", { _ in }),
        (
            "one site down, one drained, one lost",
            { bench in
                bench.oracle.update { world in
                    world.status[SiteID(2)] = SiteStatus(health: .down, lastUp: 7)
                    world.status[SiteID(1)] = SiteStatus(admin: .drained, lastUp: 9)
                    world.status[SiteID(0)] = SiteStatus(feeds: .lost)
                }
            }
        ),
        (
            "all sites of some names down",
            { bench in
                bench.oracle.update { world in
                    world.status = [:]
                    for site in [0, 1, 2] as [UInt8] {
                        world.status[SiteID(site)] = SiteStatus(
                            health: .down, lastUp: Int64(site))
                    }
                }
            }
        ),
        (
            "a feed less",
            { bench in
                bench.oracle.update { $0.status = [:] }
                bench.owner.submit(.feedFlush(FeedID(1)))
                await bench.owner.flush()
            }
        ),
    ]
}
