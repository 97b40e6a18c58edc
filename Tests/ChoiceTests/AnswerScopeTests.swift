// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable
import Testing

/// A random table beside its reference, under an oracle with a few policies.
final class ScopesUnderTest {
    typealias Question = ScopeReference.Question

    static let questions: [Question] = (0..<4).flatMap { policy in
        [
            Question(policy: policy, family: nil, places: 1),
            Question(policy: policy, family: .ipv4, places: 2),
            Question(policy: policy, family: .ipv6, places: 64),
        ]
    }

    let fixture: Fixture
    let keeper: ScopeKeeper
    var reference = ScopeReference()
    var random: Seeded
    /// Prefixes are made of few bits, so that they meet; in IPv6 some reach below /64.
    let deepest: Int

    init(seed: UInt64) throws {
        var random = Seeded(state: seed)
        var sites = OracleTests.sites(4)
        for index in sites.indices {
            sites[index].weight = Int.random(in: 0...2, using: &random)
            sites[index].place = Place(latitude: 0, longitude: Double(index), name: "")
            if index != 3 { sites[index].addresses.append(IPAddress(ipv6High: 1, low: 1)) }
        }
        let all = sites.map(\.id)
        self.fixture = try Fixture(
            sites,
            policies: [
                Policy(sites: all, tieBreaks: [.order]),
                Policy(sites: all.reversed(), measure: .hops, slack: 1, weightLengthIPv4: 20),
                Policy(
                    sites: [all[1], all[2]], measure: .hops, tieBreaks: [.location, .order],
                    allDown: .last),
                Policy(sites: [all[3], all[0]], weightLengthIPv4: 6, weightLengthIPv6: 66),
            ])
        self.keeper = try ScopeKeeper(owner: self.fixture.owner, oracle: self.fixture.oracle)
        self.random = random
        self.deepest = seed % 3 == 0 ? 128 : 64
    }

    deinit { self.fixture.owner.shutdown() }

    func prefix() -> IPPrefix {
        let isIPv4 = Int.random(in: 0..<5, using: &self.random) < 3
        let length = Int.random(in: 0...(isIPv4 ? 32 : self.deepest), using: &self.random)
        var bits: UInt128 = 0
        for _ in 0..<2 { bits |= 1 << UInt128.random(in: 96...127, using: &self.random) }
        if !isIPv4 { bits |= UInt128.random(in: 0...7, using: &self.random) << 60 }
        let family = isIPv4 ? AddressFamily.ipv4 : .ipv6
        return IPPrefix(
            masking: IPAddress(family: family, leftAligned: isIPv4 ? (bits >> 96) << 96 : bits),
            length: length)
    }

    func update(_ count: Int) async throws {
        var changes: [(site: UInt8, prefix: String, hops: Int?)] = []
        for _ in 0..<count {
            let site = UInt8.random(in: 0..<4, using: &self.random)
            let id = SiteID(rawValue: site)
            if let known = self.reference.routes[id]?.keys.sorted().randomElement(
                using: &self.random), Bool.random(using: &self.random)
            {
                self.reference.routes[id]?[known] = nil
                changes.append((site, known.description, nil))
            } else {
                let (prefix, hops) = (self.prefix(), Int.random(in: 1...4, using: &self.random))
                self.reference.routes[id, default: [:]][prefix] = hops
                changes.append((site, prefix.description, hops))
            }
        }
        try await self.fixture.announce(changes)
    }

    func setLayers() async {
        self.reference.pins = (0..<3).map { index in
            (self.prefix(), [SiteID(rawValue: UInt8(index)), SiteID(rawValue: 3)])
        }
        let equal = Dictionary(grouping: self.reference.pins, by: \.prefix)
        self.reference.pins = equal.values.map { $0[0] }
        let middle = UInt32.random(in: 1 ... .max - 1, using: &self.random)
        self.reference.locations = [
            LocationRange(
                first: IPAddress(ipv4: 0), last: IPAddress(ipv4: middle - 1),
                place: Place(latitude: 1, longitude: 0, name: "west")),
            LocationRange(
                first: IPAddress(ipv4: middle), last: IPAddress(ipv4: .max),
                place: Place(latitude: 1, longitude: 3, name: "east")),
        ]
        self.fixture.owner.submit(.setPins(self.reference.pins.map { ($0.prefix, $0.sites) }))
        self.fixture.owner.submit(.setLocations(LocationSet(self.reference.locations)))
        await self.fixture.owner.flush()
    }

