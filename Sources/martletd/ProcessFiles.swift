// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What Swift's runtime needs of `/proc`.
enum ProcessFiles {
    /// libdispatch, which runs Swift's tasks, looks under `/proc/PID/task` for how its threads are
    /// when there is much to do, and ends the process where they can't be found.
    ///
    /// - Throws: Where `/proc` isn't there, or is another process namespace's.
    static func check() throws(StartFailure) {
        var target = [CChar](repeating: 0, count: 32)
        let count = readlink("/proc/self", &target, 32)
        let problem = errno
        let text = target.prefix(max(0, count)).map(UInt8.init(bitPattern:))
        if String(decoding: text, as: UTF8.self) == "\(getpid())" {
            return
        }
        throw StartFailure(
            lines: [
                count < 0
                    ? "there is no /proc: \(String(cString: strerror(problem)))"
                    : "/proc is that of another process namespace",
                "Swift's runtime watches its threads there, and would end the process: mount it, "
                    + "as `unshare --mount-proc` does",
            ], status: StartFailure.systemError)
    }
}
