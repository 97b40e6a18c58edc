// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CLinux
import DNSFront
import Glibc

/// Starting this program again: in the background, and as the process that takes this one's place. The
/// new process reports on a pipe when it serves; it ends with its complaint otherwise.
///
/// A fork alone would leave the copy without the threads that Swift's runtime had started.
enum Background {
    /// Names the descriptor on which the new process reports.
    private static let variable = "MARTLETD_READY_FD"

    /// How this process was started.
    struct Launch: Sendable {
        var arguments: [String]
        /// Where the program was then: an upgrade has another one stand there since.
        var executable: String

        /// To be made while nothing has changed the title of the process.
        static func current() -> Launch {
            var path = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
            let count = readlink("/proc/self/exe", &path, path.count - 1)
            let executable = String(
                decoding: path.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
            return Launch(arguments: CommandLine.arguments, executable: executable)
        }
    }

    /// A process that was started, and where it will report.
    struct Started: Sendable {
        var process: pid_t
        var pipe: Int32
    }

    /// The descriptor to report on, in a process that was started so.
    static func reportDescriptor() -> Int32? {
        guard let text = getenv(self.variable).map({ String(cString: $0) }),
            let descriptor = Int32(text), fcntl(descriptor, F_GETFD) >= 0
        else { return nil }
        unsetenv(self.variable)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return descriptor
    }

    /// Says that all is well, and lets the starter go on.
    static func reportReady(_ descriptor: Int32) {
        var byte: UInt8 = 1
        _ = write(descriptor, &byte, 1)
        close(descriptor)
    }

    /// Starts this program in the background with the same arguments, and waits until it serves.
    ///
    /// - Returns: The exit status for the process that the user started.
    static func start(_ launch: Launch) -> Int32 {
        let start = ThreadStarter.run { self.spawn(launch, hasSession: true, keepsFiles: true) }
        switch start {
        case .success(let started): return self.wait(for: started)
        case .failure(let failure):
            StandardError.print("martletd: \(failure)")
            return 71
        }
    }

    struct Failure: Error, CustomStringConvertible {
        var call: String
        var errno: Int32
        var description: String { "\(self.call): \(String(cString: strerror(self.errno)))" }
    }

    /// Starts the program; one that has a session is none of the terminal's, one that keeps files gets
    /// all that is open here. A process that serves has its connections to itself: they would not end
    /// with it as long as another held them.
    static func spawn(
        _ launch: Launch, hasSession: Bool, keepsFiles: Bool
    ) -> Result<Started, Failure> {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return .failure(Failure(call: "pipe", errno: errno)) }
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The calling thread blocks signals; the program is to have them.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        // POSIX_SPAWN_SETSIGMASK and POSIX_SPAWN_SETSID, which the Swift overlay does not import.
        posix_spawnattr_setflags(&attributes, 0x08 | (hasSession ? 0x80 : 0))
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        var report = ends[1]
        if !keepsFiles {
            report = STDERR_FILENO + 1
            posix_spawn_file_actions_adddup2(&actions, ends[1], report)
            _ = martlet_spawn_without_files(&actions, report + 1)
        }

        let arguments = launch.arguments.map { strdup($0) } + [nil]
        let environment =
            (self.environment() + ["\(self.variable)=\(report)"]).map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }
        var child = pid_t()
        let status = posix_spawn(
            &child, launch.executable, &actions, &attributes, arguments, environment)
        close(ends[1])
        guard status == 0 else {
            close(ends[0])
            return .failure(Failure(call: launch.executable, errno: status))
        }
        return .success(Started(process: child, pipe: ends[0]))
    }

    /// This process's own, but for what systemd says to it by its number.
    private static func environment() -> [String] {
        var found: [String] = []
        var entry = environ
        while let text = entry.pointee {
            let line = String(cString: text)
            if !line.hasPrefix("WATCHDOG_PID="), !line.hasPrefix(self.variable + "=") {
                found.append(line)
            }
            entry += 1
        }
        return found
    }

    /// Waits until the new process serves, or has ended.
    ///
    /// - Returns: 0, or its exit status, which is none of success.
    static func wait(for started: Started) -> Int32 {
        defer { close(started.pipe) }
        var byte: UInt8 = 0
        while true {
            let count = read(started.pipe, &byte, 1)
            if count < 0, errno == EINTR { continue }
            if count == 1 { return 0 }
            break
        }
        // The pipe closed without a word: the complaint is on standard error.
        var result: Int32 = 0
        while waitpid(started.process, &result, 0) < 0, errno == EINTR {}
        let code = result >> 8 & 0xff
        return code == 0 ? 1 : code
    }
}