    enum Expectation {
        /// Equal to what exhaustion finds.
        case exact
        /// Not wider.
        case safe
    }

    /// Asks all questions at both ends of every part of both families.
    ///
    /// - Returns: How many answers had a wider scope than their class; nil where one is wrong.
    func check(_ expectation: Expectation, _ context: String) throws -> Int? {
        var reader = try self.fixture.oracle.makeReader()
        var tableReader = try self.fixture.oracle.lookup.makeReader()
        let world = self.fixture.oracle.world
        var wider = 0
        for family in AddressFamily.allCases {
            let line = self.reference.line(family)
            let clients = line.starts + line.lasts
            let byClass = tableReader.withSnapshot { snapshot in
                var scopes: [Int] = []
                for client in clients { scopes.append(Int(snapshot.lookup(client).scope)) }
                return scopes
            }
            for question in Self.questions {
                let answers = AnswerLine(line, question, world)
                let given = reader.withBatch { batch in
                    var order = SiteOrder()
                    return clients.map { client in
                        let match = batch.order(
                            policy: question.policy, family: question.family, client: client,
                            places: question.places, into: &order)
                        return (Int(match.scope), Array(order.sites.prefix(question.places)))
                    }
                }
                for (index, (client, (scope, sites))) in zip(clients, given).enumerated() {
                    let exact = answers.scope(of: client)
                    let isRight = expectation == .exact ? scope == exact : scope >= exact
                    let ranking = world.ranking(
                        policy: question.policy, family: question.family, client: client,
                        values: line.values[line.part(of: client)])
                    guard isRight, sites == ranking.usable.prefix(question.places).map(\.site)
                    else {
                        Issue.record(
                            "\(context): \(client) \(question): scope \(scope), not \(exact)")
                        return nil
                    }
                    if scope < byClass[index] { wider += 1 }
                }
            }
        }
        return wider
    }
}

@Suite("The scope of an answer")
struct AnswerScopeTests {
    @Test(
        "is the largest block that gets the same answer, at rest and after every kind of change; never a wider one meanwhile",
        arguments: 1...12 as ClosedRange<UInt64>)
    func exhaustive(seed: UInt64) async throws {
        let table = try ScopesUnderTest(seed: seed)
        let oracle = table.fixture.oracle
        await table.fixture.complete(0, 1, 2, 3)
        try await table.update(40)
        await table.setLayers()
        // The questions are asked for the first time: scopes are by class.
        guard let byClass = try table.check(.safe, "seed \(seed), unasked") else { return }
        #expect(byClass == 0)
        table.keeper.refresh()
        guard let wider = try table.check(.exact, "seed \(seed), at first") else { return }
        #expect(wider > 0)

        for round in 0..<4 {
            let context = "seed \(seed), round \(round)"
            let site = SiteID(rawValue: UInt8(round))
            oracle.update { $0.status[site] = SiteStatus(health: .down, lastUp: Int64(round)) }
            guard try table.check(.safe, "\(context), a site down") != nil else { return }
            table.keeper.refresh()
            guard try table.check(.exact, "\(context), a site down") != nil else { return }

            for _ in 0..<3 {
                try await table.update(2)
                guard try table.check(.safe, "\(context), updated") != nil else { return }
            }
            table.keeper.refresh()
            guard try table.check(.exact, "\(context), refreshed") != nil else { return }

            if round == 2 {
                oracle.update { $0.status = [:] }
                guard try table.check(.safe, "\(context), all up") != nil else { return }
            }
            await table.setLayers()
            guard try table.check(.safe, "\(context), another image") != nil else { return }
            table.keeper.refresh()
            guard try table.check(.exact, "\(context), another image") != nil else { return }
        }
    }

    private static func scope(
        _ reader: inout OracleReader, _ client: String, policy: Int = 0
    ) throws -> Int {
        try OracleTests.ask(&reader, client, policy: policy, places: 1).scope
    }

