// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// What is known of a route's origin (RFC 6811 §2), as a set.
public struct ValidationStates: OptionSet, Hashable, Sendable {
    public var rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Nobody has looked: no cache is configured, or none has given its data yet.
    public static let notChecked = Self(rawValue: 1)
    public static let valid = Self(rawValue: 2)
    public static let notFound = Self(rawValue: 4)
    public static let invalid = Self(rawValue: 8)

    /// As in the configuration.
    public static let names: [(name: String, state: ValidationStates)] = [
        ("valid", .valid), ("not-found", .notFound), ("invalid", .invalid),
        ("not-checked", .notChecked),
    ]
}

/// What must hold of a route: all that is said here, each as one of several values.
public struct Conditions: Hashable, Sendable {
    /// One of the prefixes that a condition names: a pattern or a list of them.
    public enum PrefixChoice: Hashable, Sendable {
        case pattern(PrefixPattern)
        case list(PrefixList)

        var patterns: [PrefixPattern] {
            switch self {
            case .pattern(let pattern): [pattern]
            case .list(let list): list.patterns
            }
        }
    }

    public var prefixes: [PrefixChoice] = []
    public var paths: [PathExpression] = []
    /// The AS next to us, that where the route began, or any on the path.
    public var firstAS: NumberSet?
    public var originAS: NumberSet?
    public var containedAS: NumberSet?
    /// The path's length as the feed counts it.
    public var pathLength: NumberSet?
    public var communities: [CommunityPattern] = []
    /// Blocks that the next hop lies in.
    public var nextHops: [IPPrefix] = []
    public var family: AddressFamily?
    /// A route without MED has 0 (RFC 4271 §9.1.2.2 (c)).
    public var multiExitDiscriminator: NumberSet?
    /// A route without LOCAL_PREF has 100, the usual default.
    public var localPreference: NumberSet?
    public var validation: ValidationStates = []

    public init() {}

    /// The LOCAL_PREF of a route that says none.
    public static let usualLocalPreference: UInt32 = 100

    public var isEmpty: Bool { self == Conditions() }

    /// Whether the prefix decides, not the attributes alone.
    var dependsOnPrefix: Bool { !self.prefixes.isEmpty || !self.validation.isEmpty }

    /// As in the configuration, on one line.
    public var words: String {
        var words: [String] = []
        func add(_ name: String, _ values: [String]) {
            if !values.isEmpty { words.append("\(name) \(values.joined(separator: ", "))") }
        }
        add(
            "prefix",
            self.prefixes.map {
                switch $0 {
                case .pattern(let pattern): pattern.description
                case .list(let list): list.name
                }
            })
        add("as-path", self.paths.map(\.text))
        add("first", self.firstAS.map { [$0.description] } ?? [])
        add("origin", self.originAS.map { [$0.description] } ?? [])
        add("contains", self.containedAS.map { [$0.description] } ?? [])
        add("length", self.pathLength.map { [$0.description] } ?? [])
        add("community", self.communities.map(\.text))
        add("next-hop", self.nextHops.map(\.description))
        add("family", self.family.map { ["\($0)".lowercased()] } ?? [])
        add("med", self.multiExitDiscriminator.map { [$0.description] } ?? [])
        add("local-preference", self.localPreference.map { [$0.description] } ?? [])
        add(
            "validation",
            ValidationStates.names.filter { self.validation.contains($0.state) }.map(\.name))
        return words.joined(separator: "; ")
    }
}
