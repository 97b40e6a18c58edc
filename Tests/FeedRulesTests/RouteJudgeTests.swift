// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import FeedRules
import Testing

@Suite("Judging routes")
struct RouteJudgeTests {
    static func judge(_ rules: [Rule], _ change: (inout FeedOptions) -> Void = { _ in })
        -> RouteJudge
    {
        var options = FeedOptions()
        change(&options)
        return RouteJudge(RuleSet(rules: rules, options: options))
    }

    static func rule(
        _ action: Rule.Action, except exceptions: Conditions? = nil,
        _ change: (inout Conditions) -> Void = { _ in }
    ) -> Rule {
        var conditions = Conditions()
        change(&conditions)
        return Rule(conditions, except: exceptions, action: action)
    }

    static func decide(
        _ judge: RouteJudge, _ facts: RouteFacts, _ prefix: String = "10.0.0.0/8",
        communities: [UInt8] = [], state: ValidationStates = .notChecked
    ) throws -> RouteJudge.Decision {
        let none = RawSpan()
        let judgement = judge.judge(
            facts, standard: communities.span.bytes, extended: none, large: none)
        let decision = judge.decide(judgement, try IPPrefix(parsing: prefix)) { state }
        if judgement.isDecided { #expect(decision == judgement.otherwise) }
        return decision
    }

    static func facts(
        _ path: String = "65000 1299", family: AddressFamily = .ipv4, nextHop: String? = nil,
        med: UInt32? = nil, preference: UInt32? = nil
    ) throws -> RouteFacts {
        RouteFacts(
            path: PathExpressionTests.path(path), family: family,
            nextHop: try nextHop.map { try IPAddress(parsing: $0) }, multiExitDiscriminator: med,
            localPreference: preference)
    }

    @Test("the first rule that holds decides, and none accepts")
    func first() throws {
        let judge = Self.judge([
            Self.rule(.reject) { $0.family = .ipv6 },
            Self.rule(.penalty(3)) { $0.pathLength = NumberSet([2...5]) },
            Self.rule(.distance(9)) { $0.pathLength = NumberSet([5...9]) },
        ])
        #expect(try Self.decide(judge, Self.facts("1")) == .noRule)
        #expect(try Self.decide(judge, Self.facts("1 2")) == .rule(1))
        #expect(try Self.decide(judge, Self.facts("1 2 3 4 5")) == .rule(1))
        #expect(try Self.decide(judge, Self.facts("1 2 3 4 5 6")) == .rule(2))
        #expect(try Self.decide(judge, Self.facts("1 2", family: .ipv6)) == .rule(0))
        #expect(judge.rejects(.rule(0)))
        #expect(!judge.rejects(.noRule))
        #expect(judge.distance(try Self.facts("1 2 3 4 5 6"), .rule(2)) == 9)
        #expect(judge.distance(try Self.facts("1 2"), .rule(1)) == nil)
    }

    typealias Change = @Sendable (inout Conditions) -> Void

    static let singles: [(Change, Bool)] = [
        ({ $0.firstAS = NumberSet([65000...65000]) }, true),
        ({ $0.firstAS = NumberSet([1299...1299]) }, false),
        ({ $0.originAS = NumberSet([1299...1299]) }, true),
        ({ $0.originAS = NumberSet([1...1298]) }, false),
        ({ $0.containedAS = NumberSet([1...9, 1299...1299]) }, true),
        ({ $0.containedAS = NumberSet([1300...64999]) }, false),
        ({ $0.pathLength = NumberSet([2...2]) }, true),
        ({ $0.pathLength = NumberSet([3...9]) }, false),
        ({ $0.multiExitDiscriminator = NumberSet([50...50]) }, true),
        ({ $0.multiExitDiscriminator = NumberSet([0...49]) }, false),
        ({ $0.localPreference = NumberSet([200...300]) }, true),
        ({ $0.localPreference = NumberSet([100...100]) }, false),
        ({ $0.nextHops = [IPPrefix("192.0.2.0/24")].compactMap(\.self) }, true),
        ({ $0.nextHops = [IPPrefix("192.0.3.0/24"), IPPrefix("::/0")].compactMap(\.self) }, false),
        ({ $0.family = .ipv4 }, true), ({ $0.family = .ipv6 }, false),
        ({ $0.validation = [.invalid, .notFound] }, true), ({ $0.validation = .valid }, false),
        ({ $0.prefixes = [.pattern(PrefixPattern(IPPrefix.all(.ipv4), lengths: 0...8))] }, true),
        ({ $0.prefixes = [.pattern(PrefixPattern(IPPrefix.all(.ipv4), lengths: 9...32))] }, false),
    ]

    @Test("each condition by itself", arguments: RouteJudgeTests.singles)
    func single(change: Change, expected: Bool) throws {
        let facts = try Self.facts(nextHop: "192.0.2.7", med: 50, preference: 200)
        let judge = Self.judge([Self.rule(.reject, change)])
        #expect(try Self.decide(judge, facts, state: .invalid) == (expected ? .rule(0) : .noRule))
        // The same as an exception leaves out what it held for.
        var conditions = Conditions()
        change(&conditions)
        let except = Self.judge([Self.rule(.reject, except: conditions)])
        #expect(try Self.decide(except, facts, state: .invalid) == (expected ? .noRule : .rule(0)))
    }

    @Test("what a route doesn't say is taken as usual")
    func missing() throws {
        let judge = Self.judge([
            Self.rule(.penalty(1)) {
                $0.multiExitDiscriminator = NumberSet([0...0])
                $0.localPreference = NumberSet([100...100])
            },
            Self.rule(.penalty(2)) { $0.nextHops = [.all(.ipv4), .all(.ipv6)] },
            Self.rule(.penalty(3)) { $0.firstAS = NumberSet([0 ... .max]) },
        ])
        #expect(try Self.decide(judge, Self.facts()) == .rule(0))
        #expect(try Self.decide(judge, Self.facts(med: 1)) == .rule(2))
        #expect(try Self.decide(judge, Self.facts("", med: 1)) == .noRule)
        #expect(try Self.decide(judge, Self.facts("{1,2}", med: 1)) == .noRule)
    }

    @Test("a prefix that a rule asks for decides between it and what comes after")
    func prefixes() throws {
        let ten = Conditions.PrefixChoice.pattern(try PrefixPattern(parsing: "10.0.0.0/8+"))
        let list = PrefixList(
            name: "two", patterns: [try PrefixPattern(parsing: "10.2.0.0/16+")])
        var second = Conditions()
        second.prefixes = [.list(list)]
        let judge = Self.judge([
            Self.rule(.penalty(1)) {
                $0.prefixes = [.list(list)]; $0.family = .ipv6
            },
            Self.rule(.penalty(2), except: second) { $0.prefixes = [ten] },
            Self.rule(.penalty(3)) { $0.validation = .invalid },
            Self.rule(.penalty(4)),
            Self.rule(.penalty(5)) { $0.prefixes = [ten] },
        ])
        #expect(judge.hasPrefixRules)
        #expect(try Self.decide(judge, Self.facts(), "10.1.0.0/16") == .rule(1))
        #expect(try Self.decide(judge, Self.facts(), "10.2.3.0/24") == .rule(3))
        #expect(try Self.decide(judge, Self.facts(), "10.2.3.0/24", state: .invalid) == .rule(2))
        #expect(try Self.decide(judge, Self.facts(), "11.0.0.0/8") == .rule(3))
        #expect(judge.minds(.rule(2)))
        #expect(!judge.minds(.rule(3)))
        #expect(!judge.minds(.noRule))
    }

    @Test("prefixes are ignored by length, by a list, and as default routes")
    func ignored() throws {
        let usual = Self.judge([])
        #expect(!usual.looksAtPrefixes)
        for text in ["0.0.0.0/0", "::/0"] {
            let all = try IPPrefix(parsing: text)
            #expect(usual.ignores(all) == nil)
            #expect(
                Self.judge([]) { $0.acceptsDefaultRoute = false }.ignores(all) == .defaultRoute)
        }
        for text in ["0.0.0.0/1", "10.0.0.1/32", "::/1", "::1/128"] {
            #expect(usual.ignores(try IPPrefix(parsing: text)) == nil)
        }
        #expect(Self.judge([]) { $0.acceptsDefaultRoute = false }.looksAtPrefixes)
        let strict = Self.judge([]) {
            $0.lengthsIPv4 = 8...24
            $0.lengthsIPv6 = 16...48
            $0.bogons = PrefixList(
                name: "x",
                patterns: [PrefixPattern(IPPrefix("10.0.0.0/8") ?? .all(.ipv4), lengths: 8...32)])
        }
        for (text, reason) in [
            ("0.0.0.0/0", nil), ("12.0.0.0/7", .length), ("11.0.0.0/8", nil),
            ("11.0.0.0/24", nil), ("11.0.0.0/25", .length), ("10.0.0.0/24", .bogon),
            ("2000::/15", .length), ("2000::/16", nil), ("2000::/48", nil), ("2000::/49", .length),
        ] as [(String, RouteJudge.Reason?)] {
            #expect(strict.ignores(try IPPrefix(parsing: text)) == reason, "\(text)")
        }
    }

