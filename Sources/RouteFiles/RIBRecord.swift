// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
import BGPWire

/// One route in a table dump: a trivial value; its attributes stay in the record.
public struct RIBEntry: Hashable, Sendable {
    public var prefix: IPPrefix
    public var isMulticast: Bool
    /// Which of the peer index table's peers has the route.
    public var peerIndex: UInt16
    /// When it was received, in seconds since 1970.
    public var originatedTime: UInt32
    /// RFC 7911; 0 where the record has none.
    public var pathIdentifier: UInt32
    /// Where its path attributes stand in the record's body.
    public var attributes: Range<Int>
}

/// All routes to one prefix (RFC 6396 §4.3.2 and §4.3.3, RFC 8050 §4).
public enum RIBRecord {
    /// Calls `body` with each entry of a record, in order.
    ///
    /// Layout: sequence number `u32`; in RIB_GENERIC AFI `u16` and SAFI `u8`; a prefix; a count
    /// `u16` and that many entries: peer `u16`, time `u32`, in the ADD-PATH subtypes a path
    /// identifier `u32`, a count `u16` and that many bytes of path attributes.
    ///
    /// - Returns: How many there are; nil where RIB_GENERIC holds another family than unicast or
    ///   multicast IPv4 or IPv6: such records are passed by, as RFC 6396 §4.3.3 says.
    /// - Throws: ``MRTFormatError``, before `body` has been called at all; or what `body` throws.
    /// - Complexity: linear in the entries; allocates nothing.
    @discardableResult
    public static func forEachEntry(
        in bytes: RawSpan, form: MRTRecord.RIBForm, _ body: (RIBEntry) throws -> Void
    ) throws -> Int? {
        guard let (head, start, count) = try self.head(of: bytes, form) else { return nil }
        try self.check(bytes, form, from: start, count: count)
        var entry = head
        var position = start
        for _ in 0..<count {
            // The check has been through all of these.
            let attributes = position + (form.hasPathIdentifiers ? 12 : 8)
            entry.peerIndex = bytes.uint16(at: position) ?? 0
            entry.originatedTime = bytes.uint32(at: position + 2) ?? 0
            if form.hasPathIdentifiers {
                entry.pathIdentifier = bytes.uint32(at: position + 6) ?? 0
            }
            position = attributes + Int(bytes.uint16(at: attributes - 2) ?? 0)
            entry.attributes = attributes..<position
            try body(entry)
        }
        return count
    }

    /// An entry with the prefix of all, where the first entry starts, and how many there are.
    private static func head(
        of bytes: RawSpan, _ form: MRTRecord.RIBForm
    ) throws(MRTFormatError) -> (RIBEntry, start: Int, count: Int)? {
        var position = 4
        var isMulticast = form.isMulticast
        let family: AddressFamily
        if let known = form.family {
            family = known
        } else {
            guard let number = bytes.uint16(at: 4), let subsequent = bytes.uint8(at: 6) else {
                throw MRTFormatError(.truncated, offset: 4)
            }
            guard subsequent == 1 || subsequent == 2, number <= 2,
                let known = AddressFamily(rawValue: UInt8(truncatingIfNeeded: number))
            else { return nil }
            family = known
            isMulticast = subsequent == 2
            position = 7
        }
        let prefix: IPPrefix
        do throws(NLRI.SyntaxError) {
            (_, prefix, position) = try NLRI.prefix(
                in: bytes, at: position, family: family, addPath: false)
        } catch {
            switch error.reason {
            case .truncated: throw MRTFormatError(.truncated, offset: error.offset)
            case .lengthOutOfRange(let length):
                throw MRTFormatError(.prefixLengthOutOfRange(length), offset: error.offset)
            }
        }
        guard let count = bytes.uint16(at: position) else {
            throw MRTFormatError(.truncated, offset: position)
        }
        let entry = RIBEntry(
            prefix: prefix, isMulticast: isMulticast, peerIndex: 0, originatedTime: 0,
            pathIdentifier: 0, attributes: 0..<0)
        return (entry, position + 2, Int(count))
    }

    /// Goes through all entries' lengths, so that a damaged record gives no routes at all.
    private static func check(
        _ bytes: RawSpan, _ form: MRTRecord.RIBForm, from start: Int, count: Int
    ) throws(MRTFormatError) {
        let head = form.hasPathIdentifiers ? 12 : 8
        var position = start
        for _ in 0..<count {
            guard let length = bytes.uint16(at: position + head - 2),
                position + head + Int(length) <= bytes.byteCount
            else { throw MRTFormatError(.truncated, offset: position) }
            position += head + Int(length)
        }
        guard position == bytes.byteCount else {
            throw MRTFormatError(.trailingBytes(bytes.byteCount - position), offset: position)
        }
    }
}

/// One route in the older form of table dumps (RFC 6396 §4.2).
public struct TableDumpEntry: Hashable, Sendable {
    public var view: UInt16
    public var prefix: IPPrefix
    public var originatedTime: UInt32
    public var peer: MRTPeer
    /// Where its path attributes stand in the record's body.
    public var attributes: Range<Int>

    /// Reads view `u16`, sequence number `u16`, address, prefix length `u8`, status `u8`, time
    /// `u32`, the peer's address and AS number `u16`, a count `u16` and that many bytes of
    /// path attributes.
    public init(parsing bytes: RawSpan, family: AddressFamily) throws(MRTFormatError) {
        let size = family.byteCount
        guard let view = bytes.uint16(at: 0), let address = bytes.address(family, at: 4),
            let length = bytes.uint8(at: 4 + size), let time = bytes.uint32(at: 6 + size),
            let peer = bytes.address(family, at: 10 + size),
            let number = bytes.uint16(at: 10 + 2 * size),
            let count = bytes.uint16(at: 12 + 2 * size)
        else { throw MRTFormatError(.truncated, offset: bytes.byteCount) }
        guard Int(length) <= family.width else {
            throw MRTFormatError(.prefixLengthOutOfRange(length), offset: 4 + size)
        }
        let start = 14 + 2 * size
        guard start + Int(count) <= bytes.byteCount else {
            throw MRTFormatError(.truncated, offset: start)
        }
        guard start + Int(count) == bytes.byteCount else {
            throw MRTFormatError(
                .trailingBytes(bytes.byteCount - start - Int(count)), offset: start + Int(count))
        }
        self.view = view
        self.prefix = IPPrefix(masking: address, length: Int(length))
        self.originatedTime = time
        self.peer = MRTPeer(address: peer, asNumber: ASNumber(UInt32(number)))
        self.attributes = start..<start + Int(count)
    }
}
