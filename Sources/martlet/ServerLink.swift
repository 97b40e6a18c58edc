// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A connection to a daemon's console, in the framed face: each reply is lines for people, closed
/// by a line `.STATUS PROMPT`; a line of the reply that begins with a dot has got another.
final class ServerLink {
    /// How a command went.
    enum Outcome: Hashable {
        case good
        /// Refused, with the line protocol's code.
        case refused(code: Int)
        /// The next line is to be a password.
        case password
        /// The daemon has taken its leave.
        case bye
    }

    /// What the daemon's prompt is now.
    private(set) var prompt = "martlet> "
    private let target: ConsoleTarget
    private let descriptor: CInt
    private var buffer: [UInt8] = []
    private var position = 0
    /// An interrupt ends the reply, not the program.
    private var mayInterrupt = false
    /// The reply has no end of its own.
    private var isLive = false
    /// Called before something is waited for.
    var willWait: () throws(LinkError) -> Void = {}
    /// A line of these ends a reply that has no end of its own.
    var lines: InputLines?
    /// That line is taken for no command.
    var takesEndingLine = false

    init(to target: ConsoleTarget) throws(LinkError) {
        self.target = target
        switch target {
        case .unix(let path): self.descriptor = try UnixConnection.open(path)
        case .tcp(let host, let port):
            self.descriptor = try Self.connectTCP(host, port, target)
        }
    }

    deinit { close(self.descriptor) }

    // MARK: Talking

    /// Sends a line and gives the lines of the reply to `show` as they come. With `mayInterrupt`
    /// Ctrl-C has the reply ended early; a second one ends the program, for a daemon that doesn't
    /// answer any more.
    func ask(
        _ line: String, mayInterrupt: Bool = false, _ show: (String) -> Void
    ) throws(LinkError) -> Outcome {
        try self.send(line)
        defer { self.isLive = false }
        guard mayInterrupt else { return try self.reply(show) }
        self.mayInterrupt = true
        defer { self.mayInterrupt = false }
        return try Interrupt.during { () throws(LinkError) in
            try self.reply(show)
        }
    }

    private func reply(_ show: (String) -> Void) throws(LinkError) -> Outcome {
        while let line = try self.readLine() {
            guard line.first == "." else {
                show(line)
                continue
            }
            let rest = line.dropFirst()
            if rest.first == "." {
                show(String(rest))
                continue
            }
            let parts = rest.split(separator: " ", maxSplits: 1)
            if parts.count > 1 { self.prompt = String(parts[1]) }
            switch parts.first {
            case "ok": return .good
            case "password": return .password
            case "bye": return .bye
            case "live":
                self.isLive = true
                continue
            case let status?:
                guard let code = Int(status) else { throw .strange(line) }
                return .refused(code: code)
            case nil: throw .strange(line)
            }
        }
        throw .closed
    }

    /// Gets through banner and password, and into the framed face.
    ///
    /// A listener for people speaks first; one for programs says nothing, which shows after a
    /// while. `password` gives the password; it is given true after a wrong one.
    func greet(password: (Bool) throws(LinkError) -> String) throws(LinkError) {
        var isRetry = false
        var text = try self.greeting(within: 500)
        while text.hasSuffix("Password: ") {
            try self.send(try password(isRetry))
            isRetry = true
            text = try self.greeting(within: 10_000)
        }
        guard text.isEmpty || text.hasSuffix("> ") || text.hasSuffix("# ") else {
            throw .strange(String(text.prefix(80).split(separator: "\n").first ?? ""))
        }
        try self.send("framed")
        guard var line = try self.readLine() else { throw .closed }
        if line.hasPrefix("- 401") {
            try self.send("password " + (try password(isRetry)))
            guard let answer = try self.readLine() else { throw .closed }
            guard answer.hasPrefix("+") else { throw .wrongPassword }
            try self.send("framed")
            line = try self.readLine() ?? ""
        }
        guard line.hasPrefix(".ok ") else { throw .strange(line) }
        self.prompt = String(line.dropFirst(4))
    }

    /// What a listener for people says until it waits for us; telnet's commands are left out.
    private func greeting(within milliseconds: CInt) throws(LinkError) -> String {
        var text = ""
        var limit = milliseconds
        while self.isReadable(within: limit) {
            guard try self.fill() else {
                guard text.isEmpty else {
                    throw text.contains("Wrong password") ? .wrongPassword : .strange(text)
                }
                throw .closed
            }
            limit = 10_000
            text = Self.withoutTelnet(self.buffer)
            let isWaiting = [" ", ": "].contains { text.hasSuffix($0) }
            if isWaiting, !self.isReadable(within: 0) { break }
            // A line that belongs to no banner: the daemon refuses to serve.
            if text.hasPrefix("% ") || text.hasPrefix("- ") { throw .strange(text) }
        }
        self.buffer = []
        self.position = 0
        return text
    }

