// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import DNSWire
public import RouteTable

/// A name whose addresses, or whose alias, are those of the sites that are nearest to the client.
public struct NearestRecord: Hashable, Sendable {
    /// The index of the policy in the world's list.
    public var policy: Int
    /// Seconds, while all sites that the policy lists are as they should be.
    public var timeToLive: UInt32
    /// Seconds, while a site is down, slow, full or without live feeds: the answer may change.
    public var minimumTimeToLive: UInt32
    /// How many sites an answer names, the nearest first.
    public var answers: Int
    /// Whether a site's several addresses begin with another for another client prefix: one of
    /// the length that the policy's weighted hash sees.
    public var rotates = true
    /// Whether HTTPS and SVCB records of the name that lead to the name itself get the addresses
    /// of the chosen sites as hints, unless they have hints.
    public var hints = true
    /// The name that each site is an alias for. Where there is one, the name is an alias, and has
    /// nothing else.
    public var aliases: [SiteID: DomainName] = [:]
    /// Whether the Client Subnet decides; else the address that asks does.
    public var usesClientSubnet = true

    /// A name with one TTL.
    public init(policy: Int, timeToLive: UInt32, answers: Int = 1) {
        self.policy = policy
        self.timeToLive = timeToLive
        self.minimumTimeToLive = timeToLive
        self.answers = answers
    }

    public var isAlias: Bool { !self.aliases.isEmpty }
}

extension Zone {
    /// Whether the answer to a type depends on the client, where the name has that type.
    public func isSteered(_ owner: DomainName, _ type: RecordType) -> Bool {
        guard let record = self.nearest[owner] else { return false }
        switch type {
        case _ where record.isAlias: return true
        case .a, .aaaa: return true
        case .https, .svcb:
            guard record.hints, let sets = self.records[owner] else { return false }
            return sets.contains { $0.type == type && $0.data.contains(where: \.takesHints) }
        default: return false
        }
    }
}

extension RecordData {
    /// Whether the addresses of its owner may stand in it as hints (RFC 9460 §7.3): it describes a
    /// service at its owner's own addresses, and has no hints.
    var takesHints: Bool {
        guard self.type == .https || self.type == .svcb, self.target == .root,
            let parameters = self.serviceParameters, !self.isAliasMode
        else { return false }
        return parameters[.ipv4Hint] == nil && parameters[.ipv6Hint] == nil
    }

    /// A priority of 0 (RFC 9460 §2.4.2).
    private var isAliasMode: Bool { self.fields.first == .bytes([0, 0]) }

    /// Nil where the data are no service's.
    var serviceParameters: ServiceParameters? {
        guard self.fields.count <= 3, let last = self.fields.last else { return nil }
        guard self.fields.count == 3, case .bytes(let bytes) = last else {
            return ServiceParameters(wire: [])
        }
        return ServiceParameters(wire: bytes)
    }
}
