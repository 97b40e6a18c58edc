// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import DNSWire

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
    /// Whether there is something to answer with. Where there isn't, everything in the zone is
    /// SERVFAIL: resolvers then ask its other servers.
    public private(set) var isAvailable = true

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

    /// A zone that this server is to have, but hasn't.
    public static func unavailable(_ apex: DomainName) -> Zone {
        var zone = Zone(
            apex: apex, startOfAuthority: StartOfAuthority(host: apex, mailbox: apex),
            nameServers: [])
        zone.isAvailable = false
        return zone
    }

    /// Adds a record. One that is there already is not added again, and a set has the least TTL of
    /// its records (RFC 2181 §5).
    public mutating func add(_ owner: DomainName, timeToLive: UInt32, _ data: RecordData) {
        self.records[owner, default: []].add(timeToLive: timeToLive, data)
    }

    /// The set of an owner and a type.
    public func records(of owner: DomainName, _ type: RecordType) -> ResourceRecordSet? {
        self.records[owner]?.first { $0.type == type }
    }
}

extension [ResourceRecordSet] {
    fileprivate mutating func add(timeToLive: UInt32, _ data: RecordData) {
        guard let index = self.firstIndex(where: { $0.type == data.type }) else {
            self.append(ResourceRecordSet(timeToLive: timeToLive, [data]))
            return
        }
        self[index].timeToLive = Swift.min(self[index].timeToLive, timeToLive)
        // A set that fits no message needn't be searched: it is refused.
        guard
            self[index].data.count * 12 > EncodedBlock.maximumByteCount
                || !self[index].data.contains(data)
        else { return }
        self[index].data.append(data)
    }
}
