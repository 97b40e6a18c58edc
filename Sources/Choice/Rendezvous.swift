// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing

/// Weighted rendezvous hashing: every site draws a lot for the client's prefix, weighted, and the
/// least lot comes first.
///
/// A site's lots depend on its name and the prefix alone. So shares follow weights, a client
/// keeps its site until that leaves, the clients of a site that leaves spread over the others by
/// their weights, and nobody else moves. Every instance draws the same lots: the mixing function
/// is fixed, and the logarithm uses only operations that IEEE 754 rounds exactly.
package enum Rendezvous {
    /// A site's part of the hash. It comes from the name: identifiers differ between instances.
    package static func seed(name: String) -> UInt64 {
        // FNV-1a, then mixed, as its high bits are weak for short names.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return Self.mix(hash)
    }

    /// A client prefix's part of the hash.
    @inline(__always)
    package static func key(_ client: IPAddress, length: Int) -> UInt64 {
        let prefix = client.masked(toLength: length)
        let family = UInt64(prefix.family.rawValue) << 8 | UInt64(truncatingIfNeeded: length)
        return Self.mix(prefix.high ^ Self.mix(prefix.low ^ Self.mix(family)))
    }

    /// The lot of a site for a client prefix: exponentially distributed, with the weight as its
    /// rate.
    @inline(__always)
    package static func lot(key: UInt64, seed: UInt64, weight: Double) -> Double {
        let hash = Self.mix(key ^ seed)
        // 52 bits and a half: exact in a Double, and neither 0 nor 1.
        let uniform = (Double(hash >> 12) + 0.5) * 0x1p-52
        return -Self.logarithm(uniform) / weight
    }

    /// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a bijection in which each bit
    /// of the input moves half of the bits of the output.
    @inline(__always)
    package static func mix(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9e37_79b9_7f4a_7c15
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// The natural logarithm of a normal, positive number.
    @inline(__always)
    package static func logarithm(_ value: Double) -> Double {
        // value = mantissa × 2ᵉ with the mantissa around 1; ln m = 2 artanh((m − 1) ÷ (m + 1))
        var exponent = Double(Int(value.bitPattern >> 52) - 1023)
        var mantissa = Double(bitPattern: value.bitPattern & 0xf_ffff_ffff_ffff | 1023 << 52)
        if mantissa > 1.4142135623730951 {
            mantissa /= 2
            exponent += 1
        }
        let s = (mantissa - 1) / (mantissa + 1)
        let t = s * s
        // s is below 0.172, so that the first term left out is below 10⁻¹⁵ of the sum.
        var sum = t * (1.0 / 19) + 1.0 / 17
        sum = sum * t + 1.0 / 15
        sum = sum * t + 1.0 / 13
        sum = sum * t + 1.0 / 11
        sum = sum * t + 1.0 / 9
        sum = sum * t + 1.0 / 7
        sum = sum * t + 1.0 / 5
        sum = sum * t + 1.0 / 3
        sum = sum * t + 1
        return exponent * 0.6931471805599453 + 2 * s * sum
    }
}