    @Test("narrows where the table has changed, and stays wide elsewhere")
    func narrowsLocally() async throws {
        let fixture = try Fixture(OracleTests.sites(2))
        defer { fixture.owner.shutdown() }
        await fixture.complete(0, 1)
        var routes: [(site: UInt8, prefix: String, hops: Int?)] = [(0, "0.0.0.0/0", 1)]
        for block in 0..<8 { routes.append((1, "10.\(block).0.0/16", block % 2 == 0 ? 3 : 4)) }
        try await fixture.announce(routes)
        let keeper = try ScopeKeeper(owner: fixture.owner, oracle: fixture.oracle)
        var reader = try fixture.oracle.makeReader()
        #expect(try Self.scope(&reader, "10.3.0.1") == 16)
        keeper.refresh()
        #expect(try Self.scope(&reader, "10.3.0.1") == 0, "site 0 is first everywhere")

        // The order below the first place changes: the answer doesn't, but nobody knows yet.
        try await fixture.announce([(1, "10.4.0.0/16", 6)])
        #expect(try Self.scope(&reader, "10.4.0.1") == 16)
        #expect(try Self.scope(&reader, "10.3.0.1") == 14, "10.0.0.0/14 has not changed")
        #expect(try Self.scope(&reader, "192.0.2.1") == 1)
        keeper.refresh()
        #expect(try Self.scope(&reader, "10.4.0.1") == 0)

        try await fixture.announce([(1, "10.5.5.0/24", 0)])
        #expect(try Self.scope(&reader, "10.5.5.5") == 24)
        #expect(try Self.scope(&reader, "10.5.4.5") == 24)
        keeper.refresh()
        #expect(try Self.scope(&reader, "10.5.5.5") == 24)
        #expect(try Self.scope(&reader, "10.5.4.5") == 24)
        #expect(try Self.scope(&reader, "10.5.16.5") == 20)
        #expect(try Self.scope(&reader, "128.0.0.1") == 1)
    }

    @Test("stays wide through changes of sites that the question doesn't list")
    func carriesOver() async throws {
        let sites = OracleTests.sites(3)
        let fixture = try Fixture(
            sites, policies: [Policy(sites: sites.map(\.id)), Policy(sites: [sites[0].id])])
        defer { fixture.owner.shutdown() }
        await fixture.complete(0, 1, 2)
        try await fixture.announce([(0, "0.0.0.0/0", 1), (1, "10.0.0.0/8", 2)])
        let keeper = try ScopeKeeper(owner: fixture.owner, oracle: fixture.oracle)
        var reader = try fixture.oracle.makeReader()
        for policy in [0, 1] {
            #expect(try Self.scope(&reader, "10.0.0.1", policy: policy) == 8)
        }
        keeper.refresh()
        for policy in [0, 1] {
            #expect(try Self.scope(&reader, "10.0.0.1", policy: policy) == 0)
        }
        fixture.oracle.update { $0.status[sites[1].id] = SiteStatus(health: .down) }
        #expect(try Self.scope(&reader, "10.0.0.1", policy: 1) == 8, "not looked at yet")
        #expect(keeper.carryOver() == false, "the question that lists the site needs a walk")
        #expect(try Self.scope(&reader, "10.0.0.1", policy: 0) == 8)
        #expect(try Self.scope(&reader, "10.0.0.1", policy: 1) == 0)
        fixture.oracle.update { $0.status = [:] }
        #expect(keeper.carryOver())
        #expect(try Self.scope(&reader, "10.0.0.1", policy: 0) == 0)
    }

    @Test("is 0 for caches only where clients of IPv4 and of IPv6 get the same")
    func families() async throws {
        let fixture = try Fixture(OracleTests.sites(2))
        defer { fixture.owner.shutdown() }
        await fixture.complete(0, 1)
        try await fixture.announce([
            (0, "0.0.0.0/0", 1), (1, "0.0.0.0/0", 2), (0, "::/0", 2), (1, "::/0", 1),
        ])
        var reader = try fixture.oracle.makeReader()
        func scopes(places: Int) throws -> [UInt8] {
            try ["10.0.0.1", "2001:db8::1"].map { client in
                let client = try IPAddress(parsing: client)
                return reader.withBatch { batch in
                    var order = SiteOrder()
                    return batch.answerOrder(
                        policy: 0, family: nil, client: client, places: places, into: &order
                    ).scope
                }
            }
        }
        #expect(try Self.scope(&reader, "10.0.0.1") == 0, "of its family, that is")
        #expect(try scopes(places: 1) == [1, 1])
        fixture.oracle.update { $0.status[SiteID(rawValue: 1)] = SiteStatus(health: .down) }
        #expect(try scopes(places: 1) == [0, 0], "there is one site alone")
        fixture.oracle.update { $0.status = [:] }
        try await fixture.announce([(0, "::/0", 1), (1, "::/0", 2)])
        #expect(try scopes(places: 1) == [0, 0])
        #expect(try scopes(places: 2) == [0, 0])
        try await fixture.announce([(1, "2001:db8::/32", 0)])
        #expect(try scopes(places: 1) == [1, 32])
    }

