// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Console
import RouteTable
import Synchronization
import Testing

@Suite("What explain says of routes, in words")
struct ExplainedRouteTests {
    private static let path = ASPath([1221, 38803, 56203])

    /// `explain` for people where sydney-core's route has these attributes.
    private func explain(
        _ attributes: RouteAttributes, on fixture: Fixture, _ line: String = "explain 1.0.4.1"
    ) async throws -> String {
        var batch = RouteBatch(feed: Fixture.core)
        let index = batch.intern(attributes)
        batch.announce(try IPPrefix(parsing: "1.0.4.0/24"), attributes: index)
        fixture.owner.submit(.routes(batch))
        await fixture.owner.flush()
        return try await fixture.interpreter().run(line).text
    }

    @Test(
        "an ignored route has its reason: the RPKI's word only where that is it",
        arguments: [
            (.notFound, ["near", "leaked:otc"], "leaked: marked for customers only (OTC)"),
            (.notChecked, ["leaked:otc"], "leaked: marked for customers only (OTC)"),
            (.invalid, ["leaked:otc"], "leaked: marked for customers only (OTC)"),
            (.invalid, [], "RPKI invalid"),
            (.notFound, [], "rejected by a rule: RPKI not-found"),
            (.notChecked, [], "rejected by a rule: not checked by RPKI"),
        ] as [(OriginValidationState, [String], String)])
    func ignored(state: OriginValidationState, tags: [String], reason: String) async throws {
        let fixture = try await Fixture()
        var attributes = RouteAttributes(asPath: Self.path)
        attributes.isIgnored = true
        attributes.validation = state
        attributes.tags = tags
        let text = try await self.explain(attributes, on: fixture)
        #expect(text.contains("Ignored: 1.0.4.0/24 by sydney-core, \(reason).\n"), "\(text)")
        let json = try await self.explain(attributes, on: fixture, "explain 1.0.4.1 --json")
        let list = "\"ignored\":[\"1.0.4.0/24 by sydney-core, \(reason)\"]"
        #expect(json.contains(list), "\(json)")
    }

    @Test(
        "hops in place of the path's have who set them",
        arguments: [
            (
                87, .localPreference(hops: 2, level: "of 100"),
                "LOCAL_PREF comes first: 2 hops at the level of 100, written 87"
            ),
            (
                171, .localPreference(hops: 1, level: "below 100"),
                "LOCAL_PREF comes first: 1 hop at the level below 100, written 171"
            ),
            (1, .rule, "a rule sets 1 hop in place of the path's 3"),
            (2, .prependsOnce, "prepends count once: 2 hops in place of the path's 3"),
            (5, nil, "a rule or an option sets 5 hops in place of the path's 3"),
        ] as [(UInt8, DistanceReason?, String)])
    func distance(hops: UInt8, reason: DistanceReason?, words: String) async throws {
        let fixture = try await Fixture()
        fixture.distanceReasons.withLock { $0[Fixture.core] = reason }
        var attributes = RouteAttributes(asPath: Self.path)
        attributes.distanceOverride = hops
        let text = try await self.explain(attributes, on: fixture)
        #expect(text.contains("sydney's route: \(words).\n"), "\(text)")
    }

    @Test("hops that are the path's need no word")
    func sameDistance() async throws {
        let fixture = try await Fixture()
        fixture.distanceReasons.withLock { $0[Fixture.core] = .prependsOnce }
        var attributes = RouteAttributes(asPath: Self.path)
        attributes.distanceOverride = 3
        let text = try await self.explain(attributes, on: fixture)
        #expect(!text.contains("sydney's route: "), "\(text)")
    }

    @Test("while a prefix is held, hops are of before and paths of now")
    func held() async throws {
        let fixture = try await Fixture()
        fixture.owner.submit(.setFlipHold(FlipHoldRules(flips: 1, within: 3600, calm: 86_400)))
        var batch = RouteBatch(feed: Fixture.core)
        batch.withdraw(try IPPrefix(parsing: "1.0.4.0/24"))
        fixture.owner.submit(.routes(batch))
        await fixture.owner.flush()
        let text = try await self.explain(RouteAttributes(asPath: Self.path), on: fixture)
        #expect(
            text.contains(
                "Held as it was: 1.0.4.0/24 for 00:00:17, 1 flip: the hops are those of before, "
                    + "the paths those of now.\n"), "\(text)")
    }
}
