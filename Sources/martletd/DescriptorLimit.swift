// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// How many files and sockets the process may have open.
enum DescriptorLimit {
    /// Raises it to what the system allows: the usual 1024 is for programs that use `select`, and fewer
    /// than the connections that DNS and BGP may have.
    static func raise() {
        var limit = rlimit()
        guard getrlimit(CInt(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(CInt(RLIMIT_NOFILE.rawValue), &limit)
    }
}
