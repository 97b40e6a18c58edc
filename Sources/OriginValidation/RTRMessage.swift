// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What a cache says: the PDUs of RFC 8210 §5 that a router takes, and their length on the wire.
public enum RTRMessage: Sendable, Hashable {
    case serialNotify(session: UInt16, serial: UInt32)
    case cacheResponse(session: UInt16)
    case record(VRPChange)
    /// Version 0 has no intervals (RFC 6810 §5.8).
    case endOfData(session: UInt16, serial: UInt32, RTRIntervals?)
    case cacheReset
    /// A BGPsec key, passed by.
    case routerKey
    case errorReport(RTRErrorReport)
}

/// A message's type (RFC 8210 §5).
enum RTRMessageType: UInt8 {
    case serialNotify = 0
    case serialQuery = 1
    case resetQuery = 2
    case cacheResponse = 3
    case ipv4Prefix = 4
    case ipv6Prefix = 6
    case endOfData = 7
    case cacheReset = 8
    case routerKey = 9
    case errorReport = 10

    /// The lengths that a message of this type may have, header and all.
    func lengths(version: UInt8) -> ClosedRange<UInt32> {
        switch self {
        case .serialNotify, .serialQuery: 12...12
        case .resetQuery, .cacheResponse, .cacheReset: 8...8
        case .ipv4Prefix: 20...20
        case .ipv6Prefix: 32...32
        case .endOfData: version == 0 ? 12...12 : 24...24
        case .routerKey: 32...4096
        case .errorReport: 16...65536
        }
    }
}

/// A message cut out of what a cache sends.
///
/// Layout, big-endian: version `u8`, type `u8`, a field `u16`, and a length `u32` that counts all.
public struct RTRFrame: Sendable, Hashable {
    public static let headerLength = 8
    /// Versions that are spoken: RFC 6810's, and RFC 8210's.
    public static let versions: ClosedRange<UInt8> = 0...1

    public var version: UInt8
    public var message: RTRMessage
    /// Of the whole, header and all.
    public var length: Int

    public init(version: UInt8, message: RTRMessage, length: Int) {
        self.version = version
        self.message = message
        self.length = length
    }

    /// Reads the message at an offset.
    ///
    /// - Returns: Nil where it isn't all there yet.
    /// - Throws: What is wrong with it, as the cache is to be told. Nothing after it can be read.
    public static func read(_ bytes: RawSpan, at offset: Int) throws(RTRFault) -> RTRFrame? {
        guard let version = bytes.uint8(at: offset), let number = bytes.uint8(at: offset + 1),
            let field = bytes.uint16(at: offset + 2), let length = bytes.uint32(at: offset + 4)
        else { return nil }
        func fault(_ code: RTRErrorCode, _ text: String) -> RTRFault {
            RTRFault(
                code, text,
                quoting: bytes.bytes(in: offset..<offset + min(Int(length), RTRFault.quoted)))
        }
        guard Self.versions.contains(version) else {
            throw fault(.unsupportedVersion, "version \(version)")
        }
        guard let type = RTRMessageType(rawValue: number), version > 0 || type != .routerKey
        else { throw fault(.unsupportedType, "type \(number) in version \(version)") }
        let lengths = type.lengths(version: version)
        guard lengths.contains(length) else {
            throw fault(
                .corruptData,
                "\(type) of \(length) bytes: it has \(lengths.lowerBound)"
                    + (lengths.count == 1 ? "" : " to \(lengths.upperBound)"))
        }
        guard bytes.byteCount - offset >= Int(length) else { return nil }
        let whole = bytes.extracting(offset..<offset + Int(length))
        let message: RTRMessage
        switch type {
        case .serialNotify:
            message = .serialNotify(session: field, serial: whole.uint32(at: 8) ?? 0)
        case .cacheResponse: message = .cacheResponse(session: field)
        case .cacheReset: message = .cacheReset
        case .routerKey: message = .routerKey
        case .ipv4Prefix, .ipv6Prefix:
            guard let change = Self.record(whole, type == .ipv4Prefix ? .ipv4 : .ipv6) else {
                throw fault(.corruptData, "prefix with a length that it can't have")
            }
            message = .record(change)
        case .endOfData:
            message = .endOfData(
                session: field, serial: whole.uint32(at: 8) ?? 0, RTRIntervals(whole, at: 12))
        case .errorReport:
            guard let report = RTRErrorReport(whole, code: field) else {
                throw fault(.corruptData, "error report whose parts don't fit it")
            }
            message = .errorReport(report)
        case .serialQuery, .resetQuery:
            throw fault(.invalidRequest, "\(type) from a cache")
        }
        return RTRFrame(version: version, message: message, length: Int(length))
    }

    /// Layout after the header: flags `u8` (bit 0: announced), prefix length `u8`, maximum length
    /// `u8`, zero `u8`, the prefix (4 or 16 bytes), AS `u32` (RFC 8210 §5.6, §5.7). Bits beyond
    /// the length are cleared.
    private static func record(_ bytes: RawSpan, _ family: AddressFamily) -> VRPChange? {
        guard let flags = bytes.uint8(at: 8), let length = bytes.uint8(at: 9),
            let maximum = bytes.uint8(at: 10), Int(length) <= family.width,
            let address = bytes.address(family, at: 12),
            let number = bytes.uint32(at: 12 + family.byteCount),
            let payload = VRP(
                IPPrefix(masking: address, length: Int(length)), maximumLength: Int(maximum),
                asNumber: ASNumber(number))
        else { return nil }
        return VRPChange(payload, isAnnounced: flags & 1 != 0)
    }
}

/// When a router asks again (RFC 8210 §6).
public struct RTRIntervals: Sendable, Hashable {
    /// After an answer.
    public var refresh: Duration
    /// After a failure.
    public var retry: Duration
    /// How long an answer counts without another.
    public var expire: Duration

    public init(
        refresh: Duration = .seconds(3600), retry: Duration = .seconds(600),
        expire: Duration = .seconds(7200)
    ) {
        self.refresh = refresh
        self.retry = retry
        self.expire = expire
    }

    /// The three numbers `u32` of an End of Data, brought within what RFC 8210 §6 allows; nil where
    /// they are not there.
    init?(_ bytes: RawSpan, at offset: Int) {
        guard let refresh = bytes.uint32(at: offset), let retry = bytes.uint32(at: offset + 4),
            let expire = bytes.uint32(at: offset + 8)
        else { return nil }
        func within(_ seconds: UInt32, _ range: ClosedRange<UInt32>) -> UInt32 {
            min(max(seconds, range.lowerBound), range.upperBound)
        }
        let waits = (within(refresh, 1...86400), within(retry, 1...7200))
        // Data that expire before they are asked for again would come and go.
        let least = min(172_800, max(600, waits.0, waits.1))
        self.init(
            refresh: .seconds(waits.0), retry: .seconds(waits.1),
            expire: .seconds(within(expire, least...172_800)))
    }
}
