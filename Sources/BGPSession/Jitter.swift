// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Where a session's randomness comes from: SplitMix64, so that a seed repeats a run.
public struct Jitter: RandomNumberGenerator, Sendable, Hashable {
    private var state: UInt64

    public init(seed: UInt64) { self.state = seed }

    public mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var word = self.state
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }

    /// A duration from three quarters to the whole (RFC 4271 §10).
    public mutating func applied(to duration: Duration) -> Duration {
        duration * Double.random(in: 0.75...1, using: &self)
    }
}
