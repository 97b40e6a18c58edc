// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// When a batch of queries is answered. A trivial value.
public struct DNSMoment: Hashable, Sendable {
    /// Unix seconds, modulo 2³²: cookies tell their age by it.
    public var unixTime: UInt32
    /// Milliseconds of a clock that only goes forward, modulo 2³²: limits are counted by it.
    public var milliseconds: UInt32

    public init(unixTime: UInt32, milliseconds: UInt32) {
        self.unixTime = unixTime
        self.milliseconds = milliseconds
    }

    /// Now, to a few milliseconds: read without a system call, once a batch.
    public static func now() -> DNSMoment {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &time)
        let unixTime = UInt32(truncatingIfNeeded: time.tv_sec)
        clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
        return DNSMoment(
            unixTime: unixTime,
            milliseconds: UInt32(truncatingIfNeeded: time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
        )
    }
}