    @Test(
        "a prepended path may count each AS once",
        arguments: [
            ("", 0, 0), ("1", 1, 1), ("1 1 1", 3, 1), ("1 2 2 1", 4, 3), ("1 {1,2} 1", 3, 3),
            ("(1 2) 3 3", 2, 1), ("3 (1 1) 3", 2, 1), ("1 1 {5} {5}", 4, 3),
        ])
    func prepends(path: String, usual: Int, once: Int) throws {
        let facts = try Self.facts(path)
        #expect(facts.path.length == usual)
        #expect(facts.path.lengthWithoutPrepends == once)
        let judge = Self.judge([
            Self.rule(.reject) { $0.pathLength = NumberSet([UInt32(once)...UInt32(once)]) }
        ]) {
            $0.countsPrependsOnce = true
        }
        #expect(try Self.decide(judge, facts) == .rule(0), "rules see the length that counts")
        #expect(judge.distance(facts, .noRule) == once)
    }

    @Test("a prepended path in two segments is still one AS")
    func longPrepends() {
        let path = ASPath(Array(repeating: ASNumber(1), count: 300) + [2])
        #expect(path.lengthWithoutPrepends == 2)
    }

    @Test(
        "LOCAL_PREF comes before the path's length",
        arguments: [
            (200, 3, 3), (101, 3, 3), (100, 3, 88), (nil, 3, 88), (99, 3, 173), (0, 0, 170),
            (101, 84, 84), (101, 200, 84), (100, 200, 169), (0, 254, 254),
        ] as [(UInt32?, Int, Int)])
    func localPreference(preference: UInt32?, length: Int, distance: Int) throws {
        var options = FeedOptions()
        options.preferenceLevels = FeedOptions.usualLevels
        #expect(options.distance(length: length, localPreference: preference) == distance)
    }

