// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// A ROUTE-REFRESH (RFC 2918 §3, RFC 7313 §3.2): AFI `u16`, a subtype `u8`, SAFI `u8`.
public struct RouteRefreshMessage: Sendable, Hashable {
    /// Any value is legal on the wire; those not known here are ignored (RFC 7313 §5).
    public struct Subtype: RawRepresentable, Sendable, Hashable {
        public var rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let request = Self(rawValue: 0)
        public static let beginning = Self(rawValue: 1)
        public static let end = Self(rawValue: 2)
    }

    public var subtype: Subtype
    public var familyNumber: UInt16
    public var subsequentNumber: UInt8

    /// Nil for all but unicast IPv4 and IPv6.
    public var family: AddressFamily? {
        AddressFamily(unicast: self.familyNumber, self.subsequentNumber)
    }

    public init(_ family: AddressFamily, subtype: Subtype = .request) {
        self.subtype = subtype
        self.familyNumber = UInt16(family.rawValue)
        self.subsequentNumber = 1
    }

    /// - Throws: The NOTIFICATION for a wrong length, with the whole message (RFC 7313 §5). What
    ///   comes after a mere request, for filters that nobody asked for (RFC 5291), is passed by.
    public init(body: RawSpan) throws(Notification) {
        guard let number = body.uint16(at: 0), let subtype = body.uint8(at: 2),
            let subsequent = body.uint8(at: 3),
            body.byteCount == 4 || !(1...2).contains(subtype)
        else {
            let length = UInt16(clamping: MessageFrame.headerLength + body.byteCount)
            let header =
                [UInt8](repeating: 0xff, count: 16) + length.bigEndianBytes
                + [MessageType.routeRefresh.rawValue]
            let rest = Notification.maximumData - header.count
            throw Notification(.routeRefresh, 1, data: header + body.bytes(in: 0..<rest))
        }
        self.familyNumber = number
        self.subtype = Subtype(rawValue: subtype)
        self.subsequentNumber = subsequent
    }
}
