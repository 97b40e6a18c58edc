// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice

/// What a name that is answered with the nearest site says beside its sites.
public struct NearestNameReport: Hashable, Sendable {
    /// How many sites an answer names.
    public var answers: Int
    /// Seconds, while all sites are as they should be, and while one isn't.
    public var timeToLive: Int
    public var minimumTimeToLive: Int
    /// Else the resolver's address decides.
    public var usesClientSubnet: Bool
    /// What the name is an alias for, by the site's name; none where it has addresses.
    public var aliases: [String: String]
    /// Whether a site's several addresses are rotated by client.
    public var rotates: Bool

    public init(
        answers: Int, timeToLive: Int, minimumTimeToLive: Int, usesClientSubnet: Bool,
        aliases: [String: String], rotates: Bool
    ) {
        self.answers = answers
        self.timeToLive = timeToLive
        self.minimumTimeToLive = minimumTimeToLive
        self.usesClientSubnet = usesClientSubnet
        self.aliases = aliases
        self.rotates = rotates
    }

    var form: AnswerForm {
        AnswerForm(
            places: self.answers, isAlias: !self.aliases.isEmpty, rotates: self.rotates,
            usesClientSubnet: self.usesClientSubnet)
    }
}

extension ConsoleBackend {
    /// Nothing is known of names where there are no zones.
    public func nearestName(_ name: String) -> NearestNameReport? { nil }
}
