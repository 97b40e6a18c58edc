// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What a feed keeps of its routes' attributes. Less of them takes less memory, since more
/// routes have equal ones.
public enum KeptAttributes: String, Hashable, Sendable, CaseIterable {
    /// Origin, AS path, next hop, MED and local preference.
    case path
    /// All that, and the communities.
    case communities
    /// The AS path's length alone: enough for all answers, but `show` and `explain` have no path,
    /// and no other site's distance can be read from it.
    case length
}

/// The communities of a route, as they stand in their attributes.
public struct RouteCommunities: Hashable, Sendable {
    /// RFC 1997: four bytes each.
    public var standard: [UInt8]
    /// RFC 4360: eight bytes each.
    public var extended: [UInt8]
    /// RFC 8092: twelve bytes each.
    public var large: [UInt8]

    public init(standard: [UInt8] = [], extended: [UInt8] = [], large: [UInt8] = []) {
        self.standard = standard
        self.extended = extended
        self.large = large
    }

    public var isEmpty: Bool {
        self.standard.isEmpty && self.extended.isEmpty && self.large.isEmpty
    }

    var lists: [[UInt8]] { [self.standard, self.extended, self.large] }

    /// RFC 1997's in the usual form, `65000:666`; well-known ones by their names.
    public var standardDescriptions: [String] {
        Self.words(self.standard).map { word in
            switch word {
            case 0xffff_ff01: "no-export"
            case 0xffff_ff02: "no-advertise"
            case 0xffff_ff03: "local-as"
            case 0xffff_ff04: "no-peer"
            case 0xffff_029a: "blackhole"
            case 0xffff_0000: "graceful-shutdown"
            case 0xffff_0001: "accept-own"
            case 0xffff_0006: "llgr-stale"
            case 0xffff_0007: "no-llgr"
            default: "\(word >> 16):\(word & 0xffff)"
            }
        }
    }

    /// RFC 4360's as rules take them: route targets `rt:65000:100`, sites of origin `soo:65000:1`;
    /// all others, those that end at the AS border among them, as their eight bytes in hexadecimal,
    /// `0x4300000000000001`.
    public var extendedDescriptions: [String] {
        let words = Self.words(self.extended)
        return stride(from: 0, to: words.count - 1, by: 2).map { index in
            let (high, low) = (words[index], words[index + 1])
            let (type, subtype) = (high >> 24, high >> 16 & 0xff)
            guard subtype == 2 || subtype == 3, type <= 2 else {
                return "0x" + Self.hexadecimal(high) + Self.hexadecimal(low)
            }
            let kind = subtype == 2 ? "rt" : "soo"
            let administrator = (high & 0xffff) << 16 | low >> 16
            return switch type {
            case 0: "\(kind):\(high & 0xffff):\(low)"
            case 1: "\(kind):\(IPAddress(ipv4: administrator)):\(low & 0xffff)"
            // RFC 5668: an AS number of four bytes.
            default: "\(kind):\(administrator):\(low & 0xffff)"
            }
        }
    }

    /// RFC 8092's in the usual form, `65000:1:2`.
    public var largeDescriptions: [String] {
        let words = Self.words(self.large)
        return stride(from: 0, to: words.count - 2, by: 3).map { index in
            "\(words[index]):\(words[index + 1]):\(words[index + 2])"
        }
    }

    private static func hexadecimal(_ word: UInt32) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    private static func words(_ bytes: [UInt8]) -> [UInt32] {
        stride(from: 0, to: bytes.count - 3, by: 4).map { offset in
            bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
    }
}

extension RouteAttributes {
    /// These attributes less what isn't kept.
    public func keeping(_ kept: KeptAttributes) -> RouteAttributes {
        var result = self
        switch kept {
        case .communities: break
        case .path: result.communities = RouteCommunities()
        case .length:
            result.origin = .igp
            result.asPath = .empty
            result.nextHop = nil
            result.multiExitDiscriminator = nil
            result.localPreference = nil
            result.communities = RouteCommunities()
            result.keptLength = UInt8(
                clamping: self.keptLength.map(Int.init) ?? self.asPath.length)
        }
        return result
    }
}
