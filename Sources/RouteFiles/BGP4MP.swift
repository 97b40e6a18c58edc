// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
public import BGPWire

/// What BGP4MP records begin with: AS numbers of peer and collector, `u16` or `u32`, an interface
/// `u16`, AFI `u16`, and the addresses of both (RFC 6396 §4.4.2).
private struct SessionHeader {
    var peer: MRTPeer
    var local: MRTPeer
    /// The bytes it took.
    var length: Int

    init(parsing bytes: RawSpan, fourOctetAS: Bool) throws(MRTFormatError) {
        let size = fourOctetAS ? 4 : 2
        func number(_ at: Int) -> UInt32? {
            fourOctetAS ? bytes.uint32(at: at) : bytes.uint16(at: at).map(UInt32.init)
        }
        guard let peerAS = number(0), let localAS = number(size),
            let familyNumber = bytes.uint16(at: 2 * size + 2)
        else { throw MRTFormatError(.truncated, offset: bytes.byteCount) }
        guard familyNumber <= 2,
            let family = AddressFamily(rawValue: UInt8(truncatingIfNeeded: familyNumber))
        else {
            throw MRTFormatError(.unknownAddressFamily(familyNumber), offset: 2 * size + 2)
        }
        let start = 2 * size + 4
        guard let peer = bytes.address(family, at: start),
            let local = bytes.address(family, at: start + family.byteCount)
        else { throw MRTFormatError(.truncated, offset: start) }
        self.peer = MRTPeer(address: peer, asNumber: ASNumber(peerAS))
        self.local = MRTPeer(address: local, asNumber: ASNumber(localAS))
        self.length = start + 2 * family.byteCount
    }
}

/// A BGP message that passed between a collector and its peer.
public struct BGP4MPMessage: Hashable, Sendable {
    public var peer: MRTPeer
    public var local: MRTPeer
    /// RFC 4271 §4.1: 1 OPEN, 2 UPDATE, 3 NOTIFICATION, 4 KEEPALIVE; RFC 2918: 5 ROUTE-REFRESH.
    public var messageType: UInt8
    /// Where the message stands in the record's body, without its header of 19 bytes.
    public var body: Range<Int>
    /// How an UPDATE is to be read.
    public var context: DecodeContext

    public var isUpdate: Bool { self.messageType == 2 }

    public init(
        parsing bytes: RawSpan, form: MRTRecord.MessageForm
    ) throws(MRTFormatError) {
        let header = try SessionHeader(parsing: bytes, fourOctetAS: form.fourOctetAS)
        let start = header.length
        guard let length = bytes.uint16(at: start + 16), let type = bytes.uint8(at: start + 18),
            let first = bytes.uint64(at: start), let second = bytes.uint64(at: start + 8)
        else { throw MRTFormatError(.truncated, offset: start) }
        guard first & second == .max else { throw MRTFormatError(.noMarker, offset: start) }
        guard length >= 19 else {
            throw MRTFormatError(.messageLengthOutOfRange(length), offset: start + 16)
        }
        guard start + Int(length) <= bytes.byteCount else {
            throw MRTFormatError(.truncated, offset: start + 16)
        }
        guard start + Int(length) == bytes.byteCount else {
            throw MRTFormatError(
                .trailingBytes(bytes.byteCount - start - Int(length)),
                offset: start + Int(length))
        }
        self.peer = header.peer
        self.local = header.local
        self.messageType = type
        self.body = start + 19..<bytes.byteCount
        // Whether the session was an internal one matters to who chooses routes, not to who
        // reads what was said.
        self.context = DecodeContext(
            fourOctetAS: form.fourOctetAS, isInternal: true,
            addPath: form.hasPathIdentifiers ? .both : [], extendedMessages: true)
    }
}

/// A session's change of state (RFC 6396 §4.4.1), in the numbers of RFC 4271 §8: 1 Idle,
/// 2 Connect, 3 Active, 4 OpenSent, 5 OpenConfirm, 6 Established.
public struct BGP4MPStateChange: Hashable, Sendable {
    public var peer: MRTPeer
    public var local: MRTPeer
    public var oldState: UInt16
    public var newState: UInt16

    public static let established: UInt16 = 6

    public init(parsing bytes: RawSpan, fourOctetAS: Bool) throws(MRTFormatError) {
        let header = try SessionHeader(parsing: bytes, fourOctetAS: fourOctetAS)
        guard let old = bytes.uint16(at: header.length),
            let new = bytes.uint16(at: header.length + 2)
        else { throw MRTFormatError(.truncated, offset: header.length) }
        guard bytes.byteCount == header.length + 4 else {
            throw MRTFormatError(
                .trailingBytes(bytes.byteCount - header.length - 4), offset: header.length + 4)
        }
        self.peer = header.peer
        self.local = header.local
        self.oldState = old
        self.newState = new
    }
}
