// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Where a console is.
enum ConsoleTarget: Hashable, Sendable, CustomStringConvertible {
    case unix(path: String)
    case tcp(host: String, port: String)

    /// `HOST:PORT`, `[ADDRESS]:PORT`, or a path: whatever has a slash in it.
    init(parsing text: String) throws(LinkError) {
        if text.contains("/") {
            self = .unix(path: text)
            return
        }
        guard let colon = text.lastIndex(of: ":"), colon != text.startIndex else {
            throw .badTarget(text)
        }
        var host = text[..<colon]
        let port = text[text.index(after: colon)...]
        if host.first == "[", host.last == "]" {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw .badTarget(text)
        }
        guard !host.isEmpty, let number = UInt16(port), number > 0 else { throw .badTarget(text) }
        self = .tcp(host: String(host), port: String(port))
    }

    /// The Unix socket of this user's daemon, or of the system's.
    static func usual() -> ConsoleTarget {
        let system = "/run/martlet/console.sock"
        guard getuid() != 0, let folder = getenv("XDG_RUNTIME_DIR") else {
            return .unix(path: system)
        }
        let own = String(cString: folder) + "/martlet.sock"
        return .unix(path: access(own, F_OK) == 0 || access(system, F_OK) != 0 ? own : system)
    }

    var description: String {
        switch self {
        case .unix(let path): path
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}

/// Why there is no talking to the daemon.
enum LinkError: Error, Hashable, CustomStringConvertible {
    case badTarget(String)
    case notFound(ConsoleTarget, String)
    case system(ConsoleTarget, operation: String, errno: CInt)
    case closed
    /// What came is not the line protocol.
    case strange(String)
    case needsPassword
    case wrongPassword
    case passwordFile(String, errno: CInt)
    /// Somebody gave up.
    case interrupted
    /// What is shown goes nowhere.
    case output(StandardOutput.Failure)

    var description: String {
        switch self {
        case .badTarget(let text): "'\(text)' is neither HOST:PORT nor the path of a socket"
        case .notFound(let target, let words): "\(target): \(words)"
        case .system(let target, let operation, let errno):
            "\(target): \(operation): \(String(cString: strerror(errno)))"
                + (errno == ENOENT || errno == ECONNREFUSED ? " (is martletd running?)" : "")
        case .closed: "the connection was closed"
        case .strange(let text): "that is no Martlet: it says '\(text)'"
        case .needsPassword:
            "a password is needed: --password-file, MARTLET_PASSWORD, or a terminal"
        case .wrongPassword: "the password was refused"
        case .interrupted: "interrupted"
        case .output(let failure): "\(failure)"
        case .passwordFile(let path, let errno): "\(path): \(String(cString: strerror(errno)))"
        }
    }
}
