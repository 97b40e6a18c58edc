// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
import BGPWire

/// What rules ask of a route beside its prefix and its communities.
public struct RouteFacts: Sendable {
    public var path: ASPath
    public var family: AddressFamily
    public var nextHop: IPAddress?
    public var multiExitDiscriminator: UInt32?
    public var localPreference: UInt32?

    public init(
        path: ASPath, family: AddressFamily, nextHop: IPAddress? = nil,
        multiExitDiscriminator: UInt32? = nil, localPreference: UInt32? = nil
    ) {
        self.path = path
        self.family = family
        self.nextHop = nextHop
        self.multiExitDiscriminator = multiExitDiscriminator
        self.localPreference = localPreference
    }
}

/// A feed's rules and options, made for judging.
///
/// Attributes are judged once, for all the prefixes that they came with (``judge(_:standard:extended:large:)``);
/// the prefixes one by one only where a rule asks for that (``Judgement/isDecided``), and by the
/// options where those do (``looksAtPrefixes``).
public final class RouteJudge: Sendable {
    public let rules: RuleSet
    public let tally: RuleTally
    private let compiled: [CompiledRule]
    private let bogons: PrefixSet?
    private let lengthsIPv4: PrefixLengths
    private let lengthsIPv6: PrefixLengths
    /// Whether prefixes may be ignored whatever their attributes.
    public let looksAtPrefixes: Bool
    /// Whether a rule may ask for the prefix.
    public let hasPrefixRules: Bool
    /// Whether there is nothing to judge by: no rule, and no option but that about default routes.
    public let isPlain: Bool
    public let ignoresDefaultRoute: Bool

    public init(_ rules: RuleSet) {
        self.rules = rules
        self.tally = RuleTally(rules: rules.rules.count)
        self.compiled = rules.rules.map(CompiledRule.init)
        let options = rules.options
        self.bogons = options.bogons.map { PrefixSet($0.patterns) }
        func lengths(_ range: ClosedRange<Int>) -> PrefixLengths {
            var lengths = PrefixLengths(range)
            lengths.remove(0)
            if options.acceptsDefaultRoute { lengths.insert(0) }
            return lengths
        }
        self.lengthsIPv4 = lengths(options.lengthsIPv4)
        self.lengthsIPv6 = lengths(options.lengthsIPv6)
        self.looksAtPrefixes =
            self.bogons != nil || self.lengthsIPv4 != PrefixLengths(0...32)
            || self.lengthsIPv6 != PrefixLengths(0...128)
        self.hasPrefixRules = self.compiled.contains { $0.dependsOnPrefix }
        self.ignoresDefaultRoute = !options.acceptsDefaultRoute
        var plain = FeedOptions()
        plain.acceptsDefaultRoute = options.acceptsDefaultRoute
        self.isPlain = rules.rules.isEmpty && options == plain
    }

    // MARK: Prefixes by the options

    /// Why a prefix is ignored.
    public enum Reason: Hashable, Sendable {
        case defaultRoute, length, bogon
    }

    /// Nil where it isn't. Allocates nothing.
    public func ignores(_ prefix: IPPrefix) -> Reason? {
        let length = prefix.length
        let lengths = prefix.family == .ipv4 ? self.lengthsIPv4 : self.lengthsIPv6
        guard lengths.contains(length) else { return length == 0 ? .defaultRoute : .length }
        if let bogons = self.bogons, length > 0, bogons.contains(prefix) { return .bogon }
        return nil
    }

    // MARK: Attributes

    /// What the attributes say; the prefix may have the last word.
    public struct Judgement: Sendable {
        /// Rules that hold if the prefix lets them, in order.
        var candidates: [Candidate] = []
        /// What decides if none of them does.
        public fileprivate(set) var otherwise = Decision.noRule

        /// Whether it is the same for all prefixes.
        @inlinable public var isDecided: Bool { !self.dependsOnPrefix }
        public fileprivate(set) var dependsOnPrefix = false

        struct Candidate: Sendable {
            var rule: Int
            /// The rule's own conditions ask for the prefix; its exceptions do.
            var asks: Bool
            var asksExceptions: Bool
        }
    }

    /// Who has decided.
    public enum Decision: Hashable, Sendable {
        case rule(Int)
        case noRule
    }

    /// Judges attributes. The communities are given as they stand in their attributes (RFC 1997,
    /// RFC 4360, RFC 8092), empty where there are none.
    public func judge(
        _ facts: RouteFacts, standard: RawSpan, extended: RawSpan, large: RawSpan
    ) -> Judgement {
        var judgement = Judgement()
        guard !self.compiled.isEmpty else { return judgement }
        let length = self.rules.options.length(of: facts.path)
        for (index, rule) in self.compiled.enumerated() {
            guard
                rule.conditions.hold(
                    facts, length: length, standard: standard, extended: extended, large: large)
            else { continue }
            let asks = rule.conditions.dependsOnPrefix
            var asksExceptions = false
            if let exceptions = rule.exceptions,
                exceptions.hold(
                    facts, length: length, standard: standard, extended: extended, large: large)
            {
                guard exceptions.dependsOnPrefix else { continue }
                asksExceptions = true
            }
            guard asks || asksExceptions else {
                judgement.otherwise = .rule(index)
                return judgement
            }
            judgement.dependsOnPrefix = true
            judgement.candidates.append(
                Judgement.Candidate(rule: index, asks: asks, asksExceptions: asksExceptions))
        }
        return judgement
    }

    /// Who decides about a prefix; its validation is asked for only where a rule wants to know.
    public func decide(
        _ judgement: Judgement, _ prefix: IPPrefix, validation: () -> ValidationStates
    ) -> Decision {
        for candidate in judgement.candidates {
            let rule = self.compiled[candidate.rule]
            if candidate.asks, !rule.conditions.hold(prefix, validation) { continue }
            if candidate.asksExceptions, rule.exceptions?.hold(prefix, validation) == true {
                continue
            }
            return .rule(candidate.rule)
        }
        return judgement.otherwise
    }

    // MARK: Verdicts

    /// The rule that decided; nil where none did.
    public func rule(_ decision: Decision) -> Rule? {
        switch decision {
        case .rule(let index): self.rules.rules[index]
        case .noRule: nil
        }
    }

    public func rejects(_ decision: Decision) -> Bool {
        self.rule(decision)?.action == .reject
    }

    /// The distance that stands in place of the path's length; nil where that counts as it is.
    public func distance(_ facts: RouteFacts, _ decision: Decision) -> Int? {
        if case .distance(let hops) = self.rule(decision)?.action { return Int(hops) }
        let options = self.rules.options
        guard options.changesDistance else { return nil }
        return options.distance(
            length: options.length(of: facts.path), localPreference: facts.localPreference)
    }

    /// Whether the rule that decided asked for the origin's validation: what it says of an invalid
    /// route stands then.
    public func minds(_ decision: Decision) -> Bool {
        self.rule(decision)?.readsValidation == true
    }
}

/// Equal where the rules are, whatever has been counted.
extension RouteJudge: Hashable {
    public static func == (a: RouteJudge, b: RouteJudge) -> Bool {
        a === b || a.rules == b.rules
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(self.rules.rules.count) }
}
