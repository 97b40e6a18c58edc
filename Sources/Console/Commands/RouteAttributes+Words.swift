// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable

extension RouteAttributes {
    /// Why the route is ignored. What rules reject is held only where they ask for its validation,
    /// so that one which neither leaked nor is invalid is ignored by such a rule.
    var ignoredWords: String {
        if self.isLeaked { return "leaked: marked for customers only (OTC)" }
        return switch self.validation {
        case .invalid: "RPKI invalid"
        case .valid, .notFound: "rejected by a rule: RPKI \(self.validation.word ?? "-")"
        case .notChecked: "rejected by a rule: not checked by RPKI"
        }
    }

    /// Why the distance, before penalties, is another than the path's length; nil where it is that.
    func distanceWords(_ reason: DistanceReason?) -> String? {
        guard let override = self.distanceOverride else { return nil }
        let distance = Int(override)
        let length = self.keptLength.map { Int($0) } ?? self.asPath.length
        guard distance != length else { return nil }
        let hops = Value.count(distance, "hop")
        return switch reason {
        case .rule: "a rule sets \(hops) in place of the path's \(length)"
        case .prependsOnce: "prepends count once: \(hops) in place of the path's \(length)"
        case .localPreference(let hops, let level):
            "LOCAL_PREF comes first: \(Value.count(hops, "hop")) at the level \(level), "
                + "written \(distance)"
        case nil: "a rule or an option sets \(hops) in place of the path's \(length)"
        }
    }
}
