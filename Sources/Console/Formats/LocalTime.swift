// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Times as people read them, in the machine's time zone.
package enum LocalTime {
    /// `Fri Oct  6 15:47:28 2000`, as C's `ctime` and Zebra write it.
    @Sendable package static func ctime(_ seconds: Int64) -> String {
        Self.text(seconds, "%a %b %e %H:%M:%S %Y")
    }

    /// `2000-10-06 15:47:28 +0200`.
    @Sendable package static func iso(_ seconds: Int64) -> String {
        Self.text(seconds, "%Y-%m-%d %H:%M:%S %z")
    }

    /// `15:47:28`.
    @Sendable package static func clock(_ seconds: Int64) -> String {
        Self.text(seconds, "%H:%M:%S")
    }

    private static func text(_ seconds: Int64, _ format: String) -> String {
        var time = time_t(seconds)
        var fields = tm()
        guard localtime_r(&time, &fields) != nil else { return "\(seconds)" }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            let count = strftime(base, buffer.count, format, &fields)
            return String(
                decoding: UnsafeRawBufferPointer(start: base, count: count), as: UTF8.self)
        }
    }
}
