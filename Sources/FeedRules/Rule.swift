// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What becomes of the routes that conditions hold for.
public struct Rule: Hashable, Sendable {
    public enum Action: Hashable, Sendable {
        /// The route is as if it had not come.
        case reject
        /// It counts as it is.
        case accept
        /// Hops are added to its distance.
        case penalty(UInt8)
        /// Its distance is this, whatever its path.
        case distance(UInt8)
    }

    /// The largest distance, and the largest penalty.
    public static let maximumHops = 254

    /// All routes, where it has none.
    public var conditions: Conditions
    /// Routes that these hold for are left out.
    public var exceptions: Conditions?
    public var action: Action
    /// Names that `show` and `explain` give with the route.
    public var tags: [String]

    public init(
        _ conditions: Conditions = Conditions(), except exceptions: Conditions? = nil,
        action: Action, tags: [String] = []
    ) {
        self.conditions = conditions
        self.exceptions = exceptions
        self.action = action
        self.tags = tags
    }

    /// As in the configuration, on one line.
    public var words: String {
        var words = self.conditions.words
        if let exceptions = self.exceptions {
            words += (words.isEmpty ? "not " : "; not ") + "(\(exceptions.words))"
        }
        if words.isEmpty { words = "all" }
        return words + " -> " + self.actionWords
    }

    public var actionWords: String {
        var words: [String] = []
        switch self.action {
        case .reject: words.append("reject")
        case .accept: words += self.tags.isEmpty ? ["accept"] : []
        case .penalty(let hops): words.append("penalty \(hops)")
        case .distance(let hops): words.append("distance \(hops)")
        }
        words += self.tags.map { "tag \($0)" }
        return words.joined(separator: ", ")
    }

    var readsCommunities: Bool {
        !self.conditions.communities.isEmpty || self.exceptions?.communities.isEmpty == false
    }

    var readsOtherAttributes: Bool {
        [self.conditions, self.exceptions ?? Conditions()].contains { conditions in
            var others = conditions
            others.prefixes = []
            others.validation = []
            others.family = nil
            others.communities = []
            return !others.isEmpty
        }
    }

    var readsValidation: Bool {
        !self.conditions.validation.isEmpty || self.exceptions?.validation.isEmpty == false
    }
}
