// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import OriginValidation

/// `vrp("192.0.2.0/24", 26, 64500)`; without the maximum length it is the prefix's.
func vrp(_ prefix: String, _ origin: UInt32) throws -> VRP { try vrp(prefix, nil, origin) }

func vrp(_ prefix: String, _ maximumLength: Int?, _ origin: UInt32) throws -> VRP {
    let prefix = try IPPrefix(parsing: prefix)
    guard
        let payload = VRP(
            prefix, maximumLength: maximumLength ?? prefix.length, asNumber: ASNumber(origin))
    else { throw BadPayload() }
    return payload
}

struct BadPayload: Error {}

/// SplitMix64: a seed repeats a run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var word = self.state
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }
}

extension SeededGenerator {
    /// Prefixes that often hold one another, of both families.
    mutating func prefix() -> IPPrefix {
        if Bool.random(using: &self) {
            let address = IPAddress(ipv4: 0x0a00_0000 | UInt32.random(in: 0...0xffff, using: &self))
            return IPPrefix(masking: address, length: Int.random(in: 0...32, using: &self))
        }
        let low = UInt64.random(in: 0...0xff, using: &self)
        let high = 0x2001_0db8_0000_0000 | UInt64.random(in: 0...0xff, using: &self) << 16
        return IPPrefix(
            masking: IPAddress(ipv6High: high, low: low << 56),
            length: Int.random(in: 0...128, using: &self))
    }

    mutating func payload() -> VRP? {
        let prefix = self.prefix()
        return VRP(
            prefix,
            maximumLength: Int.random(in: prefix.length...prefix.family.width, using: &self),
            asNumber: ASNumber(UInt32.random(in: 0...3, using: &self)))
    }
}