    @Test("levels never overlap, however many there are", arguments: 1...FeedOptions.maximumLevels)
    func levels(count: Int) {
        var options = FeedOptions()
        options.preferenceLevels = (1...count).map { UInt32(100 * ($0)) }.reversed()
        var last = -1
        for preference in stride(from: UInt32(100 * count), through: 0, by: -100) {
            for length in [0, 1, 14, 254] {
                let distance = options.distance(length: length, localPreference: preference)
                #expect(distance > last || length == 254)
                #expect(distance >= last && distance <= 254)
                last = distance
            }
        }
    }

    @Test(
        "a held route tells what has set its distance",
        arguments: [
            // LOCAL_PREF, whatever rules there are for other routes.
            (87, 2, 100, [101, 100], [], .localPreference(hops: 2, level: 100)),
            (87, 2, nil, [101, 100], [5], .localPreference(hops: 2, level: 100)),
            (3, 3, 200, [101, 100], [], .localPreference(hops: 3, level: 101)),
            (171, 1, 50, [101, 100], [], .localPreference(hops: 1, level: nil)),
            (5, 2, 100, [101, 100], [5], .rule), (5, 2, nil, [], [5], .rule),
            // Both could have, or neither.
            (87, 2, 100, [101, 100], [87], nil), (6, 2, 100, [101, 100], [5], nil),
            (5, 2, nil, [], [], nil),
        ] as [(Int, Int, UInt32?, [UInt32], [UInt8], RuleSet.DistanceReason?)])
    func reasons(
        distance: Int, length: Int, preference: UInt32?, levels: [UInt32], rules: [UInt8],
        reason: RuleSet.DistanceReason?
    ) {
        var set = RuleSet(rules: rules.map { Self.rule(.distance($0)) })
        set.options.preferenceLevels = levels
        let path = ASPath((0..<length).map { ASNumber(UInt32(65_000 + $0)) })
        #expect(set.reason(for: distance, path: path, localPreference: preference) == reason)
    }

