// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import FeedRules
import RouteTable

extension RouteJudge {
    /// Writes into a route's attributes what a decision makes of them.
    func apply(_ decision: Decision, _ facts: RouteFacts, to attributes: inout RouteAttributes) {
        attributes.distanceOverride = self.distance(facts, decision).map {
            UInt8(clamping: min($0, RouteAttributes.maximumDistance))
        }
        let rule = self.rule(decision)
        if case .penalty(let hops) = rule?.action {
            attributes.penalty = hops
        } else {
            attributes.penalty = 0
        }
        let isLeaked = attributes.isLeaked
        attributes.tags = rule?.tags ?? []
        if isLeaked { attributes.markAsLeaked() }
    }

    /// Whether routes that are held can be judged again: the table has what the rules ask for.
    func canRevise(_ kept: KeptAttributes) -> Bool {
        switch kept {
        case .communities: true
        case .path: !self.rules.readsCommunities
        case .length: !self.rules.readsCommunities && !self.rules.readsOtherAttributes
        }
    }

    /// A route that is held, judged again by all that is kept of it.
    ///
    /// What was said of it before is replaced, not added to.
    ///
    /// - Parameters:
    ///   - held: Its attributes as they stand in the table.
    ///   - prefix: Its prefix.
    ///   - validation: Whether its origin may announce the prefix, as that is known now.
    ///   - ignoresInvalid: Routes that may not are held without a distance.
    /// - Returns: What they are now; nil where the route is to leave.
    func revised(
        _ held: RouteAttributes, _ prefix: IPPrefix, validation: OriginValidationState,
        ignoresInvalid: Bool
    ) -> RouteAttributes? {
        var counts = RuleCounts(rules: self.rules.rules.count)
        return self.revised(
            held, prefix, validation: validation, ignoresInvalid: ignoresInvalid, counts: &counts)
    }

    /// The same for a route that came decoded, and is counted.
    func revised(
        _ held: RouteAttributes, _ prefix: IPPrefix,
        validation: OriginValidationState = .notChecked, ignoresInvalid: Bool = false,
        counts: inout RuleCounts
    ) -> RouteAttributes? {
        if let reason = self.ignores(prefix) {
            counts.count(reason)
            return nil
        }
        let facts = RouteFacts(
            path: held.asPath, family: prefix.family, nextHop: held.nextHop,
            multiExitDiscriminator: held.multiExitDiscriminator,
            localPreference: held.localPreference)
        let judgement = self.judge(
            facts, standard: held.communities.standard.span.bytes,
            extended: held.communities.extended.span.bytes,
            large: held.communities.large.span.bytes)
        let decision = self.decide(judgement, prefix) { validation.state }
        counts.count(decision)
        let isRejected = self.rejects(decision)
        // What is rejected for its origin is held: it may be valid before it comes again.
        guard !isRejected || self.minds(decision) else { return nil }
        var revised = held
        self.apply(decision, facts, to: &revised)
        revised.validation = validation
        revised.isIgnored =
            held.isLeaked || isRejected
            || validation == .invalid && ignoresInvalid && !self.minds(decision)
        return revised
    }
}

extension RouteAttributes {
    mutating func markAsLeaked() {
        self.isIgnored = true
        self.tags.append(Self.leakTag)
    }
}

extension OriginValidationState {
    /// As rules ask for it.
    var state: ValidationStates {
        switch self {
        case .notChecked: .notChecked
        case .valid: .valid
        case .notFound: .notFound
        case .invalid: .invalid
        }
    }
}
