// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A code of an EDNS option (RFC 6891 §6.1.2).
public struct OptionCode: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt16

    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Name server identifier (RFC 5001).
    public static let nsid = Self(rawValue: 3)
    /// Client Subnet (RFC 7871).
    public static let clientSubnet = Self(rawValue: 8)
    /// DNS cookies (RFC 7873).
    public static let cookie = Self(rawValue: 10)
    /// Idle time-out of a TCP connection (RFC 7828).
    public static let tcpKeepalive = Self(rawValue: 11)
    /// Bytes that hide the length of a message where it is encrypted (RFC 7830).
    public static let padding = Self(rawValue: 12)
    /// Extended errors (RFC 8914).
    public static let extendedError = Self(rawValue: 15)
}

/// What went wrong, beyond the response code (RFC 8914 §4).
public struct ExtendedError: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt16

    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// What none of the others says; a text does.
    public static let other = Self(rawValue: 0)
    /// From data that is no longer confirmed.
    public static let staleAnswer = Self(rawValue: 3)
    /// The server is not yet able to answer.
    public static let notReady = Self(rawValue: 14)
    /// The client may not ask this.
    public static let prohibited = Self(rawValue: 18)
    /// The server doesn't have the zone.
    public static let notAuthoritative = Self(rawValue: 20)
    /// The server doesn't do what is asked for.
    public static let notSupported = Self(rawValue: 21)
    /// The zone is the server's, and its data are not to be had.
    public static let invalidData = Self(rawValue: 24)
}

/// What a query's OPT record says (RFC 6891 §6.1). A trivial value.
///
/// Layout of the record: the root's name `u8`, type 41 `u16`, payload size `u16`, extended
/// response code `u8`, version `u8`, flags `u16`, length `u16`, then the options: a code `u16`, a
/// length `u16` and that many bytes each.
public struct EDNSRequest: Hashable, Sendable {
    /// The largest answer that the querier takes by UDP, as it stands in the query.
    public var payloadSize: UInt16
    public var version: UInt8
    public var flags: UInt16
    public var clientSubnet: ClientSubnet?
    public var cookie: Cookie?
    /// The client asks who answers (RFC 5001).
    public var wantsIdentifier = false
    /// The client asks how long its connection may idle (RFC 7828).
    public var wantsKeepalive = false
    /// The client hides the length of its query, and has the server hide that of the answer
    /// (RFC 7830 §4).
    public var wantsPadding = false

    public static let dnssecOK: UInt16 = 0x8000

    public init(
        payloadSize: UInt16, version: UInt8 = 0, flags: UInt16 = 0,
        clientSubnet: ClientSubnet? = nil
    ) {
        self.payloadSize = payloadSize
        self.version = version
        self.flags = flags
        self.clientSubnet = clientSubnet
    }

    /// What stands behind the owner of an OPT record, but for the options.
    init(record bytes: RawSpan, at offset: Int) {
        self.init(
            payloadSize: bytes.bigEndian16(at: offset + 2), version: bytes.byte(at: offset + 5),
            flags: bytes.bigEndian16(at: offset + 6))
    }

    @inlinable
    public var isDNSSECOK: Bool { self.flags & Self.dnssecOK != 0 }

    /// Reads the options in `range`. Unknown ones are passed over (RFC 6891 §6.1.2); of several
    /// Client Subnets, or cookies (RFC 7873 §4), the first holds.
    /// Without `readsSubnet` the Client Subnet is passed over as if it were unknown.
    ///
    /// - Returns: false where an option is badly formed, which is answered with FORMERR
    ///   (RFC 6891 §7).
    mutating func readOptions(
        _ bytes: RawSpan, in range: Range<Int>, readsSubnet: Bool
    ) -> Bool {
        var position = range.lowerBound
        while position < range.upperBound {
            guard range.upperBound - position >= 4 else { return false }
            let code = OptionCode(rawValue: bytes.bigEndian16(at: position))
            let length = Int(bytes.bigEndian16(at: position + 2))
            position += 4
            guard range.upperBound - position >= length else { return false }
            let data = position..<position + length
            switch code {
            case .clientSubnet where readsSubnet && self.clientSubnet == nil:
                guard let subnet = try? ClientSubnet(reading: bytes, in: data) else {
                    return false
                }
                self.clientSubnet = subnet
            case .cookie where self.cookie == nil:
                guard let cookie = try? Cookie(reading: bytes, in: data) else { return false }
                self.cookie = cookie
            case .nsid: self.wantsIdentifier = true
            case .tcpKeepalive: self.wantsKeepalive = true
            case .padding: self.wantsPadding = true
            default: break
            }
            position += length
        }
        return true
    }
}
