// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc

/// `martlet pdns-pipe`: PowerDNS's remote backend as a program that it starts.
struct PowerDNSPipeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pdns-pipe",
        abstract: "Lets PowerDNS ask the daemon through a pipe.",
        discussion: """
            PowerDNS starts it, writes requests to its standard input and reads replies from its \
            standard output; it hands both on to and from martletd's socket (`powerdns:` in \
            martlet.yaml). While the daemon can't be reached every request is answered with an \
            error, and PowerDNS answers SERVFAIL.

            In pdns.conf: remote-connection-string=pipe:command=/usr/bin/martlet pdns-pipe \
            /run/martlet/pdns.sock,timeout=2000
            """)

    @Argument(help: "The path of the daemon's socket for PowerDNS.")
    var socket: String

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        var relay = PowerDNSRelay(path: self.socket)
        var input = LineReader(descriptor: STDIN_FILENO)
        while let line = input.next() {
            let reply = relay.reply(to: line)
            guard LineReader.writeAll(reply, to: STDOUT_FILENO) else { return }
        }
    }
}

/// Asks the daemon, line by line, and connects anew where it has to.
private struct PowerDNSRelay: ~Copyable {
    private let path: String
    private var daemon: LineReader?

    init(path: String) { self.path = path }

    deinit { if let daemon { close(daemon.descriptor) } }

    /// The reply to a request, both with their ends.
    mutating func reply(to line: [UInt8]) -> [UInt8] {
        // A daemon that was started anew has closed the connection: that shows in the asking.
        for _ in 0..<2 {
            guard self.connect() else { break }
            if let descriptor = self.daemon?.descriptor,
                LineReader.writeAll(line, to: descriptor), let reply = self.daemon?.next()
            {
                return reply
            }
            if let descriptor = self.daemon?.descriptor { close(descriptor) }
            self.daemon = nil
        }
        let words = "\"martletd can't be reached\""
        return Array("{\"error\":\(words),\"log\":[\(words)]}\n".utf8)
    }

    private mutating func connect() -> Bool {
        guard self.daemon == nil else { return true }
        do {
            self.daemon = LineReader(descriptor: try UnixConnection.open(self.path))
            return true
        } catch {
            Printer.complain("martlet: \(error)")
            return false
        }
    }
}

/// Lines from a descriptor.
private struct LineReader {
    let descriptor: CInt
    private var buffer: [UInt8] = []

    init(descriptor: CInt) { self.descriptor = descriptor }

    /// The next line with its end; nil at the end of the input.
    mutating func next() -> [UInt8]? {
        var searched = 0
        while true {
            if let end = self.buffer[searched...].firstIndex(of: 0x0a) {
                let line = Array(self.buffer[...end])
                self.buffer.removeFirst(end + 1)
                return line
            }
            searched = self.buffer.count
            var piece = [UInt8](repeating: 0, count: 16_384)
            let count = read(self.descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            self.buffer += piece.prefix(count)
        }
    }

    static func writeAll(_ bytes: [UInt8], to descriptor: CInt) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var rest = bytes
            while !rest.isEmpty {
                let count = write(descriptor, rest.baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
            return true
        }
    }
}
