// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// One record of a message (RFC 1035 §4.1.3).
public struct ResourceRecord: Hashable, Sendable {
    public var owner: DomainName
    public var recordClass: RecordClass
    /// Seconds.
    public var timeToLive: UInt32
    public var data: RecordData

    public init(
        _ owner: DomainName, timeToLive: UInt32, _ data: RecordData,
        recordClass: RecordClass = .internet
    ) {
        self.owner = owner
        self.recordClass = recordClass
        self.timeToLive = timeToLive
        self.data = data
    }
}

/// All records of one owner and type (RFC 2181 §5): they share a TTL.
public struct ResourceRecordSet: Hashable, Sendable {
    public var type: RecordType
    /// Seconds.
    public var timeToLive: UInt32
    public var data: [RecordData]

    /// - Precondition: the data are of one type, and at least one.
    public init(timeToLive: UInt32, _ data: [RecordData]) {
        guard let type = data.first?.type, data.allSatisfy({ $0.type == type }) else {
            preconditionFailure("a record set has data of one type")
        }
        self.type = type
        self.timeToLive = timeToLive
        self.data = data
    }
}
