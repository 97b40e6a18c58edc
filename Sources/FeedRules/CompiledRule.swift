// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire

/// A rule with its lists made for asking.
struct CompiledRule: Sendable {
    let conditions: CompiledConditions
    let exceptions: CompiledConditions?

    init(_ rule: Rule) {
        self.conditions = CompiledConditions(rule.conditions)
        self.exceptions = rule.exceptions.map(CompiledConditions.init)
    }

    var dependsOnPrefix: Bool {
        self.conditions.dependsOnPrefix || self.exceptions?.dependsOnPrefix == true
    }
}

struct CompiledConditions: Sendable {
    private let conditions: Conditions
    private let prefixes: PrefixSet?
    let dependsOnPrefix: Bool
    private let asksPath: Bool
    private let asksEnds: Bool
    private let asksCommunities: Bool

    init(_ conditions: Conditions) {
        self.conditions = conditions
        self.prefixes =
            conditions.prefixes.isEmpty
            ? nil : PrefixSet(conditions.prefixes.flatMap(\.patterns))
        self.dependsOnPrefix = conditions.dependsOnPrefix
        self.asksEnds = conditions.firstAS != nil || conditions.originAS != nil
        self.asksPath =
            !conditions.paths.isEmpty || self.asksEnds || conditions.containedAS != nil
        self.asksCommunities = !conditions.communities.isEmpty
    }

    /// Whether all holds that doesn't depend on the prefix.
    func hold(
        _ facts: RouteFacts, length: Int, standard: RawSpan, extended: RawSpan, large: RawSpan
    ) -> Bool {
        if let family = self.conditions.family, family != facts.family { return false }
        if let wanted = self.conditions.pathLength, !wanted.contains(UInt32(clamping: length)) {
            return false
        }
        if let wanted = self.conditions.multiExitDiscriminator,
            !wanted.contains(facts.multiExitDiscriminator ?? 0)
        {
            return false
        }
        if let wanted = self.conditions.localPreference,
            !wanted.contains(facts.localPreference ?? Conditions.usualLocalPreference)
        {
            return false
        }
        if !self.conditions.nextHops.isEmpty {
            guard let nextHop = facts.nextHop,
                self.conditions.nextHops.contains(where: { $0.contains(nextHop) })
            else { return false }
        }
        if self.asksCommunities {
            var isThere = false
            for pattern in self.conditions.communities {
                switch pattern.list {
                case .standard: isThere = pattern.matches(in: standard)
                case .extended: isThere = pattern.matches(in: extended)
                case .large: isThere = pattern.matches(in: large)
                }
                if isThere { break }
            }
            guard isThere else { return false }
        }
        return !self.asksPath || self.hold(facts.path)
    }

    private func hold(_ path: ASPath) -> Bool {
        if self.asksEnds {
            let ends = path.ends
            if let wanted = self.conditions.firstAS {
                guard let first = ends.first, wanted.contains(first) else { return false }
            }
            if let wanted = self.conditions.originAS {
                guard let origin = ends.origin, wanted.contains(origin) else { return false }
            }
        }
        if let wanted = self.conditions.containedAS, !path.contains(anyOf: wanted) {
            return false
        }
        return self.conditions.paths.isEmpty
            || self.conditions.paths.contains { $0.matches(path) }
    }

    /// Whether what depends on the prefix holds.
    func hold(_ prefix: IPPrefix, _ validation: () -> ValidationStates) -> Bool {
        if let prefixes = self.prefixes, !prefixes.contains(prefix) { return false }
        let wanted = self.conditions.validation
        return wanted.isEmpty || !wanted.isDisjoint(with: validation())
    }
}
