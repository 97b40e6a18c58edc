// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What follows in attributes that are packed or written to a checkpoint: the byte that both
/// begin with.
///
/// Bits 0 and 1 are the origin, or both set: then ``FurtherFlags`` follow the penalty, and have
/// it. So routes that nothing further is known of cost no byte for it.
struct AttributeFlags: OptionSet, Hashable {
    var rawValue: UInt8

    static let hasFurther = Self(rawValue: 3)
    static let ipv4NextHop = Self(rawValue: 4)
    static let ipv6NextHop = Self(rawValue: 8)
    static let discriminator = Self(rawValue: 16)
    static let preference = Self(rawValue: 32)
    static let communities = Self(rawValue: 64)
    /// A length in place of the path.
    static let length = Self(rawValue: 128)

    @inline(__always)
    init(rawValue: UInt8) { self.rawValue = rawValue }

    @inline(__always)
    init(_ attributes: RouteAttributes, hasFurther: Bool) {
        self.rawValue = hasFurther ? 3 : attributes.origin.rawValue
        switch attributes.nextHop?.family {
        case .ipv4: self.insert(.ipv4NextHop)
        case .ipv6: self.insert(.ipv6NextHop)
        case nil: break
        }
        if attributes.multiExitDiscriminator != nil { self.insert(.discriminator) }
        if attributes.localPreference != nil { self.insert(.preference) }
        if !attributes.communities.isEmpty { self.insert(.communities) }
        if attributes.keptLength != nil { self.insert(.length) }
    }

    /// Nil where ``FurtherFlags`` have it.
    var origin: RouteAttributes.Origin? { RouteAttributes.Origin(rawValue: self.rawValue & 3) }
}

/// What is known of few routes.
///
/// Two bytes, the lower first: bits 0 and 1 the origin, 2 and 3 the state of validation, 4
/// ignored, 5 a distance in place of the path's length, 6 tags, 7 LLGR_STALE, 8 NO_LLGR. Then the
/// distance `u8`, the number of tags `u8`, and of each its bytes' count `u8` and its bytes.
struct FurtherFlags: OptionSet, Hashable {
    var rawValue: UInt16

    static let isIgnored = Self(rawValue: 16)
    static let override = Self(rawValue: 32)
    static let tags = Self(rawValue: 64)
    static let longLivedStale = Self(rawValue: 128)
    static let notLongLived = Self(rawValue: 256)
    private static let known: UInt16 = 511

    @inline(__always)
    init(rawValue: UInt16) { self.rawValue = rawValue }

    init(_ attributes: RouteAttributes) {
        self.rawValue =
            UInt16(attributes.origin.rawValue) | UInt16(attributes.validation.rawValue) << 2
        if attributes.isIgnored { self.insert(.isIgnored) }
        if attributes.distanceOverride != nil { self.insert(.override) }
        if !attributes.tags.isEmpty { self.insert(.tags) }
        if attributes.hasLongLivedStale { self.insert(.longLivedStale) }
        if attributes.refusesLongLivedStale { self.insert(.notLongLived) }
    }

    /// Whether there are any for these attributes.
    @inline(__always)
    static func areNeeded(for attributes: RouteAttributes) -> Bool {
        attributes.validation != .notChecked || attributes.isIgnored
            || attributes.distanceOverride != nil || !attributes.tags.isEmpty
            || attributes.hasLongLivedStale || attributes.refusesLongLivedStale
    }

    var isValid: Bool { self.rawValue & ~Self.known == 0 && self.rawValue & 3 != 3 }

    /// Adds these flags and what they announce.
    func write(_ attributes: RouteAttributes, to bytes: inout [UInt8]) {
        bytes.append(UInt8(truncatingIfNeeded: self.rawValue))
        bytes.append(UInt8(truncatingIfNeeded: self.rawValue >> 8))
        if let distance = attributes.distanceOverride { bytes.append(distance) }
        guard self.contains(.tags) else { return }
        let tags = attributes.tags.prefix(255)
        bytes.append(UInt8(tags.count))
        for tag in tags {
            let name = tag.utf8.prefix(255)
            bytes.append(UInt8(name.count))
            bytes.append(contentsOf: name)
        }
    }

    /// Sets what was written, but for the distance and the tags.
    func set(_ attributes: inout RouteAttributes) {
        attributes.origin =
            RouteAttributes.Origin(rawValue: UInt8(self.rawValue & 3)) ?? .incomplete
        attributes.validation =
            OriginValidationState(rawValue: UInt8(self.rawValue >> 2 & 3)) ?? .notChecked
        attributes.isIgnored = self.contains(.isIgnored)
        attributes.hasLongLivedStale = self.contains(.longLivedStale)
        attributes.refusesLongLivedStale = self.contains(.notLongLived)
    }
}
