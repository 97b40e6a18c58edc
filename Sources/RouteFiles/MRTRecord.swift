// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// A record's type (RFC 6396 §4). Any 16-bit value is legal.
public struct MRTType: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let tableDump = Self(rawValue: 12)
    public static let tableDumpV2 = Self(rawValue: 13)
    public static let bgp4mp = Self(rawValue: 16)
    public static let bgp4mpET = Self(rawValue: 17)
    public static let isisET = Self(rawValue: 33)
    public static let ospfv3ET = Self(rawValue: 49)

    /// Whether records begin with microseconds (RFC 6396 §3).
    var hasMicroseconds: Bool { self == .bgp4mpET || self == .isisET || self == .ospfv3ET }
}

/// The header of a record, and where it stands.
public struct MRTRecord: Hashable, Sendable {
    /// Counted from 1.
    public var number: Int
    /// Bytes from the start of the uncompressed stream to the record's header.
    public var offset: Int
    /// Seconds since 1970.
    public var timestamp: UInt32
    /// Of the extended-timestamp types.
    public var microseconds: UInt32?
    public var type: MRTType
    public var subtype: UInt16
    /// From the header to the body that is given out: 12 bytes, or 16 with microseconds.
    var headerLength: Int

    /// What the body is.
    public var content: Content {
        switch (self.type, self.subtype) {
        case (.tableDump, 1): .tableDump(.ipv4)
        case (.tableDump, 2): .tableDump(.ipv6)
        case (.tableDumpV2, 1): .peerIndexTable
        case (.tableDumpV2, 2): .rib(.init(family: .ipv4))
        case (.tableDumpV2, 3): .rib(.init(family: .ipv4, isMulticast: true))
        case (.tableDumpV2, 4): .rib(.init(family: .ipv6))
        case (.tableDumpV2, 5): .rib(.init(family: .ipv6, isMulticast: true))
        case (.tableDumpV2, 6): .rib(.init(family: nil))
        case (.tableDumpV2, 8): .rib(.init(family: .ipv4, hasPathIdentifiers: true))
        case (.tableDumpV2, 9):
            .rib(.init(family: .ipv4, isMulticast: true, hasPathIdentifiers: true))
        case (.tableDumpV2, 10): .rib(.init(family: .ipv6, hasPathIdentifiers: true))
        case (.tableDumpV2, 11):
            .rib(.init(family: .ipv6, isMulticast: true, hasPathIdentifiers: true))
        case (.tableDumpV2, 12): .rib(.init(family: nil, hasPathIdentifiers: true))
        case (.bgp4mp, 0), (.bgp4mpET, 0): .stateChange(fourOctetAS: false)
        case (.bgp4mp, 5), (.bgp4mpET, 5): .stateChange(fourOctetAS: true)
        case (.bgp4mp, 1), (.bgp4mpET, 1): .message(.init())
        case (.bgp4mp, 4), (.bgp4mpET, 4): .message(.init(fourOctetAS: true))
        case (.bgp4mp, 6), (.bgp4mpET, 6): .message(.init(isLocal: true))
        case (.bgp4mp, 7), (.bgp4mpET, 7): .message(.init(fourOctetAS: true, isLocal: true))
        case (.bgp4mp, 8), (.bgp4mpET, 8): .message(.init(hasPathIdentifiers: true))
        case (.bgp4mp, 9), (.bgp4mpET, 9):
            .message(.init(fourOctetAS: true, hasPathIdentifiers: true))
        case (.bgp4mp, 10), (.bgp4mpET, 10):
            .message(.init(isLocal: true, hasPathIdentifiers: true))
        case (.bgp4mp, 11), (.bgp4mpET, 11):
            .message(.init(fourOctetAS: true, isLocal: true, hasPathIdentifiers: true))
        default: .notRead
        }
    }

    public enum Content: Hashable, Sendable {
        /// ``PeerIndexTable``
        case peerIndexTable
        /// ``RIBRecord``
        case rib(RIBForm)
        /// ``TableDumpEntry``
        case tableDump(AddressFamily)
        /// ``BGP4MPMessage``
        case message(MessageForm)
        /// ``BGP4MPStateChange``
        case stateChange(fourOctetAS: Bool)
        /// Something else that MRT files hold: other protocols, and what came after RFC 8050.
        case notRead
    }

    /// What a TABLE_DUMP_V2 subtype says of its entries (RFC 6396 §4.3, RFC 8050 §4).
    public struct RIBForm: Hashable, Sendable {
        /// Nil: the record itself says (RIB_GENERIC).
        public var family: AddressFamily?
        public var isMulticast = false
        public var hasPathIdentifiers = false

        public init(
            family: AddressFamily? = nil, isMulticast: Bool = false,
            hasPathIdentifiers: Bool = false
        ) {
            self.family = family
            self.isMulticast = isMulticast
            self.hasPathIdentifiers = hasPathIdentifiers
        }
    }

    /// What a BGP4MP subtype says of its message (RFC 6396 §4.4, RFC 8050 §3).
    public struct MessageForm: Hashable, Sendable {
        /// Of the record's own AS numbers, and those in the message.
        public var fourOctetAS = false
        /// The collector sent it, not the peer.
        public var isLocal = false
        public var hasPathIdentifiers = false

        public init(
            fourOctetAS: Bool = false, isLocal: Bool = false, hasPathIdentifiers: Bool = false
        ) {
            self.fourOctetAS = fourOctetAS
            self.isLocal = isLocal
            self.hasPathIdentifiers = hasPathIdentifiers
        }
    }

    /// The error that tells where in the file a body is malformed.
    public func error(_ error: MRTFormatError, path: String? = nil) -> MRTError {
        MRTError(
            path: path, record: self.number, offset: self.offset + self.headerLength + error.offset,
            reason: .malformed(error.reason))
    }
}
