// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

extension RuleSet {
    /// What sets a route's distance in place of its path's length.
    public enum DistanceReason: Hashable, Sendable {
        /// One of the rules.
        case rule
        /// ``FeedOptions/countsPrependsOnce``.
        case prependsOnce
        /// ``FeedOptions/preferenceLevels``: so many hops at a level, or below all of them (nil).
        case localPreference(hops: Int, level: UInt32?)
    }

    /// What has set a distance, told from what is held of the route.
    ///
    /// - Parameters:
    ///   - distance: It, before penalties.
    ///   - path: The route's; nil where neither that nor LOCAL_PREF is kept.
    ///   - localPreference: The route's; nil where it says none.
    /// - Returns: Nil where a rule and the options could both have set it, or neither, since others
    ///   were in force.
    public func reason(
        for distance: Int, path: ASPath?, localPreference: UInt32?
    ) -> DistanceReason? {
        let canBeOfRule = self.rules.contains { rule in
            if case .distance(let hops) = rule.action { return Int(hops) == distance }
            return false
        }
        let canBeOfOptions =
            self.options.changesDistance
            && path.map {
                self.options.distance(
                    length: self.options.length(of: $0), localPreference: localPreference)
                    == distance
            } ?? true
        switch (canBeOfRule, canBeOfOptions) {
        case (true, false): return .rule
        case (false, true):
            guard let parts = self.options.parts(of: distance) else { return .prependsOnce }
            return .localPreference(hops: parts.hops, level: parts.level)
        case (true, true), (false, false): return nil
        }
    }
}
