// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable
import Testing

@Suite("Listing all answers")
struct AnswerListTests {
    /// All of a listing, a few prefixes at a time.
    private static func list(
        _ listing: AnswerListing, of oracle: Oracle, slice: Int
    ) throws -> [AnswerPrefix] {
        var reader = try oracle.makeReader()
        var found: [AnswerPrefix] = []
        var cursor: AnswerCursor?
        repeat {
            let (answers, next) = reader.withBatch {
                $0.answers(listing, after: cursor, limit: slice)
            }
            #expect(answers.count <= slice)
            found += answers
            cursor = next
        } while cursor != nil
        return found
    }

    /// The order that a client gets by asking.
    private static func order(
        _ reader: inout OracleReader, _ listing: AnswerListing, _ client: IPAddress
    ) -> [SiteID] {
        reader.withBatch { batch in
            var order = SiteOrder()
            _ = batch.order(
                policy: listing.policy, family: listing.family, client: client, into: &order)
            return order.sites
        }
    }

    @Test(
        "leaves no address out, says what clients are told, and merges what is equal",
        arguments: 0..<6 as Range<UInt64>)
    func agreesWithAsking(seed: UInt64) async throws {
        let table = try ScopesUnderTest(seed: seed)
        try await table.update(60)
        await table.fixture.complete(0, 1, 2, 3)
        let oracle = table.fixture.oracle
        var reader = try oracle.makeReader()
        for family in AddressFamily.allCases {
            for policy in 0..<4 {
                let listing = AnswerListing(
                    policy: policy, family: policy == 2 ? .ipv6 : nil, within: .all(family))
                let answers = try Self.list(listing, of: oracle, slice: 7)
                #expect(
                    answers == (try Self.list(listing, of: oracle, slice: 1000)), "seed \(seed)")
                #expect(answers.first?.prefix.address == IPPrefix.all(family).address)
                #expect(answers.last?.prefix.last == IPPrefix.all(family).last)
                for (before, after) in zip(answers, answers.dropFirst()) {
                    #expect(
                        before.prefix.last.leftAligned
                            + (1 << UInt128(128 - family.width)) == after.prefix.address.leftAligned
                    )
                    // Two halves of one block with the same answer would be one prefix.
                    let isSplit =
                        before.prefix.length == after.prefix.length
                        && before.prefix.parent == after.prefix.parent
                        && !before.isHashed && !after.isHashed && before.sites == after.sites
                    #expect(!isSplit, "\(before.prefix) and \(after.prefix), seed \(seed)")
                }
                for answer in answers {
                    #expect(
                        answer.sites == Self.order(&reader, listing, answer.prefix.address),
                        "\(answer.prefix) of policy \(policy), seed \(seed)")
                    guard !answer.isHashed else { continue }
                    #expect(answer.sites == Self.order(&reader, listing, answer.prefix.last))
                }
            }
        }
    }

    @Test("stays within a prefix")
    func within() async throws {
        let fixture = try Fixture(
            OracleTests.sites(2), policies: [Policy(sites: [SiteID(0), SiteID(1)], tieBreaks: [])])
        defer { fixture.owner.shutdown() }
        try await fixture.announce([
            (0, "10.0.0.0/8", 2), (1, "10.64.0.0/10", 1), (1, "10.128.0.0/9", 1),
        ])
        await fixture.complete(0, 1)
        let listing = AnswerListing(
            policy: 0, family: nil, within: try IPPrefix(parsing: "10.0.0.0/9"))
        let answers = try Self.list(listing, of: fixture.oracle, slice: 10)
        #expect(answers.map(\.prefix.description) == ["10.0.0.0/10", "10.64.0.0/10"])
        #expect(
            answers.map(\.sites) == [[SiteID(0), SiteID(1)], [SiteID(1), SiteID(0)]])
        let one = AnswerListing(
            policy: 0, family: nil, within: try IPPrefix(parsing: "10.1.2.3/32"))
        #expect(
            try Self.list(one, of: fixture.oracle, slice: 1).map(\.prefix.description)
                == ["10.1.2.3/32"])
    }

    @Test("isn't taken for a client's question")
    func leavesNoTrace() async throws {
        let fixture = try Fixture(OracleTests.sites(2))
        defer { fixture.owner.shutdown() }
        try await fixture.announce([(0, "10.0.0.0/8", 1), (1, "10.0.0.0/8", 2)])
        await fixture.complete(0, 1)
        let keeper = try ScopeKeeper(owner: fixture.owner, oracle: fixture.oracle)
        let listing = AnswerListing(policy: 0, family: .ipv4, within: .all(.ipv4))
        _ = try Self.list(listing, of: fixture.oracle, slice: 10)
        keeper.refresh()
        #expect(fixture.oracle.scopeBytes == 0)
    }
}