    @Test("so does one whose path isn't kept, and one whose prepends count once")
    func otherReasons() {
        var set = RuleSet()
        set.options.preferenceLevels = FeedOptions.usualLevels
        #expect(
            set.reason(for: 87, path: nil, localPreference: nil)
                == .localPreference(hops: 2, level: 100))
        set.rules = [Self.rule(.distance(87))]
        #expect(set.reason(for: 87, path: nil, localPreference: nil) == nil)
        set = RuleSet()
        set.options.countsPrependsOnce = true
        let path = ASPath([65_000, 65_000, 65_001])
        #expect(set.reason(for: 2, path: path, localPreference: nil) == .prependsOnce)
        #expect(set.reason(for: 3, path: path, localPreference: nil) == nil)
    }

    @Test("decisions are counted, by batches")
    func counting() {
        let judge = Self.judge([Self.rule(.reject), Self.rule(.accept)])
        var counts = RuleCounts(rules: 2)
        counts.count(.rule(1), times: 3)
        counts.count(.noRule)
        counts.count(.bogon)
        counts.count(.length)
        counts.count(.defaultRoute)
        judge.tally.take(&counts)
        #expect(counts == RuleCounts(rules: 2))
        counts.count(.rule(1))
        judge.tally.take(&counts)
        let total = judge.tally.total
        #expect(total.rules == [0, 4])
        #expect([total.others, total.bogons, total.lengths, total.defaultRoutes] == [1, 1, 1, 1])
    }

    @Test("a rule says itself in words")
    func words() throws {
        var conditions = Conditions()
        conditions.prefixes = [
            .pattern(try PrefixPattern(parsing: "10.0.0.0/8+")),
            .list(PrefixList(name: "customers", patterns: [])),
        ]
        conditions.paths = [try PathExpression(parsing: "^65000_")]
        conditions.communities = [try CommunityPattern(parsing: "65000:*")]
        conditions.multiExitDiscriminator = try NumberSet(parsing: ">= 100")
        conditions.validation = [.invalid, .notFound]
        conditions.family = .ipv6
        var exceptions = Conditions()
        exceptions.originAS = try NumberSet(parsing: "64512-65534")
        let rule = Rule(conditions, except: exceptions, action: .penalty(3), tags: ["satellite"])
        #expect(
            rule.words
                == "prefix 10.0.0.0/8+, customers; as-path ^65000_; community 65000:*; family ipv6; "
                + "med >= 100; validation not-found, invalid; not (origin 64512-65534) "
                + "-> penalty 3, tag satellite")
        #expect(Rule(action: .reject).words == "all -> reject")
        #expect(Rule(action: .accept, tags: ["x"]).words == "all -> tag x")
    }

    @Test("what rules read is known, so that what isn't kept is missed")
    func needs() throws {
        func rules(_ change: (inout Conditions) -> Void) -> RuleSet {
            RuleSet(rules: [Self.rule(.reject, change)])
        }
        let communities = try CommunityPattern(parsing: "1:1")
        #expect(rules { $0.communities = [communities] }.readsCommunities)
        #expect(!rules { $0.communities = [communities] }.readsOtherAttributes)
        #expect(rules { $0.pathLength = NumberSet([1...1]) }.readsOtherAttributes)
        #expect(!rules { $0.family = .ipv4 }.readsOtherAttributes)
        #expect(rules { $0.validation = .invalid }.readsValidation)
        var except = Conditions()
        except.communities = [communities]
        #expect(RuleSet(rules: [Self.rule(.reject, except: except)]).readsCommunities)
    }
}
