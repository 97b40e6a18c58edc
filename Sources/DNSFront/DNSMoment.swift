// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// When a batch of queries is answered. A trivial value.
public struct DNSMoment: Hashable, Sendable {
    /// Unix seconds, modulo 2³²: cookies tell their age by it.
    public var unixTime: UInt32
    /// Milliseconds of a clock that only goes forward, modulo 2³²: limits are counted by it.
    public var milliseconds: UInt32
    /// Unix milliseconds: what is logged shows them.
    public var unixMilliseconds: UInt64

    public init(unixMilliseconds: UInt64, milliseconds: UInt32) {
        self.unixTime = UInt32(truncatingIfNeeded: unixMilliseconds / 1000)
        self.unixMilliseconds = unixMilliseconds
        self.milliseconds = milliseconds
    }

    public init(unixTime: UInt32, milliseconds: UInt32) {
        self.init(unixMilliseconds: UInt64(unixTime) * 1000, milliseconds: milliseconds)
    }

    /// Now, to a few milliseconds: read without a system call, once a batch.
    public static func now() -> DNSMoment {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &time)
        let unixTime = UInt64(clamping: time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
        clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
        return DNSMoment(
            unixMilliseconds: unixTime,
            milliseconds: UInt32(truncatingIfNeeded: time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
        )
    }
}
