// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Running in the background: the process starts itself again in a session of its own, and ends
/// when that one says that it listens, or with its complaint.
///
/// A fork alone would leave the copy without the threads that Swift's runtime had started.
enum Background {
    /// Names the descriptor on which the process in the background reports.
    private static let variable = "MARTLETD_READY_FD"

    /// The descriptor to report on, in the process that was started in the background.
    static func reportDescriptor() -> Int32? {
        guard let text = getenv(self.variable).map({ String(cString: $0) }),
            let descriptor = Int32(text), fcntl(descriptor, F_GETFD) >= 0
        else { return nil }
        unsetenv(self.variable)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return descriptor
    }

    /// Says that all is well, and lets the starter end.
    static func reportReady(_ descriptor: Int32) {
        var byte: UInt8 = 1
        _ = write(descriptor, &byte, 1)
        close(descriptor)
    }

    /// Starts this program again with the same arguments and waits until it listens.
    ///
    /// - Returns: The exit status for the process that the user started.
    static func start() -> Int32 {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return self.fail("pipe") }
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
        setenv(self.variable, "\(ends[1])", 1)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // POSIX_SPAWN_SETSID, which the Swift overlay does not import.
        posix_spawnattr_setflags(&attributes, 0x80)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)

        var child = pid_t()
        let status = posix_spawn(
            &child, "/proc/self/exe", &actions, &attributes, CommandLine.unsafeArgv, environ)
        close(ends[1])
        guard status == 0 else {
            errno = status
            return self.fail("posix_spawn")
        }
        var byte: UInt8 = 0
        while true {
            let count = read(ends[0], &byte, 1)
            if count < 0, errno == EINTR { continue }
            if count == 1 { return 0 }
            break
        }
        // The pipe closed without a word: the complaint is on standard error.
        var result: Int32 = 0
        waitpid(child, &result, 0)
        let code = result >> 8 & 0xff
        return code == 0 ? 1 : code
    }

    private static func fail(_ call: String) -> Int32 {
        StandardError.print("martletd: \(call): \(String(cString: strerror(errno)))")
        return 71
    }
}
