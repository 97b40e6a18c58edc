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

    /// Looks through attributes. The first of a type counts (RFC 7606 §3 (g)).
    public init(in attributes: RawSpan) {
        var position = 0
        while let place = AttributePlace.read(attributes, at: position) {
            position = place.whole.upperBound
            switch place.type {
            case .communities: if self.standard.isEmpty { self.standard = place.value }
            case .extendedCommunities: if self.extended.isEmpty { self.extended = place.value }
            case .largeCommunities: if self.large.isEmpty { self.large = place.value }
            default: break
            }
        }
    }
}
