// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPWire

/// Where a route's communities stand among its attributes, found without decoding or copying them.
///
/// The attributes have been decoded before, and nothing in them asked for a withdrawal or more:
/// what can't be cut out isn't there.
public struct CommunityPlaces: Hashable, Sendable {
    /// RFC 1997
    public private(set) var standard = 0..<0
    /// RFC 4360
    public private(set) var extended = 0..<0
    /// RFC 8092
    public private(set) var large = 0..<0

    /// All empty.
    public init() {}

    /// Looks through attributes: flags `u8`, type `u8`, a length of `u8`, or `u16` where the flags
    /// say so, and the value (RFC 4271 §4.3). The first of a type counts (RFC 7606 §3 (g)).
    public init(in attributes: RawSpan) {
        var position = 0
        while let flags = attributes.uint8(at: position),
            let type = attributes.uint8(at: position + 1)
        {
            let isLong = flags & AttributeFlags.extendedLength.rawValue != 0
            let start = position + (isLong ? 4 : 3)
            guard
                let length =
                    isLong
                    ? attributes.uint16(at: position + 2).map(Int.init)
                    : attributes.uint8(at: position + 2).map(Int.init),
                length <= attributes.byteCount - start
            else { return }
            let value = start..<start + length
            position = value.upperBound
            switch AttributeType(rawValue: type) {
            case .communities: if self.standard.isEmpty { self.standard = value }
            case .extendedCommunities: if self.extended.isEmpty { self.extended = value }
            case .largeCommunities: if self.large.isEmpty { self.large = value }
            default: break
            }
        }
    }
}
