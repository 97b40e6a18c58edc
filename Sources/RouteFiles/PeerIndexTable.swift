// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
import BGPWire

/// A peer of the collector that wrote a file: told apart by address and AS number together.
public struct MRTPeer: Hashable, Sendable, CustomStringConvertible {
    public var address: IPAddress
    public var asNumber: ASNumber

    public init(address: IPAddress, asNumber: ASNumber) {
        self.address = address
        self.asNumber = asNumber
    }

    public var description: String { "\(self.address) (AS \(self.asNumber))" }
}

/// The peers that RIB entries refer to by number (RFC 6396 §4.3.1).
public struct PeerIndexTable: Hashable, Sendable {
    public var collectorID: UInt32
    public var viewName: String
    public var peers: [MRTPeer]
    /// BGP identifiers, in the same order.
    public var identifiers: [UInt32]

    /// Reads collector identifier `u32`, view name (a count `u16` and UTF-8), a count `u16` and
    /// that many peers: type `u8` (bit 0: IPv6, bit 1: AS number of four octets), identifier
    /// `u32`, address, AS number.
    public init(parsing bytes: RawSpan) throws(MRTFormatError) {
        guard let collector = bytes.uint32(at: 0), let nameLength = bytes.uint16(at: 4),
            let count = bytes.uint16(at: 6 + Int(nameLength))
        else { throw MRTFormatError(.truncated, offset: bytes.byteCount) }
        self.collectorID = collector
        self.viewName = String(decoding: bytes.bytes(in: 6..<6 + Int(nameLength)), as: UTF8.self)
        self.peers = []
        self.identifiers = []
        // A count alone isn't trusted with memory: a peer takes at least 11 bytes.
        let expected = min(Int(count), bytes.byteCount / 11)
        self.peers.reserveCapacity(expected)
        self.identifiers.reserveCapacity(expected)
        var position = 8 + Int(nameLength)
        for _ in 0..<count {
            guard let type = bytes.uint8(at: position), let id = bytes.uint32(at: position + 1)
            else { throw MRTFormatError(.truncated, offset: position) }
            let family: AddressFamily = type & 1 == 0 ? .ipv4 : .ipv6
            let after = position + 5 + family.byteCount
            guard let address = bytes.address(family, at: position + 5),
                let number = type & 2 == 0
                    ? bytes.uint16(at: after).map(UInt32.init) : bytes.uint32(at: after)
            else { throw MRTFormatError(.truncated, offset: position) }
            self.peers.append(MRTPeer(address: address, asNumber: ASNumber(number)))
            self.identifiers.append(id)
            position = after + (type & 2 == 0 ? 2 : 4)
        }
        guard position == bytes.byteCount else {
            throw MRTFormatError(.trailingBytes(bytes.byteCount - position), offset: position)
        }
    }
}