    @Test("is that of the class where indexes would need more memory than they may")
    func memoryLimit() async throws {
        let fixture = try Fixture(OracleTests.sites(2))
        defer { fixture.owner.shutdown() }
        await fixture.complete(0, 1)
        var routes: [(site: UInt8, prefix: String, hops: Int?)] = [(0, "0.0.0.0/0", 3)]
        // Classes that differ in the second place alone, but for one.
        for block in 0..<128 { routes.append((1, "10.\(block).0.0/16", block % 2 + 4)) }
        routes.append((1, "11.0.0.0/8", 1))
        try await fixture.announce(routes)
        var reader = try fixture.oracle.makeReader()
        #expect(try Self.scope(&reader, "10.1.0.1") == 16)
        for (limit, scope) in [(7, 16), (8, 8)] {
            let keeper = try ScopeKeeper(
                owner: fixture.owner, oracle: fixture.oracle, memoryLimit: limit)
            keeper.refresh()
            #expect(try Self.scope(&reader, "10.1.0.1") == scope)
        }
    }

    @Test("is followed by a thread, which ends when it is told to")
    func thread() async throws {
        let fixture = try Fixture(OracleTests.sites(2))
        defer { fixture.owner.shutdown() }
        await fixture.complete(0, 1)
        try await fixture.announce([(0, "0.0.0.0/0", 1), (1, "10.0.0.0/8", 2)])
        let keeper = try ScopeKeeper(
            owner: fixture.owner, oracle: fixture.oracle,
            pace: ScopeKeeper.Pace(refreshShare: 1, urgentShare: 1, refreshInterval: 0))
        #expect(try keeper.start())
        #expect(try !keeper.start(), "once")
        var reader = try fixture.oracle.makeReader()
        for change in 0..<4 {
            try await Self.wait(for: 0) { try Self.scope(&reader, "10.0.0.1") }
            switch change {
            case 0: try await fixture.announce([(1, "10.0.0.0/8", 3)])
            case 1: fixture.oracle.update { $0.sites[1].weight = 7 }
            case 2:
                fixture.owner.submit(
                    .setPins([(try IPPrefix(parsing: "10.0.0.0/8"), [SiteID(rawValue: 0)])]))
                await fixture.owner.flush()
            default: break
            }
        }
        keeper.stop()
        keeper.stop()
        #expect(try !keeper.start())
        #expect(try Self.scope(&reader, "10.0.0.1") == 8, "by class again")
    }

    @Test("leaves no marks behind where it is told to end in the middle of a walk")
    func marks() async throws {
        let fixture = try Fixture(OracleTests.sites(2))
        defer { fixture.owner.shutdown() }
        await fixture.complete(0, 1)
        try await fixture.announce([(0, "0.0.0.0/0", 1), (1, "10.0.0.0/8", 2)])
        let keeper = try ScopeKeeper(owner: fixture.owner, oracle: fixture.oracle)
        var reader = try fixture.oracle.makeReader()
        _ = try Self.scope(&reader, "10.0.0.1")
        keeper.beginAndWithdraw()
        let marks = try #require(ChangeMarks())
        let others = try #require(ChangeMarks())
        let rounds = try fixture.owner.querySync { rib in
            [rib.beginRound(marks), rib.beginRound(others)].compactMap { $0 }.count
        }
        #expect(rounds == 2, "as many as there can be")
    }

    /// Asks until the answer is as expected; a minute at most.
    private static func wait<T: Equatable>(for value: T, _ ask: () throws -> T) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(60)
        while try ask() != value {
            guard clock.now < deadline else {
                Issue.record("still \(try ask()), not \(value)")
                return
            }
            await Task.yield()
        }
    }
}