    private static func withoutTelnet(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == 255 {
                index += 3
            } else {
                text.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    // MARK: Octets

    private func send(_ line: String) throws(LinkError) {
        // A line is one line, whatever was pasted.
        let bytes = line.utf8.filter { $0 != 0x0a && $0 != 0x0d && $0 != Self.interrupt }
        try self.send(bytes + [0x0a])
    }

    /// What a terminal sends for Ctrl-C: to the daemon it is the end of a long reply, or nothing.
    private static let interrupt: UInt8 = 3

    private func send(_ bytes: [UInt8]) throws(LinkError) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    self.descriptor, $0.baseAddress.map { $0 + sent }, $0.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .closed }
            sent += count
        }
    }

    /// The next line without its end; nil at the end of the connection.
    private func readLine() throws(LinkError) -> String? {
        var searched = self.position
        while true {
            if let end = self.buffer[searched...].firstIndex(of: 0x0a) {
                var line = self.buffer[self.position..<end]
                if line.last == 0x0d { line = line.dropLast() }
                self.position = end + 1
                return String(decoding: line, as: UTF8.self)
            }
            self.buffer.removeFirst(self.position)
            self.position = 0
            searched = self.buffer.count
            guard try self.fill() else { return nil }
        }
    }

    /// Reads what there is; false at the end of the connection.
    private func fill() throws(LinkError) -> Bool {
        if !self.isReadable(within: 0) { try self.willWait() }
        if self.mayInterrupt || self.isLive { try self.wait() }
        let start = self.buffer.count
        self.buffer.append(contentsOf: repeatElement(0, count: 65_536))
        while true {
            let count = self.buffer.withUnsafeMutableBytes {
                recv(self.descriptor, $0.baseAddress.map { $0 + start }, 65_536, 0)
            }
            if count < 0, errno == EINTR { continue }
            self.buffer.removeLast(65_536 - max(0, count))
            guard count >= 0 || errno == ECONNRESET else {
                throw .system(self.target, operation: "read", errno: errno)
            }
            return count > 0
        }
    }

    /// Waits for something to read, and tells the daemon meanwhile that it is enough: at an
    /// interrupt, and, of what has no end, at a line.
    private func wait() throws(LinkError) {
        while true {
            if self.mayInterrupt, Interrupt.take() {
                Interrupt.endNextTime()
                try self.send([Self.interrupt])
            }
            if self.isLive, self.lines?.endsWatching(evenByEnd: self.takesEndingLine) == true {
                // At a terminal the end of input may be typed again.
                if self.takesEndingLine { self.lines = InputLines(pieceSize: 1) }
                self.isLive = false
                try self.send([Self.interrupt])
            }
            let input = self.isLive ? self.lines?.descriptor : nil
            // No descriptor is looked at where it is negative. The waits are short: a Ctrl-C may
            // come just before one.
            var requests = [
                pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: input ?? -1, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&requests, nfds_t(requests.count), 200) > 0 else { continue }
            if requests[0].revents != 0 { return }
            if requests[1].revents != 0 { self.lines?.fill() }
        }
    }

    private func isReadable(within milliseconds: CInt) -> Bool {
        var request = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, milliseconds) > 0
    }

    // MARK: Connecting

    /// Tries all the addresses that a name has, each for ten seconds at most.
    private static func connectTCP(
        _ host: String, _ port: String, _ target: ConsoleTarget
    ) throws(LinkError) -> CInt {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let found = getaddrinfo(host, port, &hints, &list)
        guard found == 0 else { throw .notFound(target, String(cString: gai_strerror(found))) }
        defer { freeaddrinfo(list) }
        var reason: CInt = ENOENT
        var next = list
        while let entry = next?.pointee {
            next = entry.ai_next
            let descriptor = socket(
                entry.ai_family, entry.ai_socktype | Int32(SOCK_CLOEXEC.rawValue),
                entry.ai_protocol)
            guard descriptor >= 0 else {
                reason = errno
                continue
            }
            // On Linux the limit for sending bounds connecting, too.
            var limit = timeval(tv_sec: 10, tv_usec: 0)
            setsockopt(
                descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit,
                socklen_t(MemoryLayout<timeval>.size))
            if connect(descriptor, entry.ai_addr, entry.ai_addrlen) == 0 { return descriptor }
            reason = errno == EINPROGRESS ? ETIMEDOUT : errno
            close(descriptor)
        }
        throw .system(target, operation: "connect", errno: reason)
    }
}
