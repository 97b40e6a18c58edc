// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import DNSWire

/// A name whose addresses are those of the sites that are nearest to the client.
public struct NearestRecord: Hashable, Sendable {
    /// The index of the policy in the world's list.
    public var policy: Int
    /// Seconds.
    public var timeToLive: UInt32
    /// How many sites an answer names, the nearest first.
    public var answers: Int
    /// Else the resolver's address decides, whatever subnet it gives, and the scope is 0.
    public var usesClientSubnet: Bool

    public init(
        policy: Int, timeToLive: UInt32, answers: Int = 1, usesClientSubnet: Bool = true
    ) {
        self.policy = policy
        self.timeToLive = timeToLive
        self.answers = answers
        self.usesClientSubnet = usesClientSubnet
    }
}

/// A zone as it is configured: its apex, its records by owner, and its `nearest` names.
///
/// Add records with ``add(_:timeToLive:_:)``; ``ZoneStore/replace(_:)`` checks the whole.
public struct Zone: Sendable {
    public var apex: DomainName
    public var startOfAuthority: StartOfAuthority
    /// Of the SOA record, in seconds.
    public var timeToLive: UInt32
    /// Record sets by owner, other than the SOA.
    public private(set) var records: [DomainName: [ResourceRecordSet]] = [:]
    public var nearest: [DomainName: NearestRecord] = [:]

    /// A zone with its SOA and NS records.
    public init(
        apex: DomainName, startOfAuthority: StartOfAuthority, nameServers: [DomainName],
        timeToLive: UInt32 = 3600
    ) {
        self.apex = apex
        self.startOfAuthority = startOfAuthority
        self.timeToLive = timeToLive
        for name in nameServers {
            self.add(apex, timeToLive: timeToLive, .nameServer(name))
        }
    }

    /// Adds a record. One that is there already is not added again, and a set has the least TTL of
    /// its records (RFC 2181 §5).
    public mutating func add(_ owner: DomainName, timeToLive: UInt32, _ data: RecordData) {
        var sets = self.records[owner] ?? []
        if let index = sets.firstIndex(where: { $0.type == data.type }) {
            sets[index].timeToLive = min(sets[index].timeToLive, timeToLive)
            if !sets[index].data.contains(data) { sets[index].data.append(data) }
        } else {
            sets.append(ResourceRecordSet(timeToLive: timeToLive, [data]))
        }
        self.records[owner] = sets
    }
}

/// Why a zone can't be served.
public enum ZoneError: Error, Hashable, Sendable {
    case twoZones(apex: DomainName)
    case outsideZone(owner: DomainName, apex: DomainName)
    case noNameServers(apex: DomainName)
    /// The SOA belongs to the zone, and is given with it.
    case unexpectedStartOfAuthority(owner: DomainName)
    /// A CNAME has no other records beside it (RFC 1034 §3.6.2).
    case aliasWithOthers(owner: DomainName)
    case severalAliases(owner: DomainName)
    /// A `nearest` name has no addresses or CNAME of its own, and no delegation.
    case nearestWithOthers(owner: DomainName, type: RecordType)
    case noAnswers(owner: DomainName)
    /// All records of one owner and type fit one message.
    case tooLarge(owner: DomainName, type: RecordType, byteCount: Int)
    /// A TTL has 31 bits (RFC 2181 §8).
    case timeToLiveTooLarge(owner: DomainName, seconds: UInt32)
}

extension ZoneError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .twoZones(let apex): "the zone \(apex) is given twice"
        case .outsideZone(let owner, let apex): "\(owner) is not inside the zone \(apex)"
        case .noNameServers(let apex): "the zone \(apex) has no NS record"
        case .unexpectedStartOfAuthority(let owner):
            "\(owner) has an SOA record; the zone's own is given apart, and there is no other"
        case .aliasWithOthers(let owner): "\(owner) has a CNAME and other records"
        case .severalAliases(let owner): "\(owner) has more than one CNAME"
        case .nearestWithOthers(let owner, let type):
            "\(owner) is a nearest name and has a record of type \(type) too"
        case .noAnswers(let owner): "\(owner) must answer with at least one site"
        case .tooLarge(let owner, let type, let count):
            "the \(type) records of \(owner) need \(count) bytes, which fit no message"
        case .timeToLiveTooLarge(let owner, let seconds):
            "\(owner) has a TTL of \(seconds) seconds; the most is 2147483647"
        }
    }
}

extension Zone {
    /// Checks the zone by itself.
    public func check() throws(ZoneError) {
        guard self.records[self.apex]?.contains(where: { $0.type == .ns }) == true else {
            throw .noNameServers(apex: self.apex)
        }
        for (owner, sets) in self.records {
            guard owner.isInside(self.apex) else {
                throw .outsideZone(owner: owner, apex: self.apex)
            }
            try self.check(sets, of: owner)
        }
        for (owner, record) in self.nearest {
            guard owner.isInside(self.apex) else {
                throw .outsideZone(owner: owner, apex: self.apex)
            }
            guard record.answers > 0 else { throw .noAnswers(owner: owner) }
            try Self.check(record.timeToLive, of: owner)
        }
        try Self.check(self.timeToLive, of: self.apex)
        try Self.check(self.startOfAuthority.minimum, of: self.apex)
    }

    private func check(_ sets: [ResourceRecordSet], of owner: DomainName) throws(ZoneError) {
        for set in sets {
            guard set.type != .soa else { throw .unexpectedStartOfAuthority(owner: owner) }
            if set.type == .cname {
                guard set.data.count == 1 else { throw .severalAliases(owner: owner) }
                guard sets.count == 1, owner != self.apex else {
                    throw .aliasWithOthers(owner: owner)
                }
            }
            if self.nearest[owner] != nil {
                let isCut = set.type == .ns && owner != self.apex
                guard set.type != .a, set.type != .aaaa, set.type != .cname, !isCut else {
                    throw .nearestWithOthers(owner: owner, type: set.type)
                }
            }
            // Each record: a pointer to its owner, type, class, TTL and length.
            let size = set.data.reduce(0) { $0 + 12 + $1.byteCount }
            guard size <= EncodedBlock.maximumByteCount else {
                throw .tooLarge(owner: owner, type: set.type, byteCount: size)
            }
            try Self.check(set.timeToLive, of: owner)
        }
    }

    private static func check(_ seconds: UInt32, of owner: DomainName) throws(ZoneError) {
        guard seconds <= 0x7fff_ffff else {
            throw .timeToLiveTooLarge(owner: owner, seconds: seconds)
        }
    }
}
