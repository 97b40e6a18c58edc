// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Tells systemd how the service stands (sd_notify(3)): one datagram to the socket it names.
enum ServiceManager {
    /// The table can be relied on. The process is named, since it may not be the one that systemd has
    /// started.
    static func ready(_ status: String) {
        self.notify("READY=1", "MAINPID=\(getpid())", "STATUS=\(status)")
    }

    /// In words, for `systemctl status`.
    static func tell(_ status: String) { self.notify("STATUS=\(status)") }

    /// The process needs so long yet before it is ready, and a minute for what else is to be done: systemd
    /// is not to end it meanwhile, where that is more than its own patience (`TimeoutStartSec`).
    static func needsTime(_ time: Duration) {
        let seconds = UInt64(clamping: time.components.seconds) + 60
        self.notify("EXTEND_TIMEOUT_USEC=\(seconds * 1_000_000)")
    }

    /// The configuration is read again; ``ready(_:)`` ends that. systemd wants the time of its beginning
    /// (Type=notify-reload).
    static func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let microseconds = UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000
        self.notify("RELOADING=1", "MONOTONIC_USEC=\(microseconds)", "STATUS=Reloading")
    }

    static func stopping(_ status: String) { self.notify("STOPPING=1", "STATUS=\(status)") }

    /// Another process is the service from now on.
    static func handOver(to process: pid_t) { self.notify("MAINPID=\(process)") }

    static func isAlive() { self.notify("WATCHDOG=1") }

    /// How often systemd wants to hear that the process is alive: twice in the time that it waits; nil
    /// where it doesn't (sd_watchdog_enabled(3)).
    static let watchdogInterval: Duration? = {
        guard let microseconds = variable("WATCHDOG_USEC").flatMap(Int64.init), microseconds > 0
        else { return nil }
        if let process = variable("WATCHDOG_PID"), process != "\(getpid())" { return nil }
        return .microseconds(microseconds / 2)
    }()

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    /// A line break in a value would begin another assignment.
    private static func notify(_ lines: String...) {
        let state = lines.map { $0.replacing("\n", with: " ") }.joined(separator: "\n")
        guard let path = self.variable("NOTIFY_SOCKET"),
            path.hasPrefix("/") || path.hasPrefix("@")
        else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(path.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { room in
            room.copyBytes(from: name)
            // A leading '@' stands for the zero byte of the abstract name space (unix(7)).
            if name[0] == UInt8(ascii: "@") { room[0] = 0 }
        }
        let length = MemoryLayout<sa_family_t>.size + name.count
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { socketAddress in
                state.withCString { text in
                    sendto(
                        descriptor, text, strlen(text), Int32(MSG_NOSIGNAL),
                        socketAddress, socklen_t(length))
                }
            }
        }
    }
}
